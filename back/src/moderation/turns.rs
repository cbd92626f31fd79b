//! Whose turn it is in a room that a moderator slowed. Pure.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use shared::{MessageId, UserId};

/// People whose last turn a room remembers; beyond that, those who waited longest may speak early.
const MOST: usize = 10_000;

/// Who spoke when.
#[derive(Debug, Default)]
pub struct Turns {
    last: HashMap<UserId, Turn>,
    /// Oldest first.
    order: VecDeque<(Instant, UserId)>,
}

#[derive(Debug)]
struct Turn {
    at: Instant,
    id: Option<MessageId>,
}

impl Turns {
    /// Takes a turn. The message of the last turn sent again is no second one: its answer may have been lost.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(
        &mut self,
        user: &UserId,
        id: Option<&MessageId>,
        every: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        self.forget(every, now);
        if let Some(turn) = self.last.get(user) {
            if id.is_some() && turn.id.as_ref() == id {
                return Ok(());
            }
            return Err(every.saturating_sub(now.duration_since(turn.at)));
        }
        self.last.insert(user.clone(), Turn { at: now, id: id.cloned() });
        self.order.push_back((now, user.clone()));
        Ok(())
    }

    /// Forgets whose turn may come again.
    fn forget(&mut self, every: Duration, now: Instant) {
        while let Some((at, user)) = self.order.front() {
            if now.duration_since(*at) < every && self.order.len() < MOST {
                return;
            }
            self.last.remove(user);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(30);

    fn user(n: usize) -> UserId {
        UserId::parse(&format!("{n:016}")).unwrap()
    }

    fn id(text: &str) -> Option<MessageId> {
        MessageId::parse(text).ok()
    }

    #[test]
    fn everybody_speaks_once_in_so_long() {
        let (mut turns, start) = (Turns::default(), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        assert_eq!(turns.take(&user(1), None, EVERY, start), Ok(()));
        assert_eq!(turns.take(&user(2), None, EVERY, at(10)), Ok(()));
        assert_eq!(turns.take(&user(1), None, EVERY, at(10)), Err(Duration::from_secs(20)));
        assert_eq!(turns.take(&user(1), None, EVERY, at(30)), Ok(()));
        assert_eq!(turns.take(&user(2), None, EVERY, at(30)), Err(Duration::from_secs(10)));
        assert_eq!(turns.take(&user(2), None, Duration::from_secs(5), at(30)), Ok(()), "a moderator made it faster");
    }

    #[test]
    fn what_is_sent_again_takes_no_second_turn() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        assert_eq!(turns.take(&user(1), id("a").as_ref(), EVERY, now), Ok(()));
        assert_eq!(turns.take(&user(1), id("a").as_ref(), EVERY, now), Ok(()));
        assert_eq!(turns.take(&user(1), id("b").as_ref(), EVERY, now), Err(EVERY));
        assert_eq!(turns.take(&user(1), None, EVERY, now), Err(EVERY));
    }

    #[test]
    fn a_crowd_of_strangers_costs_bounded_memory() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        for n in 0..2 * MOST {
            turns.take(&user(n), None, EVERY, now).unwrap();
        }
        assert!(turns.last.len() <= MOST && turns.order.len() == turns.last.len());
    }
}
