//! What a room tells of its people, and when.

use shared::Person;

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
fn where_not_everybody_is_named_those_who_left_are_before_those_who_came() {
    let mut yard = Yard::new();
    for user in 0..300 {
        yard.join(user, "kim", u64::from(user));
    }
    yard.wait(500).unwrap();
    for user in 0..60 {
        yard.join(1_000 + user, "park", u64::from(1_000 + user));
    }
    for user in 0..30 {
        yard.leave(user, u64::from(user), true);
    }
    for user in 100..115 {
        yard.presence.rename(&id(user), &Name::parse("lee").unwrap(), yard.now);
    }
    let (count, joined, left, renamed) = yard.wait(500).unwrap();
    assert_eq!((count, left.len(), renamed.len(), joined.len()), (330, 30, 15, 5));
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
