//! Where tickets are made: for people who signed in, as the accounts have it at that moment, and for what this server reads
//! and ends itself.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use service::{
    kept::{Again, Kept},
    secret::{self, SecretError},
};
use shared::{
    KEYS, Sight, Ticket, TicketKeys,
    ticket::{KEY_BYTES, LIFE_MS},
};

use super::{Person, file::Accounts, now, word};

/// Makes tickets.
pub(crate) struct Office {
    keys: Kept<TicketKeys>,
    /// Who there is.
    accounts: Arc<Accounts>,
    /// The account of what this server asks for itself: a random word, which nobody has and nobody can be given. Another
    /// application with the same key calls its people as it likes, and who is banned there must not take this server along.
    reader: String,
}

impl Office {
    /// # Errors
    /// When the key cannot be read, or is none.
    pub(crate) fn open(key: &Path, accounts: Arc<Accounts>) -> anyhow::Result<Self> {
        let file = key.to_owned();
        let keys = Kept::open("--ticket-key", move || {
            let short = || SecretError::Short { file: file.clone(), least: KEY_BYTES };
            TicketKeys::new(&secret::read(&file, KEY_BYTES, KEYS)?).ok_or_else(short)
        })?;
        let reader = word().context("no account for this server")?;
        Ok(Self { keys, accounts, reader })
    }

    /// The keys as they are now.
    pub(crate) fn keys(&self) -> Arc<TicketKeys> {
        self.keys.now()
    }

    /// What has the keys read again.
    pub(crate) fn again(&self) -> Again {
        self.keys.again()
    }

    /// Lets somebody in, into the rooms that they see now; nothing when their sign-in is over.
    pub(crate) fn admit(&self, person: &Person) -> Option<String> {
        // The time first: what ends tickets from before it changed the accounts ends this one too.
        let now = now();
        let book = self.accounts.now();
        let account = book.signed_in(&person.account, &person.sid, now)?;
        let sight = book.sight_of(account);
        self.seal(&person.account, now, |ticket| Ticket {
            name: Some(account.name.clone()),
            sid: Some(person.sid.clone()),
            ..seen(ticket, &sight)
        })
    }

    /// Lets this server read every room.
    pub(crate) fn reader(&self) -> Option<String> {
        self.seal(&self.reader, now(), |ticket| seen(ticket, &Sight::everything()))
    }

    /// Ends a sign-in.
    pub(crate) fn end(&self, account: &str, sid: &str) -> Option<String> {
        self.seal(account, now(), |ticket| Ticket { sid: Some(sid.to_owned()), end: true, ..ticket })
    }

    /// Has somebody come with another ticket, because they see less.
    pub(crate) fn renew(&self, account: &str) -> Option<String> {
        self.seal(account, now(), |ticket| Ticket { end: true, anew: true, ..ticket })
    }

    /// A ticket that was made then and shows nothing, changed; nothing when the system gives no random bytes.
    fn seal(&self, sub: &str, iat: u64, change: impl FnOnce(Ticket) -> Ticket) -> Option<String> {
        let ticket = Ticket {
            sub: sub.to_owned(),
            name: None,
            rooms: Vec::new(),
            prefixes: Vec::new(),
            iat,
            exp: iat + LIFE_MS,
            jti: word().ok()?,
            sid: None,
            end: false,
            anew: false,
        };
        Some(change(ticket).seal(self.keys().first()))
    }
}

/// The ticket, with which this is seen.
fn seen(ticket: Ticket, sight: &Sight) -> Ticket {
    let prefixes = if sight.is_everything() { vec![String::new()] } else { sight.beginnings().to_vec() };
    Ticket { rooms: sight.names().to_vec(), prefixes, ..ticket }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_server_reads_under_a_name_that_nobody_can_be_given() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        secret::write_new(&key, &"k".repeat(43)).unwrap();
        let office = || {
            let accounts = Arc::new(Accounts::open(folder.path().join("accounts.json")).unwrap());
            Office::open(&key, accounts).unwrap()
        };
        let reads = |office: &Office| {
            let ticket = office.reader().unwrap();
            Ticket::open(&ticket, office.keys().first(), now()).unwrap().sub
        };
        let (one, other) = (office(), office());
        assert_eq!(reads(&one), reads(&one));
        assert_ne!(reads(&one), reads(&other));
    }
}
