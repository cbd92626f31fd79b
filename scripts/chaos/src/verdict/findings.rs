//! The reasons for which a history is invalid, counted, each with its first example.

use std::collections::BTreeMap;

macro_rules! reasons {
    ($($name:ident = $word:literal, $sentence:literal;)*) => {
        /// Why a history is invalid.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $sentence] $name,)*
        }

        impl Reason {
            /// All of them.
            #[cfg(test)]
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word for it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

reasons! {
    Lost = "lost", "Acknowledged, and not in the history.";
    Duplicate = "duplicate", "In the history more than once.";
    Reordered = "reordered", "Before something that was sent earlier.";
    Missed = "missed", "Stored, and not given to a subscriber who wanted it and was told of no gap.";
    Phantom = "phantom", "Never sent.";
    Corrupt = "corrupt", "Another text than the one that was sent.";
    RefusedButStored = "refused-but-stored", "Answered as certainly not stored, and stored.";
    DeliveredTwice = "delivered-twice", "Given to the same subscriber more than once.";
    DeliveredOutOfOrder = "delivered-out-of-order", "Given after a later one.";
    DeliveredNotStored = "delivered-not-stored", "Given, and not in the history under that number.";
    OkDisagrees = "ok-disagrees", "Acknowledged with another number than it has.";
    ViewsDisagree = "views-disagree", "Two ways of reading one room differ.";
    HistoryHole = "history-hole", "A number that no message has.";
    HistoryOrder = "history-order", "Numbers that do not rise.";
    EpochChanged = "epoch-changed", "Another history than before, though nobody deleted one.";
    NoRecovery = "no-recovery", "Something did not come back after everything was mended, or ended unbidden.";
    TwoWriters = "two-writers", "A second server on the same data was let in.";
}

/// How often, and the first one.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How often.
    pub count: usize,
    /// The earliest.
    pub example: String,
    /// Its time.
    t: f64,
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<Reason, Finding>);

impl Findings {
    /// Adds one that happened, or was expected, at `t`. `example` is only made where it is the earliest.
    pub fn add(&mut self, reason: Reason, t: f64, example: impl FnOnce() -> String) {
        match self.0.get_mut(&reason) {
            Some(finding) => {
                finding.count += 1;
                if t < finding.t {
                    (finding.t, finding.example) = (t, example());
                }
            }
            None => _ = self.0.insert(reason, Finding { count: 1, example: example(), t }),
        }
    }

    /// All of them, each with the faults around its example. `faults` ascend in time.
    pub fn after_faults(mut self, faults: &[(f64, &str)]) -> BTreeMap<Reason, Finding> {
        let show = |(t, what): &(f64, &str)| format!("{what} at {t:.3} s");
        for finding in self.0.values_mut() {
            let at = faults.partition_point(|(t, _)| *t <= finding.t);
            let before = at.checked_sub(1).and_then(|last| faults.get(last));
            let before = before.map_or("none".to_owned(), show);
            finding.example.push_str(&format!("; the last fault before: {before}"));
            // What was lost was acknowledged before the fault that lost it.
            if let Some(after) = faults.get(at) {
                finding.example.push_str(&format!("; the next one: {}", show(after)));
            }
        }
        self.0
    }
}
