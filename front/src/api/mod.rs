//! The HTTP API: which address does what. Handlers know requests and answers, and leave everything else to the bridge.

mod asked;
mod hook;
mod lists;
mod messages;
mod openapi;
mod origin;
mod post;
mod sessions;
mod streams;

use actix_web::{
    Error, HttpRequest, HttpResponse, Resource, Route,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    guard,
    http::header,
    middleware::{Next, from_fn},
    web,
};
use shared::{ErrorBody, ErrorCode};

use crate::{
    problem::Problem,
    signin::{Doors, desk},
};

/// Puts every part of the API at its address.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.service(
        web::scope("/api")
            .wrap(from_fn(origin::guard))
            .service(only("/openapi.json", "GET, HEAD").route(get().to(openapi::get)))
            .service(only("/rooms", "GET, HEAD").route(get().to(lists::rooms)))
            .service(
                only("/rooms/{room:[^/]*}/messages", "GET, HEAD, POST")
                    .route(get().to(messages::get))
                    .route(web::post().to(post::post)),
            )
            .service(only("/rooms/{room:[^/]*}/events", "GET").route(web::get().to(streams::events)))
            .service(only("/rooms/{room:[^/]*}/stream", "GET").route(web::get().to(streams::lines)))
            .service(only("/rooms/{room:[^/]*}/hook", "POST").route(web::post().to(hook::post)))
            .service(only("/rooms/{room:[^/]*}/users", "GET, HEAD").route(get().to(lists::users)))
            .service(only("/rooms/{room:[^/]*}/search", "GET, HEAD").route(get().to(lists::search)))
            // Only where one signs in.
            .service(web::resource("/ticket").route(web::post().to(ticket)).default_service(web::to(no_ticket)))
            .service(only("/sessions", "POST").route(web::post().to(sessions::begin)))
            .service(only("/sessions/{user}", "DELETE").route(web::delete().to(sessions::end)))
            .service(only("/sessions/{user}/events", "GET").route(web::get().to(sessions::events)))
            .service(only("/sessions/{user}/commands", "POST").route(web::post().to(sessions::commands)))
            .default_service(web::to(not_found)),
    );
}

/// An address that answers 405 to every other method.
fn only(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || async move { Err::<&str, _>(Problem::wrong_method(allow)) }))
}

fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn ticket(request: HttpRequest, doors: Option<web::Data<Doors>>) -> Result<HttpResponse, Problem> {
    desk::ticket(&request, doors.as_deref().map(|doors| &**doors)).ok_or_else(nothing)
}

async fn no_ticket(doors: Option<web::Data<Doors>>) -> Result<&'static str, Problem> {
    Err(if doors.is_some() { Problem::wrong_method("POST") } else { nothing() })
}

async fn not_found() -> Result<&'static str, Problem> {
    Err(nothing())
}

fn nothing() -> Problem {
    let error = ErrorBody::new(ErrorCode::NotFound, "there is nothing at this address");
    Box::new(error.hint("the addresses are described in openapi.json")).into()
}

/// Takes from streams the wish to be compressed: a compressor keeps events until it has enough of them.
pub(crate) async fn leave_streams_plain(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let path = request.match_info().as_str();
    if path.contains("/api/") && (path.ends_with("/events") || path.ends_with("/stream")) {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    next.call(request).await
}
