//! What changed since a room was last told who is in it. What cancels out is not told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use shared::{Name, Person, RoomName, ServerMessage, UserId, limits};

use super::{People, person};

/// Comings, goings and other names since the last time; nobody is in two of them.
#[derive(Default)]
pub(super) struct Delta {
    joined: BTreeSet<UserId>,
    left: BTreeMap<UserId, Name>,
    renamed: BTreeSet<UserId>,
    /// Since when there is something to tell.
    since: Option<Instant>,
}

impl Delta {
    /// Since when there is something to tell.
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Somebody came, or came back.
    pub fn came(&mut self, user: &UserId, name: &Name, now: Instant) {
        match self.left.remove(user) {
            Some(before) if before == *name => {}
            Some(_) => _ = self.renamed.insert(user.clone()),
            None => _ = self.joined.insert(user.clone()),
        }
        self.since.get_or_insert(now);
    }

    /// Somebody is called something else.
    pub fn renamed(&mut self, user: &UserId, now: Instant) {
        if !self.joined.contains(user) {
            self.renamed.insert(user.clone());
        }
        self.since.get_or_insert(now);
    }

    /// Somebody who was called this went.
    pub fn went(&mut self, user: &UserId, name: Name, now: Instant) {
        self.renamed.remove(user);
        if !self.joined.remove(user) {
            self.left.insert(user.clone(), name);
        }
        self.since.get_or_insert(now);
    }

    /// Tells all of it, if anything is left of it; `people` are those who are there now.
    pub fn tell(self, room: &RoomName, people: &People) -> Option<ServerMessage> {
        let name_of = |user: &UserId| people.get(user).map(|seat| person(user, &seat.name));
        let mut joined: Vec<Person> = self.joined.iter().filter_map(name_of).collect();
        let mut left: Vec<Person> = self.left.iter().map(|(user, name)| person(user, name)).collect();
        let mut renamed: Vec<Person> = self.renamed.iter().filter_map(name_of).collect();
        if joined.is_empty() && left.is_empty() && renamed.is_empty() {
            return None;
        }
        if people.len() + left.len() > limits::NAMED_PRESENCE_MEMBERS {
            let mut room_for = limits::PEOPLE_NAMED;
            // What a list shows wrongly comes before what it lacks: who is not told to have left stands on it for good,
            // and an old name until somebody speaks. No list of so many is whole anyway.
            for names in [&mut left, &mut renamed, &mut joined] {
                names.truncate(room_for);
                room_for -= names.len();
            }
        }
        Some(ServerMessage::Presence { room: room.clone(), count: people.len(), joined, left, renamed })
    }
}
