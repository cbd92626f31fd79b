//! The keys that two programs share. The first signs and all of them are believed, so that one can take the place of another
//! while people are in. Pure.

use crate::{
    names::{SessionToken, UserId},
    ticket::{Ticket, TicketError, TicketKey},
};

/// Keys that are believed at once at most: the one that signs, and the one before it.
pub const KEYS: usize = 2;

/// The keys of tickets, sessions and marks.
#[derive(Debug, Clone)]
pub struct TicketKeys {
    first: TicketKey,
    others: Vec<TicketKey>,
}

impl TicketKeys {
    /// Keys of these bytes, the one that signs first; `None` when there is none, or one is too short.
    pub fn new(keys: &[impl AsRef<[u8]>]) -> Option<Self> {
        let mut keys = keys.iter().map(|key| TicketKey::new(key.as_ref()));
        Some(Self { first: keys.next()??, others: keys.collect::<Option<_>>()? })
    }

    /// The one that signs.
    pub fn first(&self) -> &TicketKey {
        &self.first
    }

    fn all(&self) -> impl Iterator<Item = &TicketKey> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Reads a ticket that one of them signed; otherwise as [`Ticket::open`].
    ///
    /// # Errors
    /// As [`Ticket::open`].
    pub fn open(&self, text: &str, now: u64) -> Result<Ticket, TicketError> {
        let mut tried = self.all().map(|key| Ticket::open(text, key, now));
        // Whoever is told more than that it is foreign has signed it.
        tried.find(|opened| !matches!(opened, Err(TicketError::Foreign))).unwrap_or(Err(TicketError::Foreign))
    }

    /// Whose session this is, where one of them made it.
    pub fn holder(&self, session: &SessionToken) -> Option<UserId> {
        self.all().find_map(|key| key.holder(session))
    }

    /// Whether one of them made this mark.
    pub fn is_marked(&self, purpose: &str, text: &str, mark: &str) -> bool {
        self.all().any(|key| key.is_marked(purpose, text, mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::user_of_account;

    const OLD: [u8; 32] = [1; 32];
    const NEW: [u8; 32] = [2; 32];

    fn keys(keys: &[[u8; 32]]) -> TicketKeys {
        TicketKeys::new(keys).unwrap()
    }

    #[test]
    fn what_the_key_before_signed_is_believed_for_as_long_as_it_stands_there() {
        let kim = user_of_account("kim").unwrap();
        let (before, both, after) = (keys(&[OLD]), keys(&[NEW, OLD]), keys(&[NEW]));
        let session = before.first().session(&kim, &[7; 16]).unwrap();
        let mark = before.first().mark("cookie", "kim");
        for (keys, is_believed) in [(&before, true), (&both, true), (&after, false)] {
            assert_eq!(keys.holder(&session).is_some(), is_believed);
            assert_eq!(keys.is_marked("cookie", "kim", &mark), is_believed);
        }
        assert_ne!(both.first().mark("cookie", "kim"), mark, "the first one signs");
        assert!(after.is_marked("cookie", "kim", &both.first().mark("cookie", "kim")));
    }

    #[test]
    fn a_ticket_is_told_what_is_wrong_with_it_by_whichever_key_signed_it() {
        let ticket = Ticket {
            sub: "42".to_owned(),
            name: None,
            rooms: vec![],
            prefixes: vec![],
            iat: 1_000,
            exp: 31_000,
            jti: "0123456789abcdef".to_owned(),
            sid: None,
            end: false,
            anew: false,
        };
        let sealed = ticket.seal(keys(&[OLD]).first());
        assert!(keys(&[NEW, OLD]).open(&sealed, 2_000).unwrap() == ticket);
        assert_eq!(keys(&[NEW, OLD]).open(&sealed, 31_000).err(), Some(TicketError::Expired));
        assert_eq!(keys(&[NEW]).open(&sealed, 2_000).err(), Some(TicketError::Foreign));
    }

    #[test]
    fn none_and_a_short_one_are_no_keys() {
        assert!(TicketKeys::new(&[] as &[[u8; 32]]).is_none());
        assert!(TicketKeys::new(&[&[1; 32][..], &[1; 31]]).is_none());
    }
}
