//! Rules about what each subscriber's application was given: everything it wanted, once, in order, as it is stored, or
//! an open word about what it will not get.

use std::collections::{HashMap, HashSet};

use super::{
    findings::{Findings, Reason},
    story::{Reader, Story},
};
use crate::event::Item;

/// What was acknowledged less than so many seconds before somebody left may have missed them.
const LEAVING_SECONDS: f64 = 1.0;

/// Finds what was given wrongly, and what was not given.
pub fn judge(story: &Story, findings: &mut Findings) {
    let logs: HashMap<&str, HashMap<u64, &Item>> = story
        .views
        .keys()
        .map(|room| (*room, story.log(room).unwrap_or_default().iter().map(|item| (item.0, item)).collect()))
        .collect();
    for ((c, room), reader) in &story.readers {
        in_order(c, room, reader, findings);
        as_stored(story, c, room, reader, logs.get(room), findings);
        everything(story, c, room, reader, findings);
    }
}

fn in_order(c: &str, room: &str, reader: &Reader, findings: &mut Findings) {
    let mut seen = HashSet::new();
    let mut last = reader.after.unwrap_or(0);
    for given in &reader.given {
        let (seq, t, cid) = (given.seq, given.t, given.cid);
        if seq <= last {
            let reason = if seen.contains(&seq) { Reason::DeliveredTwice } else { Reason::DeliveredOutOfOrder };
            findings.add(reason, t, || format!("{c} was given {seq} ({cid}) of {room} after {last}, at {t:.3} s"));
        }
        seen.insert(seq);
        last = last.max(seq);
    }
}

fn as_stored(
    story: &Story,
    c: &str,
    room: &str,
    reader: &Reader,
    log: Option<&HashMap<u64, &Item>>,
    findings: &mut Findings,
) {
    for given in &reader.given {
        let (seq, t, cid) = (given.seq, given.t, given.cid);
        let Some(sent) = story.sent(cid).filter(|sent| sent.room == room) else {
            findings.add(Reason::Phantom, t, || {
                format!("{c} was given {seq} ({cid}) of {room}, which was never sent there, at {t:.3} s")
            });
            continue;
        };
        if sent.h != given.h {
            findings.add(Reason::Corrupt, t, || {
                format!("{c} was given {seq} ({cid}) of {room} with another text, at {t:.3} s")
            });
        }
        // A room that was not read makes the verdict unknown, not this.
        let Some(log) = log else { continue };
        let stored = log.get(&seq).map(|item| item.1.as_str());
        if stored != Some(cid) {
            let stored = stored.unwrap_or("nothing");
            findings.add(Reason::DeliveredNotStored, t, || {
                format!("{c} was given {cid} as {seq} of {room} at {t:.3} s; the history has {stored} there")
            });
        }
    }
}

fn everything(story: &Story, c: &str, room: &str, reader: &Reader, findings: &mut Findings) {
    let (Some(after), Some(log)) = (reader.after, story.log(room)) else { return };
    let got: HashSet<u64> = reader.given.iter().map(|given| given.seq).collect();
    let gaps = Intervals::new(&reader.gaps);
    for (seq, cid, _) in log {
        if *seq <= after || got.contains(seq) || gaps.contain(*seq) {
            continue;
        }
        let sent = story.sent(cid);
        let acked = sent.and_then(|sent| sent.ack).map(|(t, _)| t);
        if reader.left.is_some_and(|left| acked.is_none_or(|t| t > left - LEAVING_SECONDS)) {
            continue;
        }
        let t = acked.or(sent.map(|sent| sent.t)).unwrap_or(0.0);
        findings.add(Reason::Missed, t, || format!("{c} was not given {seq} ({cid}) of {room}, stored at {t:.3} s"));
    }
}

/// Numbers in closed intervals, merged so that a look takes logarithmic time.
struct Intervals(Vec<(u64, u64)>);

impl Intervals {
    fn new(of: &[(u64, u64)]) -> Self {
        let mut sorted = of.to_vec();
        sorted.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (from, to) in sorted {
            match merged.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }

    fn contain(&self, number: u64) -> bool {
        let before = self.0.partition_point(|(from, _)| *from <= number);
        before.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, to)| number <= *to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_gaps_count_once_and_holes_between_them_stay() {
        let gaps = Intervals::new(&[(10, 20), (1, 3), (15, 30), (2, 2)]);
        let inside: Vec<u64> = (0..40).filter(|n| gaps.contain(*n)).collect();
        assert_eq!(inside, (1..=3).chain(10..=30).collect::<Vec<_>>());
    }
}
