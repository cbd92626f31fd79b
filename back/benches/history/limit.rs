//! SQLite's own limit: the same bytes into a bare table on the same disk, with nothing around it.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};

/// What a bare table took.
pub struct Limit {
    pub per_second: f64,
    pub bytes_per_message: f64,
}

/// Stores rows for so long, `batch` of them in each transaction, as durably as the server does.
pub fn measure(dir: &Path, batch: usize, duration: Duration, lines: &[String]) -> anyhow::Result<Limit> {
    let path = dir.join("limit.db");
    let connection = Connection::open(&path)?;
    // As the server has it.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = -65536;
         PRAGMA wal_autocheckpoint = 2000;
         CREATE TABLE messages (id INTEGER PRIMARY KEY, user BLOB, name TEXT, text TEXT, at INTEGER);",
    )?;
    let (mut id, mut lines) = (0_i64, lines.iter().cycle());
    let began = Instant::now();
    while began.elapsed() < duration {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut insert = connection.prepare_cached("INSERT INTO messages VALUES (?, ?, ?, ?, ?)")?;
        for line in lines.by_ref().take(batch) {
            id += 1;
            insert.execute(params![id, [7_u8; 12], "kim", line, 1_800_000_000_000_i64])?;
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
    }
    let per_second = id as f64 / began.elapsed().as_secs_f64();
    drop(connection);
    let bytes_per_message = fs::metadata(&path)?.len() as f64 / id.max(1) as f64;
    fs::remove_file(&path)?;
    Ok(Limit { per_second, bytes_per_message })
}
