//! Who may come in: the file of accounts, the rooms that each sees, and the tickets by which the chat server knows them. It
//! knows no request.

pub(crate) mod book;
pub(crate) mod file;
pub(crate) mod office;
pub(crate) mod password;
pub(crate) mod room_tool;
mod rooms;
pub(crate) mod tool;

use std::{path::Path, sync::Arc, time::SystemTime};

use anyhow::{Context as _, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use shared::{Name, Sight};

use file::Accounts;
use office::Office;

/// Somebody who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub(crate) account: String,
    /// What they are called.
    pub(crate) name: Name,
    /// By which sign-in they are here.
    pub(crate) sid: String,
    /// The rooms that they see.
    pub(crate) sight: Sight,
}

/// Opens what these files hold, where people sign in.
///
/// # Errors
/// When one is missing, or makes no sense.
pub(crate) fn open(
    key: Option<&Path>,
    accounts: Option<&Path>,
) -> anyhow::Result<Option<(Arc<Office>, Arc<Accounts>)>> {
    match (key, accounts) {
        (Some(key), Some(file)) => {
            let accounts = Arc::new(Accounts::open(file.to_owned()).context("--accounts")?);
            let office = Office::open(key, Arc::clone(&accounts)).context("--ticket-key")?;
            if accounts.now().accounts.is_empty() {
                tracing::warn!(
                    "nobody can sign in yet: there is no account in {0}; `front user add NAME --accounts {0}` makes one",
                    file.display()
                );
            }
            Ok(Some((Arc::new(office), accounts)))
        }
        (None, Some(_)) => bail!("--accounts asks for --ticket-key: the chat server knows people by tickets"),
        (Some(_), None) => bail!(
            "--ticket-key asks for --accounts: with the key this server reads every room, and would show them to \
             whoever comes"
        ),
        (None, None) => Ok(None),
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
