//! What a history in memory does beyond what every history does.

use super::{change::MARKER_COST, *};
use crate::history::contract::{room, say};

fn memory(messages: usize, bytes: usize) -> Memory {
    Memory::new(Epoch::parse("e").unwrap(), MemoryLimits { messages, bytes })
}

#[test]
fn a_search_ends_when_its_time_is_over() {
    let memory = memory(usize::MAX, 1 << 20);
    memory.commit(vec![say("a", "x", None)], 1).unwrap();
    let search = |until| memory.search_until(until, &room("a"), &Query::parse("x").unwrap(), u64::MAX, 1);
    assert_eq!(search(Instant::now() + SEARCH_TIME).unwrap().len(), 1);
    assert_eq!(search(Instant::now() - SEARCH_TIME).unwrap_err(), Unavailable::TooLong);
}

#[test]
fn what_is_no_longer_kept_costs_no_memory() {
    let memory = memory(10, 1 << 20);
    for i in 0..25 {
        memory.commit(vec![say("a", "x", Some(&i.to_string()))], 1).unwrap();
    }
    assert_eq!(memory.kept().ids.len(), 10);
}

#[test]
fn the_whole_is_bounded_in_bytes_and_the_large_rooms_pay() {
    let memory = memory(usize::MAX, 100_000);
    memory.commit(vec![say("small", "x", None)], 1).unwrap();
    for _ in 0..1000 {
        memory.commit(vec![say("large", &"x".repeat(1000), None)], 1).unwrap();
    }
    assert!(memory.kept().bytes <= 100_000);
    assert_eq!(memory.bounds(&room("small")).unwrap().first, 1);
    assert_eq!(memory.bounds(&room("large")).unwrap().top, 1000);
}

#[test]
fn rooms_of_one_message_are_bounded_too() {
    let memory = memory(usize::MAX, 100_000);
    let changes = (0..1000).map(|room| say(&format!("r{room}"), &"x".repeat(1000), None)).collect();
    let outcomes = memory.commit(changes, 1).unwrap();
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Refused(_))).count();
    assert!(memory.kept().bytes <= 100_000);
    assert_eq!(refused, 1000 + 1 - 100_000usize.div_ceil(2 * ROOM_COST), "names take at most half");
    // Whoever is in a room that exists, and in the lobby, goes on; and no number is given twice.
    let outcomes = memory.commit(vec![say("r0", "y", None), say("lobby", "y", None)], 1).unwrap();
    assert!(matches!(&outcomes[0], Outcome::Stored { message, .. } if message.seq == 2));
    assert!(matches!(&outcomes[1], Outcome::Stored { message, .. } if message.seq == 1));
}

#[test]
fn markers_are_bounded() {
    let memory = memory(10, 80_000);
    memory.commit(vec![say("a", "x", None)], 1).unwrap();
    for n in 0..1_000 {
        let user = crate::history::contract::user(n);
        memory.commit(vec![Change::Read { user, room: room("a"), seq: 1 }], 1).unwrap();
    }
    assert!(memory.kept().markers.len() * MARKER_COST <= 80_000 / 8);
}
