//! Rows as messages, and keys as numbers.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rusqlite::{
    Connection, OptionalExtension, Row,
    types::{FromSqlError, Type},
};
use shared::{Epoch, Message, Name, RoomName, UserId};

use super::schema::{MAX_SEQ, SEQ_BITS};
use crate::history::Bounds;

/// The columns of a message, in the order in which [`message`] reads them.
pub const COLUMNS: &str = "id, user, name, text, at, reply_to, edits, deletes, edited, deleted";

/// The columns of a room, in the order in which [`room_row`] reads them.
pub const ROOM_COLUMNS: &str = "id, epoch, first, top, at, indexed, purged";

/// A room's row.
#[derive(Debug, Clone)]
pub struct Room {
    /// Its key.
    pub id: i64,
    /// The history that it counts in.
    pub epoch: Epoch,
    /// The oldest message that is kept.
    pub first: u64,
    /// The newest message.
    pub top: u64,
    /// When that was numbered.
    pub at: u64,
    /// The search index has seen everything up to here.
    pub indexed: u64,
    /// Everything up to here has been removed.
    pub purged: u64,
}

impl Room {
    /// What is kept of it.
    pub fn bounds(&self) -> Bounds {
        Bounds { epoch: self.epoch.clone(), first: self.first, top: self.top }
    }

    /// The key of its message `seq`.
    pub fn key(&self, seq: u64) -> i64 {
        (self.id << SEQ_BITS) | seq.min(MAX_SEQ) as i64
    }
}

/// The number in a key.
pub fn seq_of(key: i64) -> u64 {
    key as u64 & MAX_SEQ
}

/// A public id in its 12 bytes.
pub fn user_bytes(user: &UserId) -> Vec<u8> {
    // 16 characters of base64url are 12 bytes; they were checked when the id was made.
    URL_SAFE_NO_PAD.decode(user.as_str()).unwrap_or_default()
}

/// The row of a room, if it has one.
///
/// # Errors
/// SQLite's.
pub fn room(connection: &Connection, name: &RoomName) -> rusqlite::Result<Option<Room>> {
    let sql = format!("SELECT {ROOM_COLUMNS} FROM rooms WHERE name = ?");
    connection.prepare_cached(&sql)?.query_row([name.as_str()], room_row).optional()
}

/// Reads [`ROOM_COLUMNS`].
///
/// # Errors
/// SQLite's.
pub fn room_row(row: &Row<'_>) -> rusqlite::Result<Room> {
    let epoch = row.get_ref(1)?.as_str()?;
    Ok(Room {
        id: row.get(0)?,
        epoch: Epoch::parse(epoch).map_err(|error| bad(1, error))?,
        first: number(row, 2)?,
        top: number(row, 3)?,
        at: number(row, 4)?,
        indexed: number(row, 5)?,
        purged: number(row, 6)?,
    })
}

/// Reads [`COLUMNS`].
///
/// # Errors
/// SQLite's.
pub fn message(room: &RoomName, row: &Row<'_>) -> rusqlite::Result<Arc<Message>> {
    let user = user(row, 1)?;
    // Rules for names may become stricter; what was said under an older one is not lost for it.
    let name = Name::parse(row.get_ref(2)?.as_str()?).unwrap_or_else(|_| Name::guest(&user));
    Ok(Arc::new(Message {
        room: room.clone(),
        seq: seq_of(row.get(0)?),
        user,
        name,
        text: row.get(3)?,
        at: number(row, 4)?,
        reply_to: seq(row, 5)?,
        edits: seq(row, 6)?,
        deletes: seq(row, 7)?,
        edited: seq(row, 8)?,
        deleted: seq(row, 9)?,
    }))
}

/// A public id from its bytes.
///
/// # Errors
/// When it is none.
pub fn user(row: &Row<'_>, column: usize) -> rusqlite::Result<UserId> {
    UserId::parse(&URL_SAFE_NO_PAD.encode(row.get_ref(column)?.as_blob()?)).map_err(|error| bad(column, error))
}

fn seq(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|seq| seq as u64))
}

/// A column that is never negative.
///
/// # Errors
/// When it is, or is no number.
pub fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|error| bad(column, FromSqlError::other(error)))
}

fn bad(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
