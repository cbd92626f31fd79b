//! One kind of damage for each reason, and those that leave a history undecided.

use crate::{
    event::{Event, Item, What},
    verdict::Reason,
};

/// What a damaged history must be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Invalid, for this reason among others.
    Invalid(Reason),
    /// Unknown.
    Unknown,
}

/// A way to damage a history.
pub struct Damage {
    /// What is done to it.
    pub name: &'static str,
    /// What it must be called then.
    pub expected: Expected,
    /// Does it; false when the history has nothing to do it to.
    pub apply: fn(&mut Vec<Event>) -> bool,
}

/// Damage that makes a history invalid.
pub(super) const fn invalid(name: &'static str, reason: Reason, apply: fn(&mut Vec<Event>) -> bool) -> Damage {
    Damage { name, expected: Expected::Invalid(reason), apply }
}

const fn unknown(name: &'static str, apply: fn(&mut Vec<Event>) -> bool) -> Damage {
    Damage { name, expected: Expected::Unknown, apply }
}

/// Every kind of damage.
pub const ALL: &[Damage] = &[
    invalid("an acknowledged message is gone from the middle", Reason::Lost, |events| {
        let Some(cid) = acked(events, 20) else { return false };
        every_view(events, |items| items.retain(|item| item.1 != cid))
    }),
    invalid("the newest messages are gone", Reason::Lost, |events| {
        every_view(events, |items| items.truncate(items.len().saturating_sub(10)))
    }),
    invalid("a message is stored twice", Reason::Duplicate, |events| {
        every_view(events, |items| {
            if let Some((_, cid, h)) = items.get(5).cloned() {
                items.push((items.len() as u64 + 1, cid, h));
            }
        })
    }),
    invalid("two neighbours are swapped, and their answers with them", Reason::Reordered, swap_neighbours),
    invalid("one sender's unanswered messages are swapped", Reason::Reordered, |events| {
        let (Some(one), Some(other)) = two_of_one_sender(events) else { return false };
        events.retain(|event| !matches!(&event.what, What::Ack { cid, .. } if *cid == one || *cid == other));
        swap(events, &one, &other);
        true
    }),
    invalid("a delivery is left out", Reason::Missed, |events| remove(events, recv)),
    invalid("a gap ends before what it hides", Reason::Missed, |events| {
        let Some(at) = nth(events, recv, 50) else { return false };
        let event = events.remove(at);
        if let What::Recv { c, room, seq, .. } = event.what {
            let what = What::Gap { c, room, from: 1, to: seq - 1, reason: Some("slow".into()) };
            events.insert(at, Event { t: event.t, what });
        }
        true
    }),
    invalid("a message that nobody sent is stored", Reason::Phantom, |events| {
        every_view(events, |items| items.push((items.len() as u64 + 1, "ghost".into(), "h".into())))
    }),
    invalid("a message that nobody sent is delivered", Reason::Phantom, |events| {
        insert_like(events, recv, |what| {
            if let What::Recv { cid, seq, .. } = what {
                (*cid, *seq) = ("ghost".into(), *seq + 100_000);
            }
        })
    }),
    invalid("a message is stored in another room", Reason::Phantom, |events| {
        let Some(other) = views(events).last().and_then(|items| items.first().cloned()) else { return false };
        first_room(events, |items| items.push((items.len() as u64 + 1, other.1.clone(), other.2.clone())))
    }),
    invalid("a delivered text is another one", Reason::Corrupt, |events| {
        change(events, recv, |what| {
            if let What::Recv { h, .. } = what {
                "other".clone_into(h);
            }
        })
    }),
    invalid("a stored text is another one", Reason::Corrupt, |events| {
        every_view(events, |items| {
            if let Some(item) = items.get_mut(7) {
                "other".clone_into(&mut item.2);
            }
        })
    }),
    invalid("a refused message is stored", Reason::RefusedButStored, |events| {
        let Some(cid) = acked(events, 20) else { return false };
        for event in events {
            if matches!(&event.what, What::Ack { cid: answered, .. } if *answered == cid) {
                event.what = What::Nack { cid: cid.clone(), code: "storage_unavailable".into() };
            }
        }
        true
    }),
    invalid("a delivery is repeated", Reason::DeliveredTwice, |events| insert_like(events, recv, |_| {})),
    invalid("two deliveries are swapped", Reason::DeliveredOutOfOrder, |events| {
        let Some(one) = nth(events, recv, 50) else { return false };
        let who = |event: &Event| match &event.what {
            What::Recv { c, .. } => Some(c.clone()),
            _ => None,
        };
        let name = events.get(one).and_then(who);
        let Some(other) = (one + 1..events.len()).find(|at| events.get(*at).and_then(who) == name) else {
            return false;
        };
        events.swap(one, other);
        true
    }),
    invalid("a message from before the beginning is delivered", Reason::DeliveredOutOfOrder, |events| {
        change_all(events, |what| {
            if let What::Sub { after, .. } = what {
                *after = 5;
            }
        })
    }),
    invalid("a message is delivered under another's number", Reason::DeliveredNotStored, |events| {
        change(events, recv, |what| {
            if let What::Recv { seq, .. } = what {
                *seq += 1;
            }
        })
    }),
    invalid("a delivered message is gone", Reason::DeliveredNotStored, |events| {
        every_view(events, |items| _ = items.pop())
    }),
    invalid("an answer names another number", Reason::OkDisagrees, |events| {
        change(events, ack, |what| {
            if let What::Ack { seq, .. } = what {
                *seq += 1;
            }
        })
    }),
    invalid("a second answer names another number", Reason::OkDisagrees, |events| {
        insert_like(events, ack, |what| {
            if let What::Ack { seq, .. } = what {
                *seq += 1;
            }
        })
    }),
    invalid("one way of reading lacks the newest", Reason::ViewsDisagree, |events| {
        last_view(events, |items| _ = items.pop())
    }),
    invalid("one way of reading has another order", Reason::ViewsDisagree, |events| {
        last_view(events, |items| items.swap(3, 4))
    }),
    invalid("a number has no message", Reason::HistoryHole, |events| {
        every_view(events, |items| {
            for item in items.iter_mut().skip(30) {
                item.0 += 1;
            }
        })
    }),
    invalid("the first number is not there", Reason::HistoryHole, |events| {
        every_view(events, |items| _ = items.remove(0))
    }),
    invalid("numbers go back", Reason::HistoryOrder, |events| every_view(events, |items| items.swap(10, 11))),
    invalid("a number is there twice", Reason::HistoryOrder, |events| {
        every_view(events, |items| {
            if let Some(item) = items.get_mut(10) {
                item.0 -= 1;
            }
        })
    }),
    invalid("an answer comes from another history", Reason::EpochChanged, |events| {
        change(events, ack, |what| {
            if let What::Ack { epoch, .. } = what {
                *epoch = Some("another".into());
            }
        })
    }),
    invalid("a subscriber meets another history", Reason::EpochChanged, |events| {
        let (c, room) = ("sa0".into(), "a".into());
        before_end(events, What::Epoch { c, room, from: "e".into(), to: "f".into() })
    }),
    invalid("nothing is acknowledged after the last mending", Reason::NoRecovery, |events| {
        let Some(at) = nth(events, |what| matches!(what, What::Send { .. }), 60) else { return false };
        let t = events.get(at).map_or(0.0, |event| event.t);
        events.insert(at, Event { t: t - 0.0005, what: What::Heal { what: "partition".into() } });
        events.retain(|event| event.t <= t || !matches!(event.what, What::Ack { .. }));
        true
    }),
    invalid("recovery takes a minute", Reason::NoRecovery, |events| {
        let Some(at) = nth(events, |what| matches!(what, What::Send { .. }), 60) else { return false };
        let t = events.get(at).map_or(0.0, |event| event.t);
        events.insert(at, Event { t: t - 0.0005, what: What::Heal { what: "partition".into() } });
        for event in events.iter_mut().filter(|event| event.t >= t) {
            event.t += 60.0;
        }
        true
    }),
    invalid("the server ends unbidden", Reason::NoRecovery, |events| {
        before_end(events, What::Died { what: "back ended by itself".into() })
    }),
    invalid("a second server is let in", Reason::TwoWriters, |events| {
        before_end(events, What::Admitted { what: "a second back started".into() })
    }),
    unknown("the driver did not end", |events| remove_all(events, |what| matches!(what, What::End {}))),
    unknown("a room was not read", |events| {
        remove_all(events, |what| matches!(what, What::Hist { room, .. } if room == "a"))
    }),
    unknown("nothing was acknowledged", |events| {
        remove_all(events, |what| matches!(what, What::Ack { .. } | What::Heal { .. }))
    }),
    unknown("nothing was delivered", |events| {
        remove_all(events, |what| matches!(what, What::Recv { .. } | What::Sub { .. }))
    }),
];

fn recv(what: &What) -> bool {
    matches!(what, What::Recv { .. })
}

fn ack(what: &What) -> bool {
    matches!(what, What::Ack { .. })
}

fn nth(events: &[Event], kind: fn(&What) -> bool, n: usize) -> Option<usize> {
    events.iter().enumerate().filter(|(_, event)| kind(&event.what)).map(|(at, _)| at).nth(n)
}

/// The id of the n-th acknowledged message.
fn acked(events: &[Event], n: usize) -> Option<String> {
    let mut cids = events.iter().filter_map(|event| match &event.what {
        What::Ack { cid, .. } => Some(cid.clone()),
        _ => None,
    });
    cids.nth(n)
}

fn change(events: &mut [Event], kind: fn(&What) -> bool, with: fn(&mut What)) -> bool {
    let event = nth(events, kind, 50).and_then(|at| events.get_mut(at));
    event.is_some_and(|event| {
        with(&mut event.what);
        true
    })
}

fn change_all(events: &mut [Event], with: fn(&mut What)) -> bool {
    events.iter_mut().for_each(|event| with(&mut event.what));
    true
}

fn remove(events: &mut Vec<Event>, kind: fn(&What) -> bool) -> bool {
    nth(events, kind, 50).is_some_and(|at| {
        events.remove(at);
        true
    })
}

fn remove_all(events: &mut Vec<Event>, kind: fn(&What) -> bool) -> bool {
    events.retain(|event| !kind(&event.what));
    true
}

/// Repeats the fiftieth of a kind a little later, changed.
fn insert_like(events: &mut Vec<Event>, kind: fn(&What) -> bool, with: fn(&mut What)) -> bool {
    let Some(at) = nth(events, kind, 50) else { return false };
    let Some(mut event) = events.get(at).cloned() else { return false };
    with(&mut event.what);
    events.insert(at + 1, event);
    true
}

fn before_end(events: &mut Vec<Event>, what: What) -> bool {
    let t = events.last().map_or(0.0, |event| event.t);
    events.insert(events.len().saturating_sub(1), Event { t, what });
    true
}

fn views(events: &mut [Event]) -> impl DoubleEndedIterator<Item = &mut Vec<Item>> {
    events.iter_mut().filter_map(|event| match &mut event.what {
        What::Hist { items, .. } => Some(items),
        _ => None,
    })
}

fn every_view(events: &mut [Event], with: impl Fn(&mut Vec<Item>)) -> bool {
    views(events).for_each(with);
    true
}

fn last_view(events: &mut [Event], with: impl Fn(&mut Vec<Item>)) -> bool {
    views(events).next_back().map(with).is_some()
}

fn first_room(events: &mut [Event], with: impl Fn(&mut Vec<Item>)) -> bool {
    views(events).take(2).for_each(with);
    true
}

/// Swaps the places of two messages everywhere: in the views, in the answers and in what was delivered.
fn swap(events: &mut [Event], one: &str, other: &str) {
    let swapped = |cid: &mut String| {
        if cid == one {
            other.clone_into(cid);
        } else if cid == other {
            one.clone_into(cid);
        }
    };
    let h = |cid: &str| format!("h{}", cid.trim_start_matches('m'));
    for event in events {
        match &mut event.what {
            What::Recv { cid, h: hash, .. } => {
                swapped(cid);
                *hash = h(cid);
            }
            What::Hist { items, .. } => {
                for (_, cid, hash) in items {
                    swapped(cid);
                    *hash = h(cid);
                }
            }
            _ => {}
        }
    }
}

/// Two messages of one room of which the first was acknowledged before the second was sent change places, and their
/// answers say so: only the order of times tells.
fn swap_neighbours(events: &mut Vec<Event>) -> bool {
    let mut room: Vec<(String, u64)> = Vec::new();
    let Some(items) = views(events).next().cloned() else { return false };
    for event in events.iter() {
        if let What::Ack { cid, seq, .. } = &event.what
            && items.iter().any(|item| item.1 == *cid)
        {
            room.push((cid.clone(), *seq));
        }
    }
    let (Some((one, first)), Some((other, second))) = (room.get(20).cloned(), room.get(21).cloned()) else {
        return false;
    };
    swap(events, &one, &other);
    for event in events {
        if let What::Ack { cid, seq, .. } = &mut event.what {
            if *cid == one {
                *seq = second;
            } else if *cid == other {
                *seq = first;
            }
        }
    }
    true
}

/// Two stored messages of one sender in the first room.
fn two_of_one_sender(events: &mut [Event]) -> (Option<String>, Option<String>) {
    let items = views(events).next().cloned().unwrap_or_default();
    let mut of_one = events.iter().filter_map(|event| match &event.what {
        What::Send { c, cid, .. } if c == "p1" && items.iter().any(|item| item.1 == *cid) => Some(cid.clone()),
        _ => None,
    });
    (of_one.next(), of_one.next())
}
