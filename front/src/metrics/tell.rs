//! Every metric of this server by its name. `docs/operations.md` has them in a table, and a test compares the two.

use service::{
    metrics::{Family, Sheet},
    process::Process,
};

use super::{Kind, Metrics};

/// Everything, as it is now.
pub fn tell(metrics: &Metrics, process: &Process) -> Sheet {
    let mut sheet = Sheet::of("madang_front", env!("CARGO_PKG_VERSION"), metrics.begun, process);
    let answers = Kind::ALL.iter().zip(&metrics.answers);
    sheet.add(Family::counters_by_two(
        "madang_front_answers",
        "Requests that were answered",
        ["kind", "status"],
        answers.flat_map(|(kind, tally)| tally.words().map(|(class, count)| ([kind.word(), class], count))),
    ));
    let now = metrics.now.words().map(|(word, count)| (word, count as f64));
    sheet.add(Family::gauges("madang_front_open", "What is open now", "what", now));
    sheet.add(Family::counters("madang_front_opened", "What was ever opened", "what", metrics.opened.words()));
    sheet.add(Family::counter(
        "madang_front_messages",
        "Messages that were said by POST and stored",
        metrics.said.get(),
    ));
    sheet.add(Family::counters("madang_front_errors", "Errors of the HTTP API", "code", metrics.errors.words()));
    sheet.add(Family::counters("madang_front_limits_hit", "Limits that were reached", "limit", metrics.limits.words()));
    sheet.add(Family::counters(
        "madang_front_dials",
        "Attempts to reach the chat server",
        "result",
        metrics.dials.words(),
    ));
    sheet
}
