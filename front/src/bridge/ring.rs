//! The newest messages of a room, number after number. Pure.

use std::collections::VecDeque;

use shared::{Epoch, Message};

use super::encoded::Encoded;

/// Most messages that a ring holds.
pub(crate) const MESSAGES: usize = 1_000;

/// Most bytes that a ring holds.
pub(crate) const BYTES: usize = 1024 * 1024;

/// Most messages that are handed out at once: what a reader who does not read holds on to.
const AT_ONCE: usize = 32;

#[derive(Debug)]
struct Item {
    message: Encoded,
    /// The message that it edits or deletes.
    changes: Option<u64>,
}

/// The newest messages, without a hole between them.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    items: VecDeque<Item>,
    bytes: usize,
}

impl Ring {
    /// Adds the next message, and forgets the oldest beyond `bytes`.
    pub(crate) fn push(&mut self, message: Encoded, changes: Option<u64>, bytes: usize) {
        if self.items.back().is_some_and(|last| last.message.seq() + 1 != message.seq()) {
            self.clear();
        }
        self.bytes += message.cost();
        self.items.push_back(Item { message, changes });
        while self.items.len() > MESSAGES || (self.bytes > bytes && self.items.len() > 1) {
            if let Some(oldest) = self.items.pop_front() {
                self.bytes -= oldest.message.cost();
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    /// The oldest message that is here.
    pub(crate) fn first(&self) -> Option<u64> {
        self.items.front().map(|item| item.message.seq())
    }

    /// Messages after `seq`, at most `limit`; nothing when the ring does not reach so far back.
    pub(crate) fn after(&self, seq: u64, limit: usize) -> Option<impl Iterator<Item = &Encoded>> {
        let first = self.first()?;
        let skip = (seq + 1).checked_sub(first)?;
        Some(self.items.iter().skip(skip as usize).take(limit).map(|item| &item.message))
    }

    /// As [`Self::after`], as many as are handed out at once.
    pub(crate) fn some_after(&self, seq: u64) -> Option<Vec<Encoded>> {
        Some(self.after(seq, AT_ONCE)?.cloned().collect())
    }

    /// What `event` edits or deletes reads otherwise from now on, and an earlier edit of it loses its text.
    pub(crate) fn revise(&mut self, epoch: &Epoch, event: &Message) {
        let Some(target) = event.edits.or(event.deletes) else { return };
        let Some(first) = self.first() else { return };
        if event.edited.or(event.deleted).is_some() {
            // A later one says how it reads.
            return;
        }
        let (edited, deleted) = if event.deletes.is_some() { (None, Some(event.seq)) } else { (Some(event.seq), None) };
        for (at, item) in self.items.iter_mut().enumerate() {
            let seq = first + at as u64;
            let overtaken = item.changes == Some(target) && seq < event.seq;
            if seq != target && !overtaken {
                continue;
            }
            let before = item.message.cost();
            match serde_json::from_slice::<Message>(&item.message.json()) {
                Ok(message) => {
                    let text = if overtaken { String::new() } else { event.text.clone() };
                    // A message that was edited before it was taken back says both.
                    let edited = edited.or(message.edited.filter(|_| !overtaken));
                    let message = Message { text, edited, deleted, ..message };
                    item.message = Encoded::new(epoch, seq, &message.to_json());
                }
                Err(_) => return self.clear(),
            }
            self.bytes = self.bytes + item.message.cost() - before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch() -> Epoch {
        Epoch::parse("e1").unwrap()
    }

    fn message(seq: u64, text: &str) -> Message {
        let json =
            format!(r#"{{"room":"a","seq":{seq},"user":"u7Zk2mQ0aB-_x9Yc","name":"kim","text":"{text}","at":1}}"#);
        serde_json::from_str(&json).unwrap()
    }

    fn push(ring: &mut Ring, message: &Message, bytes: usize) {
        let encoded = Encoded::new(&epoch(), message.seq, &message.to_json());
        ring.revise(&epoch(), message);
        ring.push(encoded, message.edits.or(message.deletes), bytes);
    }

    fn seqs(ring: &Ring, after: u64) -> Option<Vec<u64>> {
        Some(ring.after(after, MESSAGES)?.map(Encoded::seq).collect())
    }

    fn read(ring: &Ring, seq: u64) -> Message {
        serde_json::from_slice(&ring.after(seq - 1, 1).unwrap().next().unwrap().json()).unwrap()
    }

    #[test]
    fn it_holds_the_newest_and_says_when_it_does_not_reach_back() {
        let mut ring = Ring::default();
        assert_eq!(seqs(&ring, 0), None);
        for seq in 5..=2_000 {
            push(&mut ring, &message(seq, "x"), BYTES);
        }
        assert_eq!(ring.items.len(), MESSAGES);
        assert_eq!(ring.first(), Some(1_001));
        assert_eq!(seqs(&ring, 999), None);
        assert_eq!(seqs(&ring, 1_000).unwrap().len(), MESSAGES);
        assert_eq!(seqs(&ring, 1_998), Some(vec![1_999, 2_000]));
        assert_eq!(seqs(&ring, 2_000), Some(vec![]));
    }

    #[test]
    fn bytes_are_bounded_and_counted() {
        let mut ring = Ring::default();
        for seq in 1..=100 {
            push(&mut ring, &message(seq, &"x".repeat(1_000)), 10_000);
            assert!(ring.bytes <= 10_000);
            assert_eq!(ring.bytes, ring.items.iter().map(|item| item.message.cost()).sum::<usize>());
        }
        assert!(ring.items.len() < 10);
    }

    #[test]
    fn a_hole_empties_it() {
        let mut ring = Ring::default();
        push(&mut ring, &message(1, "x"), BYTES);
        push(&mut ring, &message(3, "x"), BYTES);
        assert_eq!((seqs(&ring, 0), seqs(&ring, 2)), (None, Some(vec![3])));
    }

    #[test]
    fn what_was_edited_away_or_taken_back_is_nowhere() {
        let mut ring = Ring::default();
        push(&mut ring, &message(1, "first"), BYTES);
        push(&mut ring, &Message { edits: Some(1), ..message(2, "second") }, BYTES);
        assert_eq!((read(&ring, 1).text.as_str(), read(&ring, 1).edited), ("second", Some(2)));
        push(&mut ring, &Message { edits: Some(1), ..message(3, "third") }, BYTES);
        assert_eq!((read(&ring, 1).text.as_str(), read(&ring, 1).edited), ("third", Some(3)));
        assert_eq!((read(&ring, 2).text.as_str(), read(&ring, 2).edited), ("", Some(3)));
        push(&mut ring, &Message { deletes: Some(1), ..message(4, "") }, BYTES);
        assert_eq!(
            (read(&ring, 1).text.as_str(), read(&ring, 1).edited, read(&ring, 1).deleted),
            ("", Some(3), Some(4))
        );
        assert_eq!((read(&ring, 3).text.as_str(), read(&ring, 3).edited, read(&ring, 3).deleted), ("", None, Some(4)));
        assert_eq!(ring.bytes, ring.items.iter().map(|item| item.message.cost()).sum::<usize>());
    }
}
