//! Messages of a room as they come: as server-sent events, or as lines of JSON.

use std::sync::Arc;

use actix_web::{Error, HttpRequest, HttpResponse, http::header, web};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use serde::Serialize;
use shared::{Epoch, RoomName, ServerMessage, limits};

use super::asked::{self, After};
use crate::{
    bridge::{
        Bridge,
        reader::{Event, Reader, Start},
    },
    metrics::Open,
    problem::Problem,
    visitor::counted,
};

/// What a browser waits before it connects again, in milliseconds.
pub(super) const RETRY: &str = "retry: 1000\n\n";

/// `GET …/events`.
pub(super) async fn events(request: HttpRequest, bridge: web::Data<Bridge>) -> Result<HttpResponse, Problem> {
    let last = asked::field(&request, "last-event-id").filter(|id| !id.is_empty());
    let seen = last.map(|id| After::parse("Last-Event-ID", id)).transpose()?;
    stream(&request, bridge, seen, "text/event-stream", Some(RETRY), event).await
}

/// `GET …/stream`.
pub(super) async fn lines(request: HttpRequest, bridge: web::Data<Bridge>) -> Result<HttpResponse, Problem> {
    stream(&request, bridge, None, "application/x-ndjson", None, line).await
}

async fn stream(
    request: &HttpRequest,
    bridge: web::Data<Bridge>,
    seen: Option<After>,
    content_type: &str,
    first: Option<&'static str>,
    encode: fn(Event) -> Bytes,
) -> Result<HttpResponse, Problem> {
    let room = asked::room(request)?;
    let after = match seen {
        Some(seen) => Some(seen),
        None => asked::after(request)?,
    };
    let last = asked::number(request, "last", u64::from(limits::PAGE_MESSAGES))?;
    let start = match after {
        Some(After::Position(at)) => Start::After(at),
        Some(After::Seq(seq)) => Start::AfterSeq(seq),
        None => Start::Last(last.unwrap_or(u64::from(limits::DEFAULT_LAST))),
    };
    let what = if first.is_some() { Open::Events } else { Open::Lines };
    let from = counted(request);
    let seat = bridge.seat(what, from)?;
    let reading = bridge.read(from, &room)?;
    let reader = Reader::open(Arc::clone(&bridge), from, reading, start).await?;
    let are_events = first.is_some();
    let first = stream::iter(first.map(|text| Ok(Bytes::from_static(text.as_bytes()))));
    let rest = stream::unfold(Some((reader, seat)), move |state| async move {
        let (mut reader, seat) = state?;
        match reader.next().await {
            Some(event) => Some((Ok::<_, Error>(encode(event)), Some((reader, seat)))),
            // A browser takes that for the time until it connects again.
            None if are_events => Some((Ok(format!("retry: {}\n\n", reader.advice()?).into()), None)),
            None => None,
        }
    });
    Ok(endless(content_type).streaming(first.chain(rest)))
}

/// The head of an answer that goes on: nobody on its way may keep it, hold it back or change it.
pub(super) fn endless(content_type: &str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"));
    response
}

fn synced(room: RoomName, seq: u64) -> String {
    ServerMessage::Synced { room, seq }.to_json()
}

fn event(event: Event) -> Bytes {
    match event {
        Event::Message(message) => message.event(),
        Event::Gap(at, gap) => format!("id: {at}\nevent: gap\ndata: {}\n\n", ServerMessage::Gap(gap).to_json()).into(),
        Event::Synced(at, room) => format!("id: {at}\nevent: synced\ndata: {}\n\n", synced(room, at.seq)).into(),
        Event::Idle => Bytes::from_static(b":\n\n"),
    }
}

fn line(event: Event) -> Bytes {
    match event {
        Event::Message(message) => message.line(),
        // Without events there is no other place for the epoch that `after` needs.
        Event::Gap(at, gap) => with_epoch(&ServerMessage::Gap(gap), &at.epoch),
        Event::Synced(at, room) => with_epoch(&ServerMessage::Synced { room, seq: at.seq }, &at.epoch),
        Event::Idle => Bytes::from_static(b"\n"),
    }
}

fn with_epoch(message: &ServerMessage, epoch: &Epoch) -> Bytes {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        message: &'a ServerMessage,
        epoch: &'a Epoch,
    }
    // Nothing in it can fail to serialise.
    let mut line = serde_json::to_string(&Line { message, epoch }).unwrap_or_default();
    line.push('\n');
    line.into()
}
