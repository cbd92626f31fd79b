//! A small room beside a huge one that talks as fast as it can: what the small one notices. Quiet and loud take turns in
//! one server's life.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow};

use super::{Case, Figures, Metric, Size, metric};
use crate::{
    client::Buffer,
    crowd::Crowd,
    load::{self, DRAIN},
    machine,
    peer::Place,
    server::Server,
    stats::Histogram,
};

/// Members of the small room.
pub const MEMBERS: usize = 10;
/// Texts per second there.
const RATE: f64 = 20.0;
/// Its number; the huge one has 0.
const SMALL_ROOM: u32 = 1;
/// Quiet and loud, so often each.
const TIMES: usize = 2;

/// Its columns.
pub fn metrics() -> Vec<Metric> {
    vec![
        metric("p99_us", "p99 beside, µs", 0),
        metric("p50_us", "p50 beside, µs", 0),
        metric("p99_quiet_us", "p99 alone, µs", 0),
        metric("p50_quiet_us", "p50 alone, µs", 0),
        metric("per_second", "deliveries/s of the huge room", 0),
    ]
}

/// Measures the small room from a thread of its own, while the huge one is silent and while it talks.
pub fn run(case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let server = Server::start(case.peer, 1, place)?;
    let (ready, loud, over) = (Barrier::new(2), AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let huge = scope.spawn(|| {
            let done = gather(&server, size);
            // Whoever waits for this must not wait for ever when it failed.
            ready.wait();
            talk(done?, size, &loud, &over)
        });
        ready.wait();
        let small = listen(&server, size, &loud);
        over.store(true, Ordering::Release);
        let huge = huge.join().map_err(|_| anyhow!("the huge room's thread panicked"))?.context("the huge room")?;
        let [quiet, beside] = small?;
        let micros = |histogram: &Histogram, share| histogram.quantile(share) / 1e3;
        Ok(vec![micros(&beside, 0.99), micros(&beside, 0.5), micros(&quiet, 0.99), micros(&quiet, 0.5), huge])
    })
}

/// The small room's latencies: quiet and beside the loud one.
fn listen(server: &Server, size: &Size, loud: &AtomicBool) -> anyhow::Result<[Histogram; 2]> {
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    crowd.gather_in(SMALL_ROOM, MEMBERS)?;
    crowd.settle()?;
    let speakers: Vec<usize> = (0..MEMBERS).collect();
    let mut states = [Histogram::default(), Histogram::default()];
    for state in 0..2 * TIMES {
        loud.store(state % 2 == 1, Ordering::Release);
        // What is counted until the swap is forgotten.
        load::paced(&mut crowd, &speakers, RATE, size.bytes, size.warm)?;
        crowd.drain(DRAIN)?;
        std::mem::swap(&mut crowd.tally.latencies, &mut states[state % 2]);
        load::paced(&mut crowd, &speakers, RATE, size.bytes, size.time)?;
        crowd.drain(DRAIN)?;
        std::mem::swap(&mut crowd.tally.latencies, &mut states[state % 2]);
    }
    loud.store(false, Ordering::Release);
    Ok(states)
}

fn gather(server: &Server, size: &Size) -> anyhow::Result<Crowd> {
    // The small room's thread goes first on the CPU that both share, or its latency would be that of the load.
    machine::be_nice();
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    crowd.gather(size.huge, 1, |_| Buffer::Usual)?;
    crowd.settle()?;
    Ok(crowd)
}

/// Has the huge room talk whenever it is to be loud; says how many deliveries per second that were.
fn talk(mut crowd: Crowd, size: &Size, loud: &AtomicBool, over: &AtomicBool) -> anyhow::Result<f64> {
    const STEP: Duration = Duration::from_millis(100);
    let speakers = load::spread(crowd.count(), load::PUBLISHERS);
    let (mut deliveries, mut time) = (0, Duration::ZERO);
    while !over.load(Ordering::Acquire) {
        if !loud.load(Ordering::Acquire) {
            crowd.run_for(STEP)?;
            continue;
        }
        let (before, began) = (crowd.tally.deliveries, crowd.now());
        load::in_flight_while(&mut crowd, &speakers, load::WINDOW, size.bytes, || loud.load(Ordering::Acquire))?;
        crowd.drain(DRAIN)?;
        deliveries += crowd.tally.deliveries - before;
        time += Duration::from_nanos(crowd.now() - began);
    }
    Ok(deliveries as f64 / time.as_secs_f64())
}
