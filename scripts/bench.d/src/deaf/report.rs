//! What came of the deaf: the table, and whether the bounds held.

use std::{io::Write as _, time::Duration};

use super::{DeafOptions, STAY, attack::Door};
use crate::{
    machine,
    stats::{Histogram, typical},
};

/// The bound: so much for each of the deaf, and so much for all of them.
const EACH: u64 = 64 << 10;
const ALL: u64 = 64 << 20;
/// The others may wait so many times as long as without the deaf …
const TIMES: f64 = 1.25;
/// … or so much longer, in nanoseconds: below that it is the machine's.
const MORE: f64 = 2e6;

/// What came of one door.
pub struct Row {
    /// By which they came in.
    pub door: Door,
    /// Each time that they came.
    pub rounds: Vec<Round>,
    /// Those who came, one after the other too.
    pub came: u64,
    /// The most who were there at once.
    pub inside: f64,
    /// Those whom back cut off because they read nothing.
    pub cut: f64,
    /// Bytes of both programs before they came.
    pub before: u64,
    /// The most that it was.
    pub most: u64,
    /// Bytes of the kernel's for sockets beyond those before.
    pub kernel: u64,
}

/// The latencies of each second with the deaf, and of those before and after without them.
pub struct Round {
    /// Each second without the deaf, before and after.
    pub without: Vec<Histogram>,
    /// Each second with them.
    pub with: Vec<Histogram>,
}

impl Round {
    /// Whether those who hear waited longer than the machine explains.
    fn is_moved(&self) -> bool {
        let (without, with) = (typical(&self.without, 0.99), typical(&self.with, 0.99));
        with > (without * TIMES).max(without + MORE)
    }
}

/// Prints it; whether all bounds held.
pub fn print(options: &DeafOptions, rows: &[Row]) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    let DeafOptions { deaf, hearing, rate, .. } = options;
    writeln!(out, "{} · {deaf} deaf beside {hearing} who hear {rate} texts/s\n", machine::conditions())?;
    writeln!(
        out,
        "| door | p50 without, ms | with | p99 without, ms | with | worst second with, ms | deaf at once, most | came in all | cut off as slow | memory before, MiB | most | grown for each deaf, KiB | kernel, MiB more |"
    )?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    let mut broken = Vec::new();
    for row in rows {
        let rounds = &row.rounds;
        let of = |which: fn(&Round) -> &Vec<Histogram>| rounds.iter().flat_map(which).cloned().collect::<Vec<_>>();
        let (without, with) = (of(|round| &round.without), of(|round| &round.with));
        let at = |seconds: &[Histogram], share| typical(seconds, share) / 1e6;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let grown = row.most.saturating_sub(row.before);
        writeln!(
            out,
            "| {} | {:.2} | {:.2} | {:.1} | {:.1} | {:.0} | {:.0} | {} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} |",
            row.door.name(),
            at(&without, 0.5),
            at(&with, 0.5),
            at(&without, 0.99),
            at(&with, 0.99),
            with.iter().map(|second| second.quantile(0.99)).fold(0.0, f64::max) / 1e6,
            row.inside,
            row.came,
            row.cut,
            mib(row.before),
            mib(row.most),
            grown as f64 / 1024.0 / *deaf as f64,
            mib(row.kernel),
        )?;
        let mut holds = |so: bool, what: String| {
            if !so {
                broken.push(format!("{}: {what}", row.door.name()));
            }
        };
        // What the machine does besides spoils one round and another; the deaf would spoil them all.
        holds(!rounds.iter().all(Round::is_moved), "the others' p99 moved".to_owned());
        let bound = *deaf as u64 * EACH + ALL;
        holds(grown <= bound, format!("memory grew by {:.0} MiB, and {:.0} are the bound", mib(grown), mib(bound)));
        holds(row.inside >= 0.9 * *deaf as f64, format!("only {} came in", row.inside));
        let is_cut_by_back = row.door != Door::Events && Duration::from_secs(options.seconds) > STAY;
        holds(!is_cut_by_back || row.cut >= 0.9 * *deaf as f64, format!("only {} were cut off", row.cut));
    }
    writeln!(out)?;
    broken.iter().try_for_each(|what| writeln!(out, "broken: {what}"))?;
    if broken.is_empty() {
        writeln!(out, "Whoever reads got everything, once and in order, and as soon as without the deaf.")?;
    }
    Ok(broken.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(without: u64, with: u64) -> Round {
        let second = |nanos| {
            let mut second = Histogram::default();
            second.add(nanos, 100);
            second
        };
        Round { without: vec![second(without); 3], with: vec![second(with); 3] }
    }

    #[test]
    fn a_little_or_little_of_much_is_the_machine_and_more_is_not() {
        assert!(!round(1_000_000, 2_500_000).is_moved(), "less than 2 ms");
        assert!(!round(40_000_000, 48_000_000).is_moved(), "less than a quarter");
        assert!(round(4_000_000, 8_000_000).is_moved());
    }
}
