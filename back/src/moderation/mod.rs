//! What moderators may do to people and rooms: who they are, what is in force, and whose turn it is in a slowed room. It
//! keeps and counts; [`crate::conversation`] asks it, [`crate::hub`] carries out what history has stored.

mod moderators;
mod sanctions;
mod turns;

pub use moderators::{Hash, Known, hash_of};
pub use sanctions::{MOST, Sanction, Sanctions};
pub use turns::Turns;

pub use shared::Address;
use shared::Sentence;

/// What a moderator may set of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setting {
    /// What it is about; empty for nothing.
    pub topic: Option<Sentence>,
    /// Seconds between two messages of one person; nothing for as fast as anywhere.
    pub slow: Option<u64>,
}

impl Setting {
    /// A setting in which what says nothing is nothing.
    pub fn new(topic: Option<Sentence>, slow: Option<u64>) -> Self {
        Self { topic: topic.filter(|topic| !topic.is_empty()), slow: slow.filter(|seconds| *seconds > 0) }
    }

    /// This one with what is given changed.
    #[must_use]
    pub fn with(self, topic: Option<Sentence>, slow: Option<u64>) -> Self {
        Self::new(topic.or(self.topic), slow.or(self.slow))
    }
}
