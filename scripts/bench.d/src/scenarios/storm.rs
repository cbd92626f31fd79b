//! A crowd loses its connections and comes back at once, each to get what it missed. Only Madang resumes, so only it can
//! be asked.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::{Case, Figures, Metric, Size, metric};
use crate::{
    client::Buffer,
    crowd::Crowd,
    load::{self, DRAIN},
    peer::Place,
    server::Server,
};

/// Messages before the storm.
const HISTORY: u64 = 300;
/// Messages that everybody misses.
pub const MISSED: u64 = 500;
/// On their way in at once: as many as one thread can have come, and fewer than the backlog.
const AT_ONCE: usize = 2_000;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Its columns.
pub fn metrics() -> Vec<Metric> {
    vec![
        metric("cpu_ns", "CPU ns/replayed message", 0),
        metric("per_client_us", "CPU µs/client", 0),
        metric("seconds", "until all have all, s", 2),
        metric("memory_mb", "memory grown at most, MB", 1),
        metric("memory_after_mb", "and afterwards, MB", 1),
    ]
}

/// Measures from the first new connection until the last client has the last message that it missed. Each client goes
/// on checking where it was: the next number has to follow the last one before the storm.
pub fn run(case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let server = Server::start(case.peer, 1, place)?;
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    crowd.gather(size.storm, 1, |_| Buffer::Usual)?;
    crowd.settle()?;
    load::burst(&mut crowd, &[0], 1, size.bytes, HISTORY)?;
    crowd.drain(DRAIN)?;
    let before = server.memory();
    // One stays and goes on talking.
    crowd.lose_all_but(1);
    load::burst(&mut crowd, &[0], 1, size.bytes, MISSED)?;
    crowd.settle()?;
    let deliveries = crowd.tally.deliveries;
    let (cpu, began) = (server.cpu(), Instant::now());
    let mut most = 0;
    let mut looked = began;
    crowd.come_back(AT_ONCE)?;
    while !crowd.is_served() {
        crowd.turn(Duration::from_millis(20))?;
        if looked.elapsed() > LOOK {
            looked = Instant::now();
            most = most.max(server.memory());
        }
        if began.elapsed() > DRAIN {
            crowd.drain(Duration::ZERO)?;
        }
    }
    let (wall, used) = (began.elapsed(), server.cpu().since(&cpu));
    let replayed = (crowd.tally.deliveries - deliveries) as f64;
    if crowd.tally.gapped > 0 {
        bail!("{} messages were told as a gap, though the log had them", crowd.tally.gapped);
    }
    crowd.ping_all()?;
    let after = server.memory();
    let grown = |memory: u64| memory.saturating_sub(before) as f64 / 1e6;
    Ok(vec![
        used.as_nanos() as f64 / replayed,
        used.as_secs_f64() * 1e6 / (size.storm - 1) as f64,
        wall.as_secs_f64(),
        grown(most.max(after)),
        grown(after),
    ])
}
