//! History numbers what is said, keeps it, and answers what was said. It knows rooms and messages, no connections.
//!
//! Three things behind one door, kept apart so that each can move to another machine: [`History::append`] numbers a
//! message, the [`Follow`] half delivers what was numbered in that order to whoever fans it out, and
//! [`History::read`] answers from what is kept. Nothing reaches a client that did not come through the follower.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod line;
mod memory;
mod revision;
pub mod sqlite;
mod store;
mod words;
mod writer;

use std::{sync::Arc, time::Duration};

use shared::{Message, Name, RoomName, UserId};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};

use crate::moderation::{Hash, Setting};

pub use memory::{Memory, MemoryLimits};
pub use sqlite::Sqlite;
pub use store::{Bounds, Change, Draft, Fatal, Outcome, Range, Refusal, Says, Store, Unavailable};
pub use words::Query;
pub use writer::unix_ms;
pub use writer::{Stopper, Writer};

/// Changes that wait for the writer; beyond that, connections wait before they read on.
const APPEND_QUEUE: usize = 1024;

/// Committed batches that wait for the follower. Fan-out never waits for a client, so a few are enough.
const FOLLOW_QUEUE: usize = 16;

/// Questions that a store on disk answers at once; the others wait. Each holds a thread.
pub const READERS: usize = 4;

/// Searches at once, beside the readers: they may take long, and nobody who comes in should wait for them.
pub const SEARCHERS: usize = 2;

/// A search that takes longer is given up. In a million messages most take a few milliseconds; a single letter with
/// which very many words begin may take longer.
const SEARCH_TIME: Duration = Duration::from_secs(2);

/// Who waits longer until a search begins is told so. Whoever asks is not read meanwhile, and it has no end by itself:
/// everybody may search at once.
const SEARCH_WAIT: Duration = Duration::from_secs(2);

/// A change with whatever its sender needs to be answered; `R` goes through history untouched.
pub struct Append<R> {
    /// What to store.
    pub change: Change,
    /// Whom to tell.
    pub receipt: R,
}

/// What waits for the writer.
enum Entry<R> {
    Append(Append<R>),
    Settle(oneshot::Sender<()>),
}

/// What comes out of history, in the order of its numbers.
pub enum Followed<R> {
    /// Something was decided.
    Committed {
        /// What became of it.
        outcome: Outcome,
        /// Whom to tell.
        receipt: R,
    },
    /// Everything that was committed before somebody called [`History::settle`] has been passed on.
    Settled(oneshot::Sender<()>),
}

/// Batches of outcomes in the order of their numbers; the batch of a commit is the batch of the fan-out.
pub type Follow<R> = mpsc::Receiver<Vec<Followed<R>>>;

/// The door to history.
pub struct History<R> {
    entries: mpsc::Sender<Entry<R>>,
    /// Only looked at.
    batches: mpsc::WeakSender<Vec<Followed<R>>>,
    store: Arc<dyn Store>,
    readers: Arc<Semaphore>,
    searchers: Arc<Semaphore>,
}

/// What waits in history, and what is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depths {
    /// Changes that wait for the writer.
    pub appends: usize,
    /// Committed batches that wait for the follower.
    pub batches: usize,
    /// Questions that are being answered by a store on disk.
    pub readers: usize,
    /// Searches.
    pub searchers: usize,
}

impl<R: Send + 'static> History<R> {
    /// Opens the door: the [`Writer`] has to run for anything to be numbered, and whoever holds the [`Follow`] gets it.
    pub fn open(store: Arc<dyn Store>) -> (Self, Writer<R>, Follow<R>) {
        let (entries, queue) = mpsc::channel(APPEND_QUEUE);
        let (batches, follow) = mpsc::channel(FOLLOW_QUEUE);
        let weak = batches.downgrade();
        let writer = Writer::new(Arc::clone(&store), queue, batches);
        let (readers, searchers) = (Arc::new(Semaphore::new(READERS)), Arc::new(Semaphore::new(SEARCHERS)));
        (Self { entries, batches: weak, store, readers, searchers }, writer, follow)
    }

    /// Whether committed batches wait for the follower.
    pub fn is_ahead(&self) -> bool {
        self.batches.upgrade().is_some_and(|batches| batches.capacity() < batches.max_capacity())
    }

    /// What waits, and what is under way.
    pub fn depths(&self) -> Depths {
        // Without a sender the writer has ended, and nothing waits.
        let batches = self.batches.upgrade().map_or(0, |batches| batches.max_capacity() - batches.capacity());
        Depths {
            appends: self.entries.max_capacity() - self.entries.capacity(),
            batches,
            readers: READERS - self.readers.available_permits(),
            searchers: SEARCHERS - self.searchers.available_permits(),
        }
    }

    /// Whether it cannot be written just now.
    pub fn is_degraded(&self) -> bool {
        self.store.is_degraded()
    }

    /// Where it is kept, for whoever asks how large that is.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Hands in a change if the queue has room for it; its outcome comes out of the follower.
    ///
    /// # Errors
    /// Gives the change back when the queue is full, or the writer has ended.
    pub fn try_append(&self, append: Append<R>) -> Result<(), Append<R>> {
        match self.entries.try_reserve() {
            Ok(place) => {
                place.send(Entry::Append(append));
                Ok(())
            }
            Err(_) => Err(append),
        }
    }

    /// Hands in a change; its outcome comes out of the follower. Waits while the queue is full.
    ///
    /// # Errors
    /// Gives the change back when the writer has ended, as it does while the server stops.
    pub async fn append(&self, append: Append<R>) -> Result<(), Append<R>> {
        match self.entries.reserve().await {
            Ok(place) => {
                place.send(Entry::Append(append));
                Ok(())
            }
            Err(_) => Err(append),
        }
    }

    /// Waits until everything that is committed now has come out of the follower and been dealt with.
    ///
    /// # Errors
    /// When the writer has ended.
    pub async fn settle(&self) -> Result<(), Unavailable> {
        let (settled, wait) = oneshot::channel();
        self.entries.send(Entry::Settle(settled)).await.map_err(|_| stopping())?;
        wait.await.map_err(|_| stopping())
    }

    /// What is kept of a room.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn bounds(&self, room: &RoomName) -> Result<Bounds, Unavailable> {
        let room = room.clone();
        self.ask(move |store| store.bounds(&room)).await
    }

    /// What is kept of a room, and up to where this person has read it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn meet(&self, room: &RoomName, user: &UserId) -> Result<(Bounds, Option<u64>), Unavailable> {
        let (room, user) = (room.clone(), user.clone());
        self.ask(move |store| Ok((store.bounds(&room)?, store.marker(&room, &user)?))).await
    }

    /// At most `limit` messages of a room, ascending.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(&self, room: &RoomName, range: Range, limit: usize) -> Result<Vec<Arc<Message>>, Unavailable> {
        let room = room.clone();
        self.ask(move |store| store.read(&room, range, limit)).await
    }

    /// How many messages follow `seq`, and how many bytes of text; counting stops at `limit` messages.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn size_after(&self, room: &RoomName, seq: u64, limit: usize) -> Result<(usize, usize), Unavailable> {
        let room = room.clone();
        self.ask(move |store| store.size_after(&room, seq, limit)).await
    }

    /// At most `limit` messages before `before` in which `query` is found, newest first.
    ///
    /// # Errors
    /// When the store cannot be read, when it takes too long, or when too many others search.
    pub async fn search(
        &self,
        room: &RoomName,
        query: Query,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, Unavailable> {
        let room = room.clone();
        let permit = timeout(SEARCH_WAIT, place(&self.searchers)).await.map_err(|_| Unavailable::Crowded)??;
        // Also a search in memory takes too long for a thread that carries connections.
        self.ask_on_a_thread(permit, move |store| store.search(&room, &query, before, limit)).await
    }

    /// What somebody was called last, if it is remembered.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn name(&self, user: &UserId) -> Result<Option<Name>, Unavailable> {
        let user = user.clone();
        self.ask(move |store| store.name(&user)).await
    }

    /// The `limit` rooms that hold the most messages, each with its newest number.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn rooms(&self, limit: usize) -> Result<Vec<(RoomName, u64)>, Unavailable> {
        self.ask(move |store| store.rooms(limit)).await
    }

    /// What is kept of a room, and what moderators have set of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look_up(&self, room: &RoomName) -> Result<(Bounds, Setting), Unavailable> {
        let room = room.clone();
        self.ask(move |store| Ok((store.bounds(&room)?, store.setting(&room)?))).await
    }

    /// The moderator whose secret hashes to this, as it is now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn moderator(&self, hash: Hash) -> Result<Option<Name>, Unavailable> {
        self.ask(move |store| store.moderator(&hash)).await
    }

    /// The word in `welcome.history`.
    pub fn kind(&self) -> &'static str {
        self.store.kind()
    }

    /// Asks the store where that may wait for a disk: on a thread that may.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Store) -> Result<T, Unavailable> + Send + 'static,
    ) -> Result<T, Unavailable> {
        if !self.store.blocks() {
            return question(&*self.store);
        }
        self.ask_on_a_thread(place(&self.readers).await?, question).await
    }

    async fn ask_on_a_thread<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        question: impl FnOnce(&dyn Store) -> Result<T, Unavailable> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let store = Arc::clone(&self.store);
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(&*store);
            drop(permit);
            answer
        });
        answer.await.map_err(|_| stopping())?
    }
}

/// One of these places, when it is free.
async fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Unavailable> {
    Arc::clone(places).acquire_owned().await.map_err(|_| stopping())
}

fn stopping() -> Unavailable {
    Unavailable::new("the server is stopping")
}
