//! One change as rows, within the transaction of its batch.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};
use shared::{Epoch, Message, RoomName, UserId};

use super::Write;
use crate::history::{
    Bounds, Change, Draft, Outcome, Refusal, revision,
    sqlite::{
        moderation,
        rows::{self, COLUMNS, Room},
        schema::MAX_SEQ,
    },
    words,
};

impl Write {
    /// Stores a change, or says why not; its room is added to those that were `touched`.
    pub(super) fn store(
        &mut self,
        change: &Change,
        now_ms: u64,
        touched: &mut Vec<RoomName>,
    ) -> rusqlite::Result<Outcome> {
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
        room.at = revision::time_after(room.at, now_ms);
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
    pub(super) fn known(&self, draft: &Draft) -> rusqlite::Result<Option<Outcome>> {
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
    fn room(&mut self, name: &RoomName) -> rusqlite::Result<Option<Room>> {
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

    pub(super) fn save_rooms(&mut self, touched: &mut Vec<RoomName>) -> rusqlite::Result<()> {
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
