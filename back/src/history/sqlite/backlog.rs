//! What is to be done between commits, and how urgent it is. It does none of it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::rows::Room;

/// With so many messages not indexed or removed, steps are taken between busy commits too. A search looks at them one
/// by one.
const BEHIND: u64 = 4_096;

/// Names and markers that are written before it is looked whether there are too many.
const PEOPLE_STEP: u32 = 1_000;

/// How often it is looked for messages that have become too old.
const AGE_EVERY: Duration = Duration::from_secs(60);

/// What is to be done.
pub struct Backlog {
    /// Rooms with messages that are to be indexed or removed.
    rooms: BTreeSet<i64>,
    /// How many those are, about.
    messages: u64,
    /// How many of them have come since the last step.
    fresh: u64,
    /// The last room that had its turn.
    turn: i64,
    /// Names and markers written since they were last counted.
    people: u32,
    /// The file is damaged where the work would be.
    given_up: bool,
    /// The round that looks for old messages.
    pub age: Age,
}

/// The round over all rooms that looks for old messages.
pub struct Age {
    /// The wall clock when the process began, and what has passed since: a clock that jumps while the server runs must
    /// not make it throw history away.
    began: (u64, Instant),
    /// When the next round begins.
    pub next: Instant,
    /// The last room that this round has seen.
    pub after: i64,
}

impl Backlog {
    /// What an earlier process left undone.
    ///
    /// # Errors
    /// SQLite's.
    pub fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut backlog = Self {
            rooms: BTreeSet::new(),
            messages: 0,
            fresh: 0,
            turn: 0,
            people: 0,
            given_up: false,
            age: Age { began: (crate::history::unix_ms(), Instant::now()), next: Instant::now(), after: 0 },
        };
        let sql = "SELECT id, (top - indexed) + (first - 1 - purged) FROM rooms
            WHERE indexed < top OR purged < first - 1";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            backlog.rooms.insert(row.get(0)?);
            backlog.messages += row.get::<_, i64>(1)?.max(0) as u64;
        }
        Ok(backlog)
    }

    /// A batch has changed this room.
    pub fn note(&mut self, room: &Room) {
        if undone(room) > 0 {
            self.rooms.insert(room.id);
        }
    }

    /// So many more messages are to be indexed or removed.
    pub fn grew(&mut self, messages: u64) {
        self.messages += messages;
        self.fresh += messages;
    }

    /// How many have come since this was asked last.
    pub fn take_fresh(&mut self) -> u64 {
        std::mem::take(&mut self.fresh)
    }

    /// A step has dealt with so many messages of a room, and this is how it is now.
    pub fn did(&mut self, messages: u64, room: &Room) {
        self.messages = self.messages.saturating_sub(messages);
        if undone(room) == 0 {
            self.rooms.remove(&room.id);
        }
        if self.rooms.is_empty() {
            self.messages = 0;
        }
    }

    /// Whether messages are to be indexed or removed.
    pub fn has_messages(&self) -> bool {
        !self.rooms.is_empty()
    }

    /// Whether those are about so many.
    pub fn has_at_least(&self, messages: u64) -> bool {
        self.messages >= messages
    }

    /// At most so many of the rooms that they are in, beginning after those that had their turn.
    pub fn next_rooms(&mut self, count: usize) -> Vec<i64> {
        let from_here = self.rooms.range(self.turn + 1..).chain(self.rooms.range(..=self.turn));
        let rooms: Vec<i64> = from_here.take(count).copied().collect();
        self.turn = rooms.first().copied().unwrap_or_default();
        rooms
    }

    /// There is no such room any more.
    pub fn drop_room(&mut self, room: i64) {
        self.rooms.remove(&room);
    }

    /// Whether so much waits that it must not wait for a pause.
    pub fn is_large(&self) -> bool {
        self.messages > BEHIND && !self.given_up
    }

    /// Nothing of it can be done while this process runs.
    pub fn give_up(&mut self) {
        self.given_up = true;
    }

    /// Whether nothing of it can be done.
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Whether so many names and markers were written that they should be counted.
    pub fn has_many_people(&self) -> bool {
        self.people >= PEOPLE_STEP
    }

    /// They were counted.
    pub fn counted_people(&mut self) {
        self.people = 0;
    }

    /// A name or a marker was written.
    pub fn remembered(&mut self) {
        self.people += 1;
    }
}

impl Age {
    /// The wall clock as it would be if it had never been set since the process began.
    pub fn now_ms(&self) -> u64 {
        let (wall, since) = self.began;
        wall + since.elapsed().as_millis() as u64
    }

    /// Every room was looked at.
    pub fn end_round(&mut self) {
        self.after = 0;
        self.next = Instant::now() + AGE_EVERY;
    }
}

fn undone(room: &Room) -> u64 {
    room.top.saturating_sub(room.indexed) + (room.first - 1).saturating_sub(room.purged)
}
