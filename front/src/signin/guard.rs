//! Lets those in who signed in, sends everybody else to the desk, and tells a program what it lacks.

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web,
};
use shared::{ErrorBody, ErrorCode};
use tokio_util::sync::CancellationToken;

use super::{Doors, desk, until::Until};
use crate::{
    asked::{Asked, unguarded},
    base::BasePath,
    headers::Framing,
    problem::Problem,
    scriptless::is_from_here,
};

/// What is behind an address, as far as the doors are concerned.
#[derive(Debug, PartialEq, Eq)]
enum Behind {
    /// Nothing that is anybody's: the desk itself, files, what this server is. Under /ws the chat server asks.
    Nothing,
    /// A page.
    Page,
    /// The frame of a page.
    Frame,
    /// The API.
    Api,
}

impl Behind {
    /// Of a path as the router reads it.
    fn of(path: &str) -> Self {
        match path {
            "" | "/" | "/join" => Self::Page,
            _ if path.starts_with("/invited/") => Self::Page,
            "/api/openapi.json" => Self::Nothing,
            _ if path.starts_with("/api/") || path == "/api" => Self::Api,
            _ if path.starts_with("/r/") && path.ends_with("/live") => Self::Frame,
            _ if path.starts_with("/r/") => Self::Page,
            _ => Self::Nothing,
        }
    }
}

/// Lets those in who signed in, and tells the others where they can.
pub(crate) async fn guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(doors) = request.app_data::<web::Data<Doors>>().cloned() else {
        return Ok(next.call(request).await?.map_body(|_, body| Until::never(body)).map_into_left_body());
    };
    // As the router reads it: written with escapes, an address leads to the same place.
    let path = request.match_info().as_str().strip_prefix(doors.base.as_str()).unwrap_or_default();
    let behind = Behind::of(path);
    // A cookie also comes with what another page of this machine asks for, as from another port: that reads nothing.
    if behind == Behind::Api && !is_from_here(request.request()) {
        return Ok(request.into_response(elsewhere()).map_into_right_body());
    }
    let (who, over) = match doors.person(request.request()) {
        Some((person, over)) => {
            request.extensions_mut().insert(person.clone());
            (Some(person), over)
        }
        None if behind == Behind::Nothing => (None, CancellationToken::new()),
        None => {
            let refusal = refuse(request.request(), &behind, &doors.base);
            return Ok(request.into_response(refusal).map_into_right_body());
        }
    };
    let is_somebodys = who.is_some();
    let over = (behind == Behind::Api).then_some(over);
    // Who waits for a message waits no longer. What is being said is answered: nobody knows yet whether it is stored.
    let waits = over.clone().filter(|_| request.method() == Method::GET);
    let answered = next.call(request);
    let mut answer = match waits {
        Some(waits) => tokio::select! {
            answer = answered => answer?,
            () = waits.cancelled() => {
                let still = who.is_some_and(|person| doors.still(&person));
                let refusal = if still { changed() } else { unauthorized() };
                return Err(InternalError::from_response("what was open is over", refusal).into());
            }
        },
        None => answered.await?,
    };
    if is_somebodys {
        keep_private(answer.headers_mut());
    }
    Ok(answer.map_body(|_, body| Until::new(body, over)).map_into_left_body())
}

/// What somebody may see is for no cache that others share, not even to ask whether it is still so.
fn keep_private(headers: &mut HeaderMap) {
    if headers.get(header::CACHE_CONTROL).is_some_and(|said| said == "no-cache") {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
}

/// What a stranger is told by the API.
fn unauthorized() -> HttpResponse {
    let error = ErrorBody::new(ErrorCode::Unauthorized, "nobody comes in here without having signed in");
    Problem::from(error.hint("sign in at /sign-in, and send the cookie that you get there")).error_response()
}

/// What a page of another origin is told, whoever opened it.
fn elsewhere() -> HttpResponse {
    let error = ErrorBody::new(ErrorCode::Forbidden, "pages from elsewhere cannot use what somebody signed in for");
    Problem::from(error.hint("open this server's own page, or ask as a program, without Origin")).error_response()
}

/// What somebody is told who waited, and may see less than before.
fn changed() -> HttpResponse {
    let error = ErrorBody::new(ErrorCode::Unavailable, "what this account may see has changed").retry_after_ms(1_000);
    Problem::from(error.hint("ask again")).error_response()
}

/// What a stranger is told: of rooms nothing, whatever they asked for.
fn refuse(request: &HttpRequest, behind: &Behind, base: &BasePath) -> HttpResponse {
    if *behind == Behind::Api {
        return unauthorized();
    }
    if *behind == Behind::Page && matches!(*request.method(), Method::GET | Method::HEAD) {
        return desk::send_there(base, request.uri().path_and_query().map_or("", |to| to.as_str()));
    }
    let Some(asked) = Asked::of(request) else { return unguarded() };
    let is_frame = *behind == Behind::Frame;
    let title = asked.say("sign_in_first_title", &[]);
    let sentence = if is_frame { asked.say("sign_in_to_read", &[]) } else { asked.say("sign_in_first", &[]) };
    // From a frame back to the page around it.
    let path = request.uri().path();
    let desk = desk::at(base, path.strip_suffix("/live").filter(|_| is_frame).unwrap_or(path));
    let page = asked.pages.sign_in_first(asked.reader(), &title, &sentence, &desk);
    let mut answer = asked.answer(StatusCode::UNAUTHORIZED, page);
    if is_frame {
        answer.extensions_mut().insert(Framing::Framed);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_rooms_is_before_the_doors() {
        for path in ["/", "", "/join", "/r/dev", "/r/dev/"] {
            assert_eq!(Behind::of(path), Behind::Page, "{path}");
        }
        assert_eq!(Behind::of("/r/dev/live"), Behind::Frame);
        for path in ["/api", "/api/", "/api/rooms", "/api/rooms/openapi.json", "/api/rooms/x/events", "/api/sessions"] {
            assert_eq!(Behind::of(path), Behind::Api, "{path}");
        }
        for path in ["/sign-in", "/static/x/app/main.js", "/about", "/api/openapi.json", "/ws/rooms/dev", "/nowhere"] {
            assert_eq!(Behind::of(path), Behind::Nothing, "{path}");
        }
    }
}
