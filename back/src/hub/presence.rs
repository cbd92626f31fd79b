//! Who is in a room: state, not messages. Pure: it is fed with instants and asked when it wants to speak.
//!
//! Comings and goings are gathered over an interval and told as one delta, those that cancel out not at all. Leaving is
//! announced after a grace, so that a reload shows nothing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::value::RawValue;
use shared::{Name, Person, RoomName, ServerMessage, UserId, limits};

/// Times that shape what a room tells of its people.
#[derive(Debug, Clone, Copy)]
pub struct PresenceTimes {
    /// Comings and goings are gathered for so long.
    pub interval: Duration,
    /// Somebody whose connection ended is still there for so long.
    pub grace: Duration,
}

/// Who is in a room.
pub struct Presence {
    times: PresenceTimes,
    people: BTreeMap<UserId, Seat>,
    /// Connections of those who are here by several, beside the one that holds the seat: accounts alone.
    beside: HashMap<UserId, Vec<u64>>,
    /// Whose grace ends when, earliest first.
    leaving: BTreeSet<(Instant, UserId)>,
    /// Since the last delta.
    joined: BTreeSet<UserId>,
    left: BTreeMap<UserId, Name>,
    renamed: BTreeSet<UserId>,
    /// Since when there is something to tell.
    changed: Option<Instant>,
    /// The first page as JSON, until somebody on it changes.
    first_page: Option<FirstPage>,
}

struct FirstPage {
    json: Arc<RawValue>,
    /// The last one on it; `None` while there is room for more.
    last: Option<UserId>,
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
            joined: BTreeSet::new(),
            left: BTreeMap::new(),
            renamed: BTreeSet::new(),
            changed: None,
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
        match self.left.remove(user) {
            Some(before) if before == *name => {}
            Some(_) => _ = self.renamed.insert(user.clone()),
            None => _ = self.joined.insert(user.clone()),
        }
        self.schedule(now);
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
        if !self.joined.contains(user) {
            self.renamed.insert(user.clone());
        }
        self.schedule(now);
    }

    fn remove(&mut self, user: &UserId, now: Instant) {
        let Some(seat) = self.people.remove(user) else { return };
        self.forget_page_of(user);
        self.renamed.remove(user);
        if !self.joined.remove(user) {
            self.left.insert(user.clone(), seat.name);
        }
        self.schedule(now);
    }

    fn schedule(&mut self, now: Instant) {
        self.changed.get_or_insert(now);
    }

    fn delta_due(&self) -> Option<Instant> {
        // Telling everybody costs one send per person: the interval grows with the room, so that the sends per second stay
        // the same, also while a crowd comes. It begins where names give way to counts.
        let growth = self.people.len().div_ceil(limits::NAMED_PRESENCE_MEMBERS).max(1) as u32;
        self.changed.map(|changed| changed + self.times.interval * growth)
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
        self.changed = None;
        let name_of = |user: &UserId| self.people.get(user).map(|seat| person(user, &seat.name));
        let mut joined: Vec<Person> = self.joined.iter().filter_map(name_of).collect();
        let mut left: Vec<Person> = self.left.iter().map(|(user, name)| person(user, name)).collect();
        let mut renamed: Vec<Person> = self.renamed.iter().filter_map(name_of).collect();
        self.joined.clear();
        self.left.clear();
        self.renamed.clear();
        if joined.is_empty() && left.is_empty() && renamed.is_empty() {
            return None;
        }
        if self.people.len() + left.len() > limits::NAMED_PRESENCE_MEMBERS {
            let mut room_for = limits::PEOPLE_NAMED;
            for names in [&mut joined, &mut left, &mut renamed] {
                names.truncate(room_for);
                room_for -= names.len();
            }
        }
        Some(ServerMessage::Presence { room: room.clone(), count: self.people.len(), joined, left, renamed })
    }

    /// Everybody as news: what somebody is told who may have missed some. Whoever has somebody else on the list sees by
    /// `count` that it is wrong.
    pub fn roster(&self, room: &RoomName) -> ServerMessage {
        let named = self.people.len() <= limits::NAMED_PRESENCE_MEMBERS;
        let people = self.people.iter().filter(|_| named).map(|(user, seat)| person(user, &seat.name));
        let (left, renamed) = (Vec::new(), Vec::new());
        ServerMessage::Presence {
            room: room.clone(),
            count: self.people.len(),
            joined: people.collect(),
            left,
            renamed,
        }
    }

    /// How many are in the room.
    pub fn count(&self) -> usize {
        self.people.len()
    }

    /// Whether nobody is there and nothing is left to tell.
    pub fn is_idle(&self) -> bool {
        self.people.is_empty() && self.next_due().is_none()
    }

    /// The first people by user id as JSON: what everybody is told who comes.
    pub fn first_page(&mut self) -> Arc<RawValue> {
        if let Some(page) = &self.first_page {
            return Arc::clone(&page.json);
        }
        let (people, _) = self.page(None);
        let json: Arc<RawValue> = Person::page(&people).into();
        let last = people.get(limits::PEOPLE_NAMED - 1).map(|person| person.user.clone());
        self.first_page = Some(FirstPage { json: Arc::clone(&json), last });
        json
    }

    /// Something about this person changes.
    fn forget_page_of(&mut self, user: &UserId) {
        self.first_page.take_if(|page| page.last.as_ref().is_none_or(|last| user <= last));
    }

    /// The next people by user id, and whether there are more.
    pub fn page(&self, after: Option<&UserId>) -> (Vec<Person>, bool) {
        use std::ops::Bound::{Excluded, Unbounded};
        let mut rest = self.people.range((after.map_or(Unbounded, |user| Excluded(user.clone())), Unbounded));
        let page = rest.by_ref().take(limits::PEOPLE_NAMED).map(|(user, seat)| person(user, &seat.name)).collect();
        (page, rest.next().is_some())
    }
}

fn person(user: &UserId, name: &Name) -> Person {
    Person { user: user.clone(), name: name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many there are, and who came, went and is called something else.
    type Told = (usize, Vec<String>, Vec<String>, Vec<String>);

    struct Yard {
        presence: Presence,
        room: RoomName,
        now: Instant,
    }

    impl Yard {
        fn new() -> Self {
            let times = PresenceTimes { interval: Duration::from_millis(250), grace: Duration::from_secs(15) };
            Self { presence: Presence::new(times), room: RoomName::lobby(), now: Instant::now() }
        }

        fn wait(&mut self, ms: u64) -> Option<Told> {
            self.now += Duration::from_millis(ms);
            let names = |people: Vec<Person>| people.into_iter().map(|p| p.name.to_string()).collect();
            match self.presence.tick(&self.room, self.now)? {
                ServerMessage::Presence { count, joined, left, renamed, .. } => {
                    Some((count, names(joined), names(left), names(renamed)))
                }
                other => panic!("{other:?}"),
            }
        }

        fn join(&mut self, user: u32, name: &str, connection: u64) {
            self.presence.join(&id(user), &Name::parse(name).unwrap(), connection, self.now);
        }

        fn leave(&mut self, user: u32, connection: u64, at_once: bool) {
            self.presence.leave(&id(user), connection, at_once, self.now);
        }
    }

    fn id(user: u32) -> UserId {
        UserId::parse(&format!("{user:016}")).unwrap()
    }

    #[test]
    fn the_first_page_follows_every_change_of_it() {
        let mut yard = Yard::new();
        let is_right = |yard: &mut Yard| {
            let (people, _) = yard.presence.page(None);
            yard.presence.first_page().get() == serde_json::to_string(&people).unwrap()
        };
        assert!(is_right(&mut yard));
        for connection in 0..120 {
            // Before, on and behind the page, in no order.
            let user = connection * 7919 % 120;
            yard.join(user as u32, "kim", connection);
            assert!(is_right(&mut yard), "after {user} came");
        }
        for connection in 0..120 {
            let user = (connection * 7919 % 120) as u32;
            yard.presence.rename(&id(user), &Name::parse("lee").unwrap(), yard.now);
            assert!(is_right(&mut yard), "after {user} was renamed");
            yard.leave(user, connection, true);
            assert!(is_right(&mut yard), "after {user} left");
        }
    }

    #[test]
    fn who_is_here_twice_leaves_with_the_last_connection() {
        let mut yard = Yard::new();
        let come = |yard: &mut Yard, connection| {
            yard.presence.join_beside(&id(1), &Name::parse("kim").unwrap(), connection, yard.now);
        };
        for connection in [1, 2, 3] {
            come(&mut yard, connection);
        }
        // Once more by the same, as a resume does.
        come(&mut yard, 2);
        assert_eq!(yard.wait(250), Some((1, vec!["kim".into()], vec![], vec![])));
        for (connection, at_once) in [(1, true), (2, false), (2, true)] {
            yard.leave(1, connection, at_once);
            assert_eq!(yard.wait(60_000), None);
        }
        assert_eq!(yard.presence.count(), 1);
        yard.leave(1, 3, false);
        assert_eq!((yard.wait(14_999), yard.presence.count()), (None, 1));
        // Back within the grace, and gone with a word.
        come(&mut yard, 4);
        yard.leave(1, 4, true);
        assert_eq!(yard.wait(250), Some((0, vec![], vec!["kim".into()], vec![])));
        assert!(yard.presence.beside.is_empty() && yard.presence.is_idle());
    }

    #[test]
    fn one_delta_tells_everything_of_an_interval() {
        let mut yard = Yard::new();
        yard.join(1, "kim", 1);
        assert_eq!(yard.wait(100), None);
        yard.join(2, "lee", 2);
        assert_eq!(yard.wait(150), Some((2, vec!["kim".into(), "lee".into()], vec![], vec![])));
        assert_eq!(yard.wait(10_000), None);
        assert_eq!(yard.presence.next_due(), None);
    }

    #[test]
    fn coming_and_going_within_an_interval_cancel_out() {
        let mut yard = Yard::new();
        yard.join(1, "kim", 1);
        yard.leave(1, 1, true);
        assert_eq!(yard.wait(1_000), None);
        assert!(yard.presence.is_idle());
        yard.join(1, "kim", 2);
        yard.wait(250);
        yard.leave(1, 2, true);
        yard.join(1, "kim", 3);
        assert_eq!(yard.wait(1_000), None);
        assert_eq!(yard.presence.count(), 1);
    }

    #[test]
    fn a_reload_shows_nothing() {
        let mut yard = Yard::new();
        yard.join(1, "kim", 1);
        yard.wait(250);
        yard.leave(1, 1, false);
        assert_eq!(yard.wait(14_000), None);
        yard.join(1, "kim", 2);
        assert_eq!(yard.wait(60_000), None);
        assert_eq!(yard.presence.count(), 1);
    }

    #[test]
    fn leaving_is_told_after_the_grace_and_at_once_after_quit() {
        let mut yard = Yard::new();
        yard.join(1, "kim", 1);
        yard.join(2, "lee", 2);
        yard.wait(250);
        yard.leave(1, 1, false);
        yard.leave(2, 2, true);
        assert_eq!(yard.wait(250), Some((1, vec![], vec!["lee".into()], vec![])));
        assert_eq!(yard.wait(14_750), None);
        assert_eq!(yard.wait(250), Some((0, vec![], vec!["kim".into()], vec![])));
        assert!(yard.presence.is_idle());
    }

    #[test]
    fn a_connection_that_ends_late_does_not_take_the_seat_of_the_next() {
        let mut yard = Yard::new();
        yard.join(1, "kim", 1);
        yard.join(1, "kim", 2);
        yard.leave(1, 1, true);
        assert_eq!(yard.presence.count(), 1);
    }

    #[test]
    fn another_name_is_told_once() {
        let mut yard = Yard::new();
        yard.join(1, "kim", 1);
        yard.wait(250);
        yard.presence.rename(&id(1), &Name::parse("lee").unwrap(), yard.now);
        yard.presence.rename(&id(1), &Name::parse("park").unwrap(), yard.now);
        assert_eq!(yard.wait(250), Some((1, vec![], vec![], vec!["park".into()])));
    }

    #[test]
    fn a_large_room_names_fifty_and_counts_the_rest() {
        let mut yard = Yard::new();
        for user in 0..300 {
            yard.join(user, "kim", u64::from(user));
        }
        // It is large, and tells every half a second.
        assert_eq!(yard.wait(250), None);
        let (count, joined, ..) = yard.wait(250).unwrap();
        assert_eq!((count, joined.len()), (300, 50));
        for user in 100..300 {
            yard.leave(user, u64::from(user), true);
        }
        let (count, _, left, _) = yard.wait(500).unwrap();
        assert_eq!((count, left.len()), (100, 50), "a mass leave is no list of names either");
        for user in 100..300 {
            yard.join(user, "kim", u64::from(user));
        }
        let (first, more) = yard.presence.page(None);
        assert_eq!((first.len(), more), (50, true));
        let mut all = first;
        loop {
            let (page, more) = yard.presence.page(all.last().map(|p| &p.user));
            all.extend(page);
            if !more {
                break;
            }
        }
        assert_eq!(all.len(), 300);
        assert!(all.windows(2).all(|pair| pair[0].user < pair[1].user));
    }

    #[test]
    fn the_interval_grows_with_the_room() {
        let mut yard = Yard::new();
        for user in 0..3_000 {
            yard.join(user, "kim", u64::from(user));
        }
        yard.wait(3_000);
        yard.join(9_999, "lee", 9_999);
        assert_eq!(yard.wait(3_000), None);
        assert!(yard.wait(250).is_some());
    }

    #[test]
    fn while_a_crowd_comes_the_room_that_it_is_by_then_decides_when_it_is_told() {
        let mut yard = Yard::new();
        let (mut deltas, mut told) = (0, 0);
        // A thousand a second, for five seconds.
        for user in 0..5_000 {
            yard.join(user, "kim", u64::from(user));
            if let Some((count, ..)) = yard.wait(1) {
                (deltas, told) = (deltas + 1, told + count);
            }
        }
        assert!(told <= 5_000, "{told} sends in {deltas} deltas");
        // Everybody is told of the last one in the end.
        assert_eq!((0..6).find_map(|_| yard.wait(1_000)).map(|(count, ..)| count), Some(5_000));
    }
}
