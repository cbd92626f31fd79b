//! How the file is laid out, and the steps by which one of an earlier version is brought up to date.

use rusqlite::Connection;

/// "MADG", in the file's header (`PRAGMA application_id`).
const APPLICATION: i32 = 0x4D41_4447;

/// Bits of a message's key that are its `seq`; those above are its room. 10^12 messages a room, 8 million rooms.
pub const SEQ_BITS: u32 = 40;

/// The largest `seq` that a key holds.
pub const MAX_SEQ: u64 = (1 << SEQ_BITS) - 1;

/// The steps from an empty file to today's; a file's `user_version` says how many it has behind it. Steps are never
/// changed, only added.
pub const STEPS: &[&str] = &[
    "
    -- epoch: the history that new rooms count in. copied: this is a backup that nobody has run on yet.
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE rooms (
        id      INTEGER PRIMARY KEY,
        name    TEXT    NOT NULL UNIQUE,
        epoch   TEXT    NOT NULL,
        -- The oldest message that is kept, and the newest.
        first   INTEGER NOT NULL,
        top     INTEGER NOT NULL,
        -- When the newest was numbered.
        at      INTEGER NOT NULL,
        -- Up to here the search index has seen, and up to here what is not kept has been removed.
        indexed INTEGER NOT NULL,
        purged  INTEGER NOT NULL
    ) STRICT;

    -- The key is room << 40 | seq: one tree, each room's messages side by side and in order.
    CREATE TABLE messages (
        id       INTEGER PRIMARY KEY,
        user     BLOB    NOT NULL,
        name     TEXT    NOT NULL,
        text     TEXT    NOT NULL,
        at       INTEGER NOT NULL,
        client   TEXT,
        reply_to INTEGER,
        edits    INTEGER,
        deletes  INTEGER,
        edited   INTEGER,
        deleted  INTEGER
    ) STRICT;

    -- The same id from the same person is stored once.
    CREATE UNIQUE INDEX messages_once ON messages (user, client) WHERE client IS NOT NULL;

    CREATE TABLE markers (
        user BLOB    NOT NULL,
        room INTEGER NOT NULL,
        seq  INTEGER NOT NULL,
        at   INTEGER NOT NULL,
        PRIMARY KEY (user, room)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE people (
        user BLOB    PRIMARY KEY,
        name TEXT    NOT NULL,
        seen INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- Its words are made by us (history/words.rs): all that this tokenizer has to do is to part them at spaces.
    CREATE VIRTUAL TABLE search USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'ascii');
",
    "
    -- Of a secret only its SHA-256.
    CREATE TABLE moderators (
        name TEXT    PRIMARY KEY,
        hash BLOB    NOT NULL UNIQUE,
        at   INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- What is in force against whom: a ban (0) or a mute (1). What is over goes with the next change.
    CREATE TABLE sanctions (
        user      BLOB    NOT NULL,
        kind      INTEGER NOT NULL,
        name      TEXT    NOT NULL,
        until     INTEGER NOT NULL,
        reason    TEXT    NOT NULL,
        by        TEXT    NOT NULL,
        -- With spaces between them.
        addresses TEXT    NOT NULL,
        PRIMARY KEY (user, kind)
    ) STRICT, WITHOUT ROWID;

    -- A room may have a topic before it has a message.
    CREATE TABLE settings (
        room  TEXT    PRIMARY KEY,
        topic TEXT    NOT NULL,
        slow  INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
];

/// Why a file's layout cannot be today's.
#[derive(Debug)]
pub enum StepError {
    /// It was written by a later version: its layout.
    Newer(i64),
    /// SQLite's.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for StepError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Whether this is a history, or nothing yet.
///
/// # Errors
/// SQLite's.
pub fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let number = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let application = number("application_id")?;
    let is_new = number("schema_version")? == 0;
    Ok(application == i64::from(APPLICATION) || (is_new && application == 0))
}

/// How many steps a file has behind it.
///
/// # Errors
/// SQLite's.
pub fn layout(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Takes the steps that the file has not behind it, all or none.
///
/// # Errors
/// When it has more behind it than there are, and SQLite's.
pub fn migrate(writer: &mut Connection, steps: &[&str]) -> Result<(), StepError> {
    let done = layout(writer)?;
    let Some(missing) = usize::try_from(done).ok().and_then(|done| steps.get(done..)) else {
        return Err(StepError::Newer(done));
    };
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = writer.transaction()?;
    for step in missing {
        transaction.execute_batch(step)?;
    }
    let done = format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {}", steps.len());
    transaction.execute_batch(&done)?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[&str] = &["CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1);"];
    const NEW: &[&str] = &[OLD[0], "ALTER TABLE a ADD COLUMN y INTEGER; UPDATE a SET y = x + 1;"];

    #[test]
    fn a_file_of_an_older_layout_is_brought_up_to_date_and_keeps_what_it_holds() {
        let mut file = Connection::open_in_memory().unwrap();
        migrate(&mut file, OLD).unwrap();
        migrate(&mut file, NEW).unwrap();
        assert_eq!(file.query_row("SELECT y FROM a", [], |row| row.get::<_, i64>(0)).unwrap(), 2);
        migrate(&mut file, NEW).unwrap();
        assert!(matches!(migrate(&mut file, OLD), Err(StepError::Newer(2))));
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let mut file = Connection::open_in_memory().unwrap();
        migrate(&mut file, OLD).unwrap();
        let bad = [OLD[0], "DELETE FROM a; nonsense"];
        migrate(&mut file, &bad).unwrap_err();
        assert_eq!(layout(&file).unwrap(), 1);
        assert_eq!(file.query_row("SELECT count(*) FROM a", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    }
}
