//! The people who may come in, and by which sign-ins they are here: a file of JSON that this server and its tools share. It
//! knows no passwords, only what is kept of them.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use shared::Name;

/// Accounts in a file at most.
const ACCOUNTS: usize = 10_000;

/// Sign-ins of an account at most: the oldest ends when there is another.
const SIGN_INS: usize = 20;

/// Everything that the file says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Book {
    /// In the order in which they were added.
    pub(crate) accounts: Vec<Account>,
}

/// Somebody.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Who it is to the chat server. Whoever is added again under the same name is somebody else.
    pub(crate) id: String,
    /// What they are called.
    pub(crate) name: Name,
    /// What is kept of the password, as a PHC string.
    pub(crate) password: String,
    /// By which they are here, oldest first.
    #[serde(default)]
    pub(crate) sign_ins: Vec<SignIn>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({})", self.name)
    }
}

/// One sign-in of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignIn {
    /// Which.
    pub(crate) sid: String,
    /// When it ends by itself, in Unix milliseconds.
    pub(crate) until: u64,
}

impl Book {
    /// The account of this name; capital letters make no other one.
    pub(crate) fn named(&self, name: &Name) -> Option<&Account> {
        let wanted = name.as_str().to_lowercase();
        self.accounts.iter().find(|account| account.name.as_str().to_lowercase() == wanted)
    }

    /// The account of this sign-in, where it is not over.
    pub(crate) fn signed_in(&self, id: &str, sid: &str, now: u64) -> Option<&Account> {
        let account = self.accounts.iter().find(|account| account.id == id)?;
        account.sign_ins.iter().any(|one| one.sid == sid && one.until > now).then_some(account)
    }

    /// Adds somebody.
    ///
    /// # Errors
    /// When the name is taken, or there are too many.
    pub(crate) fn add(&mut self, account: Account) -> anyhow::Result<()> {
        anyhow::ensure!(self.named(&account.name).is_none(), "there is an account of that name already");
        anyhow::ensure!(self.accounts.len() < ACCOUNTS, "there are {ACCOUNTS} accounts; more do not fit");
        self.accounts.push(account);
        Ok(())
    }

    /// The account of this name, to change it.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn change(&mut self, name: &Name) -> anyhow::Result<&mut Account> {
        let id = self.named(name).map(|account| account.id.clone());
        let found = id.and_then(|id| self.accounts.iter_mut().find(|account| account.id == id));
        found.ok_or_else(|| anyhow::anyhow!("there is no account of that name"))
    }

    /// Notes a sign-in of this account, if the password is still the one that was shown.
    pub(crate) fn sign_in(&mut self, id: &str, password: &str, one: SignIn, now: u64) -> bool {
        let Some(account) = self.accounts.iter_mut().find(|account| account.id == id && account.password == password)
        else {
            return false;
        };
        account.sign_ins.retain(|one| one.until > now);
        while account.sign_ins.len() >= SIGN_INS {
            account.sign_ins.remove(0);
        }
        account.sign_ins.push(one);
        true
    }

    /// Ends a sign-in.
    pub(crate) fn sign_out(&mut self, id: &str, sid: &str) {
        for account in self.accounts.iter_mut().filter(|account| account.id == id) {
            account.sign_ins.retain(|one| one.sid != sid);
        }
    }
}

/// The file.
pub(crate) struct Accounts {
    file: PathBuf,
    known: Mutex<(Stamp, Arc<Book>)>,
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
        Ok(Self { file, known: Mutex::new((before, Arc::new(book))) })
    }

    /// What the file says now. While it makes no sense, it is what it said before.
    pub(crate) fn now(&self) -> Arc<Book> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is = stamp(&self.file);
        if is != known.0 {
            known.0 = is;
            match read(&self.file) {
                Ok(book) => known.1 = Arc::new(book),
                Err(error) => tracing::error!("the accounts stay as they were: {error:#}"),
            }
        }
        Arc::clone(&known.1)
    }

    /// Changes the file: all of it or nothing, and one at a time, whoever else does so.
    ///
    /// # Errors
    /// What the change says, or when the file cannot be written.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Book) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let wrong = |what: &str| format!("{}: cannot {what}", self.file.display());
        let private = |file: &Path| OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
        let lock = beside(&self.file, ".lock");
        let lock = private(&lock).and_then(|lock| lock.lock().map(|()| lock));
        let _lock = lock.map_err(|error| anyhow::anyhow!("{}: {error}", wrong("lock it")))?;
        let mut book = read(&self.file)?;
        let done = change(&mut book)?;
        let part = beside(&self.file, ".part");
        let write = || -> io::Result<()> {
            let mut new = private(&part)?;
            serde_json::to_writer_pretty(&mut new, &book)?;
            writeln!(new)?;
            new.sync_all()?;
            std::fs::rename(&part, &self.file)?;
            let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().map_err(|error| anyhow::anyhow!("{}: {error}", wrong("write it")))?;
        Ok(done)
    }
}

fn read(file: &Path) -> anyhow::Result<Book> {
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| anyhow::anyhow!("{}: {error}", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Book::default()),
        Err(error) => Err(anyhow::anyhow!("{}: {error}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Account {
        let (id, password) = (format!("id of {name}"), "$".to_owned());
        Account { id, name: Name::parse(name).unwrap(), password, sign_ins: Vec::new() }
    }

    fn one(sid: usize, until: u64) -> SignIn {
        SignIn { sid: sid.to_string(), until }
    }

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
    fn sign_ins_end_by_themselves_by_word_and_when_there_are_many() {
        let mut book = Book { accounts: vec![account("kim")] };
        let id = "id of kim";
        for sid in 0..SIGN_INS + 1 {
            assert!(book.sign_in(id, "$", one(sid, 100), 0));
        }
        assert!(book.signed_in(id, "0", 50).is_none() && book.signed_in(id, "1", 50).is_some());
        assert!(book.signed_in(id, "1", 100).is_none() && book.signed_in("other", "1", 50).is_none());
        book.sign_out(id, "1");
        assert!(book.signed_in(id, "1", 50).is_none() && book.signed_in(id, "2", 50).is_some());
        assert!(!book.sign_in(id, "another", one(99, 100), 0), "the password was changed meanwhile");
    }
}
