//! Tickets: who may come in, as whom, and what they may see, signed with a key that both sides have. Pure: the time is
//! handed in. Who remembers which were used, and who makes one, is elsewhere. docs/protocol.md describes the format.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    limits,
    names::{Name, RoomName, SessionToken, UserId},
    sight::Sight,
};

/// How a ticket of this form begins.
const FORM: &str = "t1.";

/// How long a ticket that we make may be used, in milliseconds.
pub const LIFE_MS: u64 = 30_000;

/// How long any ticket may be: this is how long the ones that were used have to be remembered.
pub const LONGEST_LIFE_MS: u64 = 60_000;

/// How far the clock of whoever made a ticket may be ahead.
pub const AHEAD_MS: u64 = 5_000;

/// Bytes of a ticket at most.
pub const TICKET_BYTES: usize = 8 * 1024;

/// Bytes of a key at least: as many as SHA-256 has.
pub const KEY_BYTES: usize = 32;

/// What the signature of a session is made with beside the key, so that no ticket can pass for one.
const SESSION: &[u8] = b"madang session\0";

/// What is signed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Who it is: the account in the application that made the ticket. Nobody but back sees it.
    pub sub: String,
    /// What they are called; without it they choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Rooms that they may see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rooms: Vec<RoomName>,
    /// Beginnings of the names of rooms that they may see; an empty one is every room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<String>,
    /// When it was made, in Unix milliseconds.
    pub iat: u64,
    /// When it ends, in Unix milliseconds.
    pub exp: u64,
    /// Different in each.
    pub jti: String,
    /// By which sign-in they are here: it can be ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// It lets nobody in: the connections of this account end, or those of this sign-in where one is named.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
    /// What ends may begin anew with another ticket: what they may see has changed, and nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anew: bool,
}

/// Why a ticket opens nothing. The sentence is for people, and says nothing that is not known to whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketError {
    /// It is no ticket, or somebody else signed it.
    Foreign,
    /// It is signed, and does not say what a ticket has to.
    Malformed(&'static str),
    /// Its time is over.
    Expired,
    /// Its time has not come: a clock is wrong.
    Early,
}

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("the ticket is not signed with this server's key"),
            Self::Malformed(what) => write!(f, "the ticket is signed and {what}"),
            Self::Expired => f.write_str("the ticket has expired"),
            Self::Early => f.write_str("the ticket is from the future: one of two clocks is wrong"),
        }
    }
}

impl std::error::Error for TicketError {}

/// A key that tickets are signed with.
#[derive(Clone)]
pub struct TicketKey(Hmac<Sha256>);

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(secret)")
    }
}

impl TicketKey {
    /// A key of these bytes; `None` when they are fewer than [`KEY_BYTES`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < KEY_BYTES {
            return None;
        }
        // HMAC takes keys of any length.
        Hmac::new_from_slice(bytes).ok().map(Self)
    }

    fn sign(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac
    }

    /// A mark that shows that this key's owner wrote this text for this purpose. No ticket and no session has such a one.
    pub fn mark(&self, purpose: &str, text: &str) -> String {
        let mac = self.sign(&[b"madang mark\0", purpose.as_bytes(), b"\0", text.as_bytes()]);
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Whether [`Self::mark`] made this mark; in constant time.
    pub fn is_marked(&self, purpose: &str, text: &str, mark: &str) -> bool {
        let Ok(mark) = URL_SAFE_NO_PAD.decode(mark) else { return false };
        let mac = self.sign(&[b"madang mark\0", purpose.as_bytes(), b"\0", text.as_bytes()]);
        mac.verify_slice(&mark).is_ok()
    }

    /// A secret for a connection of this person, which says whose it is: nobody else can go on with it.
    pub fn session(&self, user: &UserId, random: &[u8; 16]) -> Option<SessionToken> {
        let mut bytes = URL_SAFE_NO_PAD.decode(user.as_str()).ok()?;
        bytes.extend_from_slice(random);
        let mac = self.sign(&[SESSION, &bytes]).finalize().into_bytes();
        bytes.extend_from_slice(&mac[..16]);
        SessionToken::parse(&URL_SAFE_NO_PAD.encode(bytes)).ok()
    }

    /// Whose session this is, where [`Self::session`] made it.
    pub fn holder(&self, session: &SessionToken) -> Option<UserId> {
        let bytes = URL_SAFE_NO_PAD.decode(session.as_str()).ok()?;
        let (said, mac) = bytes.split_at_checked(12 + 16).filter(|(_, mac)| mac.len() == 16)?;
        // In constant time.
        self.sign(&[SESSION, said]).verify_truncated_left(mac).ok()?;
        UserId::parse(&URL_SAFE_NO_PAD.encode(&said[..12])).ok()
    }
}

impl Ticket {
    /// Whether somebody hands over a ticket of this form, good or bad.
    pub fn is_one(text: &str) -> bool {
        text.starts_with(FORM)
    }

    /// The ticket as it is handed over.
    pub fn seal(&self, key: &TicketKey) -> String {
        let said = serde_json::to_vec(self).unwrap_or_default();
        let mut text = format!("{FORM}{}", URL_SAFE_NO_PAD.encode(said));
        let mac = key.sign(&[text.as_bytes()]).finalize().into_bytes();
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(mac, &mut text);
        text
    }

    /// Reads a ticket that somebody hands over at this time, in Unix milliseconds. Whether it was used before is not
    /// known here.
    ///
    /// # Errors
    /// When it was not signed with this key, is not to be used now, or does not say what a ticket has to.
    pub fn open(text: &str, key: &TicketKey, now: u64) -> Result<Self, TicketError> {
        if text.len() > TICKET_BYTES {
            return Err(TicketError::Foreign);
        }
        let (signed, mac) = text.rsplit_once('.').ok_or(TicketError::Foreign)?;
        let said = signed.strip_prefix(FORM).ok_or(TicketError::Foreign)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| TicketError::Foreign)?;
        // In constant time. Nothing of what it says is looked at before.
        key.sign(&[signed.as_bytes()]).verify_slice(&mac).map_err(|_| TicketError::Foreign)?;
        let said = URL_SAFE_NO_PAD.decode(said).map_err(|_| TicketError::Malformed("not in base64url"))?;
        let ticket: Self = serde_json::from_slice(&said)
            .map_err(|_| TicketError::Malformed("lacks sub, iat, exp or jti, or has a field that cannot be"))?;
        ticket.check(now)?;
        Ok(ticket)
    }

    /// Whether it says what a ticket has to, and is to be used at this time, in Unix milliseconds.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, now: u64) -> Result<(), TicketError> {
        let is_word = |text: &str, least: usize, most: usize| {
            (least..=most).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        if !is_word(&self.sub, 1, limits::ACCOUNT_BYTES) {
            return Err(TicketError::Malformed("its sub is no word of 1 to 128 bytes"));
        }
        if !is_word(&self.jti, 8, 64) {
            return Err(TicketError::Malformed("its jti is no word of 8 to 64 bytes"));
        }
        if self.sid.as_deref().is_some_and(|sid| !is_word(sid, 1, 64)) {
            return Err(TicketError::Malformed("its sid is no word of 1 to 64 bytes"));
        }
        if self.exp <= now {
            return Err(TicketError::Expired);
        }
        if self.iat > now.saturating_add(AHEAD_MS) {
            return Err(TicketError::Early);
        }
        if self.exp.saturating_sub(self.iat) > LONGEST_LIFE_MS {
            return Err(TicketError::Malformed("is good for more than a minute; times are in milliseconds"));
        }
        self.sight().map(drop)
    }

    /// The rooms that may be seen with it.
    ///
    /// # Errors
    /// When it names too many.
    pub fn sight(&self) -> Result<Sight, TicketError> {
        Sight::of(self.rooms.clone(), self.prefixes.clone())
            .map_err(|_| TicketError::Malformed("names more rooms than it may, or a beginning that is too long"))
    }

    /// Who comes with it: the same for an account each time, and nobody's who comes without a ticket.
    pub fn user(&self) -> Option<UserId> {
        user_of_account(&self.sub)
    }
}

/// The public id of an account: 96 bits of SHA-256. It says nothing about an account's name to who cannot guess that.
pub fn user_of_account(account: &str) -> Option<UserId> {
    let mut hash = Sha256::new();
    hash.update(b"madang account\0");
    hash.update(account.as_bytes());
    UserId::parse(&URL_SAFE_NO_PAD.encode(&hash.finalize()[..12])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    fn key(byte: u8) -> TicketKey {
        TicketKey::new(&[byte; 32]).unwrap()
    }

    fn ticket() -> Ticket {
        Ticket {
            sub: "42".to_owned(),
            name: Some(Name::parse("지민").unwrap()),
            rooms: vec![RoomName::parse("dev").unwrap()],
            prefixes: vec![],
            iat: NOW,
            exp: NOW + LIFE_MS,
            jti: "0123456789abcdef".to_owned(),
            sid: None,
            end: false,
            anew: false,
        }
    }

    #[test]
    fn a_ticket_says_what_was_signed() {
        let sealed = ticket().seal(&key(1));
        assert!(Ticket::open(&sealed, &key(1), NOW + 1).unwrap() == ticket());
        assert!(ticket().sight().unwrap().covers(&RoomName::parse("dev").unwrap()));
        assert!(!ticket().sight().unwrap().covers(&RoomName::parse("lobby").unwrap()));
    }

    #[test]
    fn whatever_is_changed_is_foreign() {
        let sealed = ticket().seal(&key(1));
        assert!(matches!(Ticket::open(&sealed, &key(2), NOW), Err(TicketError::Foreign)));
        for at in 0..sealed.len() {
            for other in ["A", "b", ".", "=", "_"] {
                let mut changed = sealed.clone();
                changed.replace_range(at..=at, other);
                if changed != sealed {
                    assert!(matches!(Ticket::open(&changed, &key(1), NOW), Err(TicketError::Foreign)), "{at} {other}");
                }
            }
        }
        for other in ["", ".", "..", "t1.", "t1..", "t1.e30.", "null", &sealed[3..], &sealed[..sealed.len() - 1]] {
            assert!(matches!(Ticket::open(other, &key(1), NOW), Err(TicketError::Foreign)), "{other}");
        }
        assert!(Ticket::open(&format!("{sealed}."), &key(1), NOW).is_err());
        assert!(Ticket::open(&"t1.".repeat(100_000), &key(1), NOW).is_err());
    }

    #[test]
    fn a_ticket_has_its_time() {
        let open = |ticket: Ticket, now| Ticket::open(&ticket.seal(&key(1)), &key(1), now).err();
        assert_eq!(open(ticket(), NOW + LIFE_MS - 1), None);
        assert_eq!(open(ticket(), NOW + LIFE_MS), Some(TicketError::Expired));
        assert_eq!(open(ticket(), NOW - AHEAD_MS), None);
        assert_eq!(open(ticket(), NOW - AHEAD_MS - 1), Some(TicketError::Early));
        let long = Ticket { exp: NOW + LONGEST_LIFE_MS + 1, ..ticket() };
        assert!(matches!(open(long, NOW), Some(TicketError::Malformed(_))));
        // Seconds where milliseconds are wanted: long over, not good for fifty years.
        assert_eq!(open(Ticket { iat: NOW / 1000, exp: NOW / 1000 + 30, ..ticket() }, NOW), Some(TicketError::Expired));
        assert!(open(Ticket { iat: 0, exp: u64::MAX, ..ticket() }, NOW).is_some());
    }

    #[test]
    fn a_ticket_says_who_and_which_one_it_is() {
        let sub = |sub: &str| Ticket { sub: sub.to_owned(), ..ticket() };
        let jti = |jti: &str| Ticket { jti: jti.to_owned(), ..ticket() };
        let rooms = Ticket { prefixes: vec!["x".to_owned(); limits::SIGHT_ROOMS], ..ticket() };
        for bad in [sub(""), sub(&"x".repeat(129)), sub("a\nb"), jti("1"), jti(&"x".repeat(65)), rooms] {
            let opened = Ticket::open(&bad.seal(&key(1)), &key(1), NOW);
            assert!(matches!(opened, Err(TicketError::Malformed(_))), "{}", bad.sub);
        }
    }

    #[test]
    fn a_session_says_whose_it_is() {
        let (kim, lee) = (user_of_account("kim").unwrap(), user_of_account("lee").unwrap());
        let session = key(1).session(&kim, &[7; 16]).unwrap();
        assert_eq!(key(1).holder(&session), Some(kim));
        assert_eq!(key(2).holder(&session), None);
        // Another's name on it.
        let mut bytes = URL_SAFE_NO_PAD.decode(session.as_str()).unwrap();
        bytes[..12].copy_from_slice(&URL_SAFE_NO_PAD.decode(lee.as_str()).unwrap());
        let forged = SessionToken::parse(&URL_SAFE_NO_PAD.encode(bytes)).unwrap();
        assert_eq!(key(1).holder(&forged), None);
        assert_eq!(key(1).holder(&SessionToken::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap()), None);
    }

    #[test]
    fn a_mark_is_for_one_text_and_one_purpose() {
        let mark = key(1).mark("cookie", "a.b");
        assert!(key(1).is_marked("cookie", "a.b", &mark));
        for (key, purpose, text) in [(key(2), "cookie", "a.b"), (key(1), "link", "a.b"), (key(1), "cookie", "a.c")] {
            assert!(!key.is_marked(purpose, text, &mark), "{purpose} {text}");
        }
        assert!(!key(1).is_marked("cookie", "a.b", "") && !key(1).is_marked("cookie", "a.b", "!"));
    }

    #[test]
    fn an_accounts_id_stays_the_same_over_versions() {
        assert_eq!(user_of_account("42").unwrap().as_str(), "xD9CDbrSa_m307SV");
    }

    /// Whoever makes tickets in another language begins there.
    #[test]
    fn the_example_in_the_protocol_is_right() {
        let page = include_str!("../../docs/protocol.md");
        let block = |begins: &str| page.lines().find(|line| line.starts_with(begins)).unwrap();
        let key = page.split("With the key `").nth(1).unwrap().split('`').next().unwrap();
        let key = TicketKey::new(key.as_bytes()).unwrap();
        let opened = Ticket::open(block("t1."), &key, NOW + 1).unwrap();
        assert!(opened == serde_json::from_str(block(r#"{"sub":"42""#)).unwrap());
        assert!(opened == ticket() && opened.seal(&key).starts_with("t1."));
    }

    #[test]
    fn a_short_key_is_none() {
        assert!(TicketKey::new(&[1; 31]).is_none());
        assert!(!format!("{:?}", key(0x41)).contains("41"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(t1\\.)?[A-Za-z0-9._=-]{0,200}") {
            _ = Ticket::open(&text, &key(1), NOW);
        }

        #[test]
        fn no_claims_make_the_reader_panic(said in "\\{(\"[a-z]{3}\":(-?[0-9]{1,25}|\"[^\"\\\\]{0,9}\"|null|\\[\\]),?){0,9}\\}") {
            let mut text = format!("{FORM}{}", URL_SAFE_NO_PAD.encode(said));
            let mac = key(1).sign(&[text.as_bytes()]).finalize().into_bytes();
            text = format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac));
            _ = Ticket::open(&text, &key(1), NOW);
        }
    }
}
