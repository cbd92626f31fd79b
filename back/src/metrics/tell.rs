//! Every metric of this server by its name. `docs/operations.md` has them in a table, and a test compares the two.

use service::{
    metrics::{Family, Sheet, Tally, Unit},
    process::Process,
};

use super::Metrics;

/// What is not counted but looked up, as it is now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    /// What the process takes of the machine.
    pub process: Process,
    /// Whether history takes what is said.
    pub writable: bool,
    /// Rooms in memory.
    pub rooms: usize,
    /// Changes that wait for the writer.
    pub appends: usize,
    /// Committed batches that wait to be handed out.
    pub batches: usize,
    /// Questions that are being answered by a store on disk.
    pub readers: usize,
    /// Searches that are under way.
    pub searchers: usize,
    /// Bytes of history's files, where it has files and they could be looked at.
    pub database: Option<u64>,
}

/// Everything, as it is now.
pub fn tell(metrics: &Metrics, now: &Now) -> Sheet {
    let mut sheet = Sheet::of("madang_back", env!("CARGO_PKG_VERSION"), metrics.begun, &now.process);
    let Metrics { begun: _, bare, tls, connected, members, late, .. } = metrics;
    sheet.add(Family::gauges_by_two(
        "madang_back_connections",
        "Connections",
        ["protocol", "transport"],
        each(bare, "ws").chain(each(tls, "wss")).map(|(words, count)| (words, count as f64)),
    ));
    sheet.add(Family::counter("madang_back_connects", "Handshakes that succeeded", connected.get()));
    sheet.add(Family::counters(
        "madang_back_handshakes_refused",
        "Connections that were not let in",
        "reason",
        metrics.refused.words(),
    ));
    sheet.add(Family::counters("madang_back_tickets", "Tickets that were shown", "result", metrics.tickets.words()));
    sheet.add(Family::counters_by_two(
        "madang_back_closes",
        "Connections that ended",
        ["code", "by"],
        each(&metrics.closes, "server").chain(each(&metrics.left, "client")),
    ));
    sheet.add(Family::gauge("madang_back_rooms", "Rooms in memory", now.rooms as f64));
    sheet.add(Family::gauge(
        "madang_back_members",
        "Connections in rooms, each counted per room",
        members.get() as f64,
    ));
    sheet.add(Family::gauge("madang_back_late_members", "Members behind their rooms", late.get() as f64));
    sheet.add(Family::counter("madang_back_messages", "Messages accepted and stored", metrics.stored.get()));
    sheet.add(Family::counter("madang_back_duplicates", "Messages that were stored already", metrics.duplicates.get()));
    sheet.add(Family::counters(
        "madang_back_deliveries",
        "Messages handed to clients, each counted per client",
        "way",
        metrics.deliveries.words(),
    ));
    sheet.add(Family::times("madang_back_fan_out", "One pass over the members of a room", &metrics.sweeps));
    sheet.add(Family::times("madang_back_commit", "One commit of history", &metrics.commits));
    sheet.add(Family::counter("madang_back_changes", "Changes in these commits", metrics.changes.get()));
    sheet.add(Family::counters("madang_back_gaps", "Gaps told to clients", "reason", metrics.gaps.words()));
    sheet.add(Family::counters(
        "madang_back_joins",
        "Joins by how the position was met",
        "result",
        metrics.joins.words(),
    ));
    sheet.add(Family::counters("madang_back_errors", "Errors told to clients", "code", metrics.errors.words()));
    sheet.add(Family::counters("madang_back_limits_hit", "Limits that were reached", "limit", metrics.limits.words()));
    sheet.add(Family::gauges(
        "madang_back_queue",
        "What waits or is under way",
        "queue",
        [
            ("arrivals", metrics.waiting() as f64),
            ("appends", now.appends as f64),
            ("batches", now.batches as f64),
            ("readers", now.readers as f64),
            ("searchers", now.searchers as f64),
        ],
    ));
    sheet.add(Family::gauge(
        "madang_back_history_writable",
        "Whether history takes what is said",
        f64::from(u8::from(now.writable)),
    ));
    let size = now.database.map(|bytes| bytes as f64);
    sheet.add(Family::gauge_if_known("madang_back_database", "History's files", size).unit(Unit::Bytes));
    sheet
}

fn each<L: Copy + PartialEq>(tally: &Tally<L>, other: &'static str) -> impl Iterator<Item = ([&'static str; 2], u64)> {
    tally.words().map(move |(word, count)| ([word, other], count))
}
