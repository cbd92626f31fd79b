//! Secrets and what follows from them. The only place that asks for random bytes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use shared::{Epoch, ModeratorSecret, NameError, SessionToken, UserId};

/// Why there is no new identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The system gives no random bytes.
    #[error("no random bytes from the system: {0}")]
    Random(#[from] getrandom::Error),
    /// What was made of them is no word; a fault of this module.
    #[error("made a bad word: {0}")]
    Word(#[from] NameError),
}

fn random<const N: usize>() -> Result<String, IdentityError> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<N>()?))
}

/// Random bytes.
///
/// # Errors
/// When the system gives none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], IdentityError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A key for tickets, of 256 random bits: 43 characters.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_key() -> Result<String, IdentityError> {
    random::<32>()
}

/// A secret of 128 random bits: 22 characters.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_session() -> Result<SessionToken, IdentityError> {
    Ok(SessionToken::parse(&random::<16>()?)?)
}

/// A moderator's secret of 128 random bits: 22 characters.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_moderator() -> Result<ModeratorSecret, IdentityError> {
    Ok(ModeratorSecret::parse(&random::<16>()?)?)
}

/// A name for a new history: 48 random bits, 8 characters. Two histories of one room would have to meet in it to
/// confuse a client.
///
/// # Errors
/// When the system gives no random bytes.
pub fn new_epoch() -> Result<Epoch, IdentityError> {
    Ok(Epoch::parse(&random::<6>()?)?)
}

/// The public id of a session's holder: 96 bits of SHA-256. Finding a secret that hashes to somebody else's id takes
/// 2^96 tries.
///
/// # Errors
/// None; the type says so because a word can only be made by parsing.
pub fn user_of(session: &SessionToken) -> Result<UserId, IdentityError> {
    let mut hash = Sha256::new();
    hash.update(b"madang user\0");
    hash.update(session.as_str().as_bytes());
    Ok(UserId::parse(&URL_SAFE_NO_PAD.encode(&hash.finalize()[..12]))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_ids_follow_from_them() {
        let (a, b) = (new_session().unwrap(), new_session().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 22);
        assert_eq!(user_of(&a).unwrap(), user_of(&a).unwrap());
        assert_ne!(user_of(&a).unwrap(), user_of(&b).unwrap());
        assert!(!user_of(&a).unwrap().as_str().contains(a.as_str()));
    }

    #[test]
    fn an_id_stays_the_same_over_versions() {
        let session = SessionToken::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert_eq!(user_of(&session).unwrap().as_str(), "a9OPrSMEBhpYxn2M");
    }
}
