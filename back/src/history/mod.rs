//! History numbers what is said, keeps it, and answers what was said. It knows rooms and messages, no connections.
//!
//! Three things behind one door, kept apart so that each can move to another machine: [`History::append`] numbers a
//! message, the [`Follow`] half delivers what was numbered in that order to whoever fans it out, and
//! [`History::read`] answers from what is kept. Nothing reaches a client that did not come through the follower.

mod memory;
mod writer;

use std::sync::Arc;

use shared::{Epoch, Message, MessageId, Name, RoomName, UserId};
use tokio::sync::mpsc;

pub use memory::{Memory, MemoryLimits};
pub use writer::Writer;
pub(crate) use writer::unix_ms;

/// Drafts that wait for the writer; beyond that, connections wait before they read on.
const APPEND_QUEUE: usize = 1024;

/// Committed batches that wait for the follower. Fan-out never waits for a client, so a few are enough.
const FOLLOW_QUEUE: usize = 16;

/// A message before it has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Which room.
    pub room: RoomName,
    /// Who says it.
    pub user: UserId,
    /// What they are called.
    pub name: Name,
    /// What is said.
    pub text: String,
    /// The `seq` that it answers.
    pub reply_to: Option<u64>,
    /// The idempotency key: the same one from the same user is stored once.
    pub id: Option<MessageId>,
}

/// What became of a draft.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is stored under this number.
    Stored {
        /// The history that the number counts in.
        epoch: Epoch,
        /// The message as everybody will see it.
        message: Arc<Message>,
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
    /// It is certainly not stored.
    Refused(Refusal),
}

/// Why a draft was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no room for another room.
    #[error("there are too many rooms")]
    TooManyRooms,
}

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

    /// Numbers and keeps the drafts of one batch, in this order, at this Unix time in milliseconds. Whatever it answers
    /// is true for good when it returns. Only the [`Writer`] calls it.
    fn commit(&self, drafts: Vec<Draft>, now_ms: u64) -> Vec<Outcome>;

    /// What is kept of a room; an unknown room is an empty one.
    fn bounds(&self, room: &RoomName) -> Bounds;

    /// At most `limit` messages of a room, ascending.
    fn read(&self, room: &RoomName, range: Range, limit: usize) -> Vec<Arc<Message>>;

    /// How many of the messages after `seq`, and how many bytes of text they have; counting stops at `limit` messages.
    fn size_after(&self, room: &RoomName, seq: u64, limit: usize) -> (usize, usize);

    /// The rooms that hold messages, each with its newest number.
    fn rooms(&self) -> Vec<(RoomName, u64)>;
}

/// A draft with whatever its sender needs to be answered; `R` goes through history untouched.
pub struct Append<R> {
    /// What to store.
    pub draft: Draft,
    /// Whom to tell.
    pub receipt: R,
}

/// A draft's outcome on its way to the followers.
pub struct Committed<R> {
    /// What became of it.
    pub outcome: Outcome,
    /// Whom to tell.
    pub receipt: R,
}

/// Batches of outcomes in the order of their numbers.
pub type Follow<R> = mpsc::Receiver<Vec<Committed<R>>>;

/// The door to history.
pub struct History<R> {
    appends: mpsc::Sender<Append<R>>,
    store: Arc<dyn Store>,
}

impl<R: Send + 'static> History<R> {
    /// Opens the door: the [`Writer`] has to run for anything to be numbered, and whoever holds the [`Follow`] gets it.
    pub fn open(store: Arc<dyn Store>) -> (Self, Writer<R>, Follow<R>) {
        let (appends, drafts) = mpsc::channel(APPEND_QUEUE);
        let (batches, follow) = mpsc::channel(FOLLOW_QUEUE);
        let writer = Writer::new(Arc::clone(&store), drafts, batches);
        (Self { appends, store }, writer, follow)
    }

    /// Hands in a draft; its outcome comes out of the follower. Waits while the queue is full.
    ///
    /// # Errors
    /// Gives the draft back when the writer has ended, as it does while the server stops.
    pub async fn append(&self, append: Append<R>) -> Result<(), Append<R>> {
        self.appends.send(append).await.map_err(|error| error.0)
    }

    /// What is kept of a room.
    pub async fn bounds(&self, room: &RoomName) -> Bounds {
        self.store.bounds(room)
    }

    /// At most `limit` messages of a room, ascending.
    pub async fn read(&self, room: &RoomName, range: Range, limit: usize) -> Vec<Arc<Message>> {
        self.store.read(room, range, limit)
    }

    /// How many messages follow `seq`, and how many bytes of text; counting stops at `limit` messages.
    pub async fn size_after(&self, room: &RoomName, seq: u64, limit: usize) -> (usize, usize) {
        self.store.size_after(room, seq, limit)
    }

    /// The rooms that hold messages, each with its newest number.
    pub async fn rooms(&self) -> Vec<(RoomName, u64)> {
        self.store.rooms()
    }

    /// The word in `welcome.history`.
    pub fn kind(&self) -> &'static str {
        self.store.kind()
    }
}
