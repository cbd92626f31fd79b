//! What the door remembers: which tickets were used and which sign-ins ended, each until it can be forgotten. Bounded, and
//! pure: it is told the time, by a clock that may be set and by one that may not.

mod clock;

use std::collections::HashMap;

use shared::{Ticket, UserId, ticket::LONGEST_LIFE_MS};

use clock::Mark;
pub(super) use clock::Moment;

use super::{
    Account,
    refusal::{self, TurnedAway},
};
use crate::metrics::Tried;

/// Used tickets that are remembered at most: more than come in a minute.
const USED: usize = 200_000;

/// A used ticket is remembered until it would have ended, and so long whatever the clock says: one that is put back makes
/// it good once more. With half of them taken, each is forgotten at its end.
const LEAST_MS: u64 = 600_000;

/// Ended sign-ins that are remembered at most, until every ticket of theirs would have ended.
const ENDED: usize = 10_000;

/// What is remembered, until when.
pub(super) struct Book {
    /// Tickets from before may have been used with the process that ran then.
    before: Mark,
    used: HashMap<String, Used>,
    /// By whom and by which sign-in, or all of theirs.
    ended: HashMap<(UserId, Option<String>), Ended>,
    /// The last moment that it was told of.
    now: Moment,
    /// What had passed when it was last looked for what may be forgotten.
    tidied: u64,
}

/// A ticket that was used.
struct Used {
    /// When it would have ended.
    until: u64,
    /// What had passed when it was used.
    passed: u64,
}

/// What ended.
struct Ended {
    /// Tickets that were made until then are no good.
    made: Mark,
    /// Whether another ticket may be.
    anew: bool,
}

impl Book {
    /// An empty book from this time on, in Unix milliseconds, as all times here.
    pub(super) fn since(now: u64) -> Self {
        let heard = Moment { wall: now, passed: 0 };
        let before = Mark { at: now.saturating_sub(1), heard };
        Self { before, used: HashMap::new(), ended: HashMap::new(), now: heard, tidied: 0 }
    }

    /// Takes a ticket out of the world.
    ///
    /// # Errors
    /// When it was used already, or may have been, and when no more can be remembered.
    pub(super) fn use_up(&mut self, ticket: &Ticket, now: Moment) -> Result<(), TurnedAway> {
        self.now = now;
        if self.before.follows(ticket.iat, ticket.exp, now) {
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
        self.used.insert(ticket.jti.clone(), Used { until: ticket.exp, passed: now.passed });
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
        now: Moment,
    ) -> Result<(), TurnedAway> {
        let key = (user.clone(), sign_in.map(str::to_owned));
        if self.ended.len() >= ENDED && !self.ended.contains_key(&key) {
            let hint = "do it again with another ticket";
            return Err(refusal::too_many("too many people are sent away just now", ENDED, hint));
        }
        // Orders may come in another sequence than they were made in: the later one counts.
        if self.ended.get(&key).is_none_or(|ended| ended.made.today(now) <= made) {
            self.ended.insert(key, Ended { made: Mark { at: made, heard: now }, anew });
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
        let over = all.into_iter().flatten().filter(|ended| ended.made.follows(account.made, account.until, self.now));
        match over.map(|ended| ended.anew).reduce(|all, one| all && one) {
            None => Ok(()),
            Some(true) => Err(refusal::another("what this account may see has changed since", Tried::Over)),
            Some(false) => Err(refusal::over()),
        }
    }

    /// Forgets what cannot come again. Not at each ticket: it looks at all of them.
    fn tidy(&mut self, now: Moment) {
        if now.passed.saturating_sub(self.tidied) < 1_000 {
            return;
        }
        self.tidied = now.passed;
        let least = if self.used.len() < USED / 2 { LEAST_MS } else { 0 };
        self.used.retain(|_, used| used.until > now.wall || now.passed.saturating_sub(used.passed) < least);
        self.ended.retain(|_, ended| !ended.made.is_over(LONGEST_LIFE_MS, now));
    }
}

#[cfg(test)]
mod tests {
    use shared::CloseCode;

    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    /// So long after the beginning, by a clock that nobody sets.
    fn after(passed: u64) -> Moment {
        Moment { wall: NOW + passed, passed }
    }

    /// The same by one that was put back since.
    fn put_back(by: u64, passed: u64) -> Moment {
        Moment { wall: NOW + passed - by, passed }
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

    /// Of a ticket like that one.
    fn account(sign_in: Option<&str>, made: u64) -> Account {
        Account { name: None, sign_in: sign_in.map(Into::into), made, until: made + 30_000 }
    }

    #[test]
    fn more_tickets_than_can_be_remembered_are_refused_until_some_are_over() {
        let mut book = Book::since(NOW);
        for number in 0..USED {
            book.use_up(&ticket(number, NOW), after(0)).unwrap();
        }
        assert_eq!(book.use_up(&ticket(USED, NOW), after(29_999)).unwrap_err().code, CloseCode::Overloaded);
        assert_eq!(book.use_up(&ticket(7, NOW), after(29_999)).unwrap_err().code, CloseCode::TicketExpired);
        // Those that are over are no tickets any more, so they need not be remembered.
        book.use_up(&ticket(USED, NOW + 30_001), after(31_000)).unwrap();
        assert_eq!(book.used.len(), 1);
    }

    #[test]
    fn more_ends_than_can_be_remembered_are_refused_until_some_are_over() {
        let mut book = Book::since(NOW);
        let user = ticket(0, NOW).user().unwrap();
        for number in 0..ENDED {
            book.end(&user, Some(&number.to_string()), NOW, false, after(0)).unwrap();
        }
        assert_eq!(book.end(&user, None, NOW, false, after(0)).unwrap_err().code, CloseCode::Overloaded);
        book.end(&user, Some("7"), NOW, false, after(0)).unwrap();
        book.use_up(&ticket(1, NOW + 60_001), after(60_001)).unwrap();
        book.end(&user, None, NOW + 60_001, false, after(60_001)).unwrap();
        assert_eq!(book.ended.len(), 1);
    }

    #[test]
    fn a_ticket_from_before_the_process_may_have_been_used_then() {
        assert_eq!(Book::since(NOW).use_up(&ticket(1, NOW - 1), after(0)).unwrap_err().code, CloseCode::TicketExpired);
        Book::since(NOW).use_up(&ticket(1, NOW), after(0)).unwrap();
    }

    #[test]
    fn what_ended_keeps_out_who_was_let_in_before() {
        let mut book = Book::since(NOW);
        let user = ticket(0, NOW).user().unwrap();
        let by = |sign_in: Option<&str>, made| account(sign_in, made);
        book.end(&user, Some("phone"), NOW + 5, false, after(5)).unwrap();
        assert!(book.still(&user, &by(Some("phone"), NOW + 5)).is_err());
        assert!(book.still(&user, &by(Some("phone"), NOW + 6)).is_ok());
        assert!(book.still(&user, &by(Some("desk"), NOW)).is_ok() && book.still(&user, &by(None, NOW)).is_ok());
        book.end(&user, None, NOW + 5, false, after(5)).unwrap();
        assert!(book.still(&user, &by(Some("desk"), NOW)).is_err() && book.still(&user, &by(None, NOW)).is_err());
    }

    #[test]
    fn who_may_come_anew_needs_a_later_ticket_and_no_other_sign_in() {
        let mut book = Book::since(NOW);
        let user = ticket(0, NOW).user().unwrap();
        let by = |sign_in: &str, made| account(Some(sign_in), made);
        book.end(&user, None, NOW + 5, true, after(5)).unwrap();
        assert_eq!(book.still(&user, &by("phone", NOW + 5)).unwrap_err().code, CloseCode::TicketExpired);
        assert!(book.still(&user, &by("phone", NOW + 6)).is_ok());
        // Signed out as well: nothing may come anew.
        book.end(&user, Some("phone"), NOW + 7, false, after(7)).unwrap();
        assert_eq!(book.still(&user, &by("phone", NOW + 5)).unwrap_err().code, CloseCode::Unauthorized);
        // An order that was made before the other one, and comes after it, takes nothing back.
        book.end(&user, None, NOW + 1, true, after(8)).unwrap();
        assert!(book.still(&user, &by("desk", NOW + 5)).is_err());
    }

    const NINE_HOURS: u64 = 9 * 3_600_000;

    #[test]
    fn a_clock_that_is_put_back_after_the_beginning_keeps_nobody_out() {
        for step in [2_000, 300_000, NINE_HOURS] {
            let mut book = Book::since(NOW);
            let now = put_back(step, 40_000);
            book.use_up(&ticket(1, now.wall), now).unwrap();
            assert_eq!(book.use_up(&ticket(1, now.wall), now).unwrap_err().why, Tried::Used);
            // One of before the beginning, by the clock as it is now: it cannot have been seen, but is none of these.
            assert_eq!(book.use_up(&ticket(2, now.wall - 40_001), now).unwrap_err().why, Tried::Restarted, "{step}");
            // One that was good when this process began, when the clock gets there again.
            let again = Moment { wall: NOW, passed: step };
            assert_eq!(book.use_up(&ticket(3, NOW - 1), again).unwrap_err().why, Tried::Restarted, "{step}");
        }
    }

    #[test]
    fn a_clock_that_is_put_forward_makes_no_old_ticket_new() {
        let mut book = Book::since(NOW);
        let now = Moment { wall: NOW + NINE_HOURS + 10_000, passed: 10_000 };
        assert_eq!(book.use_up(&ticket(1, now.wall - 10_001), now).unwrap_err().why, Tried::Restarted);
        book.use_up(&ticket(2, now.wall), now).unwrap();
    }

    #[test]
    fn a_used_ticket_stays_used_when_the_clock_is_put_back() {
        let mut book = Book::since(NOW);
        book.use_up(&ticket(1, NOW), after(0)).unwrap();
        // It has ended, and what may be forgotten is.
        book.use_up(&ticket(2, NOW + 500_000), after(500_000)).unwrap();
        let now = put_back(500_000, 510_000);
        assert_eq!(book.use_up(&ticket(1, NOW), now).unwrap_err().why, Tried::Used);
        // Nor is it forgotten before the clock has come past its end once more.
        let mut book = Book::since(NOW - 1_000_000);
        book.use_up(&ticket(1, NOW), after(1_000_000)).unwrap();
        book.use_up(&ticket(2, NOW - NINE_HOURS), put_back(NINE_HOURS, 3_000_000)).unwrap();
        assert!(book.used.contains_key("00000001"));
        // Without a step it is forgotten in time.
        let mut book = Book::since(NOW);
        book.use_up(&ticket(1, NOW), after(0)).unwrap();
        book.use_up(&ticket(2, NOW + LEAST_MS), after(LEAST_MS)).unwrap();
        assert_eq!(book.used.len(), 1);
    }

    #[test]
    fn what_ended_while_the_clock_was_ahead_keeps_nobody_out_for_longer() {
        let mut book = Book::since(NOW);
        let user = ticket(0, NOW).user().unwrap();
        book.end(&user, None, NOW + 10_000, true, after(10_000)).unwrap();
        let now = put_back(NINE_HOURS, 20_000);
        book.use_up(&ticket(1, now.wall), now).unwrap();
        assert!(book.still(&user, &account(None, now.wall)).is_ok(), "a ticket of after it");
        assert!(book.still(&user, &account(None, now.wall - 10_000)).is_err(), "one of before");
        // A later order has an earlier time, and is the later one all the same.
        book.end(&user, None, now.wall + 5_000, false, put_back(NINE_HOURS, 25_000)).unwrap();
        assert_eq!(book.still(&user, &account(None, now.wall)).unwrap_err().code, CloseCode::Unauthorized);
        // One that was good when it ended, by a clock that gets there again.
        let mut book = Book::since(NOW);
        book.end(&user, None, NOW + 10_000, false, after(10_000)).unwrap();
        let again = put_back(NINE_HOURS, NINE_HOURS + 5_000);
        book.use_up(&ticket(2, again.wall), again).unwrap();
        assert!(book.still(&user, &account(None, NOW + 9_000)).is_err());
    }
}
