//! Moderators, what they imposed and what they set, in the file.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use shared::{Name, RoomName, SanctionKind, Sentence, UserId};

use super::{
    open::{self, Beside},
    rows,
    tool::ToolError,
};
use crate::{
    history::{Outcome, Refusal},
    moderation::{Address, Hash, Sanction, Setting},
};

/// Moderators in a file, for the program that names them; a server may be running on it.
pub struct Moderators(Beside);

impl Moderators {
    /// Opens those of the history in this directory.
    ///
    /// # Errors
    /// When there is none, or it cannot be written.
    pub fn of(data: &Path) -> Result<Self, ToolError> {
        // Nobody who looks wants to find what was not there.
        open::open_to_read(data)?;
        Self::open(data)
    }

    /// Opens those of the history in this directory, and makes one if there is none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(data: &Path) -> Result<Self, ToolError> {
        Ok(Self(open::open_beside(data)?))
    }

    /// Names a moderator; a running server knows them at once.
    ///
    /// # Errors
    /// When there is one of this name, or the file cannot be written.
    pub fn add(&self, name: &Name, hash: &Hash, now_ms: u64) -> Result<(), ToolError> {
        let sql = "INSERT INTO moderators (name, hash, at) VALUES (?, ?, ?)";
        match self.0.writer.execute(sql, params![name.as_str(), hash, now_ms as i64]) {
            Ok(_) => Ok(()),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Err(ToolError::Moderator(name.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a moderator's rights; says whether there was one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove(&self, name: &Name) -> Result<bool, ToolError> {
        Ok(self.0.writer.execute("DELETE FROM moderators WHERE name = ?", [name.as_str()])? > 0)
    }

    /// Their names.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn list(&self) -> Result<Vec<String>, ToolError> {
        let mut statement = self.0.writer.prepare("SELECT name FROM moderators ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }
}

/// The moderator whose secret hashes to this.
pub fn moderator(connection: &Connection, hash: &Hash) -> rusqlite::Result<Option<Name>> {
    let mut statement = connection.prepare_cached("SELECT name FROM moderators WHERE hash = ?")?;
    let name = statement.query_row([hash], |row| row.get::<_, String>(0)).optional()?;
    Ok(name.and_then(|name| Name::parse(&name).ok()))
}

fn number(kind: SanctionKind) -> i64 {
    match kind {
        SanctionKind::Ban => 0,
        SanctionKind::Mute => 1,
    }
}

/// What ends after this time.
pub fn sanctions(connection: &Connection, now_ms: u64) -> rusqlite::Result<Vec<Sanction>> {
    let sql = "SELECT user, kind, name, until, reason, by, addresses FROM sanctions WHERE until > ?";
    let mut statement = connection.prepare(sql)?;
    let sanctions = statement.query_map([now_ms as i64], sanction)?;
    sanctions.collect()
}

fn sanction(row: &Row<'_>) -> rusqlite::Result<Sanction> {
    let user = rows::user(row, 0)?;
    // Rules for names may become stricter; nobody is pardoned for that.
    let name = |column, user: &UserId| -> rusqlite::Result<Name> {
        Ok(Name::parse(row.get_ref(column)?.as_str()?).unwrap_or_else(|_| Name::guest(user)))
    };
    let reason = Sentence::parse(row.get_ref(4)?.as_str()?).ok().filter(|reason| !reason.is_empty());
    Ok(Sanction {
        kind: if row.get::<_, i64>(1)? == number(SanctionKind::Ban) { SanctionKind::Ban } else { SanctionKind::Mute },
        name: name(2, &user)?,
        until: rows::number(row, 3)?,
        reason,
        by: name(5, &user)?,
        addresses: row.get_ref(6)?.as_str()?.split(' ').filter_map(Address::parse).collect(),
        user,
    })
}

/// Stores what a moderator imposes, and forgets what is over.
pub fn impose(connection: &Connection, sanction: &Arc<Sanction>, now_ms: u64) -> rusqlite::Result<Outcome> {
    forget(connection, now_ms)?;
    let sql = "INSERT OR REPLACE INTO sanctions (user, kind, name, until, reason, by, addresses)
        VALUES (?, ?, ?, ?, ?, ?, ?)";
    let addresses: Vec<String> = sanction.addresses.iter().map(Address::to_string).collect();
    connection.prepare_cached(sql)?.execute(params![
        rows::user_bytes(&sanction.user),
        number(sanction.kind),
        sanction.name.as_str(),
        sanction.until as i64,
        sanction.reason.as_ref().map_or("", Sentence::as_str),
        sanction.by.as_str(),
        addresses.join(" "),
    ])?;
    Ok(Outcome::Imposed(Arc::clone(sanction)))
}

/// Lifts what is in force against somebody.
pub fn pardon(connection: &Connection, user: &UserId, by: &Name, now_ms: u64) -> rusqlite::Result<Outcome> {
    forget(connection, now_ms)?;
    connection.prepare_cached("DELETE FROM sanctions WHERE user = ?")?.execute([rows::user_bytes(user)])?;
    Ok(Outcome::Pardoned { user: user.clone(), by: by.clone() })
}

fn forget(connection: &Connection, now_ms: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM sanctions WHERE until <= ?")?.execute([now_ms as i64]).map(drop)
}

/// What moderators have set of a room.
pub fn setting(connection: &Connection, room: &RoomName) -> rusqlite::Result<Setting> {
    let mut statement = connection.prepare_cached("SELECT topic, slow FROM settings WHERE room = ?")?;
    let found = statement.query_row([room.as_str()], |row| {
        Ok(Setting::new(Sentence::parse(row.get_ref(0)?.as_str()?).ok(), Some(rows::number(row, 1)?)))
    });
    Ok(found.optional()?.unwrap_or_default())
}

/// Sets something of a room; at most so many rooms have something set.
pub fn set(
    connection: &Connection,
    room: &RoomName,
    topic: Option<&Sentence>,
    slow: Option<u64>,
    by: &Name,
    most: usize,
) -> rusqlite::Result<Result<Outcome, Refusal>> {
    let before = setting(connection, room)?;
    let is_new = before == Setting::default();
    let setting = before.with(topic.cloned(), slow);
    if setting == Setting::default() {
        connection.prepare_cached("DELETE FROM settings WHERE room = ?")?.execute([room.as_str()])?;
    } else {
        let count: i64 = connection.query_row("SELECT count(*) FROM settings", [], |row| row.get(0))?;
        if is_new && count as usize >= most {
            return Ok(Err(Refusal::TooManyRooms));
        }
        let sql = "INSERT OR REPLACE INTO settings (room, topic, slow) VALUES (?, ?, ?)";
        connection.prepare_cached(sql)?.execute(params![
            room.as_str(),
            setting.topic.as_ref().map_or("", Sentence::as_str),
            setting.slow.unwrap_or_default() as i64,
        ])?;
    }
    Ok(Ok(Outcome::Set { room: room.clone(), setting, by: by.clone() }))
}
