//! Messages of a room by asking: at once, or as soon as there are any (long polling).

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::{Address, Epoch, ErrorBody, Gap, GapReason, Position, RoomName, limits};
use tokio::time::{Instant, timeout_at};

use super::asked::{self, After};
use crate::{
    bridge::{
        Bridge, Page, Reading,
        encoded::Encoded,
        feed::{Here, Stage},
        reader::{is_foreign, reached, ready},
        told::{gap, unavailable},
    },
    metrics::Open,
    problem::Problem,
    visitor::counted,
};

/// Longest wait of a long poll, in seconds: less than the 30 s after which many a proxy gives up.
const WAIT_SECONDS: u64 = 25;

/// Messages in an answer that asks for no other number.
const LIMIT: u32 = 100;

/// Pause before history is asked again that gave nothing.
const AGAIN: Duration = Duration::from_secs(1);

/// What there is after a position.
struct Found {
    here: Here,
    messages: Vec<Bytes>,
    position: Position,
    more: bool,
    gap: Option<Gap>,
}

impl Found {
    /// The entity tag: the position, and where there is more behind it the newest message too, for that may be an edit
    /// of one of these.
    fn tag(&self) -> String {
        if self.position.seq >= self.here.top {
            format!("\"{}\"", self.position)
        } else {
            format!("\"{}/{}\"", self.position, self.here.top)
        }
    }
}

/// `GET …/messages`.
pub(super) async fn get(request: HttpRequest, bridge: web::Data<Bridge>) -> Result<HttpResponse, Problem> {
    let room = asked::room(&request)?;
    let after = asked::after(&request)?;
    let before = asked::number(&request, "before", limits::MAX_SAFE_INTEGER)?;
    let around = asked::number(&request, "around", limits::MAX_SAFE_INTEGER)?;
    let which = match (&after, before, around) {
        (Some(_) | None, None, None) => None,
        (None, Some(seq), None) => Some(("before", seq)),
        (None, None, Some(seq)) => Some(("around", seq)),
        _ => return Err(Problem::field("after", "more than one of after, before and around").into()),
    };
    let from = counted(&request);
    if let Some(which) = which {
        let limit = asked::limit(&request, limits::DEFAULT_LAST)?;
        let page = bridge.page(from, &room, Some(which), limit).await?;
        return Ok(answer_with_page(&room, &page));
    }
    let limit = asked::limit(&request, LIMIT)?;
    let wait = Duration::from_secs(asked::number(&request, "wait", WAIT_SECONDS)?.unwrap_or(0));
    let known = asked::field(&request, header::IF_NONE_MATCH).unwrap_or_default();
    let found = match after {
        None if wait.is_zero() => newest(&bridge, from, &room, limit).await?,
        _ => poll(&bridge, from, &room, after, known, wait, limit).await?,
    };
    let tag = found.tag();
    // An answer with a gap says more than its position.
    if found.gap.is_none() && names(known, &tag) {
        return Ok(HttpResponse::NotModified()
            .insert_header((header::ETAG, tag))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .finish());
    }
    let Found { here, messages, position, more, gap } = found;
    let mut rest = Map::new();
    rest.insert("position".to_owned(), position.to_string().into());
    rest.insert("more".to_owned(), more.into());
    if let Some(gap) = gap {
        rest.insert("gap".to_owned(), shown(&gap));
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .content_type("application/json")
        .body(body(&room, &here, &messages, rest)))
}

/// A gap as it is on the socket.
fn shown(gap: &Gap) -> Value {
    let mut shown = serde_json::to_value(gap).unwrap_or_default();
    shown["type"] = "gap".into();
    shown
}

/// Whether one of these entity tags is this one, weakly compared (RFC 9110, 13.1.2).
fn names(tags: &str, tag: &str) -> bool {
    tags.split(',').map(str::trim).any(|one| one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// A page as an answer.
pub(super) fn answer_with_page(room: &RoomName, page: &Page) -> HttpResponse {
    let here = Here { epoch: page.epoch.clone(), first: page.first, top: page.top };
    let messages: Vec<Bytes> = page.messages().collect();
    let mut rest = Map::new();
    rest.insert("more".to_owned(), page.more.into());
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .content_type("application/json")
        .body(body(room, &here, &messages, rest))
}

/// The object around messages, which stay as they are.
fn body(room: &RoomName, here: &Here, messages: &[Bytes], rest: Map<String, Value>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Head<'a> {
        room: &'a RoomName,
        epoch: &'a Epoch,
        first: u64,
        top: u64,
    }
    let head = Head { room, epoch: &here.epoch, first: here.first, top: here.top };
    // Nothing in it can fail to serialise.
    let head = serde_json::to_string(&head).unwrap_or_default();
    let rest = Value::Object(rest).to_string();
    let mut body =
        Vec::with_capacity(head.len() + rest.len() + 16 + messages.iter().map(|m| m.len() + 1).sum::<usize>());
    body.extend_from_slice(head.trim_end_matches('}').as_bytes());
    body.extend_from_slice(br#","messages":["#);
    for (at, message) in messages.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(message);
    }
    body.extend_from_slice(b"],");
    body.extend_from_slice(rest.trim_start_matches('{').as_bytes());
    body
}

/// The newest messages, from what is here or from history; nobody need read the room.
async fn newest(bridge: &Bridge, from: Option<Address>, room: &RoomName, limit: u32) -> Result<Found, Problem> {
    if let Some(reading) = bridge.read_already(room)
        && let (Stage::Live, Some(here)) = reading.glance()
        && let Some(found) = newest_here(&reading, &here, limit)
    {
        return Ok(found);
    }
    newest_of_history(bridge, from, room, limit).await
}

async fn newest_of_history(
    bridge: &Bridge,
    from: Option<Address>,
    room: &RoomName,
    limit: u32,
) -> Result<Found, Problem> {
    let page = bridge.page(from, room, None, limit).await?;
    let position = Position { epoch: page.epoch.clone(), seq: page.top };
    let here = Here { epoch: page.epoch.clone(), first: page.first, top: page.top };
    Ok(Found { here, messages: page.messages().collect(), position, more: false, gap: None })
}

fn newest_here(reading: &Reading, here: &Here, limit: u32) -> Option<Found> {
    let from = here.top.saturating_sub(u64::from(limit)).max(here.first.saturating_sub(1)).min(here.top);
    let messages = if from == here.top { Vec::new() } else { reading.page(from, limit as usize)? };
    let seq = messages.last().map_or(here.top, Encoded::seq);
    let position = Position { epoch: here.epoch.clone(), seq };
    let messages = messages.iter().map(Encoded::json).collect();
    Some(Found { here: here.clone(), messages, position, more: false, gap: None })
}

/// What there is after a position, or without one what is newest, as soon as there is anything that `known` does not
/// name.
async fn poll(
    bridge: &Bridge,
    from: Option<Address>,
    room: &RoomName,
    after: Option<After>,
    known: &str,
    wait: Duration,
    limit: u32,
) -> Result<Found, Problem> {
    let _seat = if wait.is_zero() { None } else { Some(bridge.seat(Open::Poll, from)?) };
    let (until, departure) = (Instant::now() + wait, bridge.enter());
    let reading = bridge.read(from, room)?;
    let mut changes = reading.watch();
    let here = ready(&reading).await?;
    let only_new = after.is_some();
    let seq = match after {
        Some(After::Position(at)) => {
            if is_foreign(bridge, from, room, &at, &here).await? {
                return another_history(bridge, from, room).await;
            }
            at.seq
        }
        Some(After::Seq(seq)) => reached(bridge, from, room, seq, &here).await?,
        None => {
            let found = newest(bridge, from, room, limit).await?;
            if !found.messages.is_empty() && !names(known, &found.tag()) {
                return Ok(found);
            }
            found.position.seq
        }
    };
    let at = Position { epoch: here.epoch, seq };
    loop {
        // The wake-up is asked for before the state is looked at.
        changes.borrow_and_update();
        let (stage, here) = reading.glance();
        if let Stage::Refused(error) = stage {
            return Err(error.into());
        }
        let Some(here) = here else { return Err(unavailable().into()) };
        let mut again = until;
        if here.epoch != at.epoch {
            if matches!(stage, Stage::Live) {
                return another_history(bridge, from, room).await;
            }
        } else if here.top > at.seq {
            if !only_new {
                return newest(bridge, from, room, limit).await;
            }
            match after_here(bridge, from, room, &reading, &here, &at, limit).await? {
                Some(found) => return Ok(found),
                None => again = until.min(Instant::now() + AGAIN),
            }
        }
        let (changed, stops) = tokio::select! {
            changed = timeout_at(again, changes.changed()) => (changed.is_ok(), false),
            _ = departure.due() => (false, true),
        };
        if stops || (!changed && Instant::now() >= until) {
            if matches!(stage, Stage::Away) {
                return Err(unavailable().into());
            }
            return Ok(Found { here, messages: Vec::new(), position: at, more: false, gap: None });
        }
    }
}

/// What is after a position that is not the newest; nothing when history does not have it yet.
async fn after_here(
    bridge: &Bridge,
    from: Option<Address>,
    room: &RoomName,
    reading: &Reading,
    here: &Here,
    at: &Position,
    limit: u32,
) -> Result<Option<Found>, Box<ErrorBody>> {
    let (here, mut messages, mut more) = match reading.page(at.seq, limit as usize) {
        Some(messages) => {
            let last = messages.last().map_or(at.seq, Encoded::seq);
            (here.clone(), messages, last < here.top)
        }
        None => {
            let Page { epoch, first, top, messages, more } =
                bridge.page(from, room, Some(("after", at.seq)), limit).await?;
            reading.kept_from(&epoch, first);
            if epoch != at.epoch {
                return Ok(None);
            }
            (Here { epoch, first, top }, messages, more)
        }
    };
    let Some(first) = messages.first().map(Encoded::seq) else { return Ok(None) };
    let next = at.seq + 1;
    let reason = if here.first > next { GapReason::Expired } else { GapReason::Lost };
    let gap = (first > next).then(|| gap(room, next, first - 1, reason));
    // A later hole is told when its turn comes.
    let whole = messages.iter().zip(first..).take_while(|(message, seq)| message.seq() == *seq).count();
    more |= whole < messages.len();
    messages.truncate(whole);
    let last = messages.last().map_or(at.seq, Encoded::seq);
    let position = Position { epoch: here.epoch.clone(), seq: last };
    let messages = messages.iter().map(Encoded::json).collect();
    Ok(Some(Found { here, messages, position, more, gap }))
}

/// For whoever comes with a position of another history.
async fn another_history(bridge: &Bridge, from: Option<Address>, room: &RoomName) -> Result<Found, Problem> {
    let mut found = newest_of_history(bridge, from, room, limits::DEFAULT_LAST).await?;
    found.gap = Some(gap(room, 1, found.here.top, GapReason::Epoch));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_as_they_came() {
        let here = Here { epoch: Epoch::parse("e1").unwrap(), first: 1, top: 2 };
        let mut rest = Map::new();
        rest.insert("more".to_owned(), false.into());
        let messages = [Bytes::from_static(br#"{"seq":1}"#), Bytes::from_static(br#"{"seq":2}"#)];
        let body = String::from_utf8(body(&RoomName::lobby(), &here, &messages, rest)).unwrap();
        assert!(body.contains(r#""messages":[{"seq":1},{"seq":2}],"more":false}"#), "{body}");
        assert!(serde_json::from_str::<Value>(&body).is_ok());
    }

    #[test]
    fn tags_are_compared_weakly() {
        assert!(names(r#""a:1""#, r#""a:1""#));
        assert!(names(r#""x", W/"a:1""#, r#""a:1""#));
        assert!(!names(r#""a:2""#, r#""a:1""#));
        assert!(!names("", r#""a:1""#));
    }
}
