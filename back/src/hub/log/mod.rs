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
mod tests;
