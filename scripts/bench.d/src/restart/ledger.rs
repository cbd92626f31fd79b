//! What was said, as everybody saw it: at each number of the room one text, and each text once. Pure.

use std::collections::{HashMap, HashSet};

/// Who said it, and its number with them.
pub type Text = (u32, u32);

/// Of one room.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By the room's numbers, from 1 on.
    seen: Vec<Option<Text>>,
    /// What the server answered for.
    stored: HashMap<Text, u64>,
}

impl Ledger {
    /// Somebody was given this text under this number.
    ///
    /// # Errors
    /// When somebody else was given another.
    pub fn saw(&mut self, seq: u64, text: Text) -> Result<(), String> {
        let at = seq as usize;
        if at >= self.seen.len() {
            self.seen.resize(at + 1, None);
        }
        match self.seen[at].replace(text) {
            Some(other) if other != text => Err(format!("at {seq} stands {text:?} for one and {other:?} for another")),
            _ => Ok(()),
        }
    }

    /// The server said that this text is stored under this number.
    ///
    /// # Errors
    /// When it said another number before.
    pub fn stored(&mut self, text: Text, seq: u64) -> Result<(), String> {
        match self.stored.insert(text, seq) {
            Some(other) if other != seq => Err(format!("{text:?} was stored at {other}, and then at {seq}")),
            _ => Ok(()),
        }
    }

    /// The highest number that anybody saw.
    pub fn top(&self) -> u64 {
        self.seen.len().saturating_sub(1) as u64
    }

    /// Whether each text stands at one number, and each that was answered for at its own; says how many those are.
    ///
    /// # Errors
    /// What is lost or doubled.
    pub fn judge(&self) -> Result<usize, String> {
        let mut once = HashSet::new();
        for (seq, text) in self.seen.iter().enumerate() {
            if let Some(text) = text
                && !once.insert(text)
            {
                return Err(format!("doubled: {text:?} stands at {seq} again"));
            }
        }
        for (text, seq) in &self.stored {
            if self.seen.get(*seq as usize) != Some(&Some(*text)) {
                return Err(format!("lost: {text:?} was stored at {seq}, where nobody saw it"));
            }
        }
        Ok(self.stored.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_doubled_or_told_in_two_ways_is_noticed() {
        let mut ledger = Ledger::default();
        ledger.saw(1, (7, 0)).unwrap();
        ledger.saw(1, (7, 0)).unwrap();
        ledger.stored((7, 0), 1).unwrap();
        assert_eq!((ledger.judge(), ledger.top()), (Ok(1), 1));
        assert!(ledger.saw(1, (8, 0)).unwrap_err().contains("another"));
        assert!(ledger.stored((7, 0), 2).unwrap_err().contains("then at 2"));

        let mut lost = Ledger::default();
        lost.stored((7, 0), 1).unwrap();
        assert!(lost.judge().unwrap_err().contains("lost"));
        let mut doubled = Ledger::default();
        doubled.saw(1, (7, 0)).unwrap();
        doubled.saw(2, (7, 0)).unwrap();
        assert!(doubled.judge().unwrap_err().contains("doubled"));
    }
}
