//! A made-up history in which every promise holds, as a start for damage.

use crate::{
    event::{Event, Item, What},
    random::Random,
};

/// The rooms of the history.
pub const ROOMS: [&str; 2] = ["a", "b"];

/// So many subscribers are in each room.
const SUBSCRIBERS: usize = 4;

/// A sound history of so many messages.
pub fn sound(seed: u64, messages: usize) -> Vec<Event> {
    let mut random = Random::stream(seed, "sound");
    let mut story = Teller { t: 0.0, events: Vec::new() };
    let mut logs: [Vec<Item>; 2] = [Vec::new(), Vec::new()];
    for room in ROOMS {
        for n in 0..SUBSCRIBERS {
            story.tell(What::Sub { c: subscriber(room, n), room: room.into(), after: 0 });
        }
    }
    story.tell(What::Fault { what: "kill -9 back".into() });
    story.tell(What::Heal { what: "kill -9 back".into() });
    for n in 0..messages {
        let which = random.index(ROOMS.len());
        let (Some(room), Some(log)) = (ROOMS.get(which), logs.get_mut(which)) else { continue };
        let (room, cid, h) = ((*room).to_owned(), format!("m{n}"), format!("h{n}"));
        let c = format!("p{}", random.below(5));
        story.tell(What::Send { c, conn: 1, room: room.clone(), cid: cid.clone(), h: h.clone() });
        // The first messages are stored, so that even a short history has something to damage.
        let fate = if n < 20 { 1.0 } else { random.unit() };
        if fate < 0.05 {
            story.tell(What::Nack { cid, code: "rate_limited".into() });
            continue;
        }
        if fate < 0.08 {
            // Unanswered and not stored.
            continue;
        }
        let seq = log.len() as u64 + 1;
        log.push((seq, cid.clone(), h.clone()));
        if fate >= 0.11 {
            story.tell(What::Ack { cid: cid.clone(), seq, epoch: Some("e".into()) });
        }
        for n in 0..SUBSCRIBERS {
            let (room, cid, h) = (room.clone(), cid.clone(), h.clone());
            story.tell(What::Recv { c: subscriber(&room, n), room, seq, cid, h });
        }
    }
    for (room, log) in ROOMS.iter().zip(logs) {
        for node in ["after", "before"] {
            story.tell(What::Hist { node: node.into(), room: (*room).into(), items: log.clone(), first: Some(1) });
        }
    }
    story.tell(What::End {});
    story.events
}

fn subscriber(room: &str, n: usize) -> String {
    format!("s{room}{n}")
}

struct Teller {
    t: f64,
    events: Vec<Event>,
}

impl Teller {
    fn tell(&mut self, what: What) {
        self.t += 0.001;
        self.events.push(Event { t: self.t, what });
    }
}
