//! Which pages may use the API: the same rule as for a WebSocket handshake, and the headers that let a listed page of
//! another origin read the answers (Fetch, "CORS protocol").

use actix_web::{
    Error, HttpMessage, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web,
};
use service::live::Live;
use shared::{
    ErrorBody, ErrorCode,
    origin::{self, AllowedOrigin, Passage, REFUSAL},
};

use crate::{problem::Problem, visitor::Visitor};

/// What to say to whoever asks for another server's name.
const STRANGE_HOST: &str = "This server does not go by that name. Ask for its address, or let the operator name it to \
                            front and back, as in --allow-origin https://chat.example.org.";

/// Methods that a page may use.
const METHODS: &str = "GET, HEAD, POST, DELETE";

/// Headers that a page may send.
const SENT: &str = "authorization, content-type, idempotency-key, if-none-match, last-event-id";

/// Headers that a page may read.
const READ: &str = "etag, location, retry-after";

/// How long a browser may remember that, in seconds: as long as the strictest of them does.
const REMEMBER: &str = "7200";

/// Refuses pages from elsewhere.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let listed = match check(&request) {
        Ok(passage) => passage == Passage::Listed,
        Err(refusal) => {
            let problem = Problem::from(ErrorBody::new(ErrorCode::Forbidden, refusal));
            let mut response = problem.error_response();
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("origin"));
            return Ok(request.into_response(response).map_into_right_body());
        }
    };
    let origin = request.headers().get(header::ORIGIN).filter(|_| listed).cloned();
    let asks =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if listed && asks {
        let may = HttpResponse::NoContent()
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, SENT))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, REMEMBER))
            .finish();
        request.into_response(may).map_into_right_body()
    } else {
        next.call(request).await?.map_into_left_body()
    };
    put(response.headers_mut(), origin);
    Ok(response)
}

/// Why it may be answered, or the sentence that says why not.
fn check(request: &ServiceRequest) -> Result<Passage, &'static str> {
    let headers = request.headers();
    let origins = headers.get_all(header::ORIGIN).map(|origin| origin.to_str().ok());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let allowed = request.app_data::<web::Data<Live<Vec<AllowedOrigin>>>>().map(|allowed| allowed.now());
    let passage = origin::check(origins, host, allowed.as_deref().map_or(&[], Vec::as_slice))
        .map_err(|origin::Refused| REFUSAL)?;
    // What only reads may come without an origin, and then its name is all that tells where its page is from.
    let expected = request.extensions().get::<Visitor>().is_some_and(|visitor| visitor.expected);
    if passage == Passage::Tool && !expected { Err(STRANGE_HOST) } else { Ok(passage) }
}

fn put(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    // Also without one: a cache must not give one page the answer to another.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(READ));
    }
}
