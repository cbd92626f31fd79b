//! Some clients stop reading and begin again: what the others notice, what it costs in memory, and whether those who
//! come back get everything or are told what they do not get.

use super::{Case, Figures, Metric, Size, metric};
use crate::{crowd::Crowd, load, peer::Place, server::Server};

/// The case with stalled clients.
pub const STALLED: &str = "1 % stalled";
/// Texts per second.
pub const RATE: f64 = 50.0;
/// Bytes of a text: with it a stall fills every buffer of the kernel.
pub const BYTES: usize = 2000;
/// One in so many stalls.
const ONE_IN: usize = 100;

/// Its columns.
pub fn metrics() -> Vec<Metric> {
    vec![
        metric("p99_us", "p99 of the others, µs", 0),
        metric("p50_us", "p50, µs", 0),
        metric("cpu_ns", "CPU ns/delivery", 0),
        metric("memory_mb", "memory grown, MB", 1),
        metric("gapped", "told as gap", 0),
    ]
}

/// Measures the others while some stall, then has these read again.
pub fn run(case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let server = Server::start(case.peer, 1, place)?;
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    let may_stall = |number: usize| number % ONE_IN == ONE_IN / 2;
    crowd.gather(size.clients, 1, may_stall)?;
    crowd.settle()?;
    load::paced(&mut crowd, &[0], RATE, BYTES, size.warm)?;
    crowd.drain(load::DRAIN)?;
    let stalling: Vec<usize> = (0..crowd.count()).filter(|&number| may_stall(number)).collect();
    // They are left out on both sides, so that the same clients are compared.
    stalling.iter().for_each(|&number| crowd.leave_untimed(number));
    if case.variant == STALLED {
        stalling.iter().try_for_each(|&number| crowd.stall(number, true))?;
    }
    let before = server.memory();
    let mut grown = 0;
    let cost = load::measure(&mut crowd, &server, |crowd| {
        load::paced(crowd, &[0], RATE, BYTES, size.time)?;
        grown = server.memory().saturating_sub(before);
        stalling.iter().try_for_each(|&number| crowd.stall(number, false))
    })?;
    let gapped = crowd.tally.gapped as f64;
    Ok(vec![cost.p99_us, cost.p50_us, cost.cpu_ns, grown as f64 / 1e6, gapped])
}
