//! Where tickets are made: for people who signed in, and for what this server reads and ends itself. It knows the key, and
//! no accounts.

use std::{path::Path, time::SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use service::secret;
use shared::{
    Name, Ticket, TicketKey,
    ticket::{KEY_BYTES, LIFE_MS},
};

/// The account of what this server asks for itself. Those of people are random words of another length.
const READER: &str = "front";

/// Makes tickets.
pub(crate) struct Office {
    key: TicketKey,
}

/// Somebody who signed in, as far as tickets are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub(crate) account: String,
    /// What they are called.
    pub(crate) name: Name,
    /// By which sign-in they are here.
    pub(crate) sid: String,
}

impl Office {
    /// # Errors
    /// When the key cannot be read, or is none.
    pub(crate) fn open(key: &Path) -> anyhow::Result<Self> {
        let bytes = secret::read(key, KEY_BYTES)?;
        Ok(Self { key: TicketKey::new(&bytes).ok_or_else(|| anyhow::anyhow!("the key is too short"))? })
    }

    /// The key.
    pub(crate) fn key(&self) -> &TicketKey {
        &self.key
    }

    /// Lets somebody in, into every room.
    pub(crate) fn admit(&self, person: &Person) -> Option<String> {
        self.make(&person.account, Some(person.name.clone()), Some(person.sid.clone()), false)
    }

    /// Lets this server read every room.
    pub(crate) fn reader(&self) -> Option<String> {
        self.make(READER, None, None, false)
    }

    /// Ends a sign-in.
    pub(crate) fn end(&self, account: &str, sid: &str) -> Option<String> {
        self.make(account, None, Some(sid.to_owned()), true)
    }

    /// Nothing when the system gives no random bytes.
    fn make(&self, sub: &str, name: Option<Name>, sid: Option<String>, end: bool) -> Option<String> {
        let now = now();
        let prefixes = if end { Vec::new() } else { vec![String::new()] };
        let (iat, exp, jti) = (now, now + LIFE_MS, word().ok()?);
        let ticket = Ticket { sub: sub.to_owned(), name, rooms: Vec::new(), prefixes, iat, exp, jti, sid, end };
        Some(ticket.seal(&self.key))
    }
}

/// A word of 128 random bits.
///
/// # Errors
/// When the system gives no random bytes.
pub(crate) fn word() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Unix milliseconds.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
