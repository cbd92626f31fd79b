use super::*;

fn frame(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn batch(since: Since) -> (String, Place) {
    match since {
        Since::Batch(bytes, to) => (String::from_utf8(bytes.to_vec()).unwrap(), to),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reader_gets_everything_after_its_place_once() {
    let mut log = Log::at(0);
    let start = log.head();
    assert_eq!(log.since(start, 100), Since::UpToDate);
    log.append_message(1, frame("a"));
    log.append_message(2, frame("b"));
    let (text, place) = batch(log.since(start, 100));
    assert_eq!((text.as_str(), place.seq), ("ab", 2));
    log.append_state(frame("p"));
    log.append_message(3, frame("c"));
    let (text, place) = batch(log.since(place, 100));
    assert_eq!((text.as_str(), place), ("pc", log.head()));
}

#[test]
fn a_reader_before_everything_is_sent_to_history_also_by_an_empty_log() {
    let log = Log::at(300);
    assert_eq!(log.locate(20), None);
    assert_eq!(log.replay(Place { offset: BEFORE_ALL, seq: 20 }, 0, 100), Since::Beyond);
}

#[test]
fn a_batch_is_made_once_for_everybody_at_the_same_place() {
    let mut log = Log::at(0);
    let start = log.head();
    log.append_message(1, frame("a"));
    log.append_message(2, frame("b"));
    let (Since::Batch(first, _), Since::Batch(second, _)) = (log.since(start, 100), log.since(start, 100)) else {
        panic!()
    };
    assert_eq!(first.as_ptr(), second.as_ptr());
}

#[test]
fn batches_are_cut_between_frames() {
    let mut log = Log::at(0);
    let start = log.head();
    for seq in 1..=3 {
        log.append_message(seq, frame("0123456789"));
    }
    let (text, place) = batch(log.since(start, 25));
    assert_eq!((text.len(), place.seq), (20, 2));
    assert_eq!(batch(log.since(place, 25)).0.len(), 10);
    assert_eq!(batch(log.since(start, 5)).0.len(), 10, "one frame goes out however long it is");
}

#[test]
fn frames_and_bytes_are_bounded_and_the_slow_are_told() {
    let mut log = Log::at(0);
    let start = log.head();
    for seq in 1..=2 * LOG_FRAMES as u64 {
        log.append_message(seq, frame("x"));
        log.sweep_to(log.head().offset);
    }
    assert_eq!(log.entries.len(), LOG_FRAMES);
    assert_eq!(log.since(start, 100), Since::Beyond);
    let long = "y".repeat(LOG_BYTES / 4);
    for seq in 1..=10 {
        log.append_message(2 * LOG_FRAMES as u64 + seq, frame(&long));
        log.sweep_to(log.head().offset);
    }
    assert!(log.bytes <= LOG_BYTES);
    log.trim(1000);
    assert_eq!(log.entries.len(), 1, "the newest frame stays");
    assert_eq!(log.bytes, log.entries.iter().map(|entry| entry.frame.len()).sum::<usize>());
}

#[test]
fn what_was_not_swept_stays_longer_and_makes_senders_wait() {
    let mut log = Log::at(0);
    let start = log.head();
    for seq in 1..=LAG_FRAMES {
        log.append_message(seq, frame("x"));
        assert!(!log.lags(0));
    }
    log.append_message(LAG_FRAMES + 1, frame("x"));
    assert!(log.lags(0) && matches!(log.since(start, 1), Since::Batch(..)));
    log.sweep_to(start.offset + 1);
    assert!(!log.lags(0));
    // What is swept goes first, and nothing stays for ever.
    assert_eq!((log.entries.len(), log.replay(start, 0, 1)), (LOG_FRAMES, Since::Beyond));
    for seq in LAG_FRAMES + 2..=10 * LOG_FRAMES as u64 {
        log.append_message(seq, frame("x"));
        assert!(log.entries.len() <= UNSWEPT * LOG_FRAMES);
    }
    assert!(log.lags(0));
    let long = frame(&"y".repeat(LOG_BYTES / 4));
    for seq in 1..=40 {
        log.append_message(10 * LOG_FRAMES as u64 + seq, long.clone());
        assert!(log.bytes <= UNSWEPT * LOG_BYTES);
    }
}

#[test]
fn long_messages_make_senders_wait_before_one_is_dropped() {
    let mut log = Log::at(0);
    let start = log.head();
    let long = frame(&"y".repeat(16 * 1024));
    let mut seq = 0;
    while !log.lags(0) {
        seq += 1;
        log.append_message(seq, long.clone());
        assert!(matches!(log.replay(start, 0, 1), Since::Batch(..)), "{seq} is dropped and nobody waits");
    }
    assert!(!log.lags(0) || log.bytes > LOG_BYTES);
    // A share of memory that many rooms leave takes nothing that is still to be delivered.
    log.trim(16 * 1024);
    assert!(matches!(log.replay(start, 0, 1), Since::Batch(..)));
    log.sweep_to(start.offset + 2);
    assert!(!log.lags(0) && log.lags(LAG_FRAMES as usize));
    log.sweep_to(log.head().offset);
    assert!(!log.lags(LAG_FRAMES as usize) && log.lags(LAG_FRAMES as usize + 1));
}

#[test]
fn a_hole_in_the_numbers_sends_every_reader_to_history() {
    let mut log = Log::at(5);
    let reader = log.head();
    assert!(!log.append_message(5, frame("old")));
    log.append_message(7, frame("g"));
    assert_eq!(log.since(reader, 100), Since::Beyond);
    assert_eq!(log.locate(5), None);
    assert_eq!(batch(log.since(log.locate(6).unwrap(), 100)).0, "g");
}

#[test]
fn what_was_published_while_history_was_read_joins_what_was_read() {
    let read = |seqs: std::ops::RangeInclusive<u64>| seqs.map(|seq| (seq, frame(&format!("{seq},")))).collect();
    let mut log = Log::new();
    log.append_message(8, frame("8!"));
    log.append_message(9, frame("9!"));
    // History was asked before and after 8 was stored.
    log.open(8, read(4..=8));
    let from = log.locate(3).unwrap();
    assert_eq!(batch(log.since(from, 100)).0, "4,5,6,7,8!9!");
    assert_eq!(log.locate(2), None);
    log.append_message(10, frame("10!"));
    assert_eq!(batch(log.since(log.locate(8).unwrap(), 100)).0, "9!10!");

    let mut quiet = Log::new();
    quiet.open(8, read(1..=8));
    assert_eq!((quiet.head().seq, batch(quiet.since(quiet.locate(6).unwrap(), 100)).0.as_str()), (8, "7,8,"));

    let mut holey = Log::new();
    holey.open(8, vec![(5, frame("5,")), (7, frame("7,")), (8, frame("8,"))]);
    assert_eq!(holey.locate(4), None);
    assert_eq!(batch(holey.since(holey.locate(6).unwrap(), 100)).0, "7,8,");
}

#[test]
fn history_fills_no_more_of_a_log_than_it_may_hold() {
    let mut log = Log::new();
    log.open(5_000, (1..=5_000).map(|seq| (seq, frame("x"))).collect());
    assert_eq!((log.entries.len(), log.entries[0].seq), (LOG_FRAMES, 4_001));
    let mut log = Log::new();
    log.open(9, (1..=9).map(|seq| (seq, frame(&"x".repeat(LOG_BYTES / 4)))).collect());
    assert_eq!(log.entries.len(), 4);
}

#[test]
fn a_message_with_another_text_is_replayed_with_it() {
    let mut log = Log::at(0);
    let start = log.head();
    log.append_message(1, frame("secret"));
    log.append_state(frame("p"));
    log.append_message(2, frame("b"));
    assert_eq!(batch(log.since(start, 100)).0, "secretpb");
    log.revise(1, frame("-"));
    assert_eq!(batch(log.since(start, 100)).0, "-pb");
    assert_eq!(log.bytes, 3);
    log.revise(9, frame("nowhere"));
    assert_eq!((log.bytes, log.revisions()), (3, 2));
}

#[test]
fn a_seq_is_found_while_its_successor_is_here() {
    let mut log = Log::at(10);
    assert_eq!(log.locate(10), Some(log.head()));
    assert_eq!(log.locate(9), None);
    log.append_state(frame("p"));
    log.append_message(11, frame("k"));
    log.append_state(frame("q"));
    log.append_message(12, frame("l"));
    assert_eq!(batch(log.since(log.locate(10).unwrap(), 100)).0, "kql");
    assert_eq!(batch(log.since(log.locate(11).unwrap(), 100)).0, "l");
    assert_eq!(log.locate(12), Some(log.head()));
    assert_eq!(log.locate(99), None);
}

#[test]
fn a_replay_leaves_out_news_of_a_state_that_is_over() {
    let mut log = Log::at(0);
    let start = log.head();
    log.append_message(1, frame("a"));
    log.append_state(frame("OLD"));
    log.append_message(2, frame("b"));
    let joined_at = log.head().offset;
    log.append_state(frame("new"));
    log.append_passing(frame("typing"));
    assert_eq!(batch(log.replay(start, joined_at, 100)), ("abnew".to_owned(), log.head()));
    assert_eq!(batch(log.since(start, 100)).0, "aOLDbnewtyping");
}
