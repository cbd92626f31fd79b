//! The newest frames of one room, encoded once and shared by everybody who reads them. Pure: it writes to no socket and
//! reads no clock.
//!
//! Two numbers say where a reader is. `seq` counts messages, as history does. `offset` counts frames, which are
//! messages and what is said of the room's state between them (presence, typing); it has a meaning only inside this
//! process.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Most frames that a log holds. A resume replays at most 1,000 messages, so more would not be read.
pub const LOG_FRAMES: usize = 1_000;

/// Most bytes that a log holds.
pub const LOG_BYTES: usize = 1 << 20;

/// What every segment still has to be sent is kept beyond both limits, up to so many times of them: nobody who reads is
/// told that something is gone because the server itself was slow.
const UNSWEPT: usize = 4;

/// With more frames than this to sweep or to come, or with more bytes than [`LOG_BYTES`] to sweep, a room lags: its
/// senders wait. It is a quarter of what [`UNSWEPT`] gives room for.
const LAG_FRAMES: u64 = LOG_FRAMES as u64;

/// An offset that no frame has: whoever is there has to look into history first.
pub const BEFORE_ALL: u64 = 0;

/// Where a reader is: the next frame to read, and the last message it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The next frame to read.
    pub offset: u64,
    /// The last message that was read.
    pub seq: u64,
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// Whole frames, and the place behind them.
    Batch(Bytes, Place),
    /// There is nothing newer.
    UpToDate,
    /// What comes next is no longer here: history has it, or nobody.
    Beyond,
}

struct Entry {
    frame: Bytes,
    /// The last message up to and including this frame.
    seq: u64,
    /// Bytes that were appended up to and including this frame; none for what history added before.
    end: u64,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    /// News of the room's people.
    State,
    /// Worth something only at once.
    Passing,
}

/// A batch that is kept.
struct Made {
    from: Place,
    to: Place,
    /// Whether there was more than went in; if not, it is worth something only until there is more.
    is_cut: bool,
    bytes: Bytes,
}

/// The newest frames of a room.
pub struct Log {
    /// The offset of the first entry.
    oldest: u64,
    entries: VecDeque<Entry>,
    bytes: usize,
    top: u64,
    /// False until it is known where history stands: see [`Log::open`].
    known: bool,
    /// Every segment has what comes before this offset.
    swept: u64,
    /// Bytes that were ever appended, and how many of them every segment has.
    appended_bytes: u64,
    swept_bytes: u64,
    /// Messages that were given another text since the log began.
    revisions: u64,
    /// The batch that was last made: the other segments at the same place want the same one.
    last: Option<Made>,
}

impl Log {
    /// The log of a room that is being looked up in history. What is published meanwhile is kept; nobody may read it
    /// before [`Log::open`].
    pub fn new() -> Self {
        // Room before the first frame for those that history adds.
        let oldest = BEFORE_ALL + 1 + LOG_FRAMES as u64;
        Self {
            oldest,
            entries: VecDeque::new(),
            bytes: 0,
            top: 0,
            known: false,
            swept: oldest,
            appended_bytes: 0,
            swept_bytes: 0,
            revisions: 0,
            last: None,
        }
    }

    /// The log of a room whose newest message is `top`; none of its frames are here.
    #[cfg(test)]
    fn at(top: u64) -> Self {
        let mut log = Self::new();
        log.open(top, Vec::new());
        log
    }

    /// Says where history stands: its newest message is `top`, and `newest` are frames of its last messages with their
    /// numbers, ascending. Everything up to `top` has been published, or will not come through here.
    pub fn open(&mut self, top: u64, newest: Vec<(u64, Bytes)>) {
        if !self.known {
            self.known = true;
            self.top = top;
        }
        let mut next = self.entries.front().map_or(self.top + 1, |entry| entry.seq);
        for (seq, frame) in newest.into_iter().rev() {
            if seq >= next {
                // It came through here meanwhile.
                continue;
            }
            let is_full = self.entries.len() >= LOG_FRAMES || self.bytes + frame.len() > LOG_BYTES;
            if seq + 1 != next || is_full {
                break;
            }
            self.bytes += frame.len();
            self.oldest -= 1;
            self.entries.push_front(Entry { frame, seq, end: 0, kind: Kind::Message });
            next = seq;
        }
    }

    /// Every segment has been sent what comes before this offset.
    pub fn sweep_to(&mut self, offset: u64) {
        if offset <= self.swept {
            return;
        }
        self.swept = offset;
        let last = offset.checked_sub(self.oldest + 1).and_then(|index| self.entries.get(index as usize));
        // Without that frame everything before the log's head has been swept or dropped.
        self.swept_bytes = last.map_or(self.appended_bytes, |entry| entry.end.max(self.swept_bytes));
        self.trim(LOG_BYTES);
    }

    /// Whether there is so much to sweep that senders should wait; `coming` messages are on their way through history.
    pub fn lags(&self, coming: usize) -> bool {
        let frames = self.head().offset.saturating_sub(self.swept) + coming as u64;
        frames > LAG_FRAMES || self.appended_bytes - self.swept_bytes > LOG_BYTES as u64
    }

    /// How many messages were given another text since the log began.
    pub fn revisions(&self) -> u64 {
        self.revisions
    }

    /// Message `seq` reads like this from now on.
    pub fn revise(&mut self, seq: u64, frame: Bytes) {
        self.revisions += 1;
        let index = self.entries.partition_point(|entry| entry.seq < seq);
        if let Some(entry) = self.entries.get_mut(index)
            && entry.kind == Kind::Message
            && entry.seq == seq
        {
            self.bytes = self.bytes + frame.len() - entry.frame.len();
            entry.frame = frame;
            self.last = None;
        }
    }

    /// The place behind the newest frame.
    pub fn head(&self) -> Place {
        Place { offset: self.oldest + self.entries.len() as u64, seq: self.top }
    }

    /// Adds message `seq`, and says whether it was new. After a hole in the numbers everything before it is dropped, so
    /// that every reader looks for the missing messages in history instead of passing over them.
    pub fn append_message(&mut self, seq: u64, frame: Bytes) -> bool {
        if !self.known {
            self.known = true;
            self.top = seq.saturating_sub(1);
        }
        if seq <= self.top {
            return false;
        }
        self.skip_to(seq - 1);
        self.top = seq;
        self.push(frame, Kind::Message);
        true
    }

    /// History has every message up to `top`, although it did not come through here: readers find what they lack there.
    fn skip_to(&mut self, top: u64) {
        if top > self.top {
            self.oldest = self.head().offset + 1;
            self.entries.clear();
            self.bytes = 0;
            self.last = None;
            self.top = top;
        }
    }

    /// Adds a frame that says something of the room's present state.
    pub fn append_state(&mut self, frame: Bytes) {
        self.push(frame, Kind::State);
    }

    /// Adds a frame that is for those who are here now; whoever has to catch up does not get it.
    pub fn append_passing(&mut self, frame: Bytes) {
        self.push(frame, Kind::Passing);
    }

    fn push(&mut self, frame: Bytes, kind: Kind) {
        self.bytes += frame.len();
        self.appended_bytes += frame.len() as u64;
        self.entries.push_back(Entry { frame, seq: self.top, end: self.appended_bytes, kind });
        self.trim(LOG_BYTES);
    }

    /// Drops the oldest frames over so many bytes; history has the messages among them.
    pub fn trim(&mut self, max_bytes: usize) {
        let is_over = |log: &Self, frames: usize, bytes: usize| {
            log.entries.len() > frames || (log.bytes > bytes && log.entries.len() > 1)
        };
        while if self.oldest < self.swept {
            is_over(self, LOG_FRAMES, max_bytes)
        } else {
            is_over(self, UNSWEPT * LOG_FRAMES, UNSWEPT * LOG_BYTES)
        } {
            let Some(entry) = self.entries.pop_front() else { return };
            self.bytes -= entry.frame.len();
            self.oldest += 1;
        }
    }

    /// The frames from `at` on, at least one and otherwise at most `max_bytes` of them, as one slice.
    pub fn since(&mut self, at: Place, max_bytes: usize) -> Since {
        let head = self.head();
        if let Some(made) = &self.last
            && made.from == at
            && (made.is_cut || made.to == head)
        {
            return Since::Batch(made.bytes.clone(), made.to);
        }
        let since = self.read(at, max_bytes, |_, _| true);
        if let Since::Batch(bytes, to) = &since {
            self.last = Some(Made { from: at, to: *to, is_cut: *to != head, bytes: bytes.clone() });
        }
        since
    }

    /// Like [`Log::since`], for one reader alone, without what is passing, and without the frames of state before the
    /// offset `state_from`: whoever came in later was told the state as it was then, and older news of it would be
    /// wrong.
    pub fn replay(&self, at: Place, state_from: u64, max_bytes: usize) -> Since {
        self.read(at, max_bytes, |kind, offset| match kind {
            Kind::Message => true,
            Kind::State => offset >= state_from,
            Kind::Passing => false,
        })
    }

    fn read(&self, at: Place, max_bytes: usize, wanted: impl Fn(Kind, u64) -> bool) -> Since {
        let head = self.head();
        if at.offset >= head.offset {
            return Since::UpToDate;
        }
        let Some(start) = at.offset.checked_sub(self.oldest) else { return Since::Beyond };
        let mut to = at;
        let mut bytes = 0;
        let mut chosen: Vec<&Bytes> = Vec::new();
        for entry in self.entries.range(start as usize..) {
            if wanted(entry.kind, to.offset) {
                if bytes + entry.frame.len() > max_bytes && !chosen.is_empty() {
                    break;
                }
                bytes += entry.frame.len();
                chosen.push(&entry.frame);
            }
            to = Place { offset: to.offset + 1, seq: entry.seq };
        }
        let batch = match chosen.as_slice() {
            [one] => Bytes::clone(one),
            many => {
                let mut joined = BytesMut::with_capacity(bytes);
                many.iter().for_each(|frame| joined.extend_from_slice(frame));
                joined.freeze()
            }
        };
        Since::Batch(batch, to)
    }

    /// The place of a reader that has every message up to `seq`, if what follows is here.
    pub fn locate(&self, seq: u64) -> Option<Place> {
        if seq == self.top {
            return Some(self.head());
        }
        // The entries' `seq` never falls, so the first one beyond it is the message after it.
        let index = self.entries.partition_point(|entry| entry.seq <= seq);
        let entry = self.entries.get(index)?;
        (entry.kind == Kind::Message && entry.seq == seq + 1).then(|| Place { offset: self.oldest + index as u64, seq })
    }
}

#[cfg(test)]
mod tests {
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
}
