//! A link that makes whoever signed in a member of a room, and leads there. Who did not sign in yet does that first.

use actix_web::{HttpMessage, HttpRequest, HttpResponse, http::StatusCode, web};

use super::Doors;
use crate::{
    accounts::{self, Person, book::Followed},
    asked::{Asked, not_found, unguarded},
};

/// What browsers say that look ahead at a link: nobody has opened it yet.
const LOOKS_AHEAD: [&str; 3] = ["sec-purpose", "purpose", "x-moz"];

/// `GET /invited/{word}`.
pub(crate) async fn follow(request: HttpRequest, doors: Option<web::Data<Doors>>) -> HttpResponse {
    let Some(doors) = doors else { return not_found(request).await };
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    let person = request.extensions().get::<Person>().cloned();
    let Some(Person { account, .. }) = person else { return unguarded() };
    let problem = |status, why: String| asked.problem(status, &asked.say("invited_over_title", &[]), &why);
    // A picture on another page opens no link either.
    let is_page = request.headers().get("sec-fetch-dest").is_none_or(|what| what == "document");
    if !is_page || LOOKS_AHEAD.iter().any(|name| request.headers().contains_key(*name)) {
        return problem(StatusCode::FORBIDDEN, asked.say("cross_site", &[]));
    }
    let word = request.match_info().query("word").to_owned();
    let leads = doors.accounts.now().leads(&account, &word, accounts::now());
    let followed = match leads {
        // Only what changes the file is written.
        Followed::To(ref room) if !asked.sees(room) => {
            let writing = doors.clone();
            let write = move || writing.accounts.change(|book| Ok(book.follow(&account, &word, accounts::now())));
            tokio::task::spawn_blocking(write).await.map_err(anyhow::Error::from).and_then(|written| written)
        }
        leads => Ok(leads),
    };
    match followed {
        Ok(Followed::To(room)) => asked.go(StatusCode::SEE_OTHER, &room),
        Ok(Followed::Over) => problem(StatusCode::NOT_FOUND, asked.say("invited_over", &[])),
        Ok(Followed::Full) => problem(StatusCode::CONFLICT, asked.say("invited_full", &[])),
        Err(error) => {
            tracing::error!("nobody can follow a link: {error:#}");
            problem(StatusCode::SERVICE_UNAVAILABLE, asked.say("sign_in_busy", &[]))
        }
    }
}
