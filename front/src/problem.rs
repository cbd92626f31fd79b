//! An `error` of the protocol as an HTTP answer.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use shared::{ErrorBody, ErrorCode, ServerMessage};

/// Why a request was refused.
#[derive(Debug)]
pub(crate) struct Problem {
    error: Box<ErrorBody>,
    allow: Option<&'static str>,
}

impl Problem {
    /// The address is not spoken to in this way.
    pub(crate) fn wrong_method(allow: &'static str) -> Self {
        let error = ErrorBody::new(ErrorCode::WrongMethod, "this address does not answer to that method");
        Self { error: Box::new(error.hint(format!("it answers to {allow}"))), allow: Some(allow) }
    }

    /// A field of the request is not what it may be.
    pub(crate) fn field(name: &str, text: impl Into<String>) -> ErrorBody {
        ErrorBody::new(ErrorCode::BadField, text).field(name)
    }

    /// Nobody is named who speaks.
    pub(crate) fn unauthorized() -> Self {
        let error = ErrorBody::new(ErrorCode::Unauthorized, "this needs Authorization: Bearer and a session's secret");
        Box::new(error.hint("POST a hello to /api/sessions: welcome.session is the secret")).into()
    }

    /// The error's word.
    pub(crate) fn code(&self) -> ErrorCode {
        self.error.code
    }
}

impl From<Box<ErrorBody>> for Problem {
    fn from(error: Box<ErrorBody>) -> Self {
        Self { error, allow: None }
    }
}

impl From<ErrorBody> for Problem {
    fn from(error: ErrorBody) -> Self {
        Box::new(error).into()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error.text)
    }
}

/// The status of a code.
fn status(code: ErrorCode) -> StatusCode {
    use ErrorCode::*;
    match code {
        BadJson | BadField | BadName | UnknownType | NoBinary => StatusCode::BAD_REQUEST,
        Unauthorized => StatusCode::UNAUTHORIZED,
        Forbidden | Banned | Muted | NotJoined => StatusCode::FORBIDDEN,
        NoRoom | NoSuchSeq | NoSession | NotFound => StatusCode::NOT_FOUND,
        WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        Expired => StatusCode::GONE,
        TooBig => StatusCode::PAYLOAD_TOO_LARGE,
        RateLimited => StatusCode::TOO_MANY_REQUESTS,
        RoomLimit | Overloaded | StorageUnavailable | Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        status(self.error.code)
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            let seconds = self.error.retry_after_ms.unwrap_or(1_000).div_ceil(1_000).max(1);
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        let error = ServerMessage::Error(self.error.clone());
        let mut response = response.content_type("application/json").body(error.to_json());
        // For whoever counts.
        response.extensions_mut().insert(self.error.code);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_to_come_back_is_told_when_in_whole_seconds() {
        let error = ErrorBody::new(ErrorCode::RateLimited, "slower").retry_after_ms(1_001);
        let response = Problem::from(error).error_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap(), "2");
    }
}
