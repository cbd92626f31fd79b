//! The ways to read a room side by side, for one reader: what each asks for, moves and waits.

use std::time::{Duration, Instant};

use super::{Case, Figures, Metric, Size, metric};
use crate::{
    audience::Audience,
    client::Buffer,
    crowd::{Crowd, Tally},
    dialect::Dialect,
    load::{self, DRAIN},
    peer::{Peer, Place},
    server::Server,
    site::{self, Site},
    way::Way,
};

/// A way, and its name in the table.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Socket(Dialect),
    Http(Way),
}

const WAYS: [(&str, Kind); 7] = [
    ("WebSocket", Kind::Socket(Dialect::Chat)),
    ("WebSocket through front", Kind::Socket(Dialect::ChatRelayed)),
    ("server-sent events", Kind::Http(Way::Events)),
    ("lines of JSON", Kind::Http(Way::Lines)),
    ("long poll", Kind::Http(Way::LongPoll)),
    ("poll every second", Kind::Http(Way::Interval(Duration::from_secs(1)))),
    ("poll every 5 s", Kind::Http(Way::Interval(Duration::from_secs(5)))),
];

/// Its columns.
pub fn metrics() -> Vec<Metric> {
    vec![
        metric("requests", "requests", 0),
        metric("bytes_up", "bytes up", 0),
        metric("bytes_down", "bytes down", 0),
        metric("messages", "messages", 0),
        metric("p50_ms", "p50 ms", 2),
        metric("p95_ms", "p95 ms", 2),
    ]
}

/// Who takes part.
pub fn cases() -> Vec<Case> {
    WAYS.iter().map(|&(variant, _)| Case { peer: Peer::Back, variant }).collect()
}

/// Seconds from the first text to this one: one in each second, anywhere in it. At whole seconds an interval poll would
/// always find a text of the same age.
fn due(number: u64) -> f64 {
    /// Multiples of it fill the second evenly, however many there are.
    const GOLDEN: f64 = 0.618_033_988_749_895;
    number as f64 + (number as f64 * GOLDEN).fract()
}

/// Measures a way from its connection on.
pub fn run(case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let kind = WAYS.iter().find(|(name, _)| *name == case.variant).map_or(WAYS[0].1, |&(_, kind)| kind);
    let site = Site::start(case.peer, place)?;
    let (mut speaker, began) = site.speaker()?;
    let mut subscriber = Subscriber::enter(kind, &site, began)?;
    let count = size.ways_time.as_secs().max(1);
    let talk = || {
        load::scheduled(&mut speaker, &[0], size.bytes, count, due)?;
        speaker.drain(DRAIN)
    };
    site::beside(talk, |timeout| subscriber.turn(timeout))?;
    let deadline = Instant::now() + DRAIN;
    while subscriber.tally().deliveries < count {
        subscriber.turn(Duration::from_millis(20))?;
        anyhow::ensure!(Instant::now() < deadline, "a loss: {} of {count} came", subscriber.tally().deliveries);
    }
    let (requests, up) = subscriber.asked();
    let Tally { bytes, deliveries, latencies, .. } = subscriber.tally();
    let millis = |share| latencies.quantile(share) / 1e6;
    Ok(vec![requests as f64, up as f64, *bytes as f64, *deliveries as f64, millis(0.5), millis(0.95)])
}

/// One who reads, in whatever way.
enum Subscriber {
    Socket(Crowd),
    Http(Audience),
}

impl Subscriber {
    fn enter(kind: Kind, site: &Site, began: Instant) -> anyhow::Result<Self> {
        Ok(match kind {
            Kind::Socket(dialect) => {
                let relayed = dialect == Dialect::ChatRelayed;
                let address = if relayed { site.door().address() } else { Server::address(&site.server) };
                let mut crowd = Crowd::new(dialect, address)?;
                crowd.count_from(began);
                crowd.gather(1, 1, |_| Buffer::Usual)?;
                Self::Socket(crowd)
            }
            Kind::Http(way) => {
                let mut audience = Audience::new(way, site.door().address(), began)?;
                audience.gather(1, 0)?;
                Self::Http(audience)
            }
        })
    }

    fn turn(&mut self, timeout: Duration) -> anyhow::Result<()> {
        match self {
            Self::Socket(crowd) => crowd.turn(timeout),
            Self::Http(audience) => audience.turn(timeout),
        }
    }

    fn tally(&self) -> &Tally {
        match self {
            Self::Socket(crowd) => &crowd.tally,
            Self::Http(audience) => &audience.tally,
        }
    }

    /// Requests, and bytes that left.
    fn asked(&self) -> (u64, u64) {
        match self {
            Self::Socket(crowd) => (crowd.count() as u64, crowd.sent()),
            Self::Http(audience) => (audience.asked.requests, audience.asked.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_due_in_each_second_and_no_part_of_the_second_is_left_out() {
        let mut tenths = [0; 10];
        for number in 0..20 {
            let due = due(number);
            assert_eq!(due.floor() as u64, number);
            tenths[(due.fract() * 10.0) as usize] += 1;
        }
        assert!(tenths.iter().all(|&count| (1..=3).contains(&count)), "{tenths:?}");
    }
}
