//! Two ways to talk: as fast as answers come, with so many texts under way, or at a pace whatever comes. Both say what
//! it cost the server.

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::{crowd::Crowd, server::Server};

/// How long what was said may take to reach the last one.
pub const DRAIN: Duration = Duration::from_secs(30);

/// Publishers of a room that talks as fast as it can.
pub const PUBLISHERS: usize = 16;
/// Messages that each of them keeps under way.
pub const WINDOW: usize = 4;

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

/// So many of a crowd, each in the middle of its share: a server that goes through the crowd in order is not asked for
/// more too early.
pub fn spread(crowd: usize, publishers: usize) -> Vec<usize> {
    let step = crowd / publishers;
    (0..publishers).map(|number| number * step + step / 2).collect()
}

/// Talks as fast as answers come, for so long: each publisher keeps `window` texts under way, and says the next when it
/// sees one of its own.
pub fn in_flight(
    crowd: &mut Crowd,
    publishers: &[usize],
    window: usize,
    bytes: usize,
    time: Duration,
) -> anyhow::Result<()> {
    let end = Instant::now() + time;
    in_flight_while(crowd, publishers, window, bytes, || Instant::now() < end)
}

/// The same for as long as `more` says so.
pub fn in_flight_while(
    crowd: &mut Crowd,
    publishers: &[usize],
    window: usize,
    bytes: usize,
    mut more: impl FnMut() -> bool,
) -> anyhow::Result<()> {
    crowd.take_own();
    for _ in 0..window {
        for &publisher in publishers {
            crowd.say(publisher, crowd.now(), bytes)?;
        }
    }
    while more() {
        crowd.turn(Duration::from_millis(20))?;
        for publisher in crowd.take_own() {
            crowd.say(publisher, crowd.now(), bytes)?;
        }
    }
    Ok(())
}

/// Talks as fast as it is heard until `count` texts were said and every publisher has read all of them. At most
/// `in_flight` are on their way to the slowest publisher: no part of a server that serves one of them gets further
/// behind the others.
pub fn burst(crowd: &mut Crowd, publishers: &[usize], in_flight: u64, bytes: usize, count: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + DRAIN;
    let before: Vec<u64> = publishers.iter().map(|&publisher| crowd.heard(publisher)).collect();
    let (mut said, mut heard) = (0, 0);
    let mut next = publishers.iter().cycle();
    while heard < count {
        while said < count.min(heard + in_flight)
            && let Some(&publisher) = next.next()
        {
            crowd.say(publisher, crowd.now(), bytes)?;
            said += 1;
        }
        crowd.turn(Duration::from_millis(20))?;
        let each = publishers.iter().zip(&before).map(|(&publisher, before)| crowd.heard(publisher) - before);
        heard = each.min().unwrap_or(count);
        if Instant::now() > deadline {
            let gapped = crowd.tally.gapped;
            bail!("{} messages never came back to who said them; {gapped} were told as a gap", said - heard);
        }
    }
    crowd.take_own();
    Ok(())
}

/// Talks at a pace: `rate` texts per second in all, each from the next of the publishers, whatever has arrived.
pub fn paced(crowd: &mut Crowd, publishers: &[usize], rate: f64, bytes: usize, time: Duration) -> anyhow::Result<()> {
    let count = (rate * time.as_secs_f64()) as u64;
    scheduled(crowd, publishers, bytes, count, |number| number as f64 / rate)
}

/// Says `count` texts, each at its own time, in seconds from now, and each from the next of the publishers.
pub fn scheduled(
    crowd: &mut Crowd,
    publishers: &[usize],
    bytes: usize,
    count: u64,
    time: impl Fn(u64) -> f64,
) -> anyhow::Result<()> {
    let began = crowd.now();
    for number in 0..count {
        let due = began + (time(number) * 1e9) as u64;
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
