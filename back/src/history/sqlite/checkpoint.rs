//! Brings the log into the file when it has become long. SQLite would do it by itself in a commit, and tell nobody when
//! an fsync fails there; but what an fsync has lost once it does not report again.

use std::{
    ffi::c_int,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use rusqlite::Connection;

/// Pages of the log from which on it is brought into the file: 8 MiB.
const PAGES: c_int = 2_000;

/// Knows how long the log is.
pub struct Log {
    pages: Arc<AtomicI32>,
}

impl Log {
    /// Has SQLite say after each commit how long the log is.
    ///
    /// # Errors
    /// SQLite's.
    pub fn watch(writer: &mut Connection) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicI32::new(0));
        let note = Arc::clone(&pages);
        writer.wal_hook(Some(move |_: &mut _, logged: c_int| {
            note.store(logged, Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { pages })
    }

    /// Brings the log into the file if it is long. Readers that still need it leave a part for the next time.
    ///
    /// # Errors
    /// SQLite's; what is in the log stays there.
    pub fn tidy(&self, writer: &Connection) -> rusqlite::Result<()> {
        if self.pages.swap(0, Ordering::Relaxed) < PAGES {
            return Ok(());
        }
        writer.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))
    }
}
