//! When a message is said to be from, and what an edit or a deletion does to the messages before it. Pure.
//!
//! The event is a message with a number of its own, so that everybody hears of it in order. The message that it names
//! reads otherwise from then on, also for those who come later, and an earlier edit of it loses its text: what was
//! edited away or taken back is nowhere.

use shared::Message;

use super::{Bounds, Draft, Refusal, Says};

/// So far a room's time waits for a clock that was put back, as clocks that are kept right are. One that was put back
/// farther was wrong before, and what was said with it must not date all that is said after it.
const WAITS_MS: u64 = 60_000;

impl Says {
    /// The message that it changes.
    pub fn target(&self) -> Option<u64> {
        match self {
            Self::Text { .. } => None,
            Self::Edit { seq, .. } | Self::Delete { seq } | Self::Remove { seq } => Some(*seq),
        }
    }
}

/// Whether a draft may change message `seq` of a room with these bounds, where it reads like `target`.
///
/// # Errors
/// Why not.
pub fn may_change(draft: &Draft, seq: u64, bounds: &Bounds, target: Option<&Message>) -> Result<(), Refusal> {
    if seq > 0 && seq < bounds.first {
        return Err(Refusal::Expired);
    }
    let target = target.ok_or(Refusal::NoSuchMessage)?;
    if target.edits.or(target.deletes).or(target.deleted).is_some() {
        return Err(Refusal::NoSuchMessage);
    }
    let is_moderators = matches!(draft.says, Says::Remove { .. });
    if is_moderators || target.user == draft.user { Ok(()) } else { Err(Refusal::NotYours) }
}

/// When a message is from that is said now, in a room whose newest is from then; both in Unix milliseconds.
pub fn time_after(newest: u64, now: u64) -> u64 {
    if newest.saturating_sub(now) <= WAITS_MS { newest.max(now) } else { now }
}

/// The message that a draft becomes under this number.
pub fn number(draft: Draft, seq: u64, at: u64) -> Message {
    let Draft { room, user, name, says, id: _ } = draft;
    let (text, reply_to, edits, deletes) = match says {
        Says::Text { text, reply_to } => (text, reply_to, None, None),
        Says::Edit { seq, text } => (text, None, Some(seq), None),
        Says::Delete { seq } | Says::Remove { seq } => (String::new(), None, None, Some(seq)),
    };
    Message { room, seq, user, name, text, at, reply_to, edits, deletes, edited: None, deleted: None }
}

/// How the message that `event` names reads from then on.
pub fn revised(target: &Message, event: &Message) -> Message {
    let (edited, deleted) = match event.deletes {
        None => (Some(event.seq), None),
        Some(_) => (target.edited, Some(event.seq)),
    };
    Message { text: event.text.clone(), edited, deleted, ..target.clone() }
}

/// How the edit before `event` reads from then on.
pub fn overtaken(edit: &Message, event: &Message) -> Message {
    let (edited, deleted) = if event.deletes.is_none() { (Some(event.seq), None) } else { (None, Some(event.seq)) };
    Message { text: String::new(), edited, deleted, ..edit.clone() }
}
