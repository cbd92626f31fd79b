//! What back sent to a session: numbered, kept until it is read, within bounds. Pure.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

/// Frames that nobody has read yet; with more, back is not read.
const UNREAD: usize = 1_024;

/// Bytes of frames that nobody has read yet.
const UNREAD_BYTES: usize = 512 * 1024;

/// Frames that are handed out at once.
const AT_ONCE: usize = 256;

/// Bytes that are handed out at once, a last frame not counted.
const BYTES_AT_ONCE: usize = 64 * 1024;

/// How a connection to back ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// The code of its Close frame.
    pub(crate) code: u16,
    /// Its reason.
    pub(crate) reason: String,
}

/// What a reader gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Frames and the number of the last one; none when there is nothing new.
    Frames(Vec<Bytes>, u64),
    /// Everything was read, and nothing follows.
    Ended(End),
    /// Somebody else reads now.
    Replaced,
}

/// The frames of a session.
#[derive(Debug)]
pub(crate) struct Frames {
    kept: VecDeque<Bytes>,
    /// The number of the first frame that is kept.
    first: u64,
    bytes: usize,
    /// The last frame that was handed out.
    handed: u64,
    unread_bytes: usize,
    /// Who reads; counts readers.
    generation: u64,
    reading: bool,
    idle_since: Instant,
    end: Option<End>,
}

impl Frames {
    /// The first frame is the welcome.
    pub(crate) fn new(welcome: Bytes, now: Instant) -> Self {
        let mut frames = Self {
            kept: VecDeque::new(),
            first: 1,
            bytes: 0,
            handed: 0,
            unread_bytes: 0,
            generation: 0,
            reading: false,
            idle_since: now,
            end: None,
        };
        frames.push(welcome);
        frames
    }

    /// The number of the newest frame.
    fn last(&self) -> u64 {
        self.first + self.kept.len() as u64 - 1
    }

    /// Whether back may be read.
    pub(crate) fn has_space(&self) -> bool {
        ((self.last() - self.handed) as usize) < UNREAD && self.unread_bytes < UNREAD_BYTES
    }

    /// Keeps a frame. What was handed out and not confirmed goes when it takes the place of what is unread.
    pub(crate) fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.unread_bytes += frame.len();
        self.kept.push_back(frame);
        while self.first <= self.handed && (self.kept.len() > UNREAD || self.bytes > UNREAD_BYTES) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some(frame) = self.kept.pop_front() {
            self.bytes -= frame.len();
            if self.first > self.handed {
                self.unread_bytes -= frame.len();
                self.handed = self.first;
            }
            self.first += 1;
        }
    }

    /// Somebody reads after frame `after`, and nobody else any more: what the reader is called. Nothing when what
    /// follows is not here.
    pub(crate) fn attach(&mut self, after: u64) -> Option<u64> {
        // Nobody has seen what was never handed out, but for the welcome, which was an answer before it was a frame. Who
        // says so counts the frames of the session's former connection.
        if after > self.handed.max(1) || after + 1 < self.first {
            return None;
        }
        while self.first <= after {
            self.forget_first();
        }
        self.generation += 1;
        self.reading = true;
        Some(self.generation)
    }

    /// That reader is gone.
    pub(crate) fn detach(&mut self, generation: u64, now: Instant) {
        if self.generation == generation {
            self.reading = false;
            self.idle_since = now;
        }
    }

    /// What that reader gets after frame `after`.
    pub(crate) fn take(&mut self, generation: u64, after: u64) -> Taken {
        if self.generation != generation {
            return Taken::Replaced;
        }
        let Some(skip) = (after + 1).checked_sub(self.first) else { return Taken::Replaced };
        let mut bytes = 0;
        let within = |frame: &&Bytes| {
            let fits = bytes < BYTES_AT_ONCE;
            bytes += frame.len();
            fits
        };
        let frames: Vec<Bytes> =
            self.kept.iter().skip(skip as usize).take(AT_ONCE).take_while(within).cloned().collect();
        let last = after + frames.len() as u64;
        while self.handed < last {
            self.handed += 1;
            if let Some(frame) = self.kept.get((self.handed - self.first) as usize) {
                self.unread_bytes -= frame.len();
            }
        }
        match &self.end {
            Some(end) if frames.is_empty() => Taken::Ended(end.clone()),
            _ => Taken::Frames(frames, last),
        }
    }

    /// Nothing follows.
    pub(crate) fn end(&mut self, end: End) {
        self.end = Some(end);
    }

    /// Whether nothing follows.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// How long until it counts as left alone; nothing while somebody reads.
    pub(crate) fn idle(&self, now: Instant, patience: Duration) -> Option<Duration> {
        (!self.reading).then(|| patience.saturating_sub(now.duration_since(self.idle_since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(count: usize, bytes: usize) -> Frames {
        let mut frames = Frames::new(Bytes::from_static(b"w"), Instant::now());
        for _ in 0..count {
            frames.push(vec![b'x'; bytes].into());
        }
        frames
    }

    fn taken(taken: Taken) -> (usize, u64) {
        match taken {
            Taken::Frames(frames, last) => (frames.len(), last),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn frames_are_numbered_and_forgotten_when_confirmed() {
        let mut frames = frames(3, 1);
        let reader = frames.attach(0).unwrap();
        assert_eq!(taken(frames.take(reader, 0)), (4, 4));
        assert_eq!(taken(frames.take(reader, 2)), (2, 4), "not confirmed yet");
        let reader = frames.attach(3).unwrap();
        assert_eq!(frames.attach(2), None, "forgotten");
        assert_eq!(frames.attach(9), None, "never sent");
        assert_eq!(frames.attach(u64::MAX), None, "no number follows");
        frames.push(Bytes::from_static(b"5"));
        assert_eq!(frames.attach(5), None, "not handed out");
        assert_eq!(taken(frames.take(reader, 3)), (2, 5));
        assert_eq!(frames.unread_bytes, 0);
    }

    #[test]
    fn unread_frames_and_bytes_have_a_bound() {
        let mut many = frames(0, 0);
        let mut pushed = 1;
        while many.has_space() {
            many.push(Bytes::from_static(b"x"));
            pushed += 1;
        }
        assert_eq!(pushed, UNREAD);
        let mut large = frames(0, 0);
        while large.has_space() {
            large.push(vec![0; 10_000].into());
        }
        assert!(large.bytes < UNREAD_BYTES + 10_000);
        let reader = large.attach(0).unwrap();
        let (count, last) = taken(large.take(reader, 0));
        assert!(count < 10 && large.has_space(), "some at once: {count}");
        for _ in 0..1_000 {
            large.push(vec![0; 10_000].into());
            let (_, _) = taken(large.take(reader, last.max(large.last() - 1)));
            assert!(large.bytes <= UNREAD_BYTES + 20_000, "{}", large.bytes);
        }
    }

    #[test]
    fn a_second_reader_replaces_the_first() {
        let mut frames = frames(1, 1);
        let one = frames.attach(0).unwrap();
        let two = frames.attach(0).unwrap();
        assert_eq!(frames.take(one, 0), Taken::Replaced);
        assert_eq!(taken(frames.take(two, 0)), (2, 2));
        let now = Instant::now();
        frames.detach(one, now);
        assert_eq!(frames.idle(now, Duration::from_secs(1)), None, "the second reads on");
        frames.detach(two, now);
        assert_eq!(frames.idle(now, Duration::from_secs(1)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn the_end_comes_after_everything() {
        let mut frames = frames(1, 1);
        let end = End { code: 4200, reason: "shutdown".to_owned() };
        frames.end(end.clone());
        let reader = frames.attach(0).unwrap();
        assert_eq!(taken(frames.take(reader, 0)), (2, 2));
        assert_eq!(frames.take(reader, 2), Taken::Ended(end));
    }
}
