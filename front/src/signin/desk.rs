//! The desk: a page to sign in and out on, without a script too, and tickets for those who did.

use std::time::{Duration, Instant};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use shared::Name;
use tokio::time::timeout;

use super::{
    Doors,
    attempts::{Attempts, TooOften},
    cookie::{self, Claim, SECONDS},
};
use crate::{
    accounts::{self, Person, book::SignIn},
    asked::{Asked, not_found, query, unguarded},
    base::BasePath,
    bridge::Bridge,
    metrics::Limit,
    pages::Desk,
    scriptless::{fields, is_from_here},
};

/// What a form's body may have.
const FORM_BYTES: usize = 16 * 1024;

/// Time for a form's body.
const FORM_TIME: Duration = Duration::from_secs(10);

/// The address of the desk, from which one comes back to this path.
pub(super) fn at(base: &BasePath, to: &str) -> String {
    format!("{base}/sign-in?to={}", utf8_percent_encode(to, NON_ALPHANUMERIC))
}

/// Leads to the desk, and from there back to this path.
pub(super) fn send_there(base: &BasePath, to: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::LOCATION, at(base, to)))
        .finish()
}

/// Where to go to: a path of this server and nothing else, however it is written.
fn back_to(base: &BasePath, to: &str) -> String {
    let below = to.strip_prefix(base.as_str()).filter(|rest| rest.starts_with('/'));
    let is_path = below.is_some_and(|rest| {
        !rest.starts_with("//")
            && !rest.starts_with("/sign-")
            && rest.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    });
    if is_path && to.len() <= 1_000 { to.to_owned() } else { format!("{base}/") }
}

/// `GET /sign-in`.
pub(crate) async fn show(request: HttpRequest, doors: Option<web::Data<Doors>>) -> HttpResponse {
    let Some(doors) = doors else { return not_found(request).await };
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    let to = back_to(&doors.base, &query(&request, "to").unwrap_or_default());
    let person = request.extensions().get::<Person>().map(|person| person.name.as_str().to_owned());
    let desk = Desk { to: &to, person: person.as_deref(), ..Desk::default() };
    asked.answer(StatusCode::OK, asked.pages.sign_in(asked.reader(), &desk))
}

/// `POST /sign-in`.
pub(crate) async fn sign_in(
    request: HttpRequest,
    payload: web::Payload,
    doors: Option<web::Data<Doors>>,
    bridge: web::Data<Bridge>,
) -> HttpResponse {
    let Some(doors) = doors else { return not_found(request).await };
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    if !is_from_here(&request) {
        return strange(&asked);
    }
    let body = timeout(FORM_TIME, payload.to_bytes_limited(FORM_BYTES)).await;
    let Some(body) = body.ok().and_then(|body| body.ok()?.ok()) else {
        return asked.problem(StatusCode::BAD_REQUEST, &asked.say("bad_form_title", &[]), &asked.say("bad_form", &[]));
    };
    let [name, password, to] = fields(&body, ["name", "password", "to"]);
    let to = back_to(&doors.base, &to);
    let again = |status, problem: String| {
        let name: String = name.chars().take(64).collect();
        let desk = Desk { to: &to, name: &name, problem: &problem, person: None };
        asked.answer(status, asked.pages.sign_in(asked.reader(), &desk))
    };
    // What cannot be a name is nobody's, and is looked for like any other.
    let known = Name::parse(&name).ok();
    let shown = known.as_ref().map_or("", Name::as_str);
    let waits = doors.attempts(|attempts| attempts.take(asked.address, shown, Instant::now()));
    if let Err(TooOften { limit, wait }) = waits {
        bridge.metrics().hit(limit);
        let minutes = wait.as_secs().div_ceil(60).max(1);
        let mut answer =
            again(StatusCode::TOO_MANY_REQUESTS, asked.say("sign_in_too_often", &[("n", &minutes.to_string())]));
        answer.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
        return answer;
    }
    let book = doors.accounts.now();
    let account = known.as_ref().and_then(|name| book.named(name));
    let kept = account.map(|account| account.password.clone());
    let right = match doors.looker.look(password, kept.clone()).await {
        Some(right) => right,
        None => {
            bridge.metrics().hit(Limit::Passwords);
            let mut answer = again(StatusCode::SERVICE_UNAVAILABLE, asked.say("sign_in_busy", &[]));
            answer.headers_mut().insert(header::RETRY_AFTER, 5.into());
            return answer;
        }
    };
    let (Some(account), Some(kept), true) = (account, kept, right) else {
        // The same for a wrong name and a wrong password.
        return again(StatusCode::FORBIDDEN, asked.say("sign_in_wrong", &[]));
    };
    doors.attempts(|attempts| attempts.right(shown));
    let Ok(sid) = accounts::word() else { return unguarded() };
    let now = accounts::now();
    let claim = Claim { account: account.id.clone(), sid, until: now + SECONDS * 1_000 };
    let before = request.extensions().get::<Person>().cloned();
    let (writing, one) = (doors.clone(), SignIn { sid: claim.sid.clone(), until: claim.until });
    let id = account.id.clone();
    let written = tokio::task::spawn_blocking(move || {
        writing.accounts.change(|book| {
            if let Some(before) = before {
                book.sign_out(&before.account, &before.sid);
            }
            Ok(book.sign_in(&id, &kept, one, now))
        })
    });
    match written.await {
        Ok(Ok(true)) => {
            let value = claim.seal(&doors.office.keys());
            go(&asked, &doors, &to, &format!("{value}; Max-Age={SECONDS}"))
        }
        Ok(Ok(false)) => again(StatusCode::FORBIDDEN, asked.say("sign_in_wrong", &[])),
        Ok(Err(error)) => {
            tracing::error!("nobody can sign in: {error:#}");
            again(StatusCode::SERVICE_UNAVAILABLE, asked.say("sign_in_busy", &[]))
        }
        Err(_) => unguarded(),
    }
}

/// `POST /sign-out`: everything that this sign-in has open ends with it.
pub(crate) async fn sign_out(
    request: HttpRequest,
    doors: Option<web::Data<Doors>>,
    bridge: web::Data<Bridge>,
) -> HttpResponse {
    let Some(doors) = doors else { return not_found(request).await };
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    if !is_from_here(&request) {
        return strange(&asked);
    }
    let person = request.extensions().get::<Person>().cloned();
    if let Some(Person { account, sid, .. }) = person {
        let writing = doors.clone();
        let written = tokio::task::spawn_blocking(move || {
            writing.accounts.change(|book| {
                book.sign_out(&account, &sid);
                Ok(())
            })
        });
        if !matches!(written.await, Ok(Ok(()))) {
            tracing::error!("somebody could not be signed out");
            let (title, sentence) = (asked.say("sign_out", &[]), asked.say("sign_in_busy", &[]));
            return asked.problem(StatusCode::SERVICE_UNAVAILABLE, &title, &sentence);
        }
        doors.sweep(&bridge);
    }
    go(&asked, &doors, &format!("{}/sign-in", doors.base), "; Max-Age=0")
}

/// `POST /api/ticket`: a ticket for who signed in.
pub(crate) fn ticket(request: &HttpRequest, doors: Option<&Doors>) -> Option<HttpResponse> {
    let ticket = doors?.office.admit(request.extensions().get::<Person>()?)?;
    Some(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json!({ "ticket": ticket })))
}

fn strange(asked: &Asked<'_>) -> HttpResponse {
    asked.problem(StatusCode::FORBIDDEN, &asked.say("cross_site_title", &[]), &asked.say("cross_site", &[]))
}

/// To this path, with this in the cookie.
fn go(asked: &Asked<'_>, doors: &Doors, to: &str, value: &str) -> HttpResponse {
    let name = cookie::name(asked.secure, &doors.base);
    HttpResponse::SeeOther()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::LOCATION, to))
        .insert_header((header::SET_COOKIE, format!("{name}={value}{}", asked.own_cookie())))
        .finish()
}

impl Doors {
    fn attempts<T>(&self, with: impl FnOnce(&mut Attempts) -> T) -> T {
        with(&mut self.attempts.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_back_to_this_server_and_nowhere_else() {
        for (base, to) in [("", "/r/dev"), ("", "/r/%ED%9A%8C?x=1"), ("/chat", "/chat/r/dev"), ("", "/")] {
            assert_eq!(back_to(&base.parse().unwrap_or_default(), to), to);
        }
        for to in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nSet-Cookie: x",
            "/\t/evil",
            "/sign-out",
        ] {
            assert_eq!(back_to(&BasePath::default(), to), "/", "{to}");
        }
        assert_eq!(back_to(&"/chat".parse().unwrap(), "/chatter"), "/chat/");
        assert_eq!(back_to(&"/chat".parse().unwrap(), "/chat//evil.example"), "/chat/");
    }
}
