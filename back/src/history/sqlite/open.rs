//! The file: how it is opened, locked and checked.

use std::{
    cmp::Ordering,
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, FileExt},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, config::DbConfig};
use service::private;
use shared::Epoch;

use super::{
    place::Place,
    schema::{STEPS, StepError, is_ours, layout, migrate},
};
use crate::{
    history::{READERS, SEARCHERS},
    identity,
};

/// The file's name in the data directory.
pub const FILE: &str = "chat.db";

/// What a running server holds locked, beside the file: SQLite's own locks go when any descriptor of the file closes.
const LOCK: &str = "chat.lock";

/// SQLite before this could corrupt a file in WAL mode when a checkpoint met a reset of the log.
const OLDEST_SQLITE: i32 = 3_051_003;

/// Bytes of the file that the connections of a server hold in memory, unless it is told otherwise; the kernel holds more.
pub const CACHE: usize = 160 << 20;

/// What one connection holds of that: the writer as much as four readers, because it looks everything up that it changes.
#[derive(Debug, Clone, Copy)]
enum Share {
    Writer,
    Reader,
}

impl Share {
    /// For `PRAGMA cache_size`, which counts kibibytes below zero.
    fn pragma(self, cache: usize) -> String {
        let tenths = match self {
            Self::Writer => 10 - (READERS + SEARCHERS),
            Self::Reader => 1,
        };
        format!("PRAGMA cache_size = -{};", cache / 1024 / 10 * tenths)
    }
}

/// Why a history could not be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be made or opened.
    #[error("cannot use {}: {error}; --data takes another directory", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another server has it.
    #[error("{} is in use by another back; stop that one, or give this one another directory by --data", .0.display())]
    Locked(PathBuf),
    /// There is nothing to read.
    #[error("there is no history at {}; --data takes another directory", .0.display())]
    Missing(PathBuf),
    /// It is something else.
    #[error("{} is not Madang's; --data takes another directory", .0.display())]
    Foreign(PathBuf),
    /// It is a backup, and the log beside it is of the file that was there before.
    #[error(
        "{} is a backup, but beside it lies the log of another file, which would be mixed into it; move {FILE}-wal and \
        {FILE}-shm away, and start again",
        .0.display()
    )]
    OthersLog(PathBuf),
    /// It was written by a later version.
    #[error("{} was written by a newer back (layout {found}, this one knows {known}); run that one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// Ours.
        known: usize,
    },
    /// The server that runs on it is of an earlier version.
    #[error("the back that runs on {} is older than this one; start it anew first", .0.display())]
    Older(PathBuf),
    /// It does not hold what it should.
    #[error(
        "{} is damaged: {reason}; `back check` tells more. Restore a backup, or move the file away to begin anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The library that it was linked with is one that loses data.
    #[error("SQLite {0} is too old: before 3.51.3 it could damage a file in use")]
    OldSqlite(String),
    /// The file cannot be worked with.
    #[error("cannot open {}: {error}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
    /// There is no new epoch.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
}

/// A history that is open for writing, and held against other servers as long as this lives.
pub struct Opened {
    /// The one connection that writes.
    pub writer: Connection,
    /// The history that new rooms count in.
    pub epoch: Epoch,
    /// The file.
    pub path: PathBuf,
    /// Held until it is dropped.
    pub lock: File,
    /// Where all of them were.
    pub place: Place,
}

/// A history that is open for a few words.
pub struct Beside {
    /// A connection that writes, beside that of a server.
    pub writer: Connection,
    /// Where no server runs, none may begin meanwhile.
    _lock: Option<File>,
}

/// Opens the history in this directory, and makes one if there is none; `cache` is for all connections of the server.
///
/// # Errors
/// When it is in use, damaged, foreign or newer, or cannot be written.
pub fn open(data: &Path, cache: usize) -> Result<Opened, OpenError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(OpenError::OldSqlite(rusqlite::version().to_owned()));
    }
    let files = |path: &Path| {
        let path = path.to_owned();
        move |error| OpenError::Files { path, error }
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(files(data))?;
    let lock = private::open(&data.join(LOCK)).map_err(files(&data.join(LOCK)))?;
    let path = file_in(data)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Locked(path)),
        Err(TryLockError::Error(error)) => return Err(OpenError::Files { path: data.join(LOCK), error }),
    }
    // Only its owner reads what was said; SQLite gives the files beside it the same mode.
    let file = private::open(&path).map_err(files(&path))?;
    if is_copy(&file).map_err(files(&path))? && beside(&path, "-wal").map_err(files(&path))?.exists() {
        return Err(OpenError::OthersLog(path));
    }
    drop(file);
    let at = |error| explain(&path, error);
    // Only one thread at a time has it, so SQLite need not lock it once more.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut writer = Connection::open_with_flags(&path, flags).map_err(at)?;
    prepare(&writer, cache).map_err(at)?;
    identify(&writer, &path)?;
    migrate(&mut writer, STEPS).map_err(|error| step_error(error, &path))?;
    let epoch = epoch(&mut writer, &path)?;
    complete(&writer, &path)?;
    let place = place(&path, data.join(LOCK))?;
    Ok(Opened { writer, epoch, path, lock, place })
}

/// Opens the history in this directory for reading, beside a server that may be running on it.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn open_to_read(data: &Path) -> Result<(Connection, PathBuf), OpenError> {
    let path = file_in(data)?;
    match path.try_exists() {
        Ok(true) => {}
        Ok(false) => return Err(OpenError::Missing(path)),
        Err(error) => return Err(OpenError::Files { path, error }),
    }
    let reader = reader(&path, CACHE).map_err(|error| explain(&path, error))?;
    identify(&reader, &path)?;
    match layout(&reader).map_err(|error| explain(&path, error))? {
        // A server was killed before it had made anything.
        0 => Err(OpenError::Missing(path)),
        found if found > STEPS.len() as i64 => Err(newer(path, found)),
        _ => Ok((reader, path)),
    }
}

/// Opens the history in this directory to write a little beside a server that may be running on it; makes one if there is
/// none.
///
/// # Errors
/// When it cannot be written, or a server of another version runs on it.
pub fn open_beside(data: &Path) -> Result<Beside, OpenError> {
    match open(data, CACHE) {
        Ok(Opened { writer, lock, .. }) => return Ok(Beside { writer, _lock: Some(lock) }),
        // The server that has it brought it up to date.
        Err(OpenError::Locked(_)) => {}
        Err(error) => return Err(error),
    }
    let path = file_in(data)?;
    let at = |error| explain(&path, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let writer = Connection::open_with_flags(&path, flags).map_err(at)?;
    prepare(&writer, CACHE).map_err(at)?;
    identify(&writer, &path)?;
    let found = layout(&writer).map_err(at)?;
    match found.cmp(&(STEPS.len() as i64)) {
        Ordering::Equal => Ok(Beside { writer, _lock: None }),
        Ordering::Less => Err(OpenError::Older(path)),
        Ordering::Greater => Err(newer(path, found)),
    }
}

/// The file, by a path that SQLite cannot take for an address (`file:…`).
fn file_in(data: &Path) -> Result<PathBuf, OpenError> {
    let path = data.join(FILE);
    std::path::absolute(&path).map_err(|error| OpenError::Files { path, error })
}

/// Which files belong to the history, with those that SQLite opens beside it. A lock that is removed keeps no other server
/// away, and a log or its index that is removed is one that another process makes anew.
fn place(path: &Path, lock: PathBuf) -> Result<Place, OpenError> {
    let beside = |end| beside(path, end).map_err(|error| OpenError::Files { path: path.to_owned(), error });
    let files = [path.to_owned(), lock, beside("-wal")?, beside("-shm")?];
    Place::of(files).map_err(|(path, error)| OpenError::Files { path, error })
}

/// A file that SQLite keeps beside this one: it follows a link, and names them after where it leads.
fn beside(path: &Path, end: &str) -> io::Result<PathBuf> {
    let mut name = path.canonicalize()?.into_os_string();
    name.push(end);
    Ok(name.into())
}

/// Whether this is a copy that nobody has opened yet: a history that a server ran on says in its header that it has a log.
fn is_copy(file: &File) -> io::Result<bool> {
    let mut version = [0];
    match file.read_exact_at(&mut version, 18) {
        Ok(()) => Ok(version == [1]),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// One more connection, for reading.
///
/// # Errors
/// SQLite's.
pub fn reader(path: &Path, cache: usize) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(path, flags)?;
    reader.set_prepared_statement_cache_capacity(64);
    reader.execute_batch(&(Share::Reader.pragma(cache) + "PRAGMA temp_store = MEMORY;"))?;
    // SQLite opens the file when it is first read, and the log beside it.
    layout(&reader)?;
    Ok(reader)
}

/// What SQLite says, as a sentence about the file.
fn explain(path: &Path, error: rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => OpenError::Damaged { path: path.to_owned(), reason: error.to_string() },
        _ => OpenError::Sqlite { path: path.to_owned(), error },
    }
}

fn prepare(writer: &Connection, cache: usize) -> rusqlite::Result<()> {
    // A partial index makes the planner look at the values that are bound, and so every send would prepare its
    // statement anew: half of the time that storing takes.
    writer.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    writer.set_prepared_statement_cache_capacity(64);
    // FULL: a commit returns when it is on the disk. With NORMAL, a power cut takes the last ones back. The log is
    // brought into the file by `checkpoint`, because SQLite's own way of doing that tells nobody of a failed fsync.
    writer.execute_batch(&Share::Writer.pragma(cache))?;
    writer.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA temp_store = MEMORY;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA secure_delete = ON;",
    )
}

fn identify(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let is_ours = is_ours(connection).map_err(|error| explain(path, error))?;
    if is_ours { Ok(()) } else { Err(OpenError::Foreign(path.to_owned())) }
}

fn newer(path: PathBuf, found: i64) -> OpenError {
    OpenError::Newer { path, found, known: STEPS.len() }
}

fn step_error(error: StepError, path: &Path) -> OpenError {
    match error {
        StepError::Newer(found) => newer(path.to_owned(), found),
        StepError::Sqlite(error) => explain(path, error),
    }
}

/// The file's epoch; a new one, for its rooms too, where it has none or where it is a backup that begins a new life.
fn epoch(writer: &mut Connection, path: &Path) -> Result<Epoch, OpenError> {
    let at = |error| explain(path, error);
    let meta = |key: &str| {
        let value = writer.query_row("SELECT value FROM meta WHERE key = ?", [key], |row| row.get::<_, String>(0));
        value.optional()
    };
    let known = meta("epoch").map_err(at)?.and_then(|epoch| Epoch::parse(&epoch).ok());
    let copied = meta("copied").map_err(at)?.is_some();
    match known {
        Some(epoch) if !copied => Ok(epoch),
        _ => {
            let epoch = identity::new_epoch()?;
            let transaction = writer.transaction().map_err(at)?;
            transaction
                .execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('epoch', ?)", [epoch.as_str()])
                .map_err(at)?;
            transaction.execute("UPDATE rooms SET epoch = ?", [epoch.as_str()]).map_err(at)?;
            transaction.execute("DELETE FROM meta WHERE key = 'copied'", []).map_err(at)?;
            transaction.commit().map_err(at)?;
            Ok(epoch)
        }
    }
}

/// Looks whether every room has its oldest and its newest message: what a file that was cut short lacks.
fn complete(writer: &Connection, path: &Path) -> Result<(), OpenError> {
    let sql = "SELECT name, top FROM rooms WHERE first <= top AND (
        NOT EXISTS (SELECT 1 FROM messages WHERE messages.id = (rooms.id << 40) + top)
        OR NOT EXISTS (SELECT 1 FROM messages WHERE messages.id = (rooms.id << 40) + first)) LIMIT 1";
    let hole = writer.query_row(sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).optional();
    match hole.map_err(|error| explain(path, error))? {
        None => Ok(()),
        Some((room, top)) => {
            let reason = format!("the room {room} lacks messages up to {top}");
            Err(OpenError::Damaged { path: path.to_owned(), reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_of_the_first_layout_opens_with_what_was_said() {
        let data = tempfile::tempdir().unwrap();
        let mut file = Connection::open(data.path().join(FILE)).unwrap();
        migrate(&mut file, &STEPS[..1]).unwrap();
        let said = "INSERT INTO meta VALUES ('epoch', 'then');
            INSERT INTO rooms VALUES (1, 'dev', 'then', 1, 1, 5, 0, 0);
            INSERT INTO messages (id, user, name, text, at) VALUES (1 << 40 | 1, x'01', 'kim', 'hello', 5);";
        file.execute_batch(said).unwrap();
        drop(file);
        let opened = open(data.path(), CACHE).unwrap();
        assert_eq!((layout(&opened.writer).unwrap(), opened.epoch.as_str()), (STEPS.len() as i64, "then"));
        let text: String = opened.writer.query_row("SELECT text FROM messages", [], |row| row.get(0)).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn a_file_of_a_later_layout_is_left_to_its_version() {
        let data = tempfile::tempdir().unwrap();
        open(data.path(), CACHE).unwrap().writer.execute_batch("PRAGMA user_version = 99").unwrap();
        let error = open(data.path(), CACHE).err().unwrap().to_string();
        assert!(error.contains("newer back (layout 99, this one knows"), "{error}");
    }

    #[test]
    fn the_connections_share_what_may_be_held() {
        let data = tempfile::tempdir().unwrap();
        let opened = open(data.path(), 10 << 20).unwrap();
        let held = |connection: &Connection| {
            connection.query_row("PRAGMA cache_size", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        let (writer, one) = (held(&opened.writer), held(&reader(&opened.path, 10 << 20).unwrap()));
        assert_eq!((writer, one), (-4096, -1024));
        assert_eq!(writer + one * (READERS + SEARCHERS) as i64, -10 * 1024);
    }

    #[test]
    fn only_one_server_has_a_file() {
        let data = tempfile::tempdir().unwrap();
        let first = open(data.path(), CACHE).unwrap();
        let error = open(data.path(), CACHE).err().unwrap().to_string();
        assert!(error.contains("in use by another back") && error.contains("--data"), "{error}");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data.path().join(FILE)), 0o600, "nobody else reads what was said");
        drop(first);
        open(data.path(), CACHE).unwrap();
    }

    #[test]
    fn a_foreign_or_damaged_file_is_refused_and_left_as_it_is() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join(FILE);
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        let before = fs::read(&path).unwrap();
        assert!(matches!(open(data.path(), CACHE), Err(OpenError::Foreign(_))));
        assert_eq!(fs::read(&path).unwrap().len(), before.len());
        fs::write(&path, b"this is a shopping list, and longer than the header of a database would be").unwrap();
        let error = open(data.path(), CACHE).err().unwrap().to_string();
        assert!(error.contains("is damaged") && error.contains("Restore a backup"), "{error}");
    }

    #[test]
    fn the_epoch_stays_and_a_copy_gets_another() {
        let data = tempfile::tempdir().unwrap();
        let epoch = open(data.path(), CACHE).unwrap().epoch;
        let again = open(data.path(), CACHE).unwrap();
        assert_eq!(again.epoch, epoch);
        again.writer.execute("INSERT INTO meta VALUES ('copied', '')", []).unwrap();
        drop(again);
        let copy = open(data.path(), CACHE).unwrap();
        assert_ne!(copy.epoch, epoch);
        let renewed = copy.epoch.clone();
        drop(copy);
        assert_eq!(open(data.path(), CACHE).unwrap().epoch, renewed);
    }
}
