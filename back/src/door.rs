//! Who may come in: guests where they are welcome, and whoever has a ticket. It remembers which tickets were used and
//! which sign-ins ended, and knows no connection.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use service::secret::{self, SecretError};
use shared::{
    CloseCode, ErrorBody, ErrorCode, Name, NameError, SessionToken, Sight, Ticket, TicketError, TicketKey, UserId,
    ticket::{KEY_BYTES, LONGEST_LIFE_MS},
};

use crate::{
    identity::{self, IdentityError},
    jwt::{self, JwtKey},
    metrics::{Metrics, Tried},
};

/// Used tickets that are remembered at most, each until it would have ended: more than come in a minute.
const USED: usize = 200_000;

/// Ended sign-ins that are remembered at most, until every ticket of theirs would have ended.
const ENDED: usize = 10_000;

/// What an operator says of who may come in.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Where the key is that tickets are signed with; without one there are guests alone.
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
    key: Option<TicketKey>,
    jwt: Option<JwtKey>,
    tickets_only: bool,
    guests_see: Sight,
    /// Tickets from before, in Unix milliseconds, may have been used with the process that ran then.
    since: u64,
    book: Mutex<Book>,
    metrics: Arc<Metrics>,
}

/// What is remembered, until when.
#[derive(Default)]
struct Book {
    used: HashMap<String, u64>,
    /// By whom and by which sign-in, or all of theirs.
    ended: HashMap<(UserId, Option<String>), Ended>,
    /// When it was last looked for what may be forgotten.
    tidied: u64,
}

/// What ended.
struct Ended {
    /// Tickets that were made until then are no good.
    made: u64,
    /// None of those is any good then, whatever is remembered.
    until: u64,
    /// Whether another ticket may be.
    anew: bool,
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

/// Why somebody stays outside.
#[derive(Debug)]
pub struct TurnedAway {
    /// What they are told.
    pub error: Box<ErrorBody>,
    /// What their connection is closed with.
    pub code: CloseCode,
    /// What is counted.
    pub why: Tried,
}

/// Why nobody can be judged.
#[derive(Debug)]
pub enum Outside {
    /// They are to stay outside.
    TurnedAway(TurnedAway),
    /// There is no identity for them.
    Identity(IdentityError),
}

impl<E: Into<IdentityError>> From<E> for Outside {
    fn from(error: E) -> Self {
        Self::Identity(error.into())
    }
}

impl Door {
    /// A door that opens as the operator says; `now` in Unix milliseconds.
    ///
    /// # Errors
    /// When the key cannot be read or is none, or a name of a room is none.
    pub fn build(admission: &Admission, metrics: Arc<Metrics>, now: u64) -> Result<Self, DoorError> {
        let key = match &admission.key {
            Some(file) => {
                let short = || SecretError::Short { file: file.clone(), least: KEY_BYTES };
                Some(TicketKey::new(&secret::read(file, KEY_BYTES)?).ok_or_else(short)?)
            }
            None => None,
        };
        let guests_see = Sight::parse(admission.guests_see.iter().map(String::as_str))?;
        let tickets_only = admission.tickets_only;
        let jwt = admission.jwt.as_ref().map(JwtKey::read).transpose()?;
        Ok(Self { key, jwt, tickets_only, guests_see, since: now, book: Mutex::default(), metrics })
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
        let Some((key, ticket)) = self.key.as_ref().zip(ticket) else {
            return self.guest(session);
        };
        let ticket = match &self.jwt {
            Some(jwt) if !Ticket::is_one(ticket) => jwt.open(ticket, now),
            _ => Ticket::open(ticket, key, now),
        };
        let ticket = ticket.map_err(|error| refused(&error))?;
        self.use_up(&ticket, now)?;
        let user = ticket.user().ok_or_else(|| foreign("the ticket says nobody", Tried::Malformed))?;
        if ticket.end {
            self.end(&user, ticket.sid.as_deref(), ticket.iat, ticket.anew, now)?;
            let error = (!ticket.anew).then(signed_out);
            let code = if ticket.anew { CloseCode::TicketExpired } else { CloseCode::Unauthorized };
            return Ok(Verdict::End(Parting { user, sign_in: ticket.sid, error, code }));
        }
        let session = match session {
            Some(session) if key.holder(&session).as_ref() == Some(&user) => session,
            Some(_) => return Err(somebody_elses().into()),
            None => {
                key.session(&user, &identity::random_bytes()?).ok_or_else(|| foreign("no session", Tried::Malformed))?
            }
        };
        let sight = ticket.sight().map_err(|error| refused(&error))?;
        let (name, sign_in, made) = (ticket.name, ticket.sid.map(String::into_boxed_str), ticket.iat);
        // An account is the same person on each device, so history may know it whatever the session.
        let may_be_known = true;
        let account = Some(Account { name, sign_in, made });
        Ok(Verdict::In(Box::new(Entry { session, user, may_be_known, sight, account })))
    }

    fn guest(&self, session: Option<SessionToken>) -> Result<Verdict, Outside> {
        if self.tickets_only {
            let error =
                ErrorBody::new(ErrorCode::Unauthorized, "nobody comes in here without a ticket").field("ticket");
            let error =
                error.hint("sign in where this server's pages are, or come from the application that it belongs to");
            return Err(
                TurnedAway { error: Box::new(error), code: CloseCode::Unauthorized, why: Tried::Missing }.into()
            );
        }
        if let (Some(key), Some(session)) = (&self.key, &session)
            && key.holder(session).is_some()
        {
            return Err(somebody_elses().into());
        }
        let may_be_known = session.is_some();
        let session = session.map_or_else(identity::new_session, Ok)?;
        let (user, sight) = (identity::user_of(&session)?, self.guests_see.clone());
        Ok(Verdict::In(Box::new(Entry { session, user, may_be_known, sight, account: None })))
    }

    /// Takes a ticket out of the world.
    fn use_up(&self, ticket: &Ticket, now: u64) -> Result<(), TurnedAway> {
        if ticket.iat < self.since {
            return Err(another("the ticket is from before this server began", Tried::Restarted));
        }
        let mut book = self.book();
        book.tidy(now);
        if book.used.contains_key(&ticket.jti) {
            return Err(another("the ticket was used already", Tried::Used));
        }
        if book.used.len() >= USED {
            let error = ErrorBody::new(ErrorCode::Overloaded, "too many people come in just now");
            let error = error.limit(USED as u64).retry_after_ms(1_000).hint("come back with another ticket");
            return Err(TurnedAway { error: Box::new(error), code: CloseCode::Overloaded, why: Tried::TooMany });
        }
        book.used.insert(ticket.jti.clone(), ticket.exp);
        Ok(())
    }

    /// No ticket that was made until then lets this person in, or this sign-in of theirs. By the clock that tickets are
    /// made by: it may differ from ours.
    fn end(&self, user: &UserId, sign_in: Option<&str>, made: u64, anew: bool, now: u64) -> Result<(), TurnedAway> {
        let mut book = self.book();
        let key = (user.clone(), sign_in.map(str::to_owned));
        if book.ended.len() >= ENDED && !book.ended.contains_key(&key) {
            let error = ErrorBody::new(ErrorCode::Overloaded, "too many people are sent away just now");
            let error = error.limit(ENDED as u64).retry_after_ms(1_000).hint("do it again with another ticket");
            return Err(TurnedAway { error: Box::new(error), code: CloseCode::Overloaded, why: Tried::TooMany });
        }
        let until = now.max(made).saturating_add(LONGEST_LIFE_MS);
        // Orders may come in another sequence than they were made in: the later one counts.
        match book.ended.get_mut(&key) {
            Some(ended) if ended.made > made => ended.until = until.max(ended.until),
            _ => _ = book.ended.insert(key, Ended { made, until, anew }),
        }
        Ok(())
    }

    /// Whether a sign-in did not end meanwhile. To be asked when the connection is known to be theirs, so that either
    /// this or the one who ends it finds it.
    ///
    /// # Errors
    /// What they are told, and how their connection ends.
    pub fn still(&self, user: &UserId, account: &Account) -> Result<(), TurnedAway> {
        let book = self.book();
        let ended = |sign_in: Option<&str>| book.ended.get(&(user.clone(), sign_in.map(str::to_owned)));
        let all = [ended(None), account.sign_in.as_deref().and_then(|sign_in| ended(Some(sign_in)))];
        let over = all.into_iter().flatten().filter(|ended| account.made <= ended.made);
        let over = over.map(|ended| ended.anew).reduce(|all, one| all && one);
        over.iter().for_each(|_| self.metrics.ticket(Tried::Over));
        match over {
            None => Ok(()),
            Some(true) => Err(another("what this account may see has changed since", Tried::Over)),
            Some(false) => Err(TurnedAway { error: signed_out(), code: CloseCode::Unauthorized, why: Tried::Over }),
        }
    }

    /// Whether somebody may use what has nothing to do with rooms.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn lets_in(&self, ticket: Option<&str>, now: u64) -> Result<(), Outside> {
        if !self.tickets_only && ticket.is_none() {
            return Ok(());
        }
        match self.judge(ticket, None, now)? {
            Verdict::In(_) => Ok(()),
            Verdict::End(_) => Err(foreign("this ticket lets nobody in", Tried::Malformed).into()),
        }
    }
}

impl Book {
    /// Forgets what cannot come again. Not at each ticket: it looks at all of them.
    fn tidy(&mut self, now: u64) {
        if now.abs_diff(self.tidied) < 1_000 {
            return;
        }
        self.tidied = now;
        self.used.retain(|_, until| *until > now);
        self.ended.retain(|_, ended| ended.until > now);
    }
}

impl From<TurnedAway> for Outside {
    fn from(turned: TurnedAway) -> Self {
        Self::TurnedAway(turned)
    }
}

/// What who was signed out is told.
fn signed_out() -> Box<ErrorBody> {
    let error = ErrorBody::new(ErrorCode::Unauthorized, "this sign-in is over").field("ticket");
    Box::new(error.hint("sign in again"))
}

fn foreign(text: &str, why: Tried) -> TurnedAway {
    let error = ErrorBody::new(ErrorCode::Unauthorized, text).field("ticket");
    let error = error.hint("tickets are described in docs/protocol.md; both sides need the same key");
    TurnedAway { error: Box::new(error), code: CloseCode::Unauthorized, why }
}

/// A ticket that is no good any more: another one may be.
fn another(text: &str, why: Tried) -> TurnedAway {
    let error = ErrorBody::new(ErrorCode::Unauthorized, text).field("ticket");
    let error = error.hint("a ticket is for one hello within 30 s: fetch another");
    TurnedAway { error: Box::new(error), code: CloseCode::TicketExpired, why }
}

fn refused(error: &TicketError) -> TurnedAway {
    let text = error.to_string();
    match error {
        TicketError::Expired => another(&text, Tried::Expired),
        TicketError::Foreign => foreign(&text, Tried::Foreign),
        TicketError::Malformed(_) => foreign(&text, Tried::Malformed),
        TicketError::Early => foreign(&text, Tried::Early),
    }
}

fn somebody_elses() -> TurnedAway {
    let error = ErrorBody::new(ErrorCode::Unauthorized, "this session belongs to somebody else").field("session");
    let error = error.hint("leave it out to begin a new one");
    TurnedAway { error: Box::new(error), code: CloseCode::Unauthorized, why: Tried::Session }
}

/// What the tools need: a key, and a ticket by hand.
pub mod tool {
    use super::*;

    /// Writes a new key to a file that is not there yet.
    ///
    /// # Errors
    /// When there is such a file, it cannot be written, or the system gives no random bytes.
    pub fn new_key(file: &std::path::Path) -> anyhow::Result<()> {
        Ok(secret::write_new(file, &identity::new_key()?)?)
    }

    /// A ticket for this account at this time, in Unix milliseconds.
    ///
    /// # Errors
    /// When the key cannot be read, or the ticket would be none.
    pub fn ticket(
        key: &std::path::Path,
        sub: &str,
        name: Option<Name>,
        sight: &[String],
        now: u64,
    ) -> anyhow::Result<String> {
        let key =
            TicketKey::new(&secret::read(key, KEY_BYTES)?).ok_or_else(|| anyhow::anyhow!("the key is too short"))?;
        let (mut rooms, mut prefixes) = (Vec::new(), Vec::new());
        for pattern in sight {
            match pattern.strip_suffix('*') {
                Some(beginning) => prefixes.push(beginning.to_owned()),
                None => rooms.push(shared::RoomName::parse(pattern)?),
            }
        }
        let ticket = Ticket {
            sub: sub.to_owned(),
            name,
            rooms,
            prefixes,
            iat: now,
            exp: now + shared::ticket::LIFE_MS,
            jti: identity::new_session()?.as_str().to_owned(),
            sid: None,
            end: false,
            anew: false,
        };
        let sealed = ticket.seal(&key);
        Ticket::open(&sealed, &key, now)?;
        Ok(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    fn door() -> Door {
        Door {
            key: TicketKey::new(&[b'k'; 32]),
            jwt: None,
            tickets_only: true,
            guests_see: Sight::everything(),
            since: NOW,
            book: Mutex::default(),
            metrics: Arc::default(),
        }
    }

    fn ticket(number: usize, made: u64) -> Ticket {
        Ticket {
            sub: "kim".to_owned(),
            name: None,
            rooms: vec![],
            prefixes: vec![],
            iat: made,
            exp: made + 30_000,
            jti: format!("{number:08}"),
            sid: None,
            end: false,
            anew: false,
        }
    }

    #[test]
    fn more_tickets_than_can_be_remembered_are_refused_until_some_are_over() {
        let door = door();
        for number in 0..USED {
            door.use_up(&ticket(number, NOW), NOW).unwrap();
        }
        assert_eq!(door.use_up(&ticket(USED, NOW), NOW + 29_999).unwrap_err().code, CloseCode::Overloaded);
        assert_eq!(door.use_up(&ticket(7, NOW), NOW + 29_999).unwrap_err().code, CloseCode::TicketExpired);
        // Those that are over are no tickets any more, so they need not be remembered.
        door.use_up(&ticket(USED, NOW + 30_001), NOW + 31_000).unwrap();
        assert_eq!(door.book().used.len(), 1);
    }

    #[test]
    fn more_ends_than_can_be_remembered_are_refused_until_some_are_over() {
        let door = door();
        let user = ticket(0, NOW).user().unwrap();
        for number in 0..ENDED {
            door.end(&user, Some(&number.to_string()), NOW, false, NOW).unwrap();
        }
        assert_eq!(door.end(&user, None, NOW, false, NOW).unwrap_err().code, CloseCode::Overloaded);
        door.end(&user, Some("7"), NOW, false, NOW).unwrap();
        door.use_up(&ticket(1, NOW + 60_001), NOW + 60_001).unwrap();
        door.end(&user, None, NOW + 60_001, false, NOW + 60_001).unwrap();
        assert_eq!(door.book().ended.len(), 1);
    }

    #[test]
    fn a_ticket_from_before_the_process_may_have_been_used_then() {
        assert_eq!(door().use_up(&ticket(1, NOW - 1), NOW).unwrap_err().code, CloseCode::TicketExpired);
        door().use_up(&ticket(1, NOW), NOW).unwrap();
    }

    #[test]
    fn what_ended_keeps_out_who_was_let_in_before() {
        let door = door();
        let user = ticket(0, NOW).user().unwrap();
        let by = |sign_in: Option<&str>, made| Account { name: None, sign_in: sign_in.map(Into::into), made };
        door.end(&user, Some("phone"), NOW + 5, false, NOW + 5).unwrap();
        assert!(door.still(&user, &by(Some("phone"), NOW + 5)).is_err());
        assert!(door.still(&user, &by(Some("phone"), NOW + 6)).is_ok());
        assert!(door.still(&user, &by(Some("desk"), NOW)).is_ok() && door.still(&user, &by(None, NOW)).is_ok());
        door.end(&user, None, NOW + 5, false, NOW + 5).unwrap();
        assert!(door.still(&user, &by(Some("desk"), NOW)).is_err() && door.still(&user, &by(None, NOW)).is_err());
    }

    #[test]
    fn who_may_come_anew_needs_a_later_ticket_and_no_other_sign_in() {
        let door = door();
        let user = ticket(0, NOW).user().unwrap();
        let by = |sign_in: &str, made| Account { name: None, sign_in: Some(sign_in.into()), made };
        door.end(&user, None, NOW + 5, true, NOW + 5).unwrap();
        assert_eq!(door.still(&user, &by("phone", NOW + 5)).unwrap_err().code, CloseCode::TicketExpired);
        assert!(door.still(&user, &by("phone", NOW + 6)).is_ok());
        // Signed out as well: nothing may come anew.
        door.end(&user, Some("phone"), NOW + 7, false, NOW + 7).unwrap();
        assert_eq!(door.still(&user, &by("phone", NOW + 5)).unwrap_err().code, CloseCode::Unauthorized);
        // An order that was made before the other one, and comes after it, takes nothing back.
        door.end(&user, None, NOW + 1, true, NOW + 8).unwrap();
        assert!(door.still(&user, &by("desk", NOW + 5)).is_err());
    }
}
