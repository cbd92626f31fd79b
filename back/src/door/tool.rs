//! What `back` does about tickets besides taking them: a key, and a ticket by hand.

use std::path::Path;

use service::secret;
use shared::{Name, RoomName, Ticket, ticket::LIFE_MS};

use super::read_keys;
use crate::identity;

/// Writes a new key to a file that is not there yet.
///
/// # Errors
/// When there is such a file, it cannot be written, or the system gives no random bytes.
pub fn new_key(file: &Path) -> anyhow::Result<()> {
    Ok(secret::write_new(file, &identity::new_key()?)?)
}

/// A ticket for this account at this time, in Unix milliseconds.
///
/// # Errors
/// When the key cannot be read, or the ticket would be none.
pub fn ticket(key: &Path, sub: &str, name: Option<Name>, sight: &[String], now: u64) -> anyhow::Result<String> {
    let keys = read_keys(key)?;
    let (mut rooms, mut prefixes) = (Vec::new(), Vec::new());
    for pattern in sight {
        match pattern.strip_suffix('*') {
            Some(beginning) => prefixes.push(beginning.to_owned()),
            None => rooms.push(RoomName::parse(pattern)?),
        }
    }
    let ticket = Ticket {
        sub: sub.to_owned(),
        name,
        rooms,
        prefixes,
        iat: now,
        exp: now + LIFE_MS,
        jti: identity::new_session()?.as_str().to_owned(),
        sid: None,
        end: false,
        anew: false,
    };
    let sealed = ticket.seal(keys.first());
    keys.open(&sealed, now)?;
    Ok(sealed)
}
