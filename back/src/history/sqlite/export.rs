//! A room's messages as text.

use std::{io, path::Path};

use rusqlite::params;
use shared::RoomName;

use super::{
    open,
    rows::{self, COLUMNS},
    tool::{Progress, ToolError},
};

/// Messages that are read at once, so that a server on the same file is never kept from tidying its log.
const PAGE: u64 = 1_000;

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line for people: time, name, text; further lines of a text are indented.
    Txt,
    /// The wire's `message` objects, one on a line.
    Jsonl,
}

/// Writes a room's messages, oldest first; returns how many.
///
/// # Errors
/// When there is no such room, or when it cannot be read or written.
pub fn export(
    data: &Path,
    room: &RoomName,
    format: Format,
    out: &mut dyn io::Write,
    mut progress: Progress,
) -> Result<u64, ToolError> {
    let (reader, _) = open::open_to_read(data)?;
    let found = rows::room(&reader, room)?.ok_or_else(|| ToolError::NoRoom(room.to_string()))?;
    let sql = format!(
        "SELECT {COLUMNS}, strftime('%Y-%m-%d %H:%M:%S', at / 1000, 'unixepoch') FROM messages
        WHERE id BETWEEN ? AND ? ORDER BY id"
    );
    let mut statement = reader.prepare(&sql)?;
    let (mut from, mut count) = (found.first, 0);
    while from <= found.top {
        let to = (from + PAGE - 1).min(found.top);
        let mut page = statement.query(params![found.key(from), found.key(to)])?;
        while let Some(row) = page.next()? {
            let message = rows::message(room, row)?;
            match format {
                Format::Jsonl => writeln!(out, "{}", message.to_json())?,
                // An event; what it did stands at the message that it is about.
                Format::Txt if message.edits.or(message.deletes).is_some() => {}
                Format::Txt => {
                    let time: String = row.get(10)?;
                    let text = if message.deleted.is_some() { "(deleted)" } else { &message.text };
                    let edited = if message.edited.is_some() && message.deleted.is_none() { " (edited)" } else { "" };
                    let text = for_a_terminal(text).replace('\n', "\n    ");
                    writeln!(out, "{time}Z {}: {text}{edited}", message.name)?;
                }
            }
            count += 1;
        }
        from = to + 1;
        progress.tell(|| format!("{} of {} messages", to + 1 - found.first, found.top + 1 - found.first));
    }
    out.flush()?;
    Ok(count)
}

/// A text without what would move a terminal's cursor, colour it or worse.
fn for_a_terminal(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}
