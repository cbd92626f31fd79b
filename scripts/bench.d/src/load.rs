//! Two ways to talk: as fast as answers come, with so many texts under way, or at a pace whatever comes. Both say what
//! it cost the server.

use std::time::{Duration, Instant};

use crate::{crowd::Crowd, server::Server};

/// How long what was said may take to reach the last one.
pub const DRAIN: Duration = Duration::from_secs(30);

/// What a stretch of talk cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// CPU of the server per message that reached one client, in nanoseconds.
    pub cpu_ns: f64,
    /// Messages that reached one client, per second.
    pub per_second: f64,
    /// Half of the messages took no longer, in microseconds from the intended time.
    pub p50_us: f64,
    /// 99 of 100 messages took no longer.
    pub p99_us: f64,
    /// Bytes of a message's frame.
    pub frame_bytes: f64,
}

/// Measures what happens in `talk`, and until all of it has arrived.
pub fn measure(
    crowd: &mut Crowd,
    server: &Server,
    talk: impl FnOnce(&mut Crowd) -> anyhow::Result<()>,
) -> anyhow::Result<Cost> {
    crowd.tally.latencies.clear();
    let (deliveries, bytes) = (crowd.tally.deliveries, crowd.tally.message_bytes);
    let (cpu, began) = (server.cpu(), Instant::now());
    talk(crowd)?;
    crowd.drain(DRAIN)?;
    let (wall, cpu) = (began.elapsed(), server.cpu().since(&cpu));
    let deliveries = (crowd.tally.deliveries - deliveries) as f64;
    Ok(Cost {
        cpu_ns: cpu.as_nanos() as f64 / deliveries,
        per_second: deliveries / wall.as_secs_f64(),
        p50_us: crowd.tally.latencies.quantile(0.5) / 1e3,
        p99_us: crowd.tally.latencies.quantile(0.99) / 1e3,
        frame_bytes: (crowd.tally.message_bytes - bytes) as f64 / deliveries,
    })
}

/// Talks as fast as answers come: each publisher keeps `window` texts under way, and says the next when it sees one of
/// its own.
pub fn in_flight(
    crowd: &mut Crowd,
    publishers: &[usize],
    window: usize,
    bytes: usize,
    time: Duration,
) -> anyhow::Result<()> {
    let end = Instant::now() + time;
    crowd.take_own();
    for _ in 0..window {
        for &publisher in publishers {
            crowd.say(publisher, crowd.now(), bytes)?;
        }
    }
    while Instant::now() < end {
        crowd.turn(Duration::from_millis(20))?;
        for publisher in crowd.take_own() {
            crowd.say(publisher, crowd.now(), bytes)?;
        }
    }
    Ok(())
}

/// Talks at a pace: `rate` texts per second in all, each from the next of the publishers, whatever has arrived.
pub fn paced(crowd: &mut Crowd, publishers: &[usize], rate: f64, bytes: usize, time: Duration) -> anyhow::Result<()> {
    let began = crowd.now();
    let count = (rate * time.as_secs_f64()) as u64;
    for number in 0..count {
        let due = began + (number as f64 * 1e9 / rate) as u64;
        loop {
            let left = Duration::from_nanos(due.saturating_sub(crowd.now()));
            if left.is_zero() {
                break;
            }
            // The kernel's timers are late by up to a millisecond; the last one is spent looking.
            crowd.turn(left.saturating_sub(Duration::from_millis(1)))?;
        }
        crowd.say(publishers[number as usize % publishers.len()], due, bytes)?;
    }
    crowd.take_own();
    Ok(())
}
