//! Which address shows what. It knows requests and answers, and leaves the making of pages to `pages`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use shared::{Name, NameError, RoomName, limits};

use crate::{
    about,
    asked::{Asked, Readable, query, readable, reading, unguarded, wrong_method},
    host::SAME_PORT,
    pages::{Field, Form},
    relay,
    scriptless::{self, Guest},
    signin::{desk, invited},
};

/// Puts every page at its address.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    // Below a base path the form has two addresses: with the slash and without.
    let room = web::resource("/r/{room:[^/]*}")
        .route(web::route().guard(reading()).to(scriptless::room))
        .route(web::post().to(scriptless::post))
        .default_service(web::to(|request| wrong_method(request, "GET, HEAD, POST")));
    app.service(Readable(web::resource(["", "/"])).route(web::to(index)))
        .service(readable("/join").route(web::to(join)))
        .service(room)
        .service(readable("/r/{room:[^/]*}/live").route(web::to(scriptless::live)))
        .service(readable("/favicon.ico").route(web::to(favicon)))
        .service(
            web::resource("/sign-in")
                .route(web::route().guard(reading()).to(desk::show))
                .route(web::post().to(desk::sign_in))
                .default_service(web::to(|request| wrong_method(request, "GET, HEAD, POST"))),
        )
        .service(
            web::resource("/sign-out")
                .route(web::post().to(desk::sign_out))
                .default_service(web::to(|request| wrong_method(request, "POST"))),
        )
        .service(
            web::resource("/invited/{word}")
                .route(web::get().to(invited::follow))
                .default_service(web::to(|request| wrong_method(request, "GET"))),
        )
        .service(readable("/about").route(web::to(about::about)))
        .service(readable("/manifest.webmanifest").route(web::to(about::manifest)))
        // All of it, however it is asked: the chat server answers.
        .service(web::resource([SAME_PORT.to_owned(), format!("{SAME_PORT}/{{rest:.*}}")]).to(relay::relay));
}

/// The form, with the room that a link or a question mark names.
async fn index(request: HttpRequest) -> HttpResponse {
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    let room = query(&request, "room").unwrap_or_default();
    let name = query(&request, "name").unwrap_or_default();
    let form = Form { name: &name, room: &room, problem: None };
    asked.answer(StatusCode::OK, asked.pages.index(asked.reader(), &form, asked.rooms()))
}

/// What the form leads to: the room, or the form again with a sentence.
async fn join(request: HttpRequest) -> HttpResponse {
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    let room = query(&request, "room").unwrap_or_default();
    let name = query(&request, "name").unwrap_or_default();
    let problem = match (RoomName::parse(&room), Name::parse(&name)) {
        // A form without a name is a guest's; the chat server finds a name for them.
        (Ok(room), Err(NameError::Empty)) => return asked.go(StatusCode::SEE_OTHER, &room),
        (Ok(room), Ok(name)) => {
            let mut answer = asked.go(StatusCode::SEE_OTHER, &room);
            // Not by the address: that is for sharing.
            Guest::named(&name).keep(&mut answer, &asked.room_cookie());
            return answer;
        }
        (Err(error), _) => (Field::Room, asked.reason(&error)),
        (_, Err(error)) => (Field::Name, asked.reason(&error)),
    };
    // A megabyte of refused text need not come back in the form.
    let short = |text: &str| text.chars().take(limits::ROOM_CHARS * 2).collect::<String>();
    let form = Form { name: &short(&name), room: &short(&room), problem: Some(problem) };
    asked.answer(StatusCode::BAD_REQUEST, asked.pages.index(asked.reader(), &form, asked.rooms()))
}

/// The icon, for browsers that ask for it where they always did.
async fn favicon() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(include_str!("../static/icons/madang.svg"))
}
