//! From a recorded history to a verdict. Pure: events in, verdict out. It knows no server, no socket and no clock.

mod delivered;
mod findings;
mod order;
mod recovery;
mod stored;
mod story;

use std::{collections::BTreeMap, fmt};

pub use findings::{Finding, Reason};

use crate::event::Event;
use findings::Findings;
use story::Story;

/// What the promises came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All held.
    Valid,
    /// At least one was broken.
    Invalid,
    /// It cannot be said: never a pass.
    Unknown,
}

/// A judged history.
#[derive(Debug)]
pub struct Verdict {
    /// What was broken, how often, with an example.
    pub findings: BTreeMap<Reason, Finding>,
    /// Why it cannot be said.
    pub unknown: Vec<String>,
    /// What the history contains.
    pub statistics: Vec<(&'static str, String)>,
}

impl Verdict {
    /// The verdict in one word.
    pub fn outcome(&self) -> Outcome {
        match (self.findings.is_empty(), self.unknown.is_empty()) {
            (false, _) => Outcome::Invalid,
            (true, false) => Outcome::Unknown,
            (true, true) => Outcome::Valid,
        }
    }
}

/// Judges a history.
pub fn judge(events: &[Event]) -> Verdict {
    let mut findings = Findings::default();
    let story = Story::gather(events, &mut findings);
    stored::judge(&story, &mut findings);
    order::judge(&story, &mut findings);
    delivered::judge(&story, &mut findings);
    recovery::judge(&story, &mut findings);
    Verdict {
        findings: findings.after_faults(&story.faults),
        unknown: undecided(&story),
        statistics: story.statistics(),
    }
}

fn undecided(story: &Story) -> Vec<String> {
    let mut unknown = Vec::new();
    if !story.ended {
        unknown.push("the driver did not come to its end".to_owned());
    }
    let rooms = story.rooms();
    for room in rooms.iter().filter(|room| !story.views.contains_key(*room)) {
        unknown.push(format!("room {room} was not read at the end"));
    }
    if !story.sends.iter().any(|sent| sent.ack.is_some()) {
        unknown.push("nothing was acknowledged: the history shows nothing".to_owned());
    }
    if !story.readers.values().any(|reader| !reader.given.is_empty()) {
        unknown.push("nothing was delivered: the history shows nothing".to_owned());
    }
    unknown
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statistics: Vec<_> = self.statistics.iter().map(|(name, value)| format!("{value} {name}")).collect();
        writeln!(f, "{}", statistics.join(", "))?;
        for (reason, finding) in &self.findings {
            writeln!(f, "  {:<24}{:>7}   first: {}", reason.word(), finding.count, finding.example)?;
        }
        for reason in &self.unknown {
            writeln!(f, "  unknown: {reason}")?;
        }
        write!(f, "verdict: {}", self.outcome())
    }
}
