//! Some clients stop reading and begin again: what the others notice, what it costs in memory, and whether those who
//! come back get everything or are told what they do not get. It is compared with what was before and after it in the
//! same server's life, second by second, so that what else the machine does is not taken for an effect.

use std::time::Duration;

use super::{Case, Figures, Metric, Size, metric};
use crate::{
    client::Buffer,
    crowd::Crowd,
    load::{self, DRAIN},
    peer::Place,
    server::Server,
    stats::{Histogram, typical, whole},
};

/// Texts per second.
pub const RATE: f64 = 100.0;
/// One in so many stalls.
const ONE_IN: usize = 100;
/// Long texts at the beginning of each state, as fast as they go: more than the kernel's buffers hold, so that the rest
/// of what the stalled ones do not read has to wait in the server.
const FILLING: u64 = 250;
/// Bytes of such a text.
const FILLING_BYTES: usize = 12_000;
/// None, some, none.
const STATES: usize = 3;
/// The one in which some stall.
const STALLED: usize = 1;

/// Its columns.
pub fn metrics() -> Vec<Metric> {
    vec![
        metric("ratio", "p99, × none stalled", 3),
        metric("p50_ratio", "p50, × none stalled", 3),
        metric("p99_us", "p99 of the others, µs", 0),
        metric("p99_none_us", "none stalled, µs", 0),
        metric("p99_whole_us", "p99 of the whole stall, µs", 0),
        metric("p99_whole_none_us", "of as long without, µs", 0),
        metric("memory_mb", "memory grown, MB", 1),
        metric("gapped", "told as gap", 0),
    ]
}

/// Measures the others while some stall and while none do, in turns; in the end those who stalled have to have
/// everything, or to have been told.
pub fn run(case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let server = Server::start(case.peer, 1, place)?;
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    let may_stall = |number: usize| number % ONE_IN == ONE_IN / 2;
    crowd.gather(size.clients, 1, |number| if may_stall(number) { Buffer::Small } else { Buffer::Usual })?;
    crowd.settle()?;
    let stalling: Vec<usize> = (0..crowd.count()).filter(|&number| may_stall(number)).collect();
    // They are left out on both sides, so that the same clients are compared.
    stalling.iter().for_each(|&number| crowd.leave_untimed(number));
    load::paced(&mut crowd, &[0], RATE, size.bytes, size.warm)?;
    crowd.drain(DRAIN)?;
    let before = server.memory();
    let mut grown = 0;
    let mut states: Vec<Seconds> = Vec::new();
    for state in 0..STATES {
        let stalled = state == STALLED;
        if stalled {
            stalling.iter().try_for_each(|&number| crowd.stall(number, true))?;
        }
        // Whether some stall or not, so that the states differ in nothing else.
        load::burst(&mut crowd, &[0], 2, FILLING_BYTES, FILLING)?;
        crowd.settle()?;
        // What is before and what is after it are together as long as the stall.
        let time = if stalled { size.stall } else { size.stall / 2 };
        states.push(seconds(&mut crowd, size.bytes, time)?);
        if stalled {
            grown = server.memory().saturating_sub(before);
            stalling.iter().try_for_each(|&number| crowd.stall(number, false))?;
        }
        crowd.drain(DRAIN)?;
    }
    let some = states.remove(STALLED);
    let none: Seconds = states.concat();
    Ok(vec![
        typical(&some, 0.99) / typical(&none, 0.99),
        typical(&some, 0.5) / typical(&none, 0.5),
        typical(&some, 0.99) / 1e3,
        typical(&none, 0.99) / 1e3,
        whole(&some).quantile(0.99) / 1e3,
        whole(&none).quantile(0.99) / 1e3,
        grown as f64 / 1e6,
        crowd.tally.gapped as f64,
    ])
}

/// The latencies of every second.
type Seconds = Vec<Histogram>;

/// Talks for so long.
fn seconds(crowd: &mut Crowd, bytes: usize, time: Duration) -> anyhow::Result<Seconds> {
    let mut seconds = Vec::new();
    for _ in 0..time.as_secs().max(1) {
        crowd.tally.latencies.clear();
        load::paced(crowd, &[0], RATE, bytes, Duration::from_secs(1))?;
        seconds.push(std::mem::take(&mut crowd.tally.latencies));
    }
    crowd.settle()?;
    Ok(seconds)
}
