//! One room in which so many messages are in flight.

use super::{Case, Figures, Metric, Size, metric};
use crate::{
    client::Buffer,
    crowd::Crowd,
    load::{self, Cost},
    peer::Place,
    server::Server,
};

/// The case with texts so long that a bare frame has as many bytes as Madang's: what the envelope costs by itself.
pub const LONG: &str = "frames as long as Madang's";
/// What a frame of Madang's has more than a bare one of the same text.
const ENVELOPE_BYTES: usize = 123;

/// The columns of whatever talks.
pub fn metrics() -> Vec<Metric> {
    vec![
        metric("cpu_ns", "CPU ns/delivery", 0),
        metric("per_second", "deliveries/s", 0),
        metric("p50_us", "p50 µs", 0),
        metric("p99_us", "p99 µs", 0),
        metric("frame_bytes", "bytes/delivery", 0),
    ]
}

/// The figures of [`metrics`].
pub fn figures(cost: Cost) -> Figures {
    vec![cost.cpu_ns, cost.per_second, cost.p50_us, cost.p99_us, cost.frame_bytes]
}

/// Measures a room with `publishers`, each of whom keeps `window` messages in flight.
pub fn run(case: Case, publishers: usize, window: usize, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let bytes = if case.variant == LONG { size.bytes + ENVELOPE_BYTES } else { size.bytes };
    let server = Server::start(case.peer, 1, place)?;
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    crowd.gather(size.clients, 1, |_| Buffer::Usual)?;
    crowd.settle()?;
    let speakers = load::spread(crowd.count(), publishers);
    load::in_flight(&mut crowd, &speakers, window, bytes, size.warm)?;
    crowd.drain(load::DRAIN)?;
    let cost = load::measure(&mut crowd, &server, |crowd| load::in_flight(crowd, &speakers, window, bytes, size.time))?;
    Ok(figures(cost))
}
