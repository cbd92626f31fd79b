//! A storm of connections: what an arrival costs the server, and whether all of them are served in the end.

use std::time::Instant;

use super::{Case, Figures, Metric, Size, metric};
use crate::{client::Buffer, crowd::Crowd, peer::Place, server::Server};

/// Its columns.
pub fn metrics() -> Vec<Metric> {
    vec![metric("per_cpu_second", "connects/CPU-second", 0), metric("per_second", "connects/s", 0)]
}

/// Measures from the first connection to the last one's place in the room; then every client pings and is answered.
pub fn run(case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let server = Server::start(case.peer, 1, place)?;
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    let (cpu, began) = (server.cpu(), Instant::now());
    crowd.gather(size.connects, 1, |_| Buffer::Usual)?;
    let (wall, used) = (began.elapsed(), server.cpu().since(&cpu));
    crowd.ping_all()?;
    let count = size.connects as f64;
    Ok(vec![count / used.as_secs_f64(), count / wall.as_secs_f64()])
}
