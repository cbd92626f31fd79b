//! Rules about what is stored: every view is whole and the same, everything acknowledged is there once and stands where
//! the acknowledgement said.

use std::collections::HashMap;

use super::{
    findings::{Findings, Reason},
    story::{Story, View},
};

/// Finds what is wrong with the histories.
pub fn judge(story: &Story, findings: &mut Findings) {
    for (room, views) in &story.views {
        let Some((main, others)) = views.split_first() else { continue };
        whole(room, main, findings);
        known(story, room, main, findings);
        for other in others {
            same(room, main, other, findings);
        }
    }
    acknowledged(story, findings);
}

/// Numbers rise by one, from the first that the server says it keeps.
fn whole(room: &str, view: &View, findings: &mut Findings) {
    let t = view.t;
    let mut last = view.first.map(|first| first.saturating_sub(1));
    for (seq, cid, _) in view.items {
        match last {
            Some(last) if *seq <= last => findings.add(Reason::HistoryOrder, t, || {
                format!("in {room} ({}), {seq} ({cid}) stands after {last}, read at {t:.3} s", view.node)
            }),
            Some(last) if *seq != last + 1 => findings.add(Reason::HistoryHole, t, || {
                format!(
                    "in {room} ({}), {} to {} are missing before {cid}, read at {t:.3} s",
                    view.node,
                    last + 1,
                    seq - 1
                )
            }),
            _ => {}
        }
        last = Some(*seq);
    }
}

/// Each message was sent there, once, with that text, and was not refused.
fn known(story: &Story, room: &str, view: &View, findings: &mut Findings) {
    let mut seen: HashMap<&str, u64> = HashMap::new();
    for (seq, cid, h) in view.items {
        let Some(sent) = story.sent(cid).filter(|sent| sent.room == room) else {
            findings.add(Reason::Phantom, view.t, || {
                format!("{cid} is {seq} in {room} and was never sent there, read at {:.3} s", view.t)
            });
            continue;
        };
        if let Some(before) = seen.insert(cid, *seq) {
            findings.add(Reason::Duplicate, sent.t, || {
                format!("{cid} is both {before} and {seq} in {room}, sent at {:.3} s", sent.t)
            });
        }
        if sent.h != h {
            findings.add(Reason::Corrupt, sent.t, || {
                format!("{cid} is {seq} in {room} with another text than was sent at {:.3} s", sent.t)
            });
        }
        if let Some(code) = sent.nack {
            findings.add(Reason::RefusedButStored, sent.t, || {
                format!("{cid} was refused ({code}) and is {seq} in {room}, sent at {:.3} s", sent.t)
            });
        }
    }
}

/// Two ways of reading agree.
fn same(room: &str, one: &View, other: &View, findings: &mut Findings) {
    if one.items == other.items {
        return;
    }
    let at = one.items.iter().zip(other.items).position(|(a, b)| a != b);
    let at = at.unwrap_or_else(|| one.items.len().min(other.items.len()));
    let show = |view: &View| match view.items.get(at) {
        Some((seq, cid, _)) => format!("{seq} ({cid})"),
        None => "nothing".to_owned(),
    };
    findings.add(Reason::ViewsDisagree, other.t, || {
        format!(
            "{room} has {} messages by {} and {} by {}; the first difference is {} against {}, read at {:.3} s",
            one.items.len(),
            one.node,
            other.items.len(),
            other.node,
            show(one),
            show(other),
            other.t
        )
    });
}

/// What was acknowledged is stored, under that number.
fn acknowledged(story: &Story, findings: &mut Findings) {
    for sent in &story.sends {
        let Some((t, seq)) = sent.ack else { continue };
        let Some(log) = story.log(sent.room) else { continue };
        let (cid, room) = (sent.cid, sent.room);
        match sent.stored {
            None => findings.add(Reason::Lost, t, || {
                let place = match (log.first(), log.last()) {
                    (_, Some((last, ..))) if seq > *last => "beyond the end",
                    (Some((first, ..)), _) if seq < *first => "before the beginning",
                    (None, _) => "the room is empty",
                    _ => "in the middle",
                };
                format!("{cid} was acknowledged as {seq} in {room} at {t:.3} s ({place})")
            }),
            Some(stored) if stored != seq => findings.add(Reason::OkDisagrees, t, || {
                format!("{cid} was acknowledged as {seq} in {room} at {t:.3} s and is {stored}")
            }),
            Some(_) => {}
        }
    }
}
