//! The order of what is stored: what was acknowledged stands before what was sent later, and each sender's messages
//! stand in the order in which they were first written. A sender repeats what is unanswered in its old order, before
//! anything new, so this holds over reconnects too.

use std::collections::{BTreeMap, HashMap};

use super::{
    findings::{Findings, Reason},
    story::{Sent, Story},
};

/// Finds what stands in the wrong order.
pub fn judge(story: &Story, findings: &mut Findings) {
    let mut rooms: BTreeMap<&str, Vec<(&Sent, u64)>> = BTreeMap::new();
    for sent in &story.sends {
        if let Some(seq) = sent.stored {
            rooms.entry(sent.room).or_default().push((sent, seq));
        }
    }
    for stored in rooms.values() {
        real_time(stored, findings);
        of_one_sender(stored, findings);
    }
}

/// `stored` ascends in the time of sending.
fn real_time(stored: &[(&Sent, u64)], findings: &mut Findings) {
    let acked = stored.iter().filter_map(|(sent, seq)| Some((sent.ack?.0, *seq, sent.cid)));
    let mut acked: Vec<(f64, u64, &str)> = acked.collect();
    acked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut acked = acked.into_iter().peekable();
    let mut highest: Option<(u64, &str)> = None;
    for (sent, seq) in stored {
        while let Some((_, seq, cid)) = acked.next_if(|(t, ..)| *t < sent.t) {
            highest = highest.max(Some((seq, cid)));
        }
        if let Some((before, earlier)) = highest
            && *seq < before
        {
            findings.add(Reason::Reordered, sent.t, || {
                format!(
                    "{} is {seq} in {}; it was sent at {:.3} s, after {earlier} was acknowledged as {before}",
                    sent.cid, sent.room, sent.t
                )
            });
        }
    }
}

/// `stored` ascends in the time of sending.
fn of_one_sender(stored: &[(&Sent, u64)], findings: &mut Findings) {
    let mut last: HashMap<&str, (u64, &str)> = HashMap::new();
    for (sent, seq) in stored {
        match last.insert(sent.c, (*seq, sent.cid)) {
            Some((before, earlier)) if *seq < before => findings.add(Reason::Reordered, sent.t, || {
                format!(
                    "{} is {seq} in {}; {} sent it at {:.3} s, after {earlier}, which is {before}",
                    sent.cid, sent.room, sent.c, sent.t
                )
            }),
            _ => {}
        }
    }
}
