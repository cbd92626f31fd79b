//! Who is in a room: state, not messages. Pure: it is fed with instants and asked when it wants to speak.
//!
//! Comings and goings are gathered over an interval and told as one delta, those that cancel out not at all. Leaving is
//! announced after a grace, so that a reload shows nothing.

mod delta;
mod roster;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use delta::Delta;
use roster::{FirstPage, person};
use shared::{Name, RoomName, ServerMessage, UserId, limits};

/// Times that shape what a room tells of its people.
#[derive(Debug, Clone, Copy)]
pub struct PresenceTimes {
    /// Comings and goings are gathered for so long.
    pub interval: Duration,
    /// Somebody whose connection ended is still there for so long.
    pub grace: Duration,
}

type People = BTreeMap<UserId, Seat>;

/// Who is in a room.
pub struct Presence {
    times: PresenceTimes,
    people: People,
    /// Connections of those who are here by several, beside the one that holds the seat: accounts alone.
    beside: HashMap<UserId, Vec<u64>>,
    /// Whose grace ends when, earliest first.
    leaving: BTreeSet<(Instant, UserId)>,
    /// What is to be told of it.
    delta: Delta,
    /// The first page as JSON, until somebody on it changes.
    first_page: Option<FirstPage>,
}

struct Seat {
    name: Name,
    /// The connection that holds the seat; one that ends late must not take the seat from the next.
    connection: u64,
    leaving: Option<Instant>,
}

impl Presence {
    /// An empty room.
    pub fn new(times: PresenceTimes) -> Self {
        Self {
            times,
            people: BTreeMap::new(),
            beside: HashMap::new(),
            leaving: BTreeSet::new(),
            delta: Delta::default(),
            first_page: None,
        }
    }

    /// Somebody comes, or comes back within the grace, or on another connection.
    pub fn join(&mut self, user: &UserId, name: &Name, connection: u64, now: Instant) {
        if let Some(seat) = self.people.get_mut(user) {
            seat.connection = connection;
            if let Some(until) = seat.leaving.take() {
                self.leaving.remove(&(until, user.clone()));
            }
            self.rename(user, name, now);
            return;
        }
        self.forget_page_of(user);
        self.people.insert(user.clone(), Seat { name: name.clone(), connection, leaving: None });
        self.delta.came(user, name, now);
    }

    /// Somebody comes who may be here by other connections: those keep them here when this one goes.
    pub fn join_beside(&mut self, user: &UserId, name: &Name, connection: u64, now: Instant) {
        if let Some(seat) = self.people.get(user)
            && seat.leaving.is_none()
            && seat.connection != connection
        {
            let beside = self.beside.entry(user.clone()).or_default();
            beside.retain(|other| *other != connection);
            beside.push(seat.connection);
        }
        self.join(user, name, connection, now);
    }

    /// Another connection of somebody's whose connection goes, if there is one; it has the seat then.
    fn hand_on(&mut self, user: &UserId, connection: u64) -> bool {
        let Some(beside) = self.beside.get_mut(user) else { return false };
        let count = beside.len();
        beside.retain(|other| *other != connection);
        let mut stays = beside.len() < count;
        if !stays
            && let Some(seat) = self.people.get_mut(user).filter(|seat| seat.connection == connection)
            && let Some(next) = beside.pop()
        {
            seat.connection = next;
            stays = true;
        }
        if beside.is_empty() {
            self.beside.remove(user);
        }
        stays
    }

    /// A connection goes: at once when it said so, after the grace when it just ended.
    pub fn leave(&mut self, user: &UserId, connection: u64, at_once: bool, now: Instant) {
        if self.hand_on(user, connection) {
            return;
        }
        let Some(seat) = self.people.get_mut(user).filter(|seat| seat.connection == connection) else { return };
        if at_once || self.times.grace.is_zero() {
            if let Some(until) = seat.leaving.take() {
                self.leaving.remove(&(until, user.clone()));
            }
            self.remove(user, now);
        } else if seat.leaving.is_none() {
            let until = now + self.times.grace;
            seat.leaving = Some(until);
            self.leaving.insert((until, user.clone()));
        }
    }

    /// Somebody is called something else.
    pub fn rename(&mut self, user: &UserId, name: &Name, now: Instant) {
        let Some(seat) = self.people.get_mut(user).filter(|seat| seat.name != *name) else { return };
        seat.name = name.clone();
        self.forget_page_of(user);
        self.delta.renamed(user, now);
    }

    fn remove(&mut self, user: &UserId, now: Instant) {
        let Some(seat) = self.people.remove(user) else { return };
        self.forget_page_of(user);
        self.delta.went(user, seat.name, now);
    }

    fn delta_due(&self) -> Option<Instant> {
        // Telling everybody costs one send per person: the interval grows with the room, so that the sends per second stay
        // the same, also while a crowd comes. It begins where names give way to counts.
        let growth = self.people.len().div_ceil(limits::NAMED_PRESENCE_MEMBERS).max(1) as u32;
        self.delta.since().map(|since| since + self.times.interval * growth)
    }

    /// When [`Presence::tick`] has something to do.
    pub fn next_due(&self) -> Option<Instant> {
        let grace = self.leaving.first().map(|(until, _)| *until);
        [self.delta_due(), grace].into_iter().flatten().min()
    }

    /// Ends what grace is over, and says what changed if it is time to.
    pub fn tick(&mut self, room: &RoomName, now: Instant) -> Option<ServerMessage> {
        while let Some((until, _)) = self.leaving.first()
            && *until <= now
        {
            if let Some((_, user)) = self.leaving.pop_first() {
                self.remove(&user, now);
            }
        }
        if self.delta_due().is_none_or(|due| due > now) {
            return None;
        }
        std::mem::take(&mut self.delta).tell(room, &self.people)
    }

    /// How many are in the room.
    pub fn count(&self) -> usize {
        self.people.len()
    }

    /// Whether nobody is there and nothing is left to tell.
    pub fn is_idle(&self) -> bool {
        self.people.is_empty() && self.next_due().is_none()
    }
}
