//! One transaction, and what is known of the file when it fails.

use rusqlite::{Connection, ErrorCode};

use super::Write;
use crate::history::{Fatal, sqlite::place::Moved};

/// What a failed transaction means.
pub enum Failure {
    /// It is certainly not stored, and may work later.
    NotStored(Reason),
    /// It is not known what is on the disk.
    Unknown(Fatal),
}

/// Why something is certainly not stored.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum Reason {
    /// The file could not be written.
    Sqlite(#[from] rusqlite::Error),
    /// It could, and the next start would not find it.
    Moved(#[from] Moved),
}

impl Write {
    /// Does something in a transaction, and knows afterwards whether it is stored.
    pub fn transact<T>(&mut self, work: impl FnOnce(&mut Self) -> rusqlite::Result<T>) -> Result<T, Failure> {
        // Immediate: nobody else writes, and if somebody does we want to know before the work is done.
        let mut tried_to_commit = false;
        let done = begin(&self.connection).and_then(|()| work(self)).map_err(Reason::from).and_then(|value| {
            // As late as can be, and with each commit: one that took a file away must not be answered with `ok`.
            self.place.look()?;
            tried_to_commit = true;
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(value)
        });
        let error = match done {
            Ok(value) => return self.tidy_log().map(|()| value),
            Err(error) => error,
        };
        // What was remembered of the rooms may be ahead of the file.
        self.rooms.clear();
        let rolled_back = self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok();
        if rolled_back && (!tried_to_commit || is_certain(&error)) {
            Err(Failure::NotStored(error))
        } else {
            Err(Failure::Unknown(Fatal(format!(
                "history cannot be written, and it is not known what is stored: {error}"
            ))))
        }
    }

    /// Keeps the log short. That it cannot is told by the next commit, unless it was an fsync that failed.
    fn tidy_log(&self) -> Result<(), Failure> {
        match self.log.tidy(&self.connection) {
            Ok(()) => Ok(()),
            Err(error) if is_failed_sync(&error) => {
                Err(Failure::Unknown(Fatal(format!("history cannot be written: an fsync failed: {error}"))))
            }
            Err(error) => {
                tracing::warn!(%error, "the log cannot be brought into the file just now");
                Ok(())
            }
        }
    }
}

fn begin(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)
}

/// Whether the file does not hold what SQLite expects there.
pub fn is_damage(reason: &Reason) -> bool {
    let Reason::Sqlite(error) = reason else { return false };
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(error, rusqlite::Error::FromSqlConversionFailure(..))
}

fn extended_code(error: &rusqlite::Error) -> i32 {
    error.sqlite_error().map_or(0, |error| error.extended_code)
}

fn is_failed_sync(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSYNC};
    matches!(extended_code(error), SQLITE_IOERR_FSYNC | SQLITE_IOERR_DIR_FSYNC)
}

/// Whether nothing of a transaction whose COMMIT failed like this can be found on the disk later. A failed fsync is not
/// among them: the pages may or may not be there, and the kernel will not say (fsyncgate, 2018). Nor is what can fail
/// after it, as memory for the log's index.
fn is_certain(reason: &Reason) -> bool {
    let Reason::Sqlite(error) = reason else { return true };
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked,
        ) => true,
        Some(ErrorCode::SystemIoFailure) => extended_code(error) == rusqlite::ffi::SQLITE_IOERR_WRITE,
        _ => false,
    }
}
