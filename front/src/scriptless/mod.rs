//! The room for browsers without a script: messages in a frame that loads itself again, and a form that posts. It asks the
//! bridge and knows no chat server.

mod form;
mod guest;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::{HttpMessage, HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::value::RawValue;
use shared::{Address, ErrorBody, ErrorCode, Message, Name, NameError, RoomName};
use tokio::time::timeout;

use crate::{
    asked::{Asked, unguarded},
    bridge::{Bridge, Page, Saying},
    headers::Framing,
    pages::{Corner, Past, Row},
    visitor::counted,
};
use form::Posted;
pub(crate) use form::{fields, is_from_here};
pub(crate) use guest::Guest;

/// What a form's body may have: the longest text, each of its bytes written as three, and room for the rest.
const FORM_BYTES: usize = 64 * 1024;

/// Time for a form's body.
const FORM_TIME: Duration = Duration::from_secs(10);

/// How long a page whose script can ask for itself waits for the newest messages.
const PAST_TIME: Duration = Duration::from_millis(300);

/// Bytes of the newest messages on such a page. Fifty of the longest would make it heavier than all the rest.
const PAST_BYTES: usize = 128 * 1024;

/// The query of a frame that does not load itself again: what moves by itself can be stopped (WCAG 2.2.2).
const STILL: &str = "still";

/// One who writes, seen by another with an interval below this and the same name, goes on.
const GROUP_MS: u64 = 5 * 60 * 1000;

/// The chat page of a room, as it is shown.
pub(crate) async fn room(request: HttpRequest, bridge: web::Data<Bridge>) -> HttpResponse {
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    let room = match asked.room("") {
        Ok(room) => room,
        Err(answer) => return *answer,
    };
    let guest = Guest::of(&request);
    // Without random bytes there is no form that can be sent; reading goes on.
    let once = form::new_once().unwrap_or_default();
    // Browsers that know frames say where a page goes to, and read the messages there; others read them here.
    let unframed = !asked.names_its_destination();
    let page = if asked.reader().scripted {
        timeout(PAST_TIME, newest(&asked, counted(&request), &bridge, &room)).await.ok().flatten()
    } else if unframed {
        newest(&asked, counted(&request), &bridge, &room).await
    } else {
        None
    };
    let said = page.as_ref().filter(|_| unframed).map(|page| read(&asked, page));
    let past = page.as_ref().filter(|_| asked.reader().scripted).map(past);
    let corner = Corner {
        once: &once,
        name: guest.name(),
        unframed,
        said: said.as_deref(),
        past: past.as_ref(),
        ..Corner::default()
    };
    answer(&asked, StatusCode::OK, &room, &corner)
}

/// The messages alone, for the frame; the page asks for itself again, unless it is to keep still.
pub(crate) async fn live(request: HttpRequest, bridge: web::Data<Bridge>) -> HttpResponse {
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    // First: whoever asks in such a name learns nothing of rooms.
    if !asked.is_expected() {
        let mut answer = asked.problem(
            StatusCode::FORBIDDEN,
            &asked.say("strange_host_title", &[]),
            &asked.say("strange_host", &[]),
        );
        answer.extensions_mut().insert(Framing::Framed);
        return answer;
    }
    let room = match asked.room("/live") {
        Ok(room) => room,
        Err(mut answer) => {
            answer.extensions_mut().insert(Framing::Framed);
            return *answer;
        }
    };
    let said = newest(&asked, counted(&request), &bridge, &room).await.map(|page| read(&asked, &page));
    let is_still = request.query_string() == STILL;
    let page = asked.pages.live(asked.reader(), &room, said.as_deref(), is_still);
    let mut answer = asked.answer(StatusCode::OK, page);
    answer.extensions_mut().insert(Framing::Framed);
    answer
}

/// Says what was posted, once, and leads back to the room; or shows the form again, with its text and a sentence.
pub(crate) async fn post(request: HttpRequest, payload: web::Payload, bridge: web::Data<Bridge>) -> HttpResponse {
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    // Before the room is looked at: a page from elsewhere is not to learn what its visitor may see.
    if !form::is_from_here(&request) {
        return asked.problem(
            StatusCode::FORBIDDEN,
            &asked.say("cross_site_title", &[]),
            &asked.say("cross_site", &[]),
        );
    }
    let room = match asked.room("") {
        Ok(room) => room,
        Err(answer) => return *answer,
    };
    // Before the body is read: whoever is slow holds a place, and nothing else.
    let place = match bridge.post(counted(&request)) {
        Ok(place) => place,
        Err(error) => {
            let (status, problem) = problem(&asked, &error);
            return asked.problem(status, &asked.say("not_sent", &[]), &problem);
        }
    };
    let body = timeout(FORM_TIME, payload.to_bytes_limited(FORM_BYTES)).await;
    let Some(posted) = body.ok().and_then(|body| Posted::read(&body.ok()?.ok()?)) else {
        return asked.problem(StatusCode::BAD_REQUEST, &asked.say("bad_form_title", &[]), &asked.say("bad_form", &[]));
    };
    let mut guest = Guest::of(&request);
    let name = match Name::parse(&posted.name) {
        Ok(name) => Some(name),
        Err(NameError::Empty) => None,
        Err(error) => {
            let problem = asked.say("bad_name", &[("why", &asked.reason(&error))]);
            return again(&asked, StatusCode::BAD_REQUEST, &room, &posted, &problem);
        }
    };
    guest.be(name.as_ref(), &posted.once);
    let text = posted.text.trim();
    if shared::claimed(text).is_some() {
        // A form that is sent before the script is there, or without one, must not tell everybody.
        return again(&asked, StatusCode::BAD_REQUEST, &room, &posted, &asked.say("secret_not_sent", &[]));
    }
    if !text.is_empty() {
        let saying = guest.session().zip(posted.id()).map(|(session, id)| Saying {
            room: room.clone(),
            text: text.to_owned(),
            reply_to: None,
            session,
            name,
            id,
            from: Some(asked.address),
            person: request.extensions().get().cloned(),
            shows_session: false,
        });
        let answer = match saying {
            Some(saying) => bridge.say(place, saying).await,
            None => return unguarded(),
        };
        if let Err(error) = answer {
            let (status, problem) = problem(&asked, &error);
            return again(&asked, status, &room, &posted, &problem);
        }
    }
    let mut answer = asked.go(StatusCode::SEE_OTHER, &room);
    guest.keep(&mut answer, &asked.room_cookie());
    answer
}

/// The form once more. What was typed is there, under the same name for once: sent again, it is the same message.
fn again(asked: &Asked<'_>, status: StatusCode, room: &RoomName, posted: &Posted, problem: &str) -> HttpResponse {
    let corner = Corner { once: &posted.once, name: &posted.name, text: &posted.text, problem, ..Corner::default() };
    answer(asked, status, room, &corner)
}

fn answer(asked: &Asked<'_>, status: StatusCode, room: &RoomName, corner: &Corner<'_>) -> HttpResponse {
    let mut answer = asked.answer(status, asked.pages.room(asked.reader(), room, corner));
    answer.extensions_mut().insert(Framing::Frames);
    answer
}

/// The newest messages; nothing where the chat server does not give them, whoever asks asks too often, or they are not for who asks.
async fn newest(asked: &Asked<'_>, from: Option<Address>, bridge: &Bridge, room: &RoomName) -> Option<Page> {
    if !asked.is_expected() {
        return None;
    }
    bridge.newest(from, room).await.ok()
}

/// A page of messages as it is shown.
fn read(asked: &Asked<'_>, page: &Page) -> Vec<Row> {
    let messages = page.messages().filter_map(|json| serde_json::from_slice::<Message>(&json).ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    rows(messages, |at| age(asked, now.saturating_sub(at)), &asked.say("deleted", &[]))
}

/// A page of messages for the script; of long ones fewer, the newest.
fn past(page: &Page) -> Past {
    let mut bytes = 0;
    let mut messages: Vec<_> = page
        .messages()
        .map(|json| String::from_utf8_lossy(&json).into_owned())
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .take_while(|json| {
            bytes += json.len();
            bytes <= PAST_BYTES
        })
        .filter_map(|json| RawValue::from_string(json).ok())
        .collect();
    messages.reverse();
    Past { epoch: page.epoch.clone(), first: page.first, top: page.top, messages }
}

/// From messages to what is shown: changes act on what they change and are no rows of their own.
fn rows(messages: impl Iterator<Item = Message>, age: impl Fn(u64) -> String, deleted: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut before: Option<(Name, String, u64)> = None;
    for message in messages.filter(|message| message.edits.is_none() && message.deletes.is_none()) {
        let user = message.user.as_str().to_owned();
        let goes_on = before.as_ref().is_some_and(|(name, by, at)| {
            *name == message.name && *by == user && message.at.saturating_sub(*at) <= GROUP_MS
        });
        let deed = if message.deleted.is_some() { None } else { action_of(&message.text).map(str::to_owned) };
        // What somebody does names them itself and stands alone.
        before = deed.is_none().then(|| (message.name.clone(), user, message.at));
        rows.push(Row {
            first: !goes_on,
            does: deed.is_some(),
            name: message.name.as_str().to_owned(),
            age: age(message.at),
            edited: message.edited.is_some(),
            deleted: message.deleted.is_some(),
            text: if message.deleted.is_some() { deleted.to_owned() } else { deed.unwrap_or(message.text) },
        });
    }
    rows
}

/// What somebody does, where the text says so: `waves` of `/me waves`. As in the script's text.js.
fn action_of(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("/me")?;
    let action = rest.trim_start();
    (action.len() < rest.len() && !action.is_empty()).then_some(action)
}

/// How long ago that was. A clock would need the reader's time zone, which no header tells.
fn age(asked: &Asked<'_>, ms: u64) -> String {
    let minutes = ms / 60_000;
    match minutes {
        0 => asked.say("age_now", &[]),
        1..60 => asked.say("age_minutes", &[("n", &minutes.to_string())]),
        60..1440 => asked.say("age_hours", &[("n", &(minutes / 60).to_string())]),
        _ => asked.say("age_days", &[("n", &(minutes / 1440).to_string())]),
    }
}

/// What a moderator imposed: what, for how long, and why.
fn imposed(asked: &Asked<'_>, error: &ErrorBody) -> String {
    let minutes = error.retry_after_ms.unwrap_or_default().div_ceil(60_000);
    let time = match minutes {
        0..120 => asked.say("for_minutes", &[("n", &minutes.to_string())]),
        120..2_880 => asked.say("for_hours", &[("n", &minutes.div_ceil(60).to_string())]),
        _ => asked.say("for_days", &[("n", &minutes.div_ceil(1_440).to_string())]),
    };
    let what = match error.code {
        ErrorCode::Muted => asked.say("silenced_for", &[("time", &time)]),
        _ => asked.say("shut_out_for", &[("time", &time)]),
    };
    let why = error.reason.as_ref().map(|reason| asked.say("moderator_reason", &[("why", reason.as_str())]));
    [asked.say("not_sent", &[]), what].into_iter().chain(why).collect::<Vec<_>>().join(" ")
}

/// A refusal as a status and a sentence.
fn problem(asked: &Asked<'_>, error: &ErrorBody) -> (StatusCode, String) {
    let (status, key) = match error.code {
        ErrorCode::TooBig => (StatusCode::PAYLOAD_TOO_LARGE, "error_too_big"),
        ErrorCode::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "error_rate_limited"),
        ErrorCode::RoomLimit => (StatusCode::SERVICE_UNAVAILABLE, "error_room_limit"),
        ErrorCode::BadName => (StatusCode::BAD_REQUEST, "error_bad_name"),
        ErrorCode::Forbidden => (StatusCode::FORBIDDEN, "stop_4003"),
        // Since the page was made: signed out, or no member any more.
        ErrorCode::Unauthorized => (StatusCode::UNAUTHORIZED, "sign_in_first_title"),
        ErrorCode::NoRoom => (StatusCode::NOT_FOUND, "error_no_room"),
        ErrorCode::Banned | ErrorCode::Muted => return (StatusCode::FORBIDDEN, imposed(asked, error)),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "error_unavailable"),
    };
    (status, format!("{} {}", asked.say("not_sent", &[]), asked.say(key, &[])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_does_names_them_in_the_sentence() {
        let message = |seq: u64, text: &str| {
            let json = serde_json::json!({
                "room": "dev", "seq": seq, "user": "u7Zk2mQ0aB-_x9Yc", "name": "kim", "at": 1_000 * seq, "text": text,
            });
            serde_json::from_value::<Message>(json).unwrap()
        };
        let said = ["hello", "/me waves", "/me", "/mend it", "/me\t 손을 흔든다"];
        let rows = rows((1..).zip(said).map(|(seq, text)| message(seq, text)), |_| String::new(), "deleted");
        let shown: Vec<_> = rows.iter().map(|row| (row.first, row.does, row.text.as_str())).collect();
        assert_eq!(
            shown,
            [
                (true, false, "hello"),
                (false, true, "waves"),
                (true, false, "/me"),
                (false, false, "/mend it"),
                (false, true, "손을 흔든다"),
            ]
        );
    }
}
