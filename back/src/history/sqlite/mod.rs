//! History in a SQLite file: `ok` means on the disk, and a restart finds everything.
//!
//! One connection writes, in the thread of the history's writer; a few others read. What stands in which table is in
//! `schema`, how the file is opened in `open`, how a batch becomes a transaction in `write`, what happens between the
//! batches in `chores`.

mod backlog;
mod backup;
mod check;
mod checkpoint;
mod chores;
mod export;
mod moderation;
mod open;
mod place;
mod read;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod tool;
mod write;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, ErrorCode};
use shared::{Epoch, Message, Name, RoomName, UserId};

use super::{Bounds, Change, Fatal, Outcome, Query, READERS, Range, SEARCHERS, Store, Unavailable};
use crate::moderation::{Hash, Sanction, Setting};
use place::Place;
use write::Write;

pub use backup::backup;
pub use check::{Report, check};
pub use export::{Format, export};
pub use moderation::Moderators;
pub use open::{CACHE, FILE, OpenError};
pub use tool::{Progress, ToolError};

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct SqliteLimits {
    /// Messages per room.
    pub messages: usize,
    /// Age of a message; `None` is any.
    pub age: Option<Duration>,
    /// Rooms that have ever had a message: their numbers are never given twice.
    pub rooms: usize,
    /// Names of people who are not connected.
    pub names: usize,
    /// Bytes of the file that are held in memory.
    pub cache: usize,
}

/// A history in a file.
pub struct Sqlite {
    epoch: Epoch,
    path: PathBuf,
    cache: usize,
    write: Mutex<Option<Write>>,
    degraded: AtomicBool,
    /// Connections that nobody asks just now.
    readers: Mutex<Vec<Connection>>,
    place: Arc<Place>,
    _lock: File,
}

impl Sqlite {
    /// Opens the history in this directory, and makes one if there is none.
    ///
    /// # Errors
    /// When it is in use, damaged, foreign or newer, or cannot be written; each says what to do.
    pub fn open(data: &Path, limits: SqliteLimits) -> Result<Self, OpenError> {
        let open::Opened { writer, epoch, path, lock, place } = open::open(data, limits.cache)?;
        let place = Arc::new(place);
        let write = Write::new(writer, Arc::clone(&place), epoch.clone(), limits)
            .map_err(|error| OpenError::Sqlite { path: path.clone(), error })?;
        // All of them now: when every descriptor is taken, what was said can still be read.
        let readers =
            (0..READERS + SEARCHERS).map(|_| open::reader(&path, limits.cache)).collect::<Result<Vec<_>, _>>();
        let readers = readers.map_err(|error| OpenError::Sqlite { path: path.clone(), error })?;
        Ok(Self {
            epoch,
            path,
            cache: limits.cache,
            write: Mutex::new(Some(write)),
            degraded: AtomicBool::new(false),
            readers: Mutex::new(readers),
            place,
            _lock: lock,
        })
    }

    /// Does something on the writing side. Only the writer's thread comes here.
    fn with_write<T>(&self, work: impl FnOnce(&mut Write) -> Result<T, Fatal>) -> Result<T, Fatal> {
        let mut write = self.write();
        let write = write.as_mut().ok_or_else(|| Fatal("history is closed".to_owned()))?;
        let done = work(write);
        self.degraded.store(write.is_degraded(), Ordering::Relaxed);
        done
    }

    fn write(&self) -> MutexGuard<'_, Option<Write>> {
        self.write.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more connection for reading: never to another file that has taken the place of this one.
    fn reader(&self) -> Result<Connection, Unavailable> {
        self.place.look().map_err(Unavailable::new)?;
        open::reader(&self.path, self.cache).map_err(Unavailable::new)
    }

    /// Asks one of the reading connections. One that failed is not used again.
    fn ask<T>(&self, question: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, Unavailable> {
        let idle = self.idle().pop();
        let mut reader = idle.map_or_else(|| self.reader(), Ok)?;
        let answer = question(&mut reader).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Unavailable::TooLong,
            _ => Unavailable::new(error),
        });
        if answer.is_ok() || answer.as_ref().is_err_and(|error| *error == Unavailable::TooLong) {
            self.idle().push(reader);
        }
        answer
    }
}

impl Store for Sqlite {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn blocks(&self) -> bool {
        true
    }

    fn commit(&self, changes: Vec<Change>, now_ms: u64) -> Result<Vec<Outcome>, Fatal> {
        self.with_write(|write| write.commit(&changes, now_ms))
    }

    fn look(&self) -> Result<(), Fatal> {
        self.with_write(|write| {
            write.look();
            Ok(())
        })
    }

    fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> Option<u64> {
        let log = self.path.with_extension("db-wal");
        let size = |path: &Path| std::fs::metadata(path).map(|file| file.len());
        // The log is there only while something is in it.
        size(&self.path).ok().map(|bytes| bytes + size(&log).unwrap_or(0))
    }

    fn next_chore(&self) -> Option<Duration> {
        self.write().as_ref().and_then(Write::next_chore)
    }

    fn is_behind(&self) -> bool {
        self.write().as_ref().is_some_and(Write::is_behind)
    }

    fn do_chore(&self) -> Result<(), Fatal> {
        self.with_write(Write::do_chore)
    }

    fn close(&self) {
        // The last connection to close writes the log into the file and removes it.
        self.idle().clear();
        drop(self.write().take());
    }

    fn bounds(&self, room: &RoomName) -> Result<Bounds, Unavailable> {
        self.ask(|reader| read::bounds(reader, &self.epoch, room))
    }

    fn read(&self, room: &RoomName, range: Range, limit: usize) -> Result<Vec<Arc<Message>>, Unavailable> {
        self.ask(|reader| read::read(reader, room, range, limit))
    }

    fn size_after(&self, room: &RoomName, seq: u64, limit: usize) -> Result<(usize, usize), Unavailable> {
        self.ask(|reader| read::size_after(reader, room, seq, limit))
    }

    fn search(
        &self,
        room: &RoomName,
        query: &Query,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, Unavailable> {
        self.ask(|reader| read::search(reader, room, query, before, limit))
    }

    fn marker(&self, room: &RoomName, user: &UserId) -> Result<Option<u64>, Unavailable> {
        self.ask(|reader| read::marker(reader, room, user))
    }

    fn name(&self, user: &UserId) -> Result<Option<Name>, Unavailable> {
        self.ask(|reader| read::name(reader, user))
    }

    fn rooms(&self, limit: usize) -> Result<Vec<(RoomName, u64)>, Unavailable> {
        self.ask(|reader| read::rooms(reader, limit))
    }

    fn moderator(&self, hash: &Hash) -> Result<Option<Name>, Unavailable> {
        self.ask(|reader| moderation::moderator(reader, hash))
    }

    fn sanctions(&self, now_ms: u64) -> Result<Vec<Sanction>, Unavailable> {
        self.ask(|reader| moderation::sanctions(reader, now_ms))
    }

    fn setting(&self, room: &RoomName) -> Result<Setting, Unavailable> {
        self.ask(|reader| moderation::setting(reader, room))
    }
}
