//! What a request of the API says: its room, its fields, its body, who speaks.

use std::{net::IpAddr, time::Duration};

use actix_web::{
    HttpMessage, HttpRequest,
    http::header,
    web::{Bytes, Payload},
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use shared::{ErrorBody, ErrorCode, Position, RoomName, SessionToken, limits};
use tokio::time::timeout;

use crate::{
    accounts::Person,
    asked::{query, sight_of},
    problem::Problem,
    visitor::Visitor,
};

/// Time for a request's body.
const BODY_TIME: Duration = Duration::from_secs(10);

/// From where the request came, as far as trusted proxies tell.
pub(super) fn address(request: &HttpRequest) -> Option<IpAddr> {
    request.extensions().get::<Visitor>().map(|visitor| visitor.address)
}

/// Who signed in, where one has to.
pub(super) fn person(request: &HttpRequest) -> Option<Person> {
    request.extensions().get().cloned()
}

/// The room in the path: what stands before the last segment. One that may not be seen is none, whether it is there or not.
pub(super) fn room(request: &HttpRequest) -> Result<RoomName, Problem> {
    let room = named_room(request)?;
    if sight_of(request).covers(&room) {
        return Ok(room);
    }
    let error = ErrorBody::new(ErrorCode::NoRoom, "there is no such room").field("room").got(room.as_str());
    Err(error.hint("GET /api/rooms lists those that there are").into())
}

fn named_room(request: &HttpRequest) -> Result<RoomName, Problem> {
    // The router's own decoding keeps some escapes, so this reads the path as it came.
    let written = request.uri().path().rsplit('/').nth(1).unwrap_or_default();
    let name = percent_decode_str(written).decode_utf8();
    let name = name.map_err(|_| ErrorBody::new(ErrorCode::BadName, "room: it is not UTF-8").field("room"))?;
    RoomName::parse(&name).map_err(|error| {
        let problem = ErrorBody::new(ErrorCode::BadName, format!("room: {error}")).field("room").got(&name);
        match error.limit() {
            Some(limit) => problem.limit(limit as u64).into(),
            None => problem.into(),
        }
    })
}

/// A number in the query, up to `most`.
pub(super) fn number(request: &HttpRequest, field: &str, most: u64) -> Result<Option<u64>, Problem> {
    let Some(text) = query(request, field) else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse().ok().filter(|number| digits && *number <= most) {
        Some(number) => Ok(Some(number)),
        None => {
            let error = Problem::field(field, format!("{field} must be a whole number from 0 to {most}"));
            Err(error.got(&text).limit(most).into())
        }
    }
}

/// How many messages are wanted at most.
pub(super) fn limit(request: &HttpRequest, default: u32) -> Result<u32, Problem> {
    let limit = number(request, "limit", u64::from(limits::PAGE_MESSAGES))?.unwrap_or(u64::from(default));
    Ok((limit as u32).max(1))
}

/// A position, or a number of the present history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum After {
    /// `epoch:seq`.
    Position(Position),
    /// `seq`.
    Seq(u64),
}

impl After {
    /// Reads `epoch:seq` or `seq`.
    pub(super) fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse().ok().filter(|seq| digits && *seq <= limits::MAX_SAFE_INTEGER) {
            Some(seq) => Ok(Self::Seq(seq)),
            None => {
                let error = Problem::field(field, format!("{field} must be epoch:seq, or a seq"));
                Err(error.got(text).hint("ask first without it: the answer has the position").into())
            }
        }
    }
}

/// `after` in the query.
pub(super) fn after(request: &HttpRequest) -> Result<Option<After>, Problem> {
    query(request, "after").map(|text| After::parse("after", &text)).transpose()
}

/// A header, if it is there and text.
pub(super) fn field(request: &HttpRequest, name: impl header::AsHeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Who speaks, where somebody is named.
pub(super) fn speaker(request: &HttpRequest) -> Result<Option<SessionToken>, Problem> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let (scheme, secret) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(Problem::unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::unauthorized());
    }
    SessionToken::parse(secret.trim()).map(Some).map_err(|_| Problem::unauthorized())
}

/// The body, of at most so many bytes.
pub(super) async fn body(payload: Payload, most: usize) -> Result<Bytes, Problem> {
    match timeout(BODY_TIME, payload.to_bytes_limited(most)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(error))) => {
            let error = ErrorBody::new(ErrorCode::BadJson, format!("the body could not be read: {error}"));
            Err(error.hint("send all of it, with a Content-Length or in chunks of 16 bytes and more").into())
        }
        Ok(Err(_)) => {
            let error = ErrorBody::new(ErrorCode::TooBig, format!("the body has more than {most} bytes"));
            Err(error.limit(most as u64).hint("send it in parts").into())
        }
        Err(_) => {
            let text = format!("the body did not come within {} s", BODY_TIME.as_secs());
            Err(ErrorBody::new(ErrorCode::BadJson, text).into())
        }
    }
}

/// A body that is text.
pub(super) fn text(bytes: &Bytes) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|_| ErrorBody::new(ErrorCode::BadJson, "the body is not UTF-8").into())
}

/// A body that is one JSON object.
pub(super) fn object(bytes: &Bytes) -> Result<Map<String, Value>, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let error = ErrorBody::new(ErrorCode::BadJson, format!("the body is not one JSON object: {error}"));
        error.hint(r#"as in {"text":"Hello"}"#).into()
    })
}

/// The media type of the body, in lower case and without parameters.
pub(super) fn media_type(request: &HttpRequest) -> String {
    let whole = field(request, header::CONTENT_TYPE).unwrap_or_default();
    whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
