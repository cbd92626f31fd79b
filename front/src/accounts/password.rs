//! Passwords: what is kept of one, and whether it is the one. Each takes 19 MiB and tens of milliseconds, so few are looked
//! at at a time, and nobody waits long.

use std::{sync::Arc, time::Duration};

use argon2::{
    Argon2, PasswordVerifier,
    password_hash::{PasswordHasher, phc::PasswordHash},
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Characters of a password at least (NIST SP 800-63B, 3.1.1.2).
pub(crate) const LEAST: usize = 8;

/// Bytes of a password at most: more makes none safer.
pub(crate) const MOST: usize = 1_000;

/// Passwords that are looked at at once: 38 MiB.
const AT_ONCE: usize = 2;

/// How long somebody waits for their turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is kept of a password. The parameters are those that OWASP names first: argon2id, 19 MiB, 2 passes, 1 lane.
///
/// # Errors
/// When it is too short or too long, or the system gives no random bytes.
pub(crate) fn hash(password: &str) -> anyhow::Result<String> {
    anyhow::ensure!(password.len() <= MOST, "a password has at most {MOST} bytes");
    let password = composed(password);
    anyhow::ensure!(password.chars().count() >= LEAST, "a password has at least {LEAST} characters");
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)?;
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| anyhow::anyhow!("the password cannot be kept: {error}"))?;
    Ok(hash.to_string())
}

/// A password in the one way to write it (NIST SP 800-63B, 3.1.1.2): keyboards differ in how they write 한 and é.
fn composed(password: &str) -> String {
    password.nfc().collect()
}

fn is_right(password: &str, kept: &str) -> bool {
    let is = |text: &str| Argon2::default().verify_password(text.as_bytes(), kept).is_ok();
    // What was kept before passwords were composed may be as it was typed.
    is(&composed(password)) || (!is_nfc(password) && is(password))
}

/// Looks at passwords.
pub(crate) struct Looker {
    turns: Arc<Semaphore>,
    /// A password of nobody: whether there is an account cannot be told by the time that it takes.
    nobodys: String,
}

impl Looker {
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { turns: Arc::new(Semaphore::new(AT_ONCE)), nobodys: hash("the password of nobody")? })
    }

    /// Whether this is the password of which that is kept; nothing when too many ask.
    pub(crate) async fn look(&self, password: String, kept: Option<String>) -> Option<bool> {
        let turn = timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await.ok()?.ok()?;
        let there = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.nobodys.clone());
        let right = spawn_blocking(move || {
            // Taken along: whoever hangs up does not end the work, and it is not somebody else's turn before it is done.
            let _turn = turn;
            password.len() <= MOST && is_right(&password, &kept)
        });
        let right = right.await.ok()?;
        Some(right && there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_as_owasp_advises() {
        let kept = hash("correct horse").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(is_right("correct horse", &kept) && !is_right("correct horse ", &kept) && !is_right("", &kept));
        assert_ne!(kept, hash("correct horse").unwrap());
        assert!(!is_right("x", "nonsense") && !is_right("", ""));
        assert!(hash("1234567").is_err() && hash(&"x".repeat(MOST + 1)).is_err());
    }

    #[tokio::test]
    async fn who_hangs_up_does_not_make_room_for_more_at_once() {
        let looker = Looker::new().unwrap();
        for _ in 0..AT_ONCE {
            let mut look = Box::pin(looker.look("a password".to_owned(), None));
            // Begun, and given up.
            assert!(futures_util::poll!(&mut look).is_pending());
        }
        assert_eq!(looker.turns.available_permits(), 0);
        assert_eq!(looker.look("a password".to_owned(), None).await, Some(false));
    }

    #[test]
    fn however_a_keyboard_writes_it_it_is_the_same_password() {
        let (composed, apart) = ("한글 비밀번호 é", "한글 비밀번호 é".nfd().collect::<String>());
        assert_ne!(composed, apart);
        for kept in [hash(composed).unwrap(), hash(&apart).unwrap()] {
            assert!(is_right(composed, &kept) && is_right(&apart, &kept) && !is_right("한글 비밀번호 e", &kept));
        }
        // From before: what was typed, as it was typed.
        let old: PasswordHash = Argon2::default().hash_password_with_salt(apart.as_bytes(), &[7; 16]).unwrap();
        assert!(is_right(&apart, &old.to_string()));
        assert!(hash(&"é".nfd().collect::<String>().repeat(7)).is_err(), "seven characters, however they are written");
    }
}
