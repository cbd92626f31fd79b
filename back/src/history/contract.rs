//! What every store has to do, whatever it keeps its messages in. Each test runs on all of them.

use std::{sync::Arc, time::Duration};

use shared::{Epoch, Message, MessageId, Name, Person, RoomName, UserId};

use super::{
    Bounds, Change, Draft, Memory, MemoryLimits, Outcome, Query, Range, Refusal, Says, Sqlite, Store,
    sqlite::{CACHE, SqliteLimits},
};

pub fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

pub fn user(n: u64) -> UserId {
    UserId::parse(&format!("{n:016}")).unwrap()
}

pub fn say(room_name: &str, text: &str, id: Option<&str>) -> Change {
    by(1, room_name, Says::Text { text: text.to_owned(), reply_to: None }, id)
}

pub fn by(n: u64, room_name: &str, says: Says, id: Option<&str>) -> Change {
    Change::Say(Draft {
        room: room(room_name),
        user: user(n),
        name: Name::parse("kim").unwrap(),
        id: id.map(|id| MessageId::parse(id).unwrap()),
        says,
    })
}

pub fn edit(n: u64, room: &str, seq: u64, text: &str) -> Change {
    by(n, room, Says::Edit { seq, text: text.to_owned() }, None)
}

pub fn delete(n: u64, room: &str, seq: u64) -> Change {
    by(n, room, Says::Delete { seq }, None)
}

pub fn seqs(messages: &[Arc<Message>]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

pub fn texts(messages: &[Arc<Message>]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

pub fn found(store: &dyn Store, room_name: &str, words: &str) -> Vec<u64> {
    seqs(&store.search(&room(room_name), &Query::parse(words).unwrap(), u64::MAX, 50).unwrap())
}

/// Lets a store do what it does when nobody writes.
pub fn rest(store: &dyn Store) {
    while store.next_chore().is_some_and(|wait| wait < Duration::from_secs(1)) {
        store.do_chore().unwrap();
    }
}

pub fn sqlite(messages: usize) -> (tempfile::TempDir, Sqlite) {
    let data = tempfile::tempdir().unwrap();
    let limits = SqliteLimits { messages, age: None, rooms: 1_000, names: 100, cache: CACHE };
    let sqlite = Sqlite::open(data.path(), limits).unwrap();
    (data, sqlite)
}

/// Runs a test on every store that keeps so many messages in a room.
fn on_each(messages: usize, test: impl Fn(&dyn Store)) {
    test(&Memory::new(Epoch::parse("e").unwrap(), MemoryLimits { messages, bytes: 1 << 20 }));
    let (_data, sqlite) = sqlite(messages);
    test(&sqlite);
}

fn refusal(outcome: &Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => *refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_have_no_holes_per_room() {
    on_each(100, |store| {
        store.commit((0..5).map(|i| say(if i % 2 == 0 { "a" } else { "b" }, "x", None)).collect(), 1).unwrap();
        assert_eq!(seqs(&store.read(&room("a"), Range::After(0), 10).unwrap()), [1, 2, 3]);
        let Bounds { epoch, .. } = store.bounds(&room("a")).unwrap();
        assert_eq!(store.bounds(&room("b")).unwrap(), Bounds { epoch: epoch.clone(), first: 1, top: 2 });
        // The position in a room that nobody has spoken in stays valid when somebody does.
        assert_eq!(store.bounds(&room("none")).unwrap(), Bounds { epoch, first: 1, top: 0 });
        assert_eq!(store.rooms(1).unwrap(), [(room("a"), 3)]);
    });
}

#[test]
fn the_same_id_is_stored_once_and_answered_with_the_first_number() {
    on_each(100, |store| {
        let batch = vec![say("a", "x", Some("1")), say("a", "y", Some("2")), say("b", "x", Some("1"))];
        let outcomes = store.commit(batch, 7).unwrap();
        assert!(
            matches!(&outcomes[2], Outcome::Duplicate { room, seq: 1, at: 7, .. } if room.as_str() == "a"),
            "{outcomes:?}"
        );
        let outcomes = store.commit(vec![say("a", "x", Some("2"))], 9).unwrap();
        assert!(matches!(&outcomes[0], Outcome::Duplicate { seq: 2, at: 7, .. }));
        let others = by(2, "a", Says::Text { text: "z".to_owned(), reply_to: Some(1) }, Some("1"));
        let outcomes = store.commit(vec![others], 9).unwrap();
        assert!(matches!(&outcomes[0], Outcome::Stored { message, .. } if message.seq == 3), "{outcomes:?}");
    });
}

#[test]
fn a_clock_that_was_wrong_dates_one_message_and_none_of_the_next() {
    on_each(100, |store| {
        let year = 365 * 24 * 3_600_000;
        let now = 2 * year;
        for at in [now, now + year, now + 1_000, now - 59_000, now - 59_001, now - year] {
            store.commit(vec![say("a", "x", None)], at).unwrap();
        }
        let messages = store.read(&room("a"), Range::After(0), 10).unwrap();
        let at: Vec<u64> = messages.iter().map(|message| message.at).collect();
        assert_eq!(at, [now, now + year, now + 1_000, now + 1_000, now - 59_001, now - year]);
    });
}

#[test]
fn a_room_keeps_its_newest_messages() {
    on_each(10, |store| {
        for i in 0..25 {
            store.commit(vec![say("a", "x", Some(&i.to_string()))], 1).unwrap();
        }
        for tidy in [false, true] {
            if tidy {
                rest(store);
            }
            let a = room("a");
            let read = |range, limit| seqs(&store.read(&a, range, limit).unwrap());
            let Bounds { first, top, .. } = store.bounds(&a).unwrap();
            assert_eq!((first, top), (16, 25));
            assert_eq!(read(Range::After(0), 3), [16, 17, 18]);
            assert_eq!(read(Range::Before(18), 5), [16, 17]);
            assert_eq!(read(Range::Before(26), 2), [24, 25]);
            assert_eq!(read(Range::Before(u64::MAX), 2), [24, 25]);
            assert_eq!(read(Range::Around(20), 5), [18, 19, 20, 21, 22]);
            assert_eq!(read(Range::After(25), 5), [0; 0]);
            assert_eq!(read(Range::After(u64::MAX), 5), [0; 0]);
            assert_eq!(read(Range::Before(0), 5), [0; 0]);
            assert_eq!(store.size_after(&a, 0, 5).unwrap(), (5, 5));
            assert_eq!(store.size_after(&a, 20, 50).unwrap(), (5, 5));
            assert_eq!(store.size_after(&a, u64::MAX, 50).unwrap(), (0, 0));
        }
    });
}

#[test]
fn a_clock_set_back_does_not_turn_a_rooms_time_back() {
    on_each(10, |store| {
        store.commit(vec![say("a", "x", None)], 1000).unwrap();
        let outcomes = store.commit(vec![say("a", "y", None)], 10).unwrap();
        assert!(matches!(&outcomes[0], Outcome::Stored { message, .. } if message.at == 1000));
    });
}

#[test]
fn an_edit_is_an_event_and_changes_what_is_read_from_then_on() {
    on_each(100, |store| {
        store.commit(vec![say("a", "first", None), say("a", "other", None)], 1).unwrap();
        rest(store);
        let outcomes = store.commit(vec![edit(1, "a", 1, "second"), edit(1, "a", 1, "third")], 2).unwrap();
        let Outcome::Stored { message, revised, .. } = &outcomes[1] else { panic!("{outcomes:?}") };
        assert_eq!((message.seq, message.edits, message.text.as_str()), (4, Some(1), "third"));
        assert_eq!(seqs(revised), [1, 3]);
        let all = store.read(&room("a"), Range::After(0), 10).unwrap();
        // The edit that was overtaken keeps its number and loses its text.
        assert_eq!(texts(&all), ["third", "other", "", "third"]);
        assert_eq!(all.iter().map(|message| message.edited).collect::<Vec<_>>(), [Some(4), None, Some(4), None]);
        assert_eq!(
            (found(store, "a", "third"), found(store, "a", "first"), found(store, "a", "second")),
            (vec![1], vec![], vec![])
        );
        rest(store);
        assert_eq!((found(store, "a", "third"), found(store, "a", "first")), (vec![1], vec![]));
    });
}

#[test]
fn what_is_taken_back_is_nowhere() {
    on_each(100, |store| {
        store.commit(vec![say("a", "secret", Some("1")), edit(1, "a", 1, "secret too")], 1).unwrap();
        rest(store);
        let outcomes = store.commit(vec![delete(1, "a", 1)], 2).unwrap();
        assert!(matches!(&outcomes[0], Outcome::Stored { message, revised, .. }
            if message.deletes == Some(1) && message.text.is_empty() && revised.len() == 2));
        let all = store.read(&room("a"), Range::After(0), 10).unwrap();
        assert_eq!(texts(&all), ["", "", ""]);
        assert_eq!(all.iter().map(|message| message.deleted).collect::<Vec<_>>(), [Some(3), Some(3), None]);
        assert_eq!(found(store, "a", "secret"), [0; 0]);
        let again = store.commit(vec![say("a", "secret", Some("1"))], 3).unwrap();
        assert!(matches!(&again[0], Outcome::Duplicate { seq: 1, .. }), "it does not come back by a retry");
    });
}

#[test]
fn only_ones_own_messages_can_be_changed() {
    on_each(3, |store| {
        store
            .commit(vec![say("a", "x", None), say("a", "y", None), edit(1, "a", 2, "z"), delete(1, "a", 2)], 1)
            .unwrap();
        for (change, expected) in [
            (edit(2, "a", 2, "mine"), Refusal::NoSuchMessage),
            (edit(1, "a", 0, "x"), Refusal::NoSuchMessage),
            (edit(1, "a", 1, "x"), Refusal::Expired),
            (edit(1, "a", 3, "x"), Refusal::NoSuchMessage),
            (delete(1, "a", 4), Refusal::NoSuchMessage),
            (delete(1, "a", 99), Refusal::NoSuchMessage),
            (delete(1, "nowhere", 1), Refusal::NoSuchMessage),
        ] {
            let outcomes = store.commit(vec![change.clone()], 1).unwrap();
            assert_eq!(refusal(&outcomes[0]), expected, "{change:?}");
        }
        store.commit(vec![say("a", "mine", None)], 1).unwrap();
        assert_eq!(refusal(&store.commit(vec![edit(2, "a", 5, "yours")], 1).unwrap()[0]), Refusal::NotYours);
        assert_eq!(refusal(&store.commit(vec![delete(2, "a", 5)], 1).unwrap()[0]), Refusal::NotYours);
        assert_eq!(store.bounds(&room("nowhere")).unwrap().top, 0);
    });
}

#[test]
fn a_read_marker_only_moves_forward() {
    on_each(100, |store| {
        let mark = |seq| store.commit(vec![Change::Read { user: user(1), room: room("a"), seq }], 1).unwrap().remove(0);
        assert_eq!(refusal(&mark(1)), Refusal::NotYet);
        store.commit((0..5).map(|_| say("a", "x", None)).collect(), 1).unwrap();
        assert_eq!(store.marker(&room("a"), &user(1)).unwrap(), None);
        for (seq, stands) in [(3, 3), (2, 3), (5, 5)] {
            assert!(matches!(mark(seq), Outcome::Read));
            assert_eq!(store.marker(&room("a"), &user(1)).unwrap(), Some(stands));
        }
        assert_eq!(refusal(&mark(6)), Refusal::NotYet);
        assert_eq!(store.marker(&room("a"), &user(2)).unwrap(), None);
    });
}

#[test]
fn words_are_found_newest_first_page_by_page() {
    on_each(10_000, |store| {
        let texts = ["주간회의록을 올렸어요", "hello World", "회의 hello", "Hello 회의실"];
        store.commit(texts.iter().map(|text| say("a", text, None)).collect(), 1).unwrap();
        store.commit(vec![say("b", "회의", None)], 1).unwrap();
        for tidy in [false, true] {
            if tidy {
                rest(store);
            }
            assert_eq!(found(store, "a", "회의"), [4, 3, 1]);
            assert_eq!(found(store, "a", "회"), [4, 3, 1]);
            assert_eq!(found(store, "a", "의록"), [1]);
            assert_eq!(found(store, "a", "회의록을"), [1]);
            assert_eq!(found(store, "a", "의실"), [4]);
            assert_eq!(found(store, "a", "을"), [1]);
            assert_eq!(found(store, "a", "HEL"), [4, 3, 2]);
            assert_eq!(found(store, "a", "hel 회의"), [4, 3]);
            assert_eq!(found(store, "a", "회의 nothing"), [0; 0]);
            assert_eq!(found(store, "none", "회의"), [0; 0]);
            let page =
                |before, limit| seqs(&store.search(&room("a"), &Query::parse("회의").unwrap(), before, limit).unwrap());
            assert_eq!(
                (page(u64::MAX, 1), page(4, 1), page(3, 9), page(1, 9), page(0, 9)),
                (vec![4], vec![3], vec![1], vec![], vec![])
            );
        }
        // Some that the index knows, some that it does not.
        store
            .commit((0..1_200).map(|n| say("a", if n % 400 == 0 { "또 회의" } else { "x" }, None)).collect(), 1)
            .unwrap();
        assert_eq!(found(store, "a", "회의"), [805, 405, 5, 4, 3, 1]);
    });
}

#[test]
fn names_are_taken_as_they_are() {
    on_each(100, |store| {
        let person = Person { user: user(1), name: Name::parse("민수").unwrap() };
        let outcomes = store.commit(vec![Change::Remember(person)], 1).unwrap();
        assert!(matches!(&outcomes[0], Outcome::Remembered(name) if name.as_str() == "민수"));
        assert_eq!(store.name(&user(2)).unwrap(), None);
    });
}
