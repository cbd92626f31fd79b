//! What a store of messages can do, and the words in which it is asked.

use std::{sync::Arc, time::Duration};

use shared::{Epoch, Message, MessageId, Name, Person, RoomName, Sentence, UserId};

use super::words::Query;
use crate::moderation::{Hash, Sanction, Setting};

/// Something to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A message, or an event about one; it gets a number.
    Say(Draft),
    /// Somebody has read a room up to `seq`; the marker only moves forward.
    Read {
        /// Who.
        user: UserId,
        /// Which room.
        room: RoomName,
        /// The newest message read.
        seq: u64,
    },
    /// Somebody is called this from now on.
    Remember(Person),
    /// A moderator imposes something, in the place of one of its kind.
    Impose(Arc<Sanction>),
    /// A moderator lifts what is in force against somebody.
    Pardon {
        /// Against whom.
        user: UserId,
        /// The moderator.
        by: Name,
    },
    /// A moderator sets something of a room.
    Set {
        /// Which room.
        room: RoomName,
        /// What it is about; nothing leaves that as it is.
        topic: Option<Sentence>,
        /// Seconds between two messages of one person; likewise.
        slow: Option<u64>,
        /// The moderator.
        by: Name,
    },
}

/// A message before it has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Which room.
    pub room: RoomName,
    /// Who says it.
    pub user: UserId,
    /// What they are called.
    pub name: Name,
    /// The idempotency key: the same one from the same user is stored once.
    pub id: Option<MessageId>,
    /// What it is.
    pub says: Says,
}

/// What a draft is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// A message.
    Text {
        /// What is said.
        text: String,
        /// The `seq` that it answers.
        reply_to: Option<u64>,
    },
    /// Another text for one's own message `seq`.
    Edit {
        /// Which message.
        seq: u64,
        /// Its new text.
        text: String,
    },
    /// One's own message `seq` is taken back.
    Delete {
        /// Which message.
        seq: u64,
    },
    /// A moderator takes message `seq` back, whosever it is.
    Remove {
        /// Which message.
        seq: u64,
    },
}

/// What became of a change.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A message is stored under this number.
    Stored {
        /// The history that the number counts in.
        epoch: Epoch,
        /// The message as everybody will see it.
        message: Arc<Message>,
        /// Older messages that read otherwise from now on: the one that it edits or deletes, and the edit before it.
        revised: Vec<Arc<Message>>,
    },
    /// The same `id` had been stored before, as this.
    Duplicate {
        /// The history that the number counts in.
        epoch: Epoch,
        /// Where the first one is.
        room: RoomName,
        /// Its number.
        seq: u64,
        /// When it was numbered, in Unix milliseconds.
        at: u64,
    },
    /// The marker is where it should be, or was further already.
    Read,
    /// The name is remembered.
    Remembered(Name),
    /// This is in force.
    Imposed(Arc<Sanction>),
    /// Nothing is in force against them.
    Pardoned {
        /// Against whom.
        user: UserId,
        /// The moderator.
        by: Name,
    },
    /// A room is like this.
    Set {
        /// Which room.
        room: RoomName,
        /// All that moderators have set of it.
        setting: Setting,
        /// The moderator.
        by: Name,
    },
    /// It is certainly not stored.
    Refused(Refusal),
}

/// Why a change was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no room for another room.
    #[error("there are too many rooms")]
    TooManyRooms,
    /// The store cannot write just now, as when the disk is full or the file is gone.
    #[error("history cannot be written just now")]
    Unavailable,
    /// There is no such message, or it is taken back, or it is itself an edit.
    #[error("there is no such message to change")]
    NoSuchMessage,
    /// The message is no longer kept.
    #[error("that message is no longer kept")]
    Expired,
    /// It is somebody else's.
    #[error("that message is somebody else's")]
    NotYours,
    /// A marker beyond the newest message.
    #[error("there is no message of this number yet")]
    NotYet,
}

/// Why a store gives no answer just now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It cannot; the reason is for the log.
    #[error("history cannot be read: {0}")]
    Broken(String),
    /// It was stopped, so that others get their answers.
    #[error("this takes too long")]
    TooLong,
    /// It was not begun: others ask as much as is answered at once.
    #[error("too many search at once")]
    Crowded,
}

impl Unavailable {
    /// With this reason, for the log.
    pub fn new(reason: impl ToString) -> Self {
        Self::Broken(reason.to_string())
    }
}

/// A store that cannot know any more what it holds: the process has to end and to begin again from the disk.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fatal(pub String);

/// What is kept of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The history that the numbers count in.
    pub epoch: Epoch,
    /// The oldest message that is kept; `top + 1` when there is none.
    pub first: u64,
    /// The newest message; 0 before the first.
    pub top: u64,
}

impl Bounds {
    /// Those of a room in which nobody has spoken.
    pub fn empty(epoch: Epoch) -> Self {
        Self { epoch, first: 1, top: 0 }
    }
}

/// Which part of a room to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// The nearest messages with a larger number.
    After(u64),
    /// The nearest messages with a smaller number.
    Before(u64),
    /// As many on each side of this number, and itself.
    Around(u64),
}

/// Where messages are kept.
pub trait Store: Send + Sync + 'static {
    /// How long it keeps: the word in `welcome.history`.
    fn kind(&self) -> &'static str;

    /// Whether its methods may wait for a disk.
    fn blocks(&self) -> bool;

    /// Numbers and keeps the changes of one batch, in this order, at this Unix time in milliseconds, and answers one
    /// outcome for each. Whatever it answers is true for good when it returns. Only the writer calls it.
    ///
    /// # Errors
    /// When it is not known what was stored.
    fn commit(&self, changes: Vec<Change>, now_ms: u64) -> Result<Vec<Outcome>, Fatal>;

    /// Looks whether what it writes to is still there, so that it is known before somebody says something. Only the
    /// writer calls it.
    ///
    /// # Errors
    /// When it is not known what was stored.
    fn look(&self) -> Result<(), Fatal> {
        Ok(())
    }

    /// Whether it cannot write just now; it tries again by itself.
    fn is_degraded(&self) -> bool {
        false
    }

    /// Bytes on the disk; `None` where there are none. May wait for the disk.
    fn bytes(&self) -> Option<u64> {
        None
    }

    /// How long until there is something to do between commits; `None` while there is nothing.
    fn next_chore(&self) -> Option<Duration> {
        None
    }

    /// Whether so much of it waits that it has to be done even while there is no pause between commits.
    fn is_behind(&self) -> bool {
        false
    }

    /// Does a few milliseconds of what is to be done between commits. Only the writer calls it.
    ///
    /// # Errors
    /// When it is not known what was stored.
    fn do_chore(&self) -> Result<(), Fatal> {
        Ok(())
    }

    /// Nothing more will be committed.
    fn close(&self) {}

    /// What is kept of a room; an unknown room is an empty one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn bounds(&self, room: &RoomName) -> Result<Bounds, Unavailable>;

    /// At most `limit` messages of a room, ascending.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&self, room: &RoomName, range: Range, limit: usize) -> Result<Vec<Arc<Message>>, Unavailable>;

    /// How many of the messages after `seq`, and how many bytes of text they have; counting stops at `limit` messages.
    ///
    /// # Errors
    /// When they cannot be read.
    fn size_after(&self, room: &RoomName, seq: u64, limit: usize) -> Result<(usize, usize), Unavailable>;

    /// At most `limit` messages before `before` in which `query` is found, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    fn search(
        &self,
        room: &RoomName,
        query: &Query,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, Unavailable>;

    /// Up to where somebody has read a room.
    ///
    /// # Errors
    /// When it cannot be read.
    fn marker(&self, room: &RoomName, user: &UserId) -> Result<Option<u64>, Unavailable>;

    /// What somebody was called last, if it is remembered.
    ///
    /// # Errors
    /// When it cannot be read.
    fn name(&self, user: &UserId) -> Result<Option<Name>, Unavailable>;

    /// The `limit` rooms that hold the most messages, each with its newest number.
    ///
    /// # Errors
    /// When they cannot be read.
    fn rooms(&self, limit: usize) -> Result<Vec<(RoomName, u64)>, Unavailable>;

    /// The moderator whose secret hashes to this.
    ///
    /// # Errors
    /// When it cannot be read.
    fn moderator(&self, _: &Hash) -> Result<Option<Name>, Unavailable> {
        Ok(None)
    }

    /// What moderators imposed and what ends after this Unix time in milliseconds; asked once, at the start.
    ///
    /// # Errors
    /// When it cannot be read.
    fn sanctions(&self, _: u64) -> Result<Vec<Sanction>, Unavailable> {
        Ok(Vec::new())
    }

    /// What moderators have set of a room.
    ///
    /// # Errors
    /// When it cannot be read.
    fn setting(&self, _: &RoomName) -> Result<Setting, Unavailable> {
        Ok(Setting::default())
    }
}
