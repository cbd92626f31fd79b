//! Who may come in: guests where they are welcome, and whoever has a ticket. It knows no connection.

mod book;
mod refusal;
pub mod tool;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use book::{Book, Moment};
pub use refusal::{Outside, TurnedAway};
use service::{
    kept::{Again, Kept},
    secret::{self, SecretError},
};
use shared::{
    CloseCode, ErrorBody, KEYS, Name, NameError, SessionToken, Sight, Ticket, TicketKeys, UserId, ticket::KEY_BYTES,
};

use crate::{
    identity,
    jwt::{self, JwtKey},
    metrics::{Metrics, Tried},
};

/// What an operator says of who may come in.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Where the keys are that tickets are signed with; without any there are guests alone.
    pub key: Option<PathBuf>,
    /// Tickets of another application, as JSON Web Tokens.
    pub jwt: Option<jwt::Settings>,
    /// Whether nobody comes in without a ticket.
    pub tickets_only: bool,
    /// What guests may see: names of rooms, where `*` at the end stands for whatever follows.
    pub guests_see: Vec<String>,
}

/// Why there is no door.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// There is no key.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// There is no key of the other application's.
    #[error("--jwt-key: {0}")]
    Jwt(#[from] jwt::JwtError),
    /// What guests may see makes no sense.
    #[error("--guest-rooms: {0}")]
    Rooms(#[from] NameError),
}

/// The door.
pub struct Door {
    keys: Option<Kept<TicketKeys>>,
    jwt: Option<Kept<JwtKey>>,
    tickets_only: bool,
    guests_see: Sight,
    book: Mutex<Book>,
    began: Instant,
    metrics: Arc<Metrics>,
}

/// Who comes in, and what is known of them.
#[derive(Debug)]
pub struct Entry {
    /// The secret to come back with.
    pub session: SessionToken,
    /// Who it is.
    pub user: UserId,
    /// Whether they may have been here before.
    pub may_be_known: bool,
    /// What they may see.
    pub sight: Sight,
    /// What a ticket says of them; `None` for a guest.
    pub account: Option<Account>,
}

/// What a ticket says of somebody beside who it is.
#[derive(Debug)]
pub struct Account {
    /// What they are called; without it they choose.
    pub name: Option<Name>,
    /// By which sign-in they are here.
    pub sign_in: Option<Box<str>>,
    made: u64,
    until: u64,
}

/// What is to be done about a hello.
#[derive(Debug)]
pub enum Verdict {
    /// Let them in.
    In(Box<Entry>),
    /// Nobody comes in: connections end.
    End(Parting),
}

/// Which connections end.
#[derive(Debug)]
pub struct Parting {
    /// Whose.
    pub user: UserId,
    /// Of which sign-in, or of all of theirs.
    pub sign_in: Option<String>,
    /// What they are told; nothing where they need only come back with another ticket.
    pub error: Option<Box<ErrorBody>>,
    /// What they are closed with.
    pub code: CloseCode,
}

impl Door {
    /// A door that opens as the operator says; `now` in Unix milliseconds.
    ///
    /// # Errors
    /// When the key cannot be read or is none, or a name of a room is none.
    pub fn build(admission: &Admission, metrics: Arc<Metrics>, now: u64) -> Result<Self, DoorError> {
        let keys = admission.key.clone().map(|file| Kept::open("--ticket-key", move || read_keys(&file)));
        let keys = keys.transpose()?;
        let guests_see = Sight::parse(admission.guests_see.iter().map(String::as_str))?;
        let tickets_only = admission.tickets_only;
        let jwt = admission.jwt.clone().map(|settings| Kept::open("--jwt-key", move || JwtKey::read(&settings)));
        let jwt = jwt.transpose()?;
        Ok(Self {
            keys,
            jwt,
            tickets_only,
            guests_see,
            book: Mutex::new(Book::since(now)),
            began: Instant::now(),
            metrics,
        })
    }

    /// What has the keys read again.
    pub fn again(&self) -> Vec<Again> {
        self.keys.as_ref().map(Kept::again).into_iter().chain(self.jwt.as_ref().map(Kept::again)).collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges who says hello with this at this time, in Unix milliseconds. A ticket is used up by it.
    ///
    /// # Errors
    /// What they are told, and how their connection ends.
    pub fn judge(&self, ticket: Option<&str>, session: Option<SessionToken>, now: u64) -> Result<Verdict, Outside> {
        let verdict = self.look(ticket, session, now);
        let what = match &verdict {
            Ok(Verdict::In(entry)) if entry.account.is_none() => None,
            Ok(Verdict::In(_)) => Some(Tried::Accepted),
            Ok(Verdict::End(_)) => Some(Tried::Order),
            Err(Outside::TurnedAway(turned)) => Some(turned.why),
            Err(Outside::Identity(_)) => None,
        };
        what.into_iter().for_each(|what| self.metrics.ticket(what));
        verdict
    }

    fn look(&self, ticket: Option<&str>, session: Option<SessionToken>, now: u64) -> Result<Verdict, Outside> {
        let keys = self.keys.as_ref().map(Kept::now);
        let Some((keys, ticket)) = keys.zip(ticket) else {
            return self.guest(session);
        };
        let ticket = match &self.jwt {
            Some(jwt) if !Ticket::is_one(ticket) => jwt.now().open(ticket, now),
            _ => keys.open(ticket, now),
        };
        let ticket = ticket.map_err(|error| refusal::unopened(&error))?;
        let now = Moment { wall: now, passed: self.began.elapsed().as_millis() as u64 };
        self.book().use_up(&ticket, now)?;
        let user = ticket.user().ok_or_else(|| refusal::foreign("the ticket says nobody", Tried::Malformed))?;
        if ticket.end { self.end(user, ticket, now) } else { enter(&keys, user, ticket, session) }
    }

    /// Who has a ticket that says so ends what was there before it.
    fn end(&self, user: UserId, ticket: Ticket, now: Moment) -> Result<Verdict, Outside> {
        let Ticket { sid: sign_in, iat: made, anew, .. } = ticket;
        self.book().end(&user, sign_in.as_deref(), made, anew, now)?;
        let error = (!anew).then(refusal::signed_out);
        let code = if anew { CloseCode::TicketExpired } else { CloseCode::Unauthorized };
        Ok(Verdict::End(Parting { user, sign_in, error, code }))
    }

    fn guest(&self, session: Option<SessionToken>) -> Result<Verdict, Outside> {
        if self.tickets_only {
            return Err(refusal::no_ticket().into());
        }
        if let (Some(keys), Some(session)) = (&self.keys, &session)
            && keys.now().holder(session).is_some()
        {
            return Err(refusal::somebody_elses().into());
        }
        let may_be_known = session.is_some();
        let session = session.map_or_else(identity::new_session, Ok)?;
        let (user, sight) = (identity::user_of(&session)?, self.guests_see.clone());
        Ok(Verdict::In(Box::new(Entry { session, user, may_be_known, sight, account: None })))
    }

    /// Whether a sign-in did not end meanwhile. To be asked when the connection is known to be theirs, so that either
    /// this or the one who ends it finds it.
    ///
    /// # Errors
    /// What they are told, and how their connection ends.
    pub fn still(&self, user: &UserId, account: &Account) -> Result<(), TurnedAway> {
        let still = self.book().still(user, account);
        still.inspect_err(|turned| self.metrics.ticket(turned.why))
    }

    /// Whether somebody may use what has nothing to do with rooms, and who it is, where that can be told; whether their
    /// sign-in still holds is to be asked as [`Self::still`] says.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn lets_in(&self, ticket: Option<&str>, now: u64) -> Result<Option<(UserId, Account)>, Outside> {
        if !self.tickets_only && ticket.is_none() {
            return Ok(None);
        }
        match self.judge(ticket, None, now)? {
            Verdict::In(entry) => {
                let Entry { user, account, .. } = *entry;
                Ok(account.map(|account| (user, account)))
            }
            Verdict::End(_) => Err(refusal::foreign("this ticket lets nobody in", Tried::Malformed).into()),
        }
    }
}

fn read_keys(file: &Path) -> Result<TicketKeys, SecretError> {
    let short = || SecretError::Short { file: file.to_owned(), least: KEY_BYTES };
    TicketKeys::new(&secret::read(file, KEY_BYTES, KEYS)?).ok_or_else(short)
}

/// Who has a ticket comes in with the session that they say, if it is theirs, or with a new one.
fn enter(keys: &TicketKeys, user: UserId, ticket: Ticket, session: Option<SessionToken>) -> Result<Verdict, Outside> {
    let session = match session {
        Some(session) if keys.holder(&session).as_ref() == Some(&user) => session,
        Some(_) => return Err(refusal::somebody_elses().into()),
        None => keys
            .first()
            .session(&user, &identity::random_bytes()?)
            .ok_or_else(|| refusal::foreign("no session", Tried::Malformed))?,
    };
    let sight = ticket.sight().map_err(|error| refusal::unopened(&error))?;
    let (name, sign_in) = (ticket.name, ticket.sid.map(String::into_boxed_str));
    let (made, until) = (ticket.iat, ticket.exp);
    // An account is the same person on each device, so history may know it whatever the session.
    let may_be_known = true;
    let account = Some(Account { name, sign_in, made, until });
    Ok(Verdict::In(Box::new(Entry { session, user, may_be_known, sight, account })))
}
