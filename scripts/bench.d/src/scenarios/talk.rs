//! One room in which so many messages are in flight.

use super::{Case, Figures, Metric, Scenario, Size, metric};
use crate::{
    crowd::Crowd,
    load::{self, Cost},
    peer::Place,
    server::Server,
};

/// The case with two workers.
pub const TWO: &str = "2 workers";

/// The case with texts so long that a bare frame has as many bytes as Madang's: what the envelope costs by itself.
pub const LONG: &str = "frames as long as Madang's";
/// What a frame of Madang's has more than a bare one of the same text.
const ENVELOPE_BYTES: usize = 123;

/// The columns of whatever talks.
pub fn metrics(scenario: Scenario) -> Vec<Metric> {
    let mut metrics = vec![
        metric("cpu_ns", "CPU ns/delivery", 0),
        metric("per_second", "deliveries/s", 0),
        metric("p50_us", "p50 µs", 0),
        metric("p99_us", "p99 µs", 0),
        metric("frame_bytes", "bytes/delivery", 0),
    ];
    if scenario == Scenario::Workers {
        metrics.swap(0, 1);
    }
    metrics
}

/// The figures of [`metrics`].
pub fn figures(cost: Cost) -> Figures {
    vec![cost.cpu_ns, cost.per_second, cost.p50_us, cost.p99_us, cost.frame_bytes]
}

/// Measures a room with `publishers`, each of whom keeps `window` messages in flight.
pub fn run(case: Case, publishers: usize, window: usize, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let two = case.variant == TWO;
    let place = if two {
        // A CPU more for the server, which the load does not need.
        let (load, more) = place.load_cpus.split_at(1);
        let server = place.server_cpus.iter().chain(more.first()).copied().collect();
        Place { server_cpus: server, load_cpus: load.to_vec(), ..place.clone() }
    } else {
        place.clone()
    };
    let bytes = if case.variant == LONG { size.bytes + ENVELOPE_BYTES } else { size.bytes };
    let server = Server::start(case.peer, if two { 2 } else { 1 }, &place)?;
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    crowd.gather(size.clients, 1, |_| false)?;
    crowd.settle()?;
    // In the middle of the crowd, so that a server that goes through it in order is not asked for more too early.
    let step = crowd.count() / publishers;
    let speakers: Vec<usize> = (0..publishers).map(|number| number * step + step / 2).collect();
    load::in_flight(&mut crowd, &speakers, window, bytes, size.warm)?;
    crowd.drain(load::DRAIN)?;
    let cost = load::measure(&mut crowd, &server, |crowd| load::in_flight(crowd, &speakers, window, bytes, size.time))?;
    let mut figures = figures(cost);
    if place.server_cpus.len() > 1 {
        figures.swap(0, 1);
    }
    Ok(figures)
}
