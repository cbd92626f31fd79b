//! What a history in a file does beyond what every history does.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use shared::{Name, Person};

use super::*;
use crate::history::{
    Refusal,
    contract::{delete, edit, found, rest, room, say, seqs, sqlite, texts, user},
};

const LIMITS: SqliteLimits = SqliteLimits { messages: 100_000, age: None, rooms: 1_000, names: 100, cache: CACHE };

fn count(data: &Path, table: &str) -> i64 {
    let file = Connection::open(data.join(FILE)).unwrap();
    file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

fn silent() -> Progress {
    Progress::new(|_| {})
}

fn sound(data: &Path) -> u64 {
    let report = check(data, silent()).unwrap();
    assert_eq!(report.problems, [""; 0]);
    report.messages
}

/// The metric would leave out much of what an idle server has, were SQLite's memory of another allocator.
#[test]
fn what_sqlite_asks_for_is_counted() {
    let mebibytes = 64;
    let counted = || service::process::Process::now().allocated.unwrap() >> 20;
    let before = counted();
    let file = Connection::open_in_memory().unwrap();
    file.execute_batch(&format!("CREATE TABLE t (b); INSERT INTO t VALUES (zeroblob({mebibytes} << 20));")).unwrap();
    let with = counted();
    // Less a quarter, which other tests may have given back meanwhile.
    assert!(with >= before + mebibytes * 3 / 4, "{before} MiB before, {with} with it");
}

#[test]
fn a_search_ends_when_its_time_is_over_and_the_connection_goes_on() {
    let (_data, store) = sqlite(1_000);
    store.commit((0..1_000).map(|_| say("a", "x", None)).collect(), 1).unwrap();
    rest(&store);
    let search = |until| {
        let words = Query::parse("x").unwrap();
        store.ask(move |reader| read::search_until(reader, until, &room("a"), &words, u64::MAX, 1_000))
    };
    let hour = Duration::from_secs(3_600);
    assert_eq!(search(Instant::now() - hour).unwrap_err(), Unavailable::TooLong);
    assert_eq!(search(Instant::now() + hour).unwrap().len(), 1_000);
}

#[test]
fn a_restart_finds_everything() {
    let (data, store) = sqlite(100);
    store.commit(vec![say("a", "one", Some("1")), say("a", "two", None), edit(1, "a", 2, "zwei")], 5).unwrap();
    store.commit(vec![Change::Read { user: user(1), room: room("a"), seq: 2 }], 5).unwrap();
    store.commit(vec![Change::Remember(Person { user: user(1), name: Name::parse("민수").unwrap() })], 5).unwrap();
    let before = (store.bounds(&room("a")).unwrap(), store.read(&room("a"), Range::After(0), 9).unwrap());
    for closed in [true, false] {
        // A process that was killed closes nothing; the lock is gone with it.
        if closed {
            store.close();
        }
        let data = copy_of(data.path());
        let again = Sqlite::open(data.path(), LIMITS).unwrap();
        assert_eq!((again.bounds(&room("a")).unwrap(), again.read(&room("a"), Range::After(0), 9).unwrap()), before);
        assert_eq!(again.marker(&room("a"), &user(1)).unwrap(), Some(2));
        assert_eq!(again.name(&user(1)).unwrap(), Some(Name::parse("민수").unwrap()));
        assert_eq!(found(&again, "a", "zwei"), [2]);
        let outcomes = again.commit(vec![say("a", "one", Some("1")), say("a", "next", None)], 1).unwrap();
        assert!(matches!(&outcomes[0], Outcome::Duplicate { seq: 1, at: 5, .. }));
        assert!(matches!(&outcomes[1], Outcome::Stored { message, .. } if (message.seq, message.at) == (4, 5)));
        again.close();
        sound(data.path());
    }
}

/// The files as a killed process leaves them.
fn copy_of(data: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(data).unwrap() {
        let file = file.unwrap();
        if !file.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    copy
}

#[test]
fn what_is_not_kept_leaves_the_file_and_the_index() {
    let (data, store) = sqlite(300);
    for batch in 0..10 {
        store.commit((0..100).map(|n| say("a", &format!("회의 {batch} {n}"), None)).collect(), 1).unwrap();
    }
    assert_eq!(store.bounds(&room("a")).unwrap().first, 701);
    rest(&store);
    assert_eq!((count(data.path(), "messages"), count(data.path(), "search")), (300, 300));
    assert_eq!(found(&store, "a", "회의").len(), 50);
    assert_eq!(found(&store, "a", "회의").last(), Some(&951));
    store.close();
    assert_eq!(sound(data.path()), 300);
}

#[test]
fn a_backlog_does_not_wait_for_a_pause() {
    let (_data, store) = sqlite(100_000);
    let mut batches = 0;
    while !store.is_behind() {
        store.commit((0..200).map(|_| say("a", "x", None)).collect(), 1).unwrap();
        batches += 1;
    }
    assert_eq!(batches, 4_096 / 200 + 1);
    store.do_chore().unwrap();
    assert!(!store.is_behind());
    rest(&store);
    assert_eq!(store.next_chore(), None);
}

#[test]
fn a_load_without_pauses_does_not_leave_the_index_behind() {
    let (data, store) = sqlite(3_000);
    for batch in 0..200 {
        store
            .commit((0..256).map(|n| say(&format!("r{}", n % 16), &format!("회의 {batch}"), None)).collect(), 1)
            .unwrap();
        if store.is_behind() {
            store.do_chore().unwrap();
        }
    }
    let file = Connection::open(data.path().join(FILE)).unwrap();
    let behind = "SELECT sum(top - indexed) + sum(first - 1 - purged) FROM rooms";
    let behind: i64 = file.query_row(behind, [], |row| row.get(0)).unwrap();
    assert!(behind <= 4_096 + 512, "{behind} messages wait");
}

#[test]
fn a_backlog_is_taken_up_after_a_restart() {
    let (data, store) = sqlite(100);
    store.commit((0..500).map(|_| say("a", "회의", None)).collect(), 1).unwrap();
    store.close();
    drop(store);
    let store = Sqlite::open(data.path(), SqliteLimits { messages: 100, ..LIMITS }).unwrap();
    assert_eq!(store.next_chore(), Some(Duration::ZERO));
    rest(&store);
    assert_eq!((count(data.path(), "messages"), count(data.path(), "search")), (100, 100));
}

#[test]
fn messages_that_are_too_old_are_no_longer_kept() {
    let data = tempfile::tempdir().unwrap();
    let limits = SqliteLimits { age: Some(Duration::from_secs(60)), ..LIMITS };
    let store = Sqlite::open(data.path(), limits).unwrap();
    let now = crate::history::unix_ms();
    for (age, n) in [(600_000, 3), (61_000, 200), (30_000, 1), (0, 1)] {
        store.commit((0..n).map(|_| say("a", "x", None)).collect(), now - age).unwrap();
        store.commit(vec![say(&format!("b{age}"), "x", None)], now - age).unwrap();
    }
    rest(&store);
    let first = |name: &str| store.bounds(&room(name)).unwrap().first;
    assert_eq!((first("a"), first("b600000"), first("b61000"), first("b30000"), first("b0")), (204, 2, 2, 1, 1));
    assert_eq!(count(data.path(), "messages"), 4);
    assert!(store.next_chore().is_some_and(|wait| wait > Duration::from_secs(50)), "and then it waits");
    let outcomes = store.commit(vec![say("b600000", "x", None)], now).unwrap();
    assert!(matches!(&outcomes[0], Outcome::Stored { message, .. } if message.seq == 2), "no number is given twice");
    store.close();
    sound(data.path());
}

#[test]
fn a_clock_that_was_wrong_makes_nothing_else_old_and_keeps_nothing() {
    let data = tempfile::tempdir().unwrap();
    let store = Sqlite::open(data.path(), SqliteLimits { age: Some(Duration::from_secs(60)), ..LIMITS }).unwrap();
    let now = crate::history::unix_ms();
    let (old, year) = (now - 600_000, 365 * 24 * 3_600_000);
    for (name, times) in [
        // A message from the future, at the beginning and among those that are old.
        ("first", vec![now + year, old, now]),
        ("among", vec![old, now + year, old, old, now]),
        // It goes no earlier than what was said before it, and neither does what a clock of 1970 made.
        ("later", vec![old, now, now + year, now]),
        ("early", vec![old, now, 5, 5, now]),
        // Nobody has spoken since.
        ("alone", vec![old, now + year]),
    ] {
        times.into_iter().for_each(|at| drop(store.commit(vec![say(name, "x", None)], at).unwrap()));
    }
    rest(&store);
    let kept = |name: &str| seqs(&store.read(&room(name), Range::After(0), 9).unwrap());
    assert_eq!((kept("first"), kept("among")), (vec![3], vec![5]));
    assert_eq!((kept("later"), kept("early")), (vec![2, 3, 4], vec![2, 3, 4, 5]));
    assert_eq!(kept("alone"), [1, 2]);
    store.close();
    sound(data.path());
}

#[test]
fn many_messages_that_are_too_old_go_in_one_round() {
    let data = tempfile::tempdir().unwrap();
    let store = Sqlite::open(data.path(), SqliteLimits { age: Some(Duration::from_secs(60)), ..LIMITS }).unwrap();
    let now = crate::history::unix_ms();
    for (name, count) in [("a", 3_000), ("b", 5_000), ("c", 4_096), ("d", 10)] {
        store.commit((0..count).map(|_| say(name, "x", None)).collect(), now - 600_000).unwrap();
        store.commit(vec![say(name, "x", None)], now).unwrap();
    }
    rest(&store);
    let first = |name: &str| store.bounds(&room(name)).unwrap().first;
    assert_eq!((first("a"), first("b"), first("c"), first("d")), (3_001, 5_001, 4_097, 11));
}

#[test]
fn names_and_markers_are_bounded() {
    let (data, store) = sqlite(100);
    store.commit(vec![say("a", "x", None)], 1).unwrap();
    for n in 0..4_000 {
        let person = Person { user: user(n), name: Name::parse("kim").unwrap() };
        store
            .commit(vec![Change::Remember(person), Change::Read { user: user(n), room: room("a"), seq: 1 }], n)
            .unwrap();
        rest(&store);
    }
    assert!(count(data.path(), "people") <= 600, "{}", count(data.path(), "people"));
    assert!(count(data.path(), "markers") <= 1_500, "{}", count(data.path(), "markers"));
    assert!(store.name(&user(3_999)).unwrap().is_some() && store.name(&user(0)).unwrap().is_none());
}

#[test]
fn rooms_are_bounded() {
    let data = tempfile::tempdir().unwrap();
    let store = Sqlite::open(data.path(), SqliteLimits { rooms: 3, ..LIMITS }).unwrap();
    let outcomes = store.commit((0..5).map(|n| say(&format!("r{n}"), "x", None)).collect(), 1).unwrap();
    let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(Refusal::TooManyRooms));
    assert_eq!(outcomes.iter().filter(|outcome| refused(outcome)).count(), 2);
    store.close();
    drop(store);
    let store = Sqlite::open(data.path(), SqliteLimits { rooms: 3, ..LIMITS }).unwrap();
    assert!(refused(&store.commit(vec![say("r4", "x", None)], 1).unwrap()[0]));
    assert!(!refused(&store.commit(vec![say("r0", "x", None)], 1).unwrap()[0]));
}

#[test]
fn somebody_elses_lock_refuses_and_loses_nothing() {
    let (data, store) = sqlite(100);
    store.commit(vec![say("a", "x", Some("1"))], 1).unwrap();
    let other = Connection::open(data.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.write().as_ref().unwrap().connection.busy_timeout(Duration::ZERO).unwrap();
    let outcomes = store.commit(vec![say("a", "x", Some("1")), say("a", "y", Some("2"))], 1).unwrap();
    assert!(matches!(&outcomes[0], Outcome::Duplicate { seq: 1, .. }), "what is stored is known all the same");
    assert!(matches!(&outcomes[1], Outcome::Refused(Refusal::Unavailable)));
    assert!(store.is_degraded());
    assert_eq!(texts(&store.read(&room("a"), Range::After(0), 9).unwrap()), ["x"], "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    recover(&store);
    let outcomes = store.commit(vec![say("a", "y", Some("2"))], 1).unwrap();
    assert!(matches!(&outcomes[0], Outcome::Stored { message, .. } if message.seq == 2));
    store.close();
    assert_eq!(sound(data.path()), 2);
}

/// Tries again whenever it wants to, until it can write.
fn recover(store: &Sqlite) {
    while store.is_degraded() {
        let wait = store.next_chore().unwrap();
        assert!(wait <= Duration::from_secs(1));
        if wait.is_zero() {
            store.do_chore().unwrap();
        }
    }
}

#[test]
fn nothing_is_stored_while_a_file_is_not_where_it_was() {
    let stored = |store: &Sqlite, id: &str| match &store.commit(vec![say("a", id, Some(id))], 1).unwrap()[0] {
        Outcome::Stored { .. } => true,
        Outcome::Refused(Refusal::Unavailable) => false,
        other => panic!("{other:?}"),
    };
    for (name, looks) in
        [("chat.db", false), ("chat.db", true), ("chat.db-wal", true), ("chat.db-shm", true), ("chat.lock", true)]
    {
        let (data, store) = sqlite(100);
        let (file, away) = (data.path().join(name), data.path().join("away"));
        assert!(stored(&store, "one"));
        std::fs::rename(&file, &away).unwrap();
        if looks {
            store.look().unwrap();
            assert!(store.is_degraded(), "{name}: noticed without a word");
        }
        assert!(!stored(&store, "two") && store.is_degraded(), "{name}");
        assert!(!stored(&store, "one"), "{name}: what the next start does not find is not said to be stored");
        assert_eq!(texts(&store.read(&room("a"), Range::After(0), 9).unwrap()), ["one"], "{name}: reading goes on");
        // Another file of that name is not it.
        std::fs::copy(&away, &file).unwrap();
        store.write().as_mut().unwrap().probe().unwrap();
        assert!(!stored(&store, "two"), "{name}");
        // Nor is it read when a reader has to be opened again.
        store.idle().clear();
        assert!(store.read(&room("a"), Range::After(0), 9).is_err(), "{name}");
        std::fs::rename(&away, &file).unwrap();
        recover(&store);
        assert!(stored(&store, "two"), "{name}: and then it goes on");
        assert_eq!(seqs(&store.read(&room("a"), Range::After(0), 9).unwrap()), [1, 2]);
        store.close();
        assert_eq!(sound(data.path()), 2);
    }
}

#[test]
fn a_file_may_be_reached_by_links() {
    let (real, links) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(real.path().join("other.db"), "").unwrap();
    std::os::unix::fs::symlink(real.path().join("other.db"), links.path().join(FILE)).unwrap();
    let store = Sqlite::open(links.path(), LIMITS).unwrap();
    assert!(matches!(store.commit(vec![say("a", "x", None)], 1).unwrap()[0], Outcome::Stored { .. }));
    std::fs::remove_file(real.path().join("other.db-wal")).unwrap();
    assert!(matches!(store.commit(vec![say("a", "x", None)], 1).unwrap()[0], Outcome::Refused(Refusal::Unavailable)));
}

#[test]
fn a_backup_is_whole_private_and_begins_a_new_life() {
    let (data, store) = sqlite(100);
    store.commit(vec![say("a", "one", None), say("a", "two", None), delete(1, "a", 1)], 1).unwrap();
    let epoch = store.bounds(&room("a")).unwrap().epoch;
    let other = tempfile::tempdir().unwrap();
    let target = other.path().join(FILE);
    backup(data.path(), &target, silent()).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&target.metadata().unwrap().permissions()) & 0o777, 0o600);
    let error = backup(data.path(), &target, silent()).unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1, "nothing is left beside it");
    let copy = Sqlite::open(other.path(), LIMITS).unwrap();
    assert_eq!(copy.read(&room("a"), Range::After(0), 9).unwrap(), store.read(&room("a"), Range::After(0), 9).unwrap());
    let renewed = copy.bounds(&room("a")).unwrap();
    assert!(renewed.epoch != epoch && renewed.top == 3);
    assert_eq!(copy.bounds(&room("new")).unwrap().epoch, renewed.epoch);
}

#[test]
fn a_backup_is_not_mixed_with_the_log_of_the_file_before_it() {
    let (data, store) = sqlite(100);
    let target = data.path().join("copy");
    store.commit(vec![say("a", "one", None)], 1).unwrap();
    backup(data.path(), &target, silent()).unwrap();
    store.commit(vec![say("a", "two", None)], 1).unwrap();
    // Put in place while a server runs, which then ends.
    std::fs::rename(&target, data.path().join(FILE)).unwrap();
    store.close();
    drop(store);
    let error = Sqlite::open(data.path(), LIMITS).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(
        error.contains("the log of another file") && error.contains("move chat.db-wal and chat.db-shm away"),
        "{error}"
    );
    for name in ["chat.db-wal", "chat.db-shm"] {
        std::fs::remove_file(data.path().join(name)).unwrap();
    }
    let copy = Sqlite::open(data.path(), LIMITS).unwrap();
    assert_eq!(texts(&copy.read(&room("a"), Range::After(0), 9).unwrap()), ["one"]);
}

#[test]
fn an_export_is_what_was_said() {
    let (data, store) = sqlite(100);
    let at = 1_763_700_000_000;
    let batch = vec![
        say("a", "one\nmore\u{1b}[31m", None),
        say("a", "two", None),
        say("a", "x", None),
        edit(1, "a", 2, "zwei"),
        delete(1, "a", 3),
    ];
    store.commit(batch, at).unwrap();
    let export = |name, format| {
        let mut out = Vec::new();
        super::export(data.path(), &room(name), format, &mut out, silent()).map(|_| String::from_utf8(out).unwrap())
    };
    assert_eq!(
        export("a", Format::Txt).unwrap(),
        "2025-11-21 04:40:00Z kim: one\n    more\u{fffd}[31m\n2025-11-21 04:40:00Z kim: zwei (edited)\n2025-11-21 04:40:00Z kim: (deleted)\n"
    );
    let lines: Vec<String> = export("a", Format::Jsonl).unwrap().lines().map(str::to_owned).collect();
    let wire: Vec<String> =
        store.read(&room("a"), Range::After(0), 9).unwrap().iter().map(|message| message.to_json()).collect();
    assert_eq!(lines, wire);
    assert!(export("b", Format::Txt).unwrap_err().to_string().contains("no room b"));
}

#[test]
fn a_check_finds_holes_and_damage() {
    let (data, store) = sqlite(100_000);
    for _ in 0..50 {
        store.commit((0..100).map(|_| say("a", &"x".repeat(100), None)).collect(), 1).unwrap();
    }
    rest(&store);
    store.close();
    drop(store);
    assert_eq!(sound(data.path()), 5_000);
    let path = data.path().join(FILE);
    let whole = std::fs::read(&path).unwrap();
    let file = Connection::open(&path).unwrap();
    file.execute_batch("DELETE FROM messages WHERE id & 0xffffff IN (7, 8, 4000)").unwrap();
    drop(file);
    let report = check(data.path(), silent()).unwrap();
    assert_eq!(report.problems, ["the room a lacks the messages 7 to 8", "the room a lacks the messages 4000 to 4000"]);
    // A disk that forgot some pages.
    std::fs::write(&path, &whole).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 4096 / 2 * 4096;
    damaged[middle..middle + 3 * 4096].fill(0);
    std::fs::write(&path, &damaged).unwrap();
    assert!(!check(data.path(), silent()).unwrap().problems.is_empty());
    // One that was cut short.
    std::fs::write(&path, &whole[..whole.len() / 2 / 4096 * 4096]).unwrap();
    let opened = Sqlite::open(data.path(), LIMITS).err().map(|error| error.to_string());
    assert!(opened.as_ref().is_some_and(|error| error.contains("is damaged")), "{opened:?}");
}

#[test]
fn a_room_that_lacks_its_newest_message_is_not_opened() {
    let (data, store) = sqlite(100);
    store.commit((0..5).map(|_| say("a", "x", None)).collect(), 1).unwrap();
    store.close();
    drop(store);
    let file = Connection::open(data.path().join(FILE)).unwrap();
    file.execute_batch("DELETE FROM messages WHERE id & 0xffffff = 5").unwrap();
    drop(file);
    let error = Sqlite::open(data.path(), LIMITS).err().unwrap().to_string();
    assert!(error.contains("the room a lacks messages up to 5") && error.contains("back check"), "{error}");
}

#[test]
fn a_long_search_string_or_position_does_no_harm() {
    let (_data, store) = sqlite(100);
    store.commit(vec![say("a", "x", None)], 1).unwrap();
    rest(&store);
    for words in ["가".repeat(5_000), "a b ".repeat(2_000), "\u{0}a\"*".to_owned()] {
        found(&store, "a", &words);
    }
    let far = (1 << 53) - 1;
    for range in [Range::After(far), Range::Before(far), Range::Around(far)] {
        assert!(seqs(&store.read(&room("a"), range, 200).unwrap()).len() <= 1);
    }
}

#[test]
fn what_was_taken_back_is_overwritten_in_the_file() {
    let (data, store) = sqlite(100);
    // A long text has pages of its own.
    for text in ["supersecretword".to_owned(), "supersecretword ".repeat(600)] {
        store.commit(vec![say("a", &text, None), say("a", "kept", None)], 1).unwrap();
    }
    store.commit(vec![delete(1, "a", 3)], 1).unwrap();
    store.commit(vec![delete(1, "a", 1)], 1).unwrap();
    store.close();
    let file = std::fs::read(data.path().join(FILE)).unwrap();
    let holds = |word: &str| file.windows(word.len()).any(|bytes| bytes == word.as_bytes());
    assert!(holds("kept") && !holds("supersecretword"));
}

#[test]
fn what_is_on_a_damaged_page_cannot_be_changed_and_everything_else_goes_on() {
    let (data, store) = sqlite(100_000);
    for batch in 0..50 {
        store
            .commit((0..100).map(|n| say("a", &format!("text {batch}-{n} {}", "x".repeat(100)), None)).collect(), 1)
            .unwrap();
    }
    rest(&store);
    store.close();
    drop(store);
    let path = data.path().join(FILE);
    let mut file = std::fs::read(&path).unwrap();
    let wanted = b"text 25-0 x";
    let at = file.windows(wanted.len()).position(|bytes| bytes == wanted).unwrap();
    file[at / 4096 * 4096..][..4096].fill(0);
    std::fs::write(&path, &file).unwrap();
    let store = Sqlite::open(data.path(), LIMITS).unwrap();
    let outcomes =
        store.commit(vec![say("a", "before", None), edit(1, "a", 2_501, "x"), say("a", "after", None)], 1).unwrap();
    assert!(matches!(&outcomes[0], Outcome::Stored { message, .. } if message.seq == 5_001), "{outcomes:?}");
    assert!(matches!(&outcomes[1], Outcome::Refused(Refusal::Unavailable)), "{outcomes:?}");
    assert!(matches!(&outcomes[2], Outcome::Stored { message, .. } if message.seq == 5_002), "{outcomes:?}");
    rest(&store);
    assert!(!store.is_degraded());
}

#[test]
fn a_long_log_is_brought_into_the_file() {
    let (data, store) = sqlite(100_000);
    for _ in 0..40 {
        store.commit((0..100).map(|_| say("a", &"x".repeat(4_000), None)).collect(), 1).unwrap();
    }
    let size = |name: &str| data.path().join(name).metadata().unwrap().len();
    assert!(size("chat.db") > 4_000_000, "{}", size("chat.db"));
    assert!(size("chat.db-wal") < 12_000_000, "{}", size("chat.db-wal"));
}
