//! What is done between commits, a few milliseconds at a time: the search index catches up, and what is not kept is
//! removed. None of it waits for the disk: after a power cut it is done again.

use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, params};
use shared::RoomName;

use super::{
    rows::{self, ROOM_COLUMNS, Room},
    write::{Failure, Write, is_damage},
};
use crate::{
    history::{Fatal, words},
    sabotage::{self, Sabotage},
};

/// Messages that one step indexes or removes: about 2 ms, and seldom 25 when the index merges its segments.
const STEP: u64 = 128;

/// For each message that came since the last step, a step between busy commits deals with so many, so that what waits
/// becomes less for as long as the load lasts.
const BUSY_SHARE: u64 = 2;

/// Most messages of a step: 10 ms.
const LONGEST_STEP: u64 = 1_024;

/// Rooms that one step looks after.
const ROOMS_STEP: usize = 128;

/// A few messages wait so long for others to be indexed with: a transaction for each would cost more than storing it.
const LINGER: Duration = Duration::from_millis(100);

/// Rooms that one step looks at for messages that have become too old.
const AGE_STEP: i64 = 200;

/// Messages that one step finds to be too old, in all rooms: a few milliseconds.
const AGE_MESSAGES: u64 = 4_096;

/// Who is farther ahead than this had a clock that was wrong. Ours does not follow where the machine's is put right.
const AHEAD_MS: u64 = 24 * 3_600_000;

/// Read markers that are kept for each remembered name.
const MARKERS_PER_NAME: usize = 10;

/// A room's name, how it is now, and how many messages were dealt with.
type Tended = (RoomName, Room, u64);

/// Between which times a message is kept, in Unix milliseconds.
#[derive(Debug, Clone, Copy)]
struct Span {
    oldest: u64,
    /// What is later tells nothing of its age.
    newest: u64,
}

impl Write {
    /// How long until there is something to do.
    pub fn next_chore(&self) -> Option<Duration> {
        if let Some(probe) = self.next_probe() {
            return Some(probe);
        }
        if self.backlog.is_given_up() {
            return None;
        }
        if self.backlog.has_messages() {
            return Some(if self.backlog.has_at_least(STEP) { Duration::ZERO } else { LINGER });
        }
        if self.backlog.has_many_people() {
            return Some(Duration::ZERO);
        }
        self.limits.age.map(|_| self.backlog.age.next.saturating_duration_since(Instant::now()))
    }

    /// Whether what is to be done must not wait for a pause.
    pub fn is_behind(&self) -> bool {
        !self.is_degraded() && self.backlog.is_large()
    }

    /// Does a step of whatever is most urgent.
    pub fn do_chore(&mut self) -> Result<(), Fatal> {
        if self.is_degraded() {
            return self.probe();
        }
        self.without_waiting(true)?;
        let done = if self.backlog.has_messages() {
            let fresh = self.backlog.take_fresh();
            let most = if self.backlog.is_large() { (fresh * BUSY_SHARE).clamp(STEP, LONGEST_STEP) } else { STEP };
            let rooms = self.backlog.next_rooms(ROOMS_STEP);
            self.transact(|write| write.tend_rooms(&rooms, most)).map(|tended| {
                for (id, tended) in tended {
                    match tended {
                        Some((name, room, messages)) => {
                            self.backlog.did(messages, &room);
                            self.rooms.entry(name).and_modify(|known| *known = room);
                        }
                        None => self.backlog.drop_room(id),
                    }
                }
            })
        } else if self.backlog.has_many_people() {
            self.transact(|write| write.forget_people()).map(|()| self.backlog.counted_people())
        } else {
            self.transact(|write| write.expire_by_age())
        };
        self.without_waiting(false)?;
        match done {
            Ok(()) => Ok(()),
            Err(Failure::NotStored(error)) if is_damage(&error) => {
                tracing::error!(%error, "the search index or what is to be removed is damaged and left alone; \
                    `back check` tells more");
                self.backlog.give_up();
                Ok(())
            }
            Err(Failure::NotStored(error)) => {
                self.went_down(&error);
                Ok(())
            }
            Err(Failure::Unknown(fatal)) => Err(fatal),
        }
    }

    /// Whether commits return before the disk has them. What they wrote gets there with the next that waits.
    fn without_waiting(&self, on: bool) -> Result<(), Fatal> {
        let mode = if on || sabotage::asked_for(Sabotage::SyncNormal) { "NORMAL" } else { "FULL" };
        let set = self.connection.execute_batch(&format!("PRAGMA synchronous = {mode}"));
        set.map_err(|error| Fatal(format!("cannot set how history is written: {error}")))
    }

    /// Indexes or removes at most so many messages of these rooms.
    fn tend_rooms(&mut self, rooms: &[i64], most: u64) -> rusqlite::Result<Vec<(i64, Option<Tended>)>> {
        let (mut tended, mut left) = (Vec::new(), most);
        for id in rooms {
            if left == 0 {
                break;
            }
            let room = self.tend(*id, left)?;
            left -= room.as_ref().map_or(0, |(_, _, messages)| *messages);
            tended.push((*id, room));
        }
        Ok(tended)
    }

    fn tend(&mut self, id: i64, most: u64) -> rusqlite::Result<Option<Tended>> {
        let sql = format!("SELECT {ROOM_COLUMNS}, name FROM rooms WHERE id = ?");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_row([id], |row| Ok((rows::room_row(row)?, row.get::<_, String>(7)?))).optional()?;
        let Some((mut room, name)) = found else { return Ok(None) };
        let Ok(name) = RoomName::parse(&name) else { return Ok(None) };
        let mut messages = 0;
        if room.indexed < room.top {
            messages += self.index(&mut room, most)?;
        }
        if room.purged < room.first - 1 && messages < most {
            messages += self.purge(&mut room, most - messages)?;
        }
        let mut statement = self.connection.prepare_cached("UPDATE rooms SET indexed = ?, purged = ? WHERE id = ?")?;
        statement.execute(params![room.indexed as i64, room.purged as i64, id])?;
        Ok(Some((name, room, messages)))
    }

    fn index(&self, room: &mut Room, most: u64) -> rusqlite::Result<u64> {
        // What is about to be removed need not be found.
        let from = room.indexed.max(room.first - 1) + 1;
        let to = (from + most - 1).min(room.top);
        let sql = "SELECT id, text FROM messages WHERE id BETWEEN ? AND ?
            AND edits IS NULL AND deletes IS NULL AND deleted IS NULL ORDER BY id";
        let mut texts = self.connection.prepare_cached(sql)?;
        let mut insert = self.connection.prepare_cached("INSERT INTO search (rowid, text) VALUES (?, ?)")?;
        let mut rows = texts.query(params![room.key(from), room.key(to)])?;
        while let Some(row) = rows.next()? {
            insert.execute(params![row.get::<_, i64>(0)?, words::tokens(row.get_ref(1)?.as_str()?)])?;
        }
        // Those that were passed over cost nothing.
        let done = (to + 1).saturating_sub(from);
        room.indexed = to;
        Ok(done)
    }

    fn purge(&self, room: &mut Room, most: u64) -> rusqlite::Result<u64> {
        let to = (room.purged + most).min(room.first - 1);
        let mut forget = self.connection.prepare_cached("DELETE FROM search WHERE rowid = ?")?;
        for seq in room.purged + 1..=to {
            forget.execute([room.key(seq)])?;
        }
        let sql = "DELETE FROM messages WHERE id BETWEEN ? AND ?";
        self.connection.prepare_cached(sql)?.execute([room.key(room.purged + 1), room.key(to)])?;
        let done = to - room.purged;
        room.purged = to;
        Ok(done)
    }

    /// Forgets the names and markers that were used longest ago, beyond those that are kept.
    fn forget_people(&mut self) -> rusqlite::Result<()> {
        for (table, key, used, kept) in [
            ("people", "user", "seen", self.limits.names),
            ("markers", "(user, room)", "at", self.limits.names.saturating_mul(MARKERS_PER_NAME)),
        ] {
            let count: i64 =
                self.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
            let excess = count.saturating_sub(i64::try_from(kept).unwrap_or(i64::MAX));
            if excess > 0 {
                let columns = key.trim_matches(['(', ')']);
                let sql = format!(
                    "DELETE FROM {table} WHERE {key} IN (SELECT {columns} FROM {table} ORDER BY {used} LIMIT ?)"
                );
                self.connection.execute(&sql, [excess])?;
            }
        }
        Ok(())
    }

    /// Moves `first` past messages that are too old, in the next rooms of the round.
    fn expire_by_age(&mut self) -> rusqlite::Result<()> {
        let Some(age) = self.limits.age else { return Ok(()) };
        let now = self.backlog.age.now_ms();
        let span = Span { oldest: now.saturating_sub(age.as_millis() as u64), newest: now.saturating_add(AHEAD_MS) };
        let sql = format!("SELECT {ROOM_COLUMNS}, name FROM rooms WHERE id > ? ORDER BY id LIMIT ?");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rooms = statement.query_map([self.backlog.age.after, AGE_STEP], |row| {
            Ok((rows::room_row(row)?, row.get::<_, String>(7)?))
        })?;
        let rooms: Vec<(Room, String)> = rooms.collect::<rusqlite::Result<_>>()?;
        drop(statement);
        let is_last_step = (rooms.len() as i64) < AGE_STEP;
        let mut left = AGE_MESSAGES;
        for (mut room, name) in rooms {
            if left == 0 {
                // The next step begins with the room before this one, where more may be too old.
                return Ok(());
            }
            let first = self.first_within(&room, span, left)?;
            self.backlog.age.after = if first - room.first < left { room.id } else { room.id - 1 };
            if first > room.first {
                self.connection
                    .prepare_cached("UPDATE rooms SET first = ? WHERE id = ?")?
                    .execute([first as i64, room.id])?;
                left = left.saturating_sub(first - room.first);
                self.backlog.grew(first - room.first);
                room.first = first;
                self.backlog.note(&room);
                if let Ok(name) = RoomName::parse(&name) {
                    self.rooms.entry(name).and_modify(|known| *known = room);
                }
            }
        }
        if is_last_step && left > 0 {
            self.backlog.age.end_round();
        }
        Ok(())
    }

    /// The first message of a room that is to be kept by its time, after at most so many that are not. They are looked at
    /// one by one, because times may run backwards: a clock that was wrong must make nothing else old, nor keep it.
    fn first_within(&self, room: &Room, span: Span, most: u64) -> rusqlite::Result<u64> {
        // Either it is our clock that is wrong, or nobody has spoken since.
        if room.at > span.newest {
            return Ok(room.first);
        }
        let sql = "SELECT id, at FROM messages WHERE id BETWEEN ? AND ? ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut messages = statement.query(params![room.key(room.first), room.key(room.top)])?;
        let mut first = room.first;
        while let Some(row) = messages.next()? {
            let (seq, at) = (rows::seq_of(row.get(0)?), rows::number(row, 1)?);
            if at < span.oldest {
                first = seq + 1;
            } else if at <= span.newest {
                break;
            }
            // What is from the future goes with what is too old after it.
            if first >= room.first + most {
                break;
            }
        }
        Ok(first)
    }
}
