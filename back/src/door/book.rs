//! What the door remembers: which tickets were used and which sign-ins ended, each until it can be forgotten. Bounded, and
//! pure: it is told the time.

use std::collections::HashMap;

use shared::{Ticket, UserId, ticket::LONGEST_LIFE_MS};

use super::{
    Account,
    refusal::{self, TurnedAway},
};
use crate::metrics::Tried;

/// Used tickets that are remembered at most, each until it would have ended: more than come in a minute.
const USED: usize = 200_000;

/// Ended sign-ins that are remembered at most, until every ticket of theirs would have ended.
const ENDED: usize = 10_000;

/// What is remembered, until when.
pub(super) struct Book {
    /// Tickets from before, in Unix milliseconds, may have been used with the process that ran then.
    since: u64,
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

impl Book {
    /// An empty book from this time on, in Unix milliseconds, as all times here.
    pub(super) fn since(now: u64) -> Self {
        Self { since: now, used: HashMap::new(), ended: HashMap::new(), tidied: 0 }
    }

    /// Takes a ticket out of the world.
    ///
    /// # Errors
    /// When it was used already, or may have been, and when no more can be remembered.
    pub(super) fn use_up(&mut self, ticket: &Ticket, now: u64) -> Result<(), TurnedAway> {
        if ticket.iat < self.since {
            return Err(refusal::another("the ticket is from before this server began", Tried::Restarted));
        }
        self.tidy(now);
        if self.used.contains_key(&ticket.jti) {
            return Err(refusal::another("the ticket was used already", Tried::Used));
        }
        if self.used.len() >= USED {
            let hint = "come back with another ticket";
            return Err(refusal::too_many("too many people come in just now", USED, hint));
        }
        self.used.insert(ticket.jti.clone(), ticket.exp);
        Ok(())
    }

    /// Notes that no ticket that was made until then lets this person in, or this sign-in of theirs. `made` is by the
    /// clock that tickets are made by: it may differ from ours.
    ///
    /// # Errors
    /// When no more can be remembered.
    pub(super) fn end(
        &mut self,
        user: &UserId,
        sign_in: Option<&str>,
        made: u64,
        anew: bool,
        now: u64,
    ) -> Result<(), TurnedAway> {
        let key = (user.clone(), sign_in.map(str::to_owned));
        if self.ended.len() >= ENDED && !self.ended.contains_key(&key) {
            let hint = "do it again with another ticket";
            return Err(refusal::too_many("too many people are sent away just now", ENDED, hint));
        }
        let until = now.max(made).saturating_add(LONGEST_LIFE_MS);
        // Orders may come in another sequence than they were made in: the later one counts.
        match self.ended.get_mut(&key) {
            Some(ended) if ended.made > made => ended.until = until.max(ended.until),
            _ => _ = self.ended.insert(key, Ended { made, until, anew }),
        }
        Ok(())
    }

    /// Whether the sign-in that somebody came by has ended since.
    ///
    /// # Errors
    /// When it has: whether another ticket may be better is what they are told.
    pub(super) fn still(&self, user: &UserId, account: &Account) -> Result<(), TurnedAway> {
        let ended = |sign_in: Option<&str>| self.ended.get(&(user.clone(), sign_in.map(str::to_owned)));
        let all = [ended(None), account.sign_in.as_deref().and_then(|sign_in| ended(Some(sign_in)))];
        let over = all.into_iter().flatten().filter(|ended| account.made <= ended.made);
        match over.map(|ended| ended.anew).reduce(|all, one| all && one) {
            None => Ok(()),
            Some(true) => Err(refusal::another("what this account may see has changed since", Tried::Over)),
            Some(false) => Err(refusal::over()),
        }
    }

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

#[cfg(test)]
mod tests {
    use shared::CloseCode;

    use super::*;

    const NOW: u64 = 1_790_000_000_000;

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
        let mut book = Book::since(NOW);
        for number in 0..USED {
            book.use_up(&ticket(number, NOW), NOW).unwrap();
        }
        assert_eq!(book.use_up(&ticket(USED, NOW), NOW + 29_999).unwrap_err().code, CloseCode::Overloaded);
        assert_eq!(book.use_up(&ticket(7, NOW), NOW + 29_999).unwrap_err().code, CloseCode::TicketExpired);
        // Those that are over are no tickets any more, so they need not be remembered.
        book.use_up(&ticket(USED, NOW + 30_001), NOW + 31_000).unwrap();
        assert_eq!(book.used.len(), 1);
    }

    #[test]
    fn more_ends_than_can_be_remembered_are_refused_until_some_are_over() {
        let mut book = Book::since(NOW);
        let user = ticket(0, NOW).user().unwrap();
        for number in 0..ENDED {
            book.end(&user, Some(&number.to_string()), NOW, false, NOW).unwrap();
        }
        assert_eq!(book.end(&user, None, NOW, false, NOW).unwrap_err().code, CloseCode::Overloaded);
        book.end(&user, Some("7"), NOW, false, NOW).unwrap();
        book.use_up(&ticket(1, NOW + 60_001), NOW + 60_001).unwrap();
        book.end(&user, None, NOW + 60_001, false, NOW + 60_001).unwrap();
        assert_eq!(book.ended.len(), 1);
    }

    #[test]
    fn a_ticket_from_before_the_process_may_have_been_used_then() {
        assert_eq!(Book::since(NOW).use_up(&ticket(1, NOW - 1), NOW).unwrap_err().code, CloseCode::TicketExpired);
        Book::since(NOW).use_up(&ticket(1, NOW), NOW).unwrap();
    }

    #[test]
    fn what_ended_keeps_out_who_was_let_in_before() {
        let mut book = Book::since(NOW);
        let user = ticket(0, NOW).user().unwrap();
        let by = |sign_in: Option<&str>, made| Account { name: None, sign_in: sign_in.map(Into::into), made };
        book.end(&user, Some("phone"), NOW + 5, false, NOW + 5).unwrap();
        assert!(book.still(&user, &by(Some("phone"), NOW + 5)).is_err());
        assert!(book.still(&user, &by(Some("phone"), NOW + 6)).is_ok());
        assert!(book.still(&user, &by(Some("desk"), NOW)).is_ok() && book.still(&user, &by(None, NOW)).is_ok());
        book.end(&user, None, NOW + 5, false, NOW + 5).unwrap();
        assert!(book.still(&user, &by(Some("desk"), NOW)).is_err() && book.still(&user, &by(None, NOW)).is_err());
    }

    #[test]
    fn who_may_come_anew_needs_a_later_ticket_and_no_other_sign_in() {
        let mut book = Book::since(NOW);
        let user = ticket(0, NOW).user().unwrap();
        let by = |sign_in: &str, made| Account { name: None, sign_in: Some(sign_in.into()), made };
        book.end(&user, None, NOW + 5, true, NOW + 5).unwrap();
        assert_eq!(book.still(&user, &by("phone", NOW + 5)).unwrap_err().code, CloseCode::TicketExpired);
        assert!(book.still(&user, &by("phone", NOW + 6)).is_ok());
        // Signed out as well: nothing may come anew.
        book.end(&user, Some("phone"), NOW + 7, false, NOW + 7).unwrap();
        assert_eq!(book.still(&user, &by("phone", NOW + 5)).unwrap_err().code, CloseCode::Unauthorized);
        // An order that was made before the other one, and comes after it, takes nothing back.
        book.end(&user, None, NOW + 1, true, NOW + 8).unwrap();
        assert!(book.still(&user, &by("desk", NOW + 5)).is_err());
    }
}
