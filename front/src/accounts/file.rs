//! The file of accounts: JSON that this server and its tools share. It knows when it was changed, and who sees less since.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use service::private;

use super::book::Book;

/// The file.
pub(crate) struct Accounts {
    file: PathBuf,
    known: Mutex<Known>,
}

/// What the file said when somebody looked last.
struct Known {
    stamp: Stamp,
    book: Arc<Book>,
    /// Accounts that see less than they once did, since somebody asked for them.
    less: HashSet<String>,
}

/// By what it is seen that the file is another one.
type Stamp = Option<(u64, u64, i64, i64)>;

fn stamp(file: &Path) -> Stamp {
    let about = std::fs::metadata(file).ok()?;
    Some((about.ino(), about.size(), about.mtime(), about.mtime_nsec()))
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

impl Accounts {
    /// The accounts in this file; without one there are none yet.
    ///
    /// # Errors
    /// When it is there and makes no sense.
    pub(crate) fn open(file: PathBuf) -> anyhow::Result<Self> {
        let before = stamp(&file);
        let book = read(&file)?;
        let known = Known { stamp: before, book: Arc::new(book), less: HashSet::new() };
        Ok(Self { file, known: Mutex::new(known) })
    }

    /// What the file says now. While it makes no sense, it is what it said before.
    pub(crate) fn now(&self) -> Arc<Book> {
        Arc::clone(&self.look().book)
    }

    /// The accounts that see less than what this said they do, each once.
    pub(crate) fn who_sees_less(&self) -> HashSet<String> {
        std::mem::take(&mut self.look().less)
    }

    fn look(&self) -> MutexGuard<'_, Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is = stamp(&self.file);
        if is != known.stamp {
            known.stamp = is;
            match read(&self.file) {
                Ok(book) => {
                    let less: Vec<String> = known.book.who_sees_less(&book).collect();
                    known.less.extend(less);
                    known.book = Arc::new(book);
                }
                Err(error) => tracing::error!("the accounts stay as they were: {error:#}"),
            }
        }
        known
    }

    /// Changes the file: all of it or nothing, and one at a time, whoever else does so.
    ///
    /// # Errors
    /// What the change says, or when the file cannot be written.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Book) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let wrong = |what: &str| format!("{}: cannot {what}", self.file.display());
        // Where a link leads to: in the link's place, a new file would leave whoever knows the other name with the old one,
        // and with another lock.
        let file = std::fs::canonicalize(&self.file).unwrap_or_else(|_| self.file.clone());
        let lock = beside(&file, ".lock");
        let lock = private::open(&lock).and_then(|lock| lock.lock().map(|()| lock));
        let _lock = lock.map_err(|error| anyhow::anyhow!("{}: {error}", wrong("lock it")))?;
        let mut book = read(&file)?;
        let done = change(&mut book)?;
        let part = beside(&file, ".part");
        let write = || -> io::Result<()> {
            let mut new = private::open(&part)?;
            new.set_len(0)?;
            serde_json::to_writer_pretty(&mut new, &book)?;
            writeln!(new)?;
            new.sync_all()?;
            std::fs::rename(&part, &file)?;
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|error| anyhow::anyhow!("{}: {error}", wrong("write it")))?;
        Ok(done)
    }
}

fn read(file: &Path) -> anyhow::Result<Book> {
    match std::fs::read(file) {
        Ok(bytes) => {
            let book: anyhow::Result<Book> = serde_json::from_slice(&bytes).map_err(Into::into);
            let book = book.and_then(|book| book.check().map(|()| book));
            book.map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Book::default()),
        Err(error) => Err(anyhow::anyhow!("{}: {error}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use shared::{Name, RoomName};

    use super::*;
    use crate::accounts::book::tests::{account, one};

    #[test]
    fn what_is_written_is_read_by_whoever_else_has_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("accounts.json");
        let (server, tool) = (Accounts::open(file.clone()).unwrap(), Accounts::open(file.clone()).unwrap());
        tool.change(|book| book.add(account("Kim"))).unwrap();
        assert!(server.now().named(&Name::parse("kim").unwrap()).is_some(), "capitals make no other name");
        assert!(tool.change(|book| book.add(account("KIM"))).is_err());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "{").unwrap();
        assert_eq!(server.now().accounts.len(), 1, "what makes no sense changes nothing");
        assert!(tool.change(|_| Ok(())).is_err() && Accounts::open(file).is_err());
    }

    #[test]
    fn two_who_change_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("accounts.json");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let accounts = Accounts::open(file.clone()).unwrap();
                scope.spawn(move || {
                    (0..10).for_each(|n| accounts.change(|book| book.add(account(&format!("{thread}-{n}")))).unwrap());
                });
            }
        });
        assert_eq!(Accounts::open(file).unwrap().now().accounts.len(), 40);
    }

    #[test]
    fn a_link_to_the_file_stays_one_and_both_names_say_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["accounts.json", "link.json"].map(|name| folder.path().join(name));
        let (by_file, by_link) = (Accounts::open(file.clone()).unwrap(), Accounts::open(link.clone()).unwrap());
        by_file.change(|book| book.add(account("kim"))).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        by_link.change(|book| book.add(account("lee"))).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!((by_file.now().accounts.len(), by_link.now().accounts.len()), (2, 2));
    }

    #[test]
    fn who_sees_less_is_told_once_however_short_they_saw_more() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("accounts.json");
        let server = Accounts::open(file).unwrap();
        let act = |act: &dyn Fn(&mut Book)| {
            let write = |book: &mut Book| {
                act(book);
                Ok(())
            };
            server.change(write).unwrap();
        };
        let change = |rooms: &[&str]| {
            act(&|book| book.accounts[0].rooms = rooms.iter().map(|room| RoomName::parse(room).unwrap()).collect());
            server.now()
        };
        server.change(|book| book.add(account("kim"))).unwrap();
        server.now();
        act(&|book| book.rooms.open.clear());
        server.change(|book| Ok(book.sign_in("id of kim", "$", one(1, 100), 0))).unwrap();
        server.now();
        assert_eq!(server.who_sees_less(), HashSet::new(), "nobody saw what it was");
        change(&["staff"]);
        change(&[]);
        change(&["staff", "board"]);
        assert_eq!(server.who_sees_less(), HashSet::from(["id of kim".to_owned()]));
        change(&["staff", "board", "more"]);
        assert_eq!(server.who_sees_less(), HashSet::new());
    }

    #[test]
    fn a_file_that_opens_what_cannot_be_a_room_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("accounts.json");
        let server = Accounts::open(file.clone()).unwrap();
        server.change(|book| book.add(account("kim"))).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("\"*\""));
        std::fs::write(&file, text.replace("\"*\"", "\"a/b\"")).unwrap();
        assert!(server.now().rooms.are_open(), "it is as it was before");
        assert!(Accounts::open(file.clone()).is_err());
        // One from before there were rooms in it.
        std::fs::write(&file, r#"{"accounts":[]}"#).unwrap();
        assert!(Accounts::open(file).unwrap().now().rooms.are_open());
    }
}
