//! The writing side: one transaction per batch, on the one connection that writes.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use shared::{Epoch, Message, RoomName, UserId};

use super::{
    SqliteLimits,
    backlog::Backlog,
    checkpoint::Log,
    moderation,
    rows::{self, COLUMNS, Room},
    schema::MAX_SEQ,
};
use crate::{
    history::{Bounds, Change, Draft, Fatal, Outcome, Refusal, revision, words},
    sabotage::{self, Point, Sabotage},
};

/// Rooms whose rows are remembered between batches; with more of them all are read again.
const ROOMS_REMEMBERED: usize = 10_000;

/// Rooms that keys have room for.
const MOST_ROOMS: usize = 1 << 22;

/// While it cannot write, it tries again so often.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// The writing side.
pub struct Write {
    pub(super) connection: Connection,
    log: Log,
    pub(super) epoch: Epoch,
    pub(super) limits: SqliteLimits,
    /// Rows of rooms as they are in the file; between two transactions never newer.
    pub(super) rooms: HashMap<RoomName, Room>,
    room_count: usize,
    pub(super) backlog: Backlog,
    /// When to try again, while the disk takes nothing.
    down: Option<Instant>,
    dedup: bool,
}

/// What a failed transaction means.
pub(super) enum Failure {
    /// It is certainly not stored, and may work later.
    NotStored(rusqlite::Error),
    /// It is not known what is on the disk.
    Unknown(Fatal),
}

impl Write {
    pub(super) fn new(mut connection: Connection, epoch: Epoch, limits: SqliteLimits) -> rusqlite::Result<Self> {
        let room_count: i64 = connection.query_row("SELECT count(*) FROM rooms", [], |row| row.get(0))?;
        if sabotage::asked_for(Sabotage::SyncNormal) {
            connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        }
        let backlog = Backlog::read(&connection)?;
        let log = Log::watch(&mut connection)?;
        // A key has 23 bits for its room.
        let limits = SqliteLimits { rooms: limits.rooms.min(MOST_ROOMS), ..limits };
        Ok(Self {
            connection,
            log,
            epoch,
            limits,
            rooms: HashMap::new(),
            room_count: room_count as usize,
            backlog,
            down: None,
            dedup: !sabotage::asked_for(Sabotage::NoDedup),
        })
    }

    /// Stores a batch: all of it, or nothing that was not stored before.
    pub fn commit(&mut self, changes: &[Change], now_ms: u64) -> Result<Vec<Outcome>, Fatal> {
        if self.down.is_some_and(|until| Instant::now() < until) {
            return self.refuse(changes);
        }
        // Changes to what is on a damaged page are refused; the others of the batch have nothing to do with it.
        let mut damaged = BTreeSet::new();
        loop {
            let mut last = 0;
            match self.try_commit(changes, now_ms, &damaged, &mut last) {
                Ok(outcomes) => {
                    self.is_up();
                    return Ok(outcomes);
                }
                Err(Failure::Unknown(fatal)) => return Err(fatal),
                Err(Failure::NotStored(error)) if is_damage(&error) && damaged.insert(last) => {
                    tracing::error!(%error, "the file is damaged; `back check` tells more");
                }
                Err(Failure::NotStored(error)) => {
                    self.is_down(&error);
                    return self.refuse(changes);
                }
            }
        }
    }

    /// How long until it should be tried whether the disk takes anything again.
    pub(super) fn next_probe(&self) -> Option<Duration> {
        self.down.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Tries whether the disk takes anything again.
    pub(super) fn probe(&mut self) -> Result<(), Fatal> {
        let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('probe', hex(randomblob(2048)))";
        match self.transact(|write| write.connection.execute(sql, []).map(drop)) {
            Ok(()) => self.is_up(),
            Err(Failure::NotStored(error)) => self.is_down(&error),
            Err(Failure::Unknown(fatal)) => return Err(fatal),
        }
        Ok(())
    }

    /// Whether it cannot write just now.
    pub fn is_degraded(&self) -> bool {
        self.down.is_some()
    }

    pub(super) fn is_down(&mut self, error: &rusqlite::Error) {
        if self.down.is_none() {
            tracing::error!(%error, "history cannot be written; it is tried again every second");
        }
        self.down = Some(Instant::now() + PROBE_EVERY);
    }

    fn is_up(&mut self) {
        if self.down.take().is_some() {
            tracing::info!("history can be written again");
        }
    }

    /// Refuses what is not stored. What was stored before is still known.
    fn refuse(&self, changes: &[Change]) -> Result<Vec<Outcome>, Fatal> {
        let outcomes = changes.iter().map(|change| {
            let known = match change {
                Change::Say(draft) => self.known(draft)?,
                Change::Read { .. } | Change::Impose(_) | Change::Pardon { .. } | Change::Set { .. } => None,
                // People are called what they say; that a restart may forget it is no reason to refuse.
                Change::Remember(person) => Some(Outcome::Remembered(person.name.clone())),
            };
            Ok(known.unwrap_or(Outcome::Refused(Refusal::Unavailable)))
        });
        outcomes.collect::<rusqlite::Result<_>>().map_err(|error| Fatal(format!("history cannot be read: {error}")))
    }

    /// Stores a batch but for those that are `damaged`; `last` is the change that was dealt with last.
    fn try_commit(
        &mut self,
        changes: &[Change],
        now_ms: u64,
        damaged: &BTreeSet<usize>,
        last: &mut usize,
    ) -> Result<Vec<Outcome>, Failure> {
        if self.rooms.len() > ROOMS_REMEMBERED {
            self.rooms.clear();
        }
        let (count, mut touched) = (self.room_count, Vec::new());
        let outcomes = self.transact(|write| {
            let mut outcomes = Vec::with_capacity(changes.len());
            for (index, change) in changes.iter().enumerate() {
                *last = index;
                outcomes.push(if damaged.contains(&index) {
                    Outcome::Refused(Refusal::Unavailable)
                } else {
                    write.store(change, now_ms, &mut touched)?
                });
            }
            write.save_rooms(&mut touched)?;
            sabotage::pass(Point::BeforeCommit);
            Ok(outcomes)
        });
        match &outcomes {
            Ok(_) => {
                sabotage::pass(Point::AfterCommit);
                for name in touched {
                    if let Some(room) = self.rooms.get(&name) {
                        self.backlog.note(room);
                    }
                }
            }
            Err(_) => self.room_count = count,
        }
        outcomes
    }

    /// Does something in a transaction, and knows afterwards whether it is stored.
    pub(super) fn transact<T>(&mut self, work: impl FnOnce(&mut Self) -> rusqlite::Result<T>) -> Result<T, Failure> {
        // Immediate: nobody else writes, and if somebody does we want to know before the work is done.
        let mut tried_to_commit = false;
        let done = begin(&self.connection).and_then(|()| work(self)).and_then(|value| {
            tried_to_commit = true;
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(value)
        });
        let error = match done {
            Ok(value) => return self.tidy_log().map(|()| value),
            Err(error) => error,
        };
        // What was remembered of the rooms may be ahead of the file.
        self.rooms.clear();
        let rolled_back = self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok();
        if rolled_back && (!tried_to_commit || is_certain(&error)) {
            Err(Failure::NotStored(error))
        } else {
            Err(Failure::Unknown(Fatal(format!(
                "history cannot be written, and it is not known what is stored: {error}"
            ))))
        }
    }

    /// Keeps the log short. That it cannot is told by the next commit, unless it was an fsync that failed.
    fn tidy_log(&self) -> Result<(), Failure> {
        match self.log.tidy(&self.connection) {
            Ok(()) => Ok(()),
            Err(error) if is_failed_sync(&error) => {
                Err(Failure::Unknown(Fatal(format!("history cannot be written: an fsync failed: {error}"))))
            }
            Err(error) => {
                tracing::warn!(%error, "the log cannot be brought into the file just now");
                Ok(())
            }
        }
    }

    fn store(&mut self, change: &Change, now_ms: u64, touched: &mut Vec<RoomName>) -> rusqlite::Result<Outcome> {
        let outcome = match change {
            Change::Say(draft) => self.say(draft, now_ms, touched)?,
            Change::Read { user, room, seq } => self.mark(user, room, *seq, now_ms)?,
            Change::Remember(person) => {
                let sql = "INSERT OR REPLACE INTO people (user, name, seen) VALUES (?, ?, ?)";
                let user = rows::user_bytes(&person.user);
                self.connection.prepare_cached(sql)?.execute(params![user, person.name.as_str(), now_ms as i64])?;
                self.backlog.remembered();
                Ok(Outcome::Remembered(person.name.clone()))
            }
            Change::Impose(sanction) => Ok(moderation::impose(&self.connection, sanction, now_ms)?),
            Change::Pardon { user, by } => Ok(moderation::pardon(&self.connection, user, by, now_ms)?),
            Change::Set { room, topic, slow, by } => {
                moderation::set(&self.connection, room, topic.as_ref(), *slow, by, self.limits.rooms)?
            }
        };
        Ok(outcome.unwrap_or_else(Outcome::Refused))
    }

    fn say(
        &mut self,
        draft: &Draft,
        now_ms: u64,
        touched: &mut Vec<RoomName>,
    ) -> rusqlite::Result<Result<Outcome, Refusal>> {
        if self.dedup
            && let Some(known) = self.known(draft)?
        {
            return Ok(Ok(known));
        }
        let room = self.room(&draft.room)?;
        let target = match draft.says.target() {
            None => None,
            Some(seq) => match self.may_change(draft, room.as_ref(), seq)? {
                Ok(target) => target,
                Err(refusal) => return Ok(Err(refusal)),
            },
        };
        let mut room = match room {
            Some(room) => room,
            None if self.room_count >= self.limits.rooms => return Ok(Err(Refusal::TooManyRooms)),
            None => self.new_room(&draft.room)?,
        };
        if room.top >= MAX_SEQ {
            return Ok(Err(Refusal::Unavailable));
        }
        room.top += 1;
        // A clock that was set back must not make a room's times run backwards.
        room.at = room.at.max(now_ms);
        let oldest = (room.top + 1).saturating_sub(u64::try_from(self.limits.messages).unwrap_or(u64::MAX));
        let expired = oldest.saturating_sub(room.first);
        room.first += expired;
        self.backlog.grew(1 + expired);
        let client = if self.dedup { draft.id.as_ref().map(shared::MessageId::as_str) } else { None };
        let message = Arc::new(revision::number(draft.clone(), room.top, room.at));
        self.insert(&room, &message, client)?;
        let mut revised = Vec::new();
        if let Some(target) = target {
            let edit = target.edited.map(|seq| self.message(&draft.room, &room, seq)).transpose()?.flatten();
            revised.push(Arc::new(revision::revised(&target, &message)));
            revised.extend(edit.map(|edit| Arc::new(revision::overtaken(&edit, &message))));
        }
        for message in &revised {
            self.revise(&room, message)?;
        }
        let epoch = room.epoch.clone();
        if touched.last() != Some(&draft.room) {
            touched.push(draft.room.clone());
        }
        self.rooms.insert(draft.room.clone(), room);
        Ok(Ok(Outcome::Stored { epoch, message, revised }))
    }

    /// The message that a draft changes, if it may.
    fn may_change(
        &self,
        draft: &Draft,
        room: Option<&Room>,
        seq: u64,
    ) -> rusqlite::Result<Result<Option<Arc<Message>>, Refusal>> {
        let target = room.map(|room| self.message(&draft.room, room, seq)).transpose()?.flatten();
        let bounds = room.map_or_else(|| Bounds::empty(self.epoch.clone()), Room::bounds);
        Ok(revision::may_change(draft, seq, &bounds, target.as_deref()).map(|()| target))
    }

    /// What was stored under this draft's `id` before.
    fn known(&self, draft: &Draft) -> rusqlite::Result<Option<Outcome>> {
        let Some(id) = &draft.id else { return Ok(None) };
        let sql = "SELECT rooms.name, rooms.epoch, messages.id, messages.at FROM messages
            JOIN rooms ON rooms.id = messages.id >> 40 WHERE user = ? AND client = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let known = statement.query_row(params![rows::user_bytes(&draft.user), id.as_str()], |row| {
            let strings = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
            Ok((strings, rows::seq_of(row.get(2)?), rows::number(row, 3)?))
        });
        Ok(known.optional()?.and_then(|((room, epoch), seq, at)| {
            let (room, epoch) = (RoomName::parse(&room).ok()?, Epoch::parse(&epoch).ok()?);
            Some(Outcome::Duplicate { epoch, room, seq, at })
        }))
    }

    /// The row of a room, as this transaction has made it.
    pub(super) fn room(&mut self, name: &RoomName) -> rusqlite::Result<Option<Room>> {
        if let Some(room) = self.rooms.get(name) {
            return Ok(Some(room.clone()));
        }
        let room = rows::room(&self.connection, name)?;
        if let Some(room) = &room {
            self.rooms.insert(name.clone(), room.clone());
        }
        Ok(room)
    }

    fn new_room(&mut self, name: &RoomName) -> rusqlite::Result<Room> {
        let sql = "INSERT INTO rooms (name, epoch, first, top, at, indexed, purged) VALUES (?, ?, 1, 0, 0, 0, 0)";
        self.connection.prepare_cached(sql)?.execute([name.as_str(), self.epoch.as_str()])?;
        self.room_count += 1;
        let id = self.connection.last_insert_rowid();
        Ok(Room { id, epoch: self.epoch.clone(), first: 1, top: 0, at: 0, indexed: 0, purged: 0 })
    }

    fn save_rooms(&mut self, touched: &mut Vec<RoomName>) -> rusqlite::Result<()> {
        touched.sort_unstable();
        touched.dedup();
        let mut statement =
            self.connection.prepare_cached("UPDATE rooms SET first = ?, top = ?, at = ? WHERE id = ?")?;
        for room in touched.iter().filter_map(|name| self.rooms.get(name)) {
            statement.execute(params![room.first as i64, room.top as i64, room.at as i64, room.id])?;
        }
        Ok(())
    }

    fn insert(&self, room: &Room, message: &Message, client: Option<&str>) -> rusqlite::Result<()> {
        let sql = "INSERT INTO messages (id, user, name, text, at, client, reply_to, edits, deletes)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let signed = |seq: Option<u64>| seq.map(|seq| seq as i64);
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute(params![
            room.key(message.seq),
            rows::user_bytes(&message.user),
            message.name.as_str(),
            message.text,
            message.at as i64,
            client,
            signed(message.reply_to),
            signed(message.edits),
            signed(message.deletes),
        ])?;
        Ok(())
    }

    fn message(&self, name: &RoomName, room: &Room, seq: u64) -> rusqlite::Result<Option<Arc<Message>>> {
        if seq < room.first || seq > room.top {
            return Ok(None);
        }
        let sql = format!("SELECT {COLUMNS} FROM messages WHERE id = ?");
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.query_row([room.key(seq)], |row| rows::message(name, row)).optional()
    }

    /// Writes what a message reads like from now on, and lets the search index know if it has seen it.
    fn revise(&self, room: &Room, message: &Message) -> rusqlite::Result<()> {
        let key = room.key(message.seq);
        let signed = |seq: Option<u64>| seq.map(|seq| seq as i64);
        let sql = "UPDATE messages SET text = ?, edited = ?, deleted = ? WHERE id = ?";
        let change = params![message.text, signed(message.edited), signed(message.deleted), key];
        self.connection.prepare_cached(sql)?.execute(change)?;
        if message.seq <= room.indexed && message.edits.is_none() {
            self.connection.prepare_cached("DELETE FROM search WHERE rowid = ?")?.execute([key])?;
            if message.deleted.is_none() {
                let sql = "INSERT INTO search (rowid, text) VALUES (?, ?)";
                self.connection.prepare_cached(sql)?.execute(params![key, words::tokens(&message.text)])?;
            }
        }
        Ok(())
    }

    fn mark(
        &mut self,
        user: &UserId,
        name: &RoomName,
        seq: u64,
        now_ms: u64,
    ) -> rusqlite::Result<Result<Outcome, Refusal>> {
        let Some(room) = self.room(name)?.filter(|room| seq <= room.top) else { return Ok(Err(Refusal::NotYet)) };
        let sql = "INSERT INTO markers (user, room, seq, at) VALUES (?, ?, ?, ?)
            ON CONFLICT (user, room) DO UPDATE SET seq = excluded.seq, at = excluded.at WHERE excluded.seq > seq";
        let row = params![rows::user_bytes(user), room.id, seq as i64, now_ms as i64];
        self.connection.prepare_cached(sql)?.execute(row)?;
        self.backlog.remembered();
        Ok(Ok(Outcome::Read))
    }
}

fn begin(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)
}

/// Whether the file does not hold what SQLite expects there.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(error, rusqlite::Error::FromSqlConversionFailure(..))
}

fn extended_code(error: &rusqlite::Error) -> i32 {
    error.sqlite_error().map_or(0, |error| error.extended_code)
}

fn is_failed_sync(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};
    matches!(extended_code(error), SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC)
}

/// Whether nothing of a transaction whose COMMIT failed like this can be found on the disk later. A failed fsync is not
/// among them: the pages may or may not be there, and the kernel will not say (fsyncgate, 2018). Nor is what can fail
/// after it, as memory for the log's index.
fn is_certain(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked,
        ) => true,
        Some(ErrorCode::SystemIoFailure) => extended_code(error) == rusqlite::ffi::SQLITE_IOERR_WRITE,
        _ => false,
    }
}
