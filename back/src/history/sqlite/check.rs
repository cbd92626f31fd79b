//! Whether a file holds what it should.

use std::{path::Path, sync::Arc, sync::Mutex, sync::PoisonError};

use rusqlite::{Connection, params};

use super::{
    open,
    rows::{self, ROOM_COLUMNS, Room},
    tool::{Progress, ToolError},
};

/// SQLite's steps between two looks at how far it is.
const STEPS: i32 = 100_000;

/// Findings of one kind that are told; the rest is counted.
const TOLD: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Rooms that were looked at.
    pub rooms: u64,
    /// Messages that they keep.
    pub messages: u64,
    /// What is wrong, as sentences; empty for a sound file.
    pub problems: Vec<String>,
}

/// Looks at every page of the file, and for holes in every room. A server may be running on it.
///
/// # Errors
/// When it cannot be read at all.
pub fn check(data: &Path, progress: Progress) -> Result<Report, ToolError> {
    let (mut reader, _) = open::open_to_read(data)?;
    let mut report = Report::default();
    // SQLite's check and ours tell through the same mouth.
    let progress = Arc::new(Mutex::new(progress));
    let tell = {
        let progress = Arc::clone(&progress);
        move |line: &dyn Fn() -> String| progress.lock().unwrap_or_else(PoisonError::into_inner).tell(line)
    };
    let pages = tell.clone();
    reader.progress_handler(
        STEPS,
        Some(move || {
            pages(&|| "looking at the pages".to_owned());
            false
        }),
    )?;
    let sql = format!("PRAGMA integrity_check({TOLD})");
    let mut statement = reader.prepare(&sql)?;
    let found = statement.query_map([], |row| row.get::<_, String>(0))?;
    for line in found {
        match line {
            Ok(line) if line == "ok" => {}
            Ok(line) => report.problems.push(line),
            Err(error) => report.problems.push(error.to_string()),
        }
    }
    drop(statement);
    reader.progress_handler(0, None::<fn() -> bool>)?;
    look_for_holes(&mut reader, &mut report, &tell)?;
    Ok(report)
}

fn look_for_holes(
    reader: &mut Connection,
    report: &mut Report,
    tell: &dyn Fn(&dyn Fn() -> String),
) -> Result<(), ToolError> {
    let mut after = 0;
    loop {
        // A room at a time, each in its own snapshot: `first` may move while a server runs.
        let snapshot = reader.transaction()?;
        let sql = format!("SELECT {ROOM_COLUMNS}, name FROM rooms WHERE id > ? ORDER BY id LIMIT 1");
        let next = snapshot.query_row(&sql, [after], |row| Ok((rows::room_row(row)?, row.get::<_, String>(7)?)));
        let (room, name) = match next {
            Ok(found) => found,
            Err(rusqlite::Error::QueryReturnedNoRows) => return Ok(()),
            Err(error) => {
                report
                    .problems
                    .push(format!("the table of rooms cannot be read on after the first {}: {error}", report.rooms));
                return Ok(());
            }
        };
        after = room.id;
        report.rooms += 1;
        if let Err(error) = holes_of(&snapshot, &room, &name, report, tell) {
            report.problems.push(format!("the room {name} cannot be read whole: {error}"));
        }
    }
}

fn holes_of(
    snapshot: &Connection,
    room: &Room,
    name: &str,
    report: &mut Report,
    tell: &dyn Fn(&dyn Fn() -> String),
) -> rusqlite::Result<()> {
    let mut statement = snapshot.prepare_cached("SELECT id, at FROM messages WHERE id BETWEEN ? AND ? ORDER BY id")?;
    let mut rows = statement.query(params![room.key(room.first), room.key(room.top)])?;
    let (mut expected, mut holes) = (room.first, 0);
    let mut hole = |from: u64, to: u64, report: &mut Report| {
        holes += 1;
        if holes <= TOLD {
            report.problems.push(format!("the room {name} lacks the messages {from} to {to}"));
        }
    };
    while let Some(row) = rows.next()? {
        let seq = rows::seq_of(row.get(0)?);
        if seq != expected {
            hole(expected, seq - 1, report);
        }
        // A time that is none is damage; one before that of the message before is a clock that was put back.
        rows::number(row, 1)?;
        expected = seq + 1;
        report.messages += 1;
        if seq.is_multiple_of(10_000) {
            tell(&|| format!("room {name}: message {seq} of {}", room.top));
        }
    }
    if expected <= room.top {
        hole(expected, room.top, report);
    }
    if holes > TOLD {
        report.problems.push(format!("the room {name} has {} more holes", holes - TOLD));
    }
    Ok(())
}
