//! Bans and mutes that are in force. Pure: it is told the time, in Unix milliseconds, so that an end is the same after a
//! restart.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use shared::{ErrorBody, ErrorCode, Name, SanctionKind, Sentence, ServerMessage, UserId};

use super::Address;

/// Sanctions at once: more than moderators impose, and little memory.
pub const MOST: usize = 10_000;

/// Something that a moderator imposed on somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sanction {
    /// What it is.
    pub kind: SanctionKind,
    /// Against whom.
    pub user: UserId,
    /// What they were called then.
    pub name: Name,
    /// When it ends, in Unix milliseconds.
    pub until: u64,
    /// The moderator's words.
    pub reason: Option<Sentence>,
    /// The moderator.
    pub by: Name,
    /// From where nobody may come.
    pub addresses: Vec<Address>,
}

impl Sanction {
    /// How long it goes on.
    pub fn left_ms(&self, now_ms: u64) -> u64 {
        self.until.saturating_sub(now_ms)
    }

    /// As moderators are told.
    pub fn listed(&self) -> shared::Sanction {
        shared::Sanction {
            kind: self.kind,
            user: self.user.clone(),
            name: self.name.clone(),
            until: self.until,
            reason: self.reason.clone(),
            by: self.by.clone(),
            addresses: self.addresses.len(),
        }
    }

    /// As the one is told at once who may not speak any more.
    pub fn told(&self, now_ms: u64) -> ServerMessage {
        ServerMessage::Muted {
            until: self.until,
            retry_after_ms: self.left_ms(now_ms),
            reason: self.reason.clone(),
            by: self.by.clone(),
        }
    }

    /// The answer to what it forbids: what, until when, and why.
    pub fn refusal(&self, now_ms: u64) -> Box<ErrorBody> {
        let (code, what) = match self.kind {
            SanctionKind::Ban => (ErrorCode::Banned, "may not come in"),
            SanctionKind::Mute => (ErrorCode::Muted, "may not speak"),
        };
        let why = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let text = format!("a moderator ({}) said that you {what} until {}{why}", self.by, utc(self.until));
        Box::new(ErrorBody::new(code, text).retry_after_ms(self.left_ms(now_ms).max(1)).reason(self.reason.clone()))
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Sanctions {
    all: BTreeMap<(UserId, SanctionKind), Arc<Sanction>>,
    /// Who was banned from an address.
    addresses: HashMap<Address, Vec<UserId>>,
}

impl Sanctions {
    /// How many there are, those over included that were not swept yet.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Puts one in force, in the place of one of its kind.
    pub fn impose(&mut self, sanction: Arc<Sanction>) {
        self.end(&sanction.user, sanction.kind);
        for address in &sanction.addresses {
            self.addresses.entry(*address).or_default().push(sanction.user.clone());
        }
        self.all.insert((sanction.user.clone(), sanction.kind), sanction);
    }

    /// Ends one; gives it back where there was one.
    pub fn end(&mut self, user: &UserId, kind: SanctionKind) -> Option<Arc<Sanction>> {
        let ended = self.all.remove(&(user.clone(), kind))?;
        for address in &ended.addresses {
            if let Some(users) = self.addresses.get_mut(address) {
                users.retain(|other| other != user);
                if users.is_empty() {
                    self.addresses.remove(address);
                }
            }
        }
        Some(ended)
    }

    fn get(&self, user: &UserId, kind: SanctionKind, now_ms: u64) -> Option<&Arc<Sanction>> {
        self.all.get(&(user.clone(), kind)).filter(|sanction| sanction.until > now_ms)
    }

    /// What keeps somebody from speaking.
    pub fn mute_of(&self, user: &UserId, now_ms: u64) -> Option<&Arc<Sanction>> {
        self.get(user, SanctionKind::Mute, now_ms)
    }

    /// What keeps somebody from coming in: their own ban, or the one that ends last of those from their address.
    pub fn ban_of(&self, user: Option<&UserId>, address: Option<Address>, now_ms: u64) -> Option<&Arc<Sanction>> {
        let own = user.and_then(|user| self.get(user, SanctionKind::Ban, now_ms));
        own.or_else(|| {
            let users = self.addresses.get(&address?)?;
            let bans = users.iter().filter_map(|user| self.get(user, SanctionKind::Ban, now_ms));
            bans.max_by_key(|ban| ban.until)
        })
    }

    /// What is in force, the one that ends first first.
    pub fn list(&self, now_ms: u64) -> Vec<shared::Sanction> {
        let in_force = self.all.values().filter(|sanction| sanction.until > now_ms);
        let mut list: Vec<shared::Sanction> = in_force.map(|sanction| sanction.listed()).collect();
        list.sort_by_key(|sanction| sanction.until);
        list
    }

    /// Forgets what is over.
    pub fn sweep(&mut self, now_ms: u64) {
        let over: Vec<_> = self.all.values().filter(|sanction| sanction.until <= now_ms).cloned().collect();
        for sanction in over {
            self.end(&sanction.user, sanction.kind);
        }
    }
}

/// A time for people, in UTC (RFC 3339 without the `T`).
fn utc(ms: u64) -> String {
    let (days, second) = (ms / 86_400_000, ms / 1_000 % 86_400);
    // Years are counted from March, so that the day that some lack is the last one; in eras of 400 years, which all have
    // as many days. 719,468 days lie between the first of March of the year 0 and 1970.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + later;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: usize) -> UserId {
        UserId::parse(&format!("{n:016}")).unwrap()
    }

    fn address(text: &str) -> Option<Address> {
        Address::of(text.parse().unwrap())
    }

    fn sanction(kind: SanctionKind, n: usize, until: u64, addresses: &[&str]) -> Arc<Sanction> {
        let name = |text| Name::parse(text).unwrap();
        Arc::new(Sanction {
            kind,
            user: user(n),
            name: name("kim"),
            until,
            reason: Some(Sentence::parse("spam").unwrap()),
            by: name("mo"),
            addresses: addresses.iter().filter_map(|text| address(text)).collect(),
        })
    }

    #[test]
    fn a_ban_ends_by_itself() {
        let mut all = Sanctions::default();
        all.impose(sanction(SanctionKind::Ban, 1, 100, &[]));
        assert!(all.ban_of(Some(&user(1)), None, 99).is_some());
        assert!(all.ban_of(Some(&user(1)), None, 100).is_none());
        assert!(all.ban_of(Some(&user(2)), None, 99).is_none() && all.mute_of(&user(1), 99).is_none());
        assert_eq!((all.list(99).len(), all.list(100).len(), all.len()), (1, 0, 1));
        all.sweep(100);
        assert!(all.is_empty());
    }

    #[test]
    fn an_address_is_shut_as_long_as_one_ban_shuts_it() {
        let mut all = Sanctions::default();
        all.impose(sanction(SanctionKind::Ban, 1, 100, &["192.0.2.1"]));
        all.impose(sanction(SanctionKind::Ban, 2, 200, &["192.0.2.1", "2001:db8::1"]));
        let until = |all: &Sanctions, from: &str, now| all.ban_of(None, address(from), now).map(|ban| ban.until);
        assert_eq!(until(&all, "192.0.2.1", 0), Some(200));
        assert_eq!(until(&all, "2001:db8::ffff", 0), Some(200));
        assert_eq!(until(&all, "192.0.2.2", 0), None);
        assert_eq!(all.ban_of(Some(&user(1)), address("192.0.2.1"), 0).unwrap().until, 100, "their own comes first");
        all.end(&user(2), SanctionKind::Ban);
        assert_eq!((until(&all, "192.0.2.1", 0), until(&all, "2001:db8::1", 0)), (Some(100), None));
        all.sweep(100);
        assert!(all.addresses.is_empty());
    }

    #[test]
    fn a_second_ban_takes_the_place_of_the_first() {
        let mut all = Sanctions::default();
        all.impose(sanction(SanctionKind::Ban, 1, 300, &["192.0.2.1"]));
        all.impose(sanction(SanctionKind::Mute, 1, 100, &[]));
        all.impose(sanction(SanctionKind::Ban, 1, 200, &[]));
        assert_eq!(
            all.list(0).iter().map(|one| (one.kind, one.until)).collect::<Vec<_>>(),
            [(SanctionKind::Mute, 100), (SanctionKind::Ban, 200)]
        );
        assert!(all.ban_of(None, address("192.0.2.1"), 0).is_none());
    }

    #[test]
    fn a_refusal_says_what_why_and_until_when() {
        let error = sanction(SanctionKind::Ban, 1, 1_763_700_000_000, &[]).refusal(1_763_699_000_000);
        assert_eq!(error.text, "a moderator (mo) said that you may not come in until 2025-11-21 04:40:00Z: spam");
        assert_eq!((error.code, error.retry_after_ms), (ErrorCode::Banned, Some(1_000_000)));
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_400_000, "2000-02-29 00:00:00Z"),
            (951_868_800_000, "2000-03-01 00:00:00Z"),
            (4_107_542_399_000, "2100-02-28 23:59:59Z"),
            (4_107_542_400_000, "2100-03-01 00:00:00Z"),
            (1_798_761_599_999, "2026-12-31 23:59:59Z"),
        ] {
            assert_eq!(utc(ms), text);
        }
        _ = utc(u64::MAX);
    }
}
