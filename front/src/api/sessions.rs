//! A WebSocket client's life over HTTP: hello, frames, commands, goodbye.

use std::{sync::Arc, time::Duration};

use actix_web::{
    Error, HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json, value::RawValue};
use shared::{ClientMessage, CloseCode, ErrorBody, ErrorCode, UserId, limits, ticket::user_of_account};
use tokio::time::{Instant, sleep, timeout_at};

use super::{asked, streams};
use crate::{
    bridge::{
        Bridge,
        departure::Departure,
        session::{self, End, Listener, Session, Taken, no_session},
    },
    metrics::Open,
    problem::Problem,
    visitor::counted,
};

/// Longest wait of a long poll, in seconds.
const WAIT_SECONDS: u64 = 25;

/// Messages in one request.
const COMMANDS: usize = 32;

/// Bytes of one request with messages.
const COMMANDS_BYTES: usize = 4 * limits::MESSAGE_BYTES;

/// A sign of life for a stream on which nothing happens.
const IDLE: Duration = Duration::from_secs(15);

/// `POST /api/sessions`.
pub(super) async fn begin(
    request: HttpRequest,
    payload: Payload,
    bridge: Data<Bridge>,
) -> Result<HttpResponse, Problem> {
    let _place = bridge.post(counted(&request))?;
    let body = asked::body(payload, limits::MESSAGE_BYTES).await?;
    let mut fields = if body.is_empty() { Default::default() } else { asked::object(&body)? };
    match fields.get("type") {
        None => {}
        Some(Value::String(kind)) if kind == "hello" => {}
        Some(_) => return Err(Problem::field("type", "a session begins with hello").into()),
    }
    fields.insert("type".to_owned(), "hello".into());
    if let Some(person) = asked::person(&request) {
        fields.insert("ticket".to_owned(), bridge.ticket_of(&person)?.into());
    }
    let hello = Value::Object(fields).to_string();
    // What is refused here need not be asked there.
    ClientMessage::parse(&hello)?;
    let bridge = Arc::clone(&bridge);
    let (user, welcome) = session::begin(&bridge, hello, asked::address(&request)).await?;
    let path = request.uri().path().trim_end_matches('/');
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("{path}/{user}")))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(welcome))
}

/// The session that a request is about.
fn find(request: &HttpRequest, bridge: &Bridge) -> Result<Arc<Session>, Problem> {
    let secret = asked::speaker(request)?.ok_or_else(Problem::unauthorized)?;
    let user = request.match_info().query("user");
    // Who signed in reads their own sessions, whatever secret they came by.
    let own = asked::person(request).map(|person| user_of_account(&person.account));
    if own.is_some_and(|own| own.as_ref().map(UserId::as_str) != Some(user)) {
        return Err(no_session().into());
    }
    Ok(bridge.sessions.find(&secret, user).ok_or_else(no_session)?)
}

/// `GET /api/sessions/{user}/events`.
pub(super) async fn events(request: HttpRequest, bridge: Data<Bridge>) -> Result<HttpResponse, Problem> {
    let session = find(&request, &bridge)?;
    let wait = asked::number(&request, "wait", WAIT_SECONDS)?;
    let seen = match asked::field(&request, "last-event-id").filter(|id| !id.is_empty()) {
        Some(id) => {
            let number = id.bytes().all(|b| b.is_ascii_digit()).then(|| id.parse().ok()).flatten();
            Some(number.ok_or_else(|| Problem::field("Last-Event-ID", "Last-Event-ID must be a number").got(id))?)
        }
        None => asked::number(&request, "after", limits::MAX_SAFE_INTEGER)?,
    };
    let after = seen.unwrap_or(0);
    let what = if wait.is_some() { Open::SessionPoll } else { Open::SessionEvents };
    let seat = bridge.seat(what, counted(&request))?;
    let listener = session.listen(after).ok_or_else(no_session)?;
    match wait {
        Some(seconds) => Ok(poll(listener, after, Duration::from_secs(seconds), &bridge).await),
        None => {
            let stream = Stream { listener, departure: bridge.enter(), after, ended: false };
            let first = stream::iter([Ok(Bytes::from_static(streams::RETRY.as_bytes()))]);
            let rest = stream::unfold((stream, seat), |(mut stream, seat)| async move {
                Some((Ok::<_, Error>(stream.next().await?), (stream, seat)))
            });
            Ok(streams::endless("text/event-stream").streaming(first.chain(rest)))
        }
    }
}

/// Somebody who streams a session.
struct Stream {
    listener: Listener,
    departure: Departure,
    after: u64,
    ended: bool,
}

impl Stream {
    /// What to write next; nothing when there is nothing more.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        loop {
            self.listener.changes.borrow_and_update();
            match self.listener.take(self.after) {
                Taken::Replaced => return None,
                Taken::Ended(end) => return Some(self.close(end)),
                Taken::Frames(frames, last) if !frames.is_empty() => {
                    let mut text = Vec::with_capacity(frames.iter().map(|frame| frame.len() + 32).sum());
                    for (frame, number) in frames.iter().zip(self.after + 1..) {
                        text.extend_from_slice(format!("id: {number}\ndata: ").as_bytes());
                        text.extend_from_slice(frame);
                        text.extend_from_slice(b"\n\n");
                    }
                    self.after = last;
                    return Some(text.into());
                }
                Taken::Frames(..) => {}
            }
            tokio::select! {
                changed = self.listener.changes.changed() => changed.ok()?,
                () = sleep(IDLE) => return Some(Bytes::from_static(b":\n\n")),
                advice = self.departure.due() => return Some(self.close(stopping(advice))),
            }
        }
    }

    fn close(&mut self, End { code, reason }: End) -> Bytes {
        self.ended = true;
        format!("event: close\ndata: {}\n\n", json!({ "code": code, "reason": reason })).into()
    }
}

/// This server stops, and its sessions with it: what a chat server that stops says in its Close frame.
fn stopping(advice: u64) -> End {
    let (code, word) = (CloseCode::Shutdown.code(), CloseCode::Shutdown.word());
    End { code, reason: format!("{word};retry={advice}") }
}

async fn poll(mut listener: Listener, after: u64, wait: Duration, bridge: &Bridge) -> HttpResponse {
    let (until, departure) = (Instant::now() + wait, bridge.enter());
    let (frames, next, end) = loop {
        listener.changes.borrow_and_update();
        match listener.take(after) {
            Taken::Replaced => break (Vec::new(), after, None),
            Taken::Ended(end) => break (Vec::new(), after, Some(end)),
            Taken::Frames(frames, last) if !frames.is_empty() => {
                // The end is told together with the last frames: one request less.
                let end = match listener.take(last) {
                    Taken::Ended(end) => Some(end),
                    _ => None,
                };
                break (frames, last, end);
            }
            Taken::Frames(..) => {}
        }
        let changed = tokio::select! {
            changed = timeout_at(until, listener.changes.changed()) => matches!(changed, Ok(Ok(()))),
            advice = departure.due() => break (Vec::new(), after, Some(stopping(advice))),
        };
        if !changed {
            break (Vec::new(), after, None);
        }
    };
    let mut body = Vec::with_capacity(64 + frames.iter().map(|frame| frame.len() + 1).sum::<usize>());
    body.extend_from_slice(br#"{"frames":["#);
    for (at, frame) in frames.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(frame);
    }
    body.extend_from_slice(format!(r#"],"next":{next}"#).as_bytes());
    if let Some(End { code, reason }) = end {
        body.extend_from_slice(format!(r#","closed":{}"#, json!({ "code": code, "reason": reason })).as_bytes());
    }
    body.push(b'}');
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).content_type("application/json").body(body)
}

/// `POST /api/sessions/{user}/commands`.
pub(super) async fn commands(
    request: HttpRequest,
    payload: Payload,
    bridge: Data<Bridge>,
) -> Result<HttpResponse, Problem> {
    let session = find(&request, &bridge)?;
    let _place = bridge.post(counted(&request))?;
    let body = asked::body(payload, COMMANDS_BYTES).await?;
    let texts = read(asked::text(&body)?)?;
    let accepted = texts.len();
    session.command(texts).await?;
    Ok(HttpResponse::Accepted()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "accepted": accepted })))
}

/// One message or a list of them, each as it was written.
fn read(body: &str) -> Result<Vec<String>, Problem> {
    let bad = |text: String| {
        ErrorBody::new(ErrorCode::BadJson, text)
            .hint(r#"as in {"type":"send","id":"1","text":"Hello"}, or a list of those"#)
    };
    let not_json = |error: serde_json::Error| Problem::from(bad(format!("this is not JSON: {error}")));
    let messages: Vec<&RawValue> = if body.trim_start().starts_with('[') {
        serde_json::from_str(body).map_err(not_json)?
    } else {
        vec![serde_json::from_str(body).map_err(not_json)?]
    };
    if messages.len() > COMMANDS {
        let error = ErrorBody::new(ErrorCode::TooBig, format!("there are {} messages in one request", messages.len()));
        return Err(error.limit(COMMANDS as u64).hint("send them in several requests").into());
    }
    if let Some(other) = messages.iter().find(|message| !message.get().starts_with('{')) {
        return Err(bad("a message is one JSON object".to_owned()).got(other.get()).into());
    }
    if let Some(large) = messages.iter().find(|message| message.get().len() > limits::MESSAGE_BYTES) {
        let error = ErrorBody::new(ErrorCode::TooBig, format!("a message has {} bytes", large.get().len()));
        return Err(error.limit(limits::MESSAGE_BYTES as u64).hint("send it in parts").into());
    }
    Ok(messages.into_iter().map(|message| message.get().to_owned()).collect())
}

/// `DELETE /api/sessions/{user}`.
pub(super) async fn end(request: HttpRequest, bridge: Data<Bridge>) -> Result<HttpResponse, Problem> {
    find(&request, &bridge)?.quit().await;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_passed_on_as_they_were_written() {
        assert_eq!(read(r#" {"a" : 1} "#).unwrap(), [r#"{"a" : 1}"#]);
        assert_eq!(read(r#"[{"b":1.50},{"a":2}]"#).unwrap(), [r#"{"b":1.50}"#, r#"{"a":2}"#]);
        assert_eq!(read("[]").unwrap(), Vec::<String>::new());
        for bad in ["", "1", "[1]", "{", "[{}", "{} {}", "null"] {
            assert_eq!(read(bad).unwrap_err().code(), ErrorCode::BadJson, "{bad}");
        }
        let many = format!("[{}]", vec!["{}"; COMMANDS + 1].join(","));
        assert_eq!(read(&many).unwrap_err().code(), ErrorCode::TooBig);
        let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(limits::MESSAGE_BYTES));
        assert_eq!(read(&large).unwrap_err().code(), ErrorCode::TooBig);
    }
}
