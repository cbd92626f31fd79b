//! Damage as readers over HTTP meet it where a position is kept badly: after a return, between two polls, in a page.

use super::damage::{Damage, invalid};
use crate::{
    event::{Event, Item, What},
    verdict::Reason,
};

/// The reader whom it happens to.
const READER: &str = "sa0";

/// How many messages are on a page.
const PAGE: usize = 5;

/// Every kind of it.
pub const ALL: &[Damage] = &[
    invalid("a stream goes on one message too late", Reason::Missed, |events| {
        let Some(at) = given(events).get(40).copied() else { return false };
        events.remove(at);
        true
    }),
    invalid("a stream goes on one message too early", Reason::DeliveredTwice, |events| again(events, 1)),
    invalid("a page of messages is given again", Reason::DeliveredTwice, |events| again(events, PAGE)),
    invalid("a page of messages is passed over", Reason::Missed, |events| {
        let Some(places) = given(events).get(40..40 + PAGE).map(<[usize]>::to_vec) else { return false };
        for at in places.iter().rev() {
            events.remove(*at);
        }
        true
    }),
    invalid("a gap tells of less than it leaves out", Reason::Missed, |events| {
        let Some(places) = given(events).get(40..40 + PAGE).map(<[usize]>::to_vec) else { return false };
        let Some(first) = places.first().copied() else { return false };
        let from = events.get(first).and_then(|event| number(&event.what)).unwrap_or(0);
        for at in places.iter().rev() {
            events.remove(*at);
        }
        let t = events.get(first).map_or(0.0, |event| event.t);
        let (c, room, to) = (READER.to_owned(), "a".to_owned(), from + PAGE as u64 - 2);
        events.insert(first, Event { t, what: What::Gap { c, room, from, to, reason: Some("too_many".into()) } });
        true
    }),
    invalid("front does not know the newest messages", Reason::ViewsDisagree, |events| {
        front_reads(events, |items| items.truncate(items.len() - PAGE))
    }),
    invalid("a page of front's lacks a message", Reason::ViewsDisagree, |events| {
        front_reads(events, |items| _ = items.remove(20))
    }),
];

/// Where the reader is given something.
fn given(events: &[Event]) -> Vec<usize> {
    let to_reader = |event: &Event| matches!(&event.what, What::Recv { c, .. } if c == READER);
    events.iter().enumerate().filter(|(_, event)| to_reader(event)).map(|(at, _)| at).collect()
}

fn number(what: &What) -> Option<u64> {
    match what {
        What::Recv { seq, .. } => Some(*seq),
        _ => None,
    }
}

/// The reader comes back and is given so many again.
fn again(events: &mut Vec<Event>, count: usize) -> bool {
    let Some(places) = given(events).get(40..40 + count).map(<[usize]>::to_vec) else { return false };
    let Some(last) = places.last().copied() else { return false };
    let t = events.get(last).map_or(0.0, |event| event.t);
    let repeated: Vec<_> = places.iter().filter_map(|at| events.get(*at)).map(|event| event.what.clone()).collect();
    events.splice(last + 1..last + 1, repeated.into_iter().map(|what| Event { t, what }));
    true
}

/// The first room is read once more, through front, which shows something else.
fn front_reads(events: &mut Vec<Event>, with: impl Fn(&mut Vec<Item>)) -> bool {
    let at = events.iter().position(|event| matches!(event.what, What::End {}));
    let read = events.iter().find(|event| matches!(event.what, What::Hist { .. })).cloned();
    let (Some(at), Some(mut read)) = (at, read) else { return false };
    let What::Hist { node, items, .. } = &mut read.what else { return false };
    "http after".clone_into(node);
    with(items);
    events.insert(at, read);
    true
}
