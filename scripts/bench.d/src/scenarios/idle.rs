//! Clients that say nothing: what each holds of the server's memory, and whether the server rests.

use super::{Case, Figures, Metric, Size, metric};
use crate::{client::Buffer, crowd::Crowd, peer::Place, server::Server};

/// Its columns.
pub fn metrics() -> Vec<Metric> {
    vec![metric("bytes", "memory/client, bytes", 0), metric("cpu_percent", "CPU while idle, % of one", 2)]
}

/// Measures idle clients in one room.
pub fn run(case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let server = Server::start(case.peer, 1, place)?;
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    let before = server.memory();
    crowd.gather(size.idle, 1, |_| Buffer::Usual)?;
    crowd.settle()?;
    let cpu = server.cpu();
    crowd.run_for(size.idle_time)?;
    let used = server.cpu().since(&cpu);
    let grown = server.memory().saturating_sub(before);
    crowd.ping_all()?;
    Ok(vec![grown as f64 / size.idle as f64, used.as_secs_f64() / size.idle_time.as_secs_f64() * 100.0])
}
