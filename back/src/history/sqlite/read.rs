//! Questions to one connection. Each is one short read transaction, so that none of them keeps the log from being
//! checkpointed.

use std::{sync::Arc, time::Instant};

use rusqlite::{Connection, OptionalExtension, params};
use shared::{Epoch, Message, Name, RoomName, UserId};

use super::rows::{self, COLUMNS, Room};
use crate::history::{Bounds, Query, Range, SEARCH_TIME};

/// Messages that a search without an index looks at in one step.
const SCAN: u64 = 500;

/// SQLite's steps between two looks at the clock: some microseconds.
const STEPS: i32 = 1_000;

/// What is kept of a room; `epoch` is that of rooms without messages.
pub fn bounds(connection: &Connection, epoch: &Epoch, name: &RoomName) -> rusqlite::Result<Bounds> {
    let room = rows::room(connection, name)?;
    Ok(room.map_or_else(|| Bounds::empty(epoch.clone()), |room| room.bounds()))
}

/// At most `limit` messages, ascending.
pub fn read(
    connection: &mut Connection,
    name: &RoomName,
    range: Range,
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Message>>> {
    let snapshot = connection.transaction()?;
    let Some(room) = rows::room(&snapshot, name)? else { return Ok(Vec::new()) };
    let from = match range {
        Range::After(seq) => seq.saturating_add(1),
        Range::Before(seq) => seq.min(room.top + 1).saturating_sub(limit as u64),
        Range::Around(seq) => seq.min(room.top + 1).saturating_sub(limit as u64 / 2),
    };
    let to = match range {
        Range::Before(seq) => seq.saturating_sub(1),
        Range::After(_) | Range::Around(_) => room.top,
    };
    span(&snapshot, name, &room, from.max(room.first), to.min(room.top), limit)
}

fn span(
    connection: &Connection,
    name: &RoomName,
    room: &Room,
    from: u64,
    to: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Message>>> {
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let found =
        statement.query_map(params![room.key(from), room.key(to), limit as i64], |row| rows::message(name, row));
    found?.collect()
}

/// How many messages follow `seq`, and how many bytes of text; counting stops at `limit`.
pub fn size_after(
    connection: &mut Connection,
    name: &RoomName,
    seq: u64,
    limit: usize,
) -> rusqlite::Result<(usize, usize)> {
    let snapshot = connection.transaction()?;
    let Some(room) = rows::room(&snapshot, name)? else { return Ok((0, 0)) };
    let sql = "SELECT count(*), coalesce(sum(bytes), 0) FROM
        (SELECT octet_length(text) AS bytes FROM messages WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?)";
    let from = room.key(seq.saturating_add(1).max(room.first));
    let mut statement = snapshot.prepare_cached(sql)?;
    statement.query_row(params![from, room.key(room.top), limit as i64], |row| {
        Ok((rows::number(row, 0)? as usize, rows::number(row, 1)? as usize))
    })
}

/// At most `limit` messages before `before` that `query` finds, newest first: by looking at those that the index has
/// not seen yet, then by the index.
pub fn search(
    connection: &mut Connection,
    name: &RoomName,
    query: &Query,
    before: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Message>>> {
    search_until(connection, Instant::now() + SEARCH_TIME, name, query, before, limit)
}

pub(super) fn search_until(
    connection: &mut Connection,
    until: Instant,
    name: &RoomName,
    query: &Query,
    before: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Message>>> {
    connection.progress_handler(STEPS, Some(move || Instant::now() > until))?;
    let found = look(connection, name, query, before, limit);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    found
}

fn look(
    connection: &mut Connection,
    name: &RoomName,
    query: &Query,
    before: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Message>>> {
    let snapshot = connection.transaction()?;
    let Some(room) = rows::room(&snapshot, name)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut to = before.saturating_sub(1).min(room.top);
    while to > room.indexed && found.len() < limit {
        let from = to.saturating_sub(SCAN - 1).max(room.indexed + 1).max(room.first);
        let step = span(&snapshot, name, &room, from, to, SCAN as usize)?;
        let said = |message: &&Arc<Message>| message.edits.is_none() && query.matches(&message.text);
        found.extend(step.iter().rev().filter(said).take(limit - found.len()).cloned());
        if from <= room.first {
            return Ok(found);
        }
        to = from - 1;
    }
    let sql = "SELECT rowid FROM search WHERE search MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?";
    let mut statement = snapshot.prepare_cached(sql)?;
    let wanted = (limit - found.len()) as i64;
    let hits =
        statement.query_map(params![query.to_fts5(), room.key(room.first), room.key(to), wanted], |row| row.get(0));
    let hits: Vec<i64> = hits?.collect::<rusqlite::Result<_>>()?;
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE id = ?");
    let mut statement = snapshot.prepare_cached(&sql)?;
    for key in hits {
        found.extend(statement.query_row([key], |row| rows::message(name, row)).optional()?);
    }
    Ok(found)
}

/// Up to where somebody has read a room.
pub fn marker(connection: &Connection, name: &RoomName, user: &UserId) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT min(markers.seq, rooms.top) FROM markers JOIN rooms ON rooms.id = markers.room
        WHERE rooms.name = ? AND markers.user = ?";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row(params![name.as_str(), rows::user_bytes(user)], |row| rows::number(row, 0)).optional()
}

/// What somebody was called last.
pub fn name(connection: &Connection, user: &UserId) -> rusqlite::Result<Option<Name>> {
    let mut statement = connection.prepare_cached("SELECT name FROM people WHERE user = ?")?;
    let name = statement.query_row([rows::user_bytes(user)], |row| row.get::<_, String>(0)).optional()?;
    Ok(name.and_then(|name| Name::parse(&name).ok()))
}

/// The fullest rooms.
pub fn rooms(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<(RoomName, u64)>> {
    let sql = "SELECT name, top FROM rooms WHERE top > 0 ORDER BY top DESC, name LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([limit as i64], |row| Ok((row.get::<_, String>(0)?, rows::number(row, 1)?)))?;
    let rows: Vec<(String, u64)> = rows.collect::<rusqlite::Result<_>>()?;
    Ok(rows.into_iter().filter_map(|(name, top)| Some((RoomName::parse(&name).ok()?, top))).collect())
}
