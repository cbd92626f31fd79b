//! What waits to be written to one client.
//!
//! Three kinds of bytes meet here, and a frame is never torn between them. `tail` is the rest of a shared batch that
//! went out in part, `own` are frames for this client alone, and a [`Backlog`] stands for everything of a room that was
//! not written yet.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    task::{Context, Waker},
};

use bytes::{Buf, Bytes};

use super::{Backlog, Wire};

/// While more than this waits in `own`, nothing more is read from the client. One answer may pass it, so the most that
/// a client can make the server hold is this and one page of history.
const OWN_BYTES: usize = 64 * 1024;

/// What a waiting frame costs besides its bytes: its place in the queue and its allocation. Without it, two-byte
/// answers to empty pings would cost fifty times what they seem to.
const FRAME_OVERHEAD: usize = 64;

/// Most slices in one vectored write; Linux takes 1,024 (`IOV_MAX`), and what fits on the stack is enough.
const SLICES: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    Open,
    /// The Close frame is the last one in `own`.
    Closing,
    /// Nothing more can be written.
    Broken,
}

/// In this order: an offer to a client for whom nothing waits looks at the first four, which share a cache line.
#[derive(Default)]
#[repr(C)]
pub(super) struct Queue {
    pub state: State,
    /// Whether it has ever left a room. Until then an offer need not ask whether it has left this one.
    pub has_left_some: bool,
    /// A moderator ended the connection: there is nobody to wait for.
    pub dismissed: bool,
    /// Whether reading waits for this client to read, or to be answered.
    pub is_held: bool,
    pub unanswered: u32,
    pub own_bytes: usize,
    pub tail: Bytes,
    pub own: VecDeque<Bytes>,
    pub behind: VecDeque<Box<dyn Backlog>>,
    waker: Option<Waker>,
}

impl Queue {
    /// Whether so much waits that nothing more is read from the client, and nothing of its rooms written.
    pub fn is_full(&self) -> bool {
        self.own_bytes + self.own.len() * FRAME_OVERHEAD > OWN_BYTES
    }

    /// A newcomer need not wait for what was said before to be written: most have little to replay, and so
    /// `welcome`, `joined`, the replay and `synced` leave in one call.
    pub fn next_eager(&mut self) -> Option<Box<dyn Backlog>> {
        let may = self.state == State::Open && self.tail.is_empty() && !self.is_full();
        if may && self.behind.front().is_some_and(|backlog| backlog.is_eager()) {
            self.behind.pop_front()
        } else {
            None
        }
    }

    pub fn push(&mut self, frames: Bytes) {
        if !frames.is_empty() {
            self.add(frames);
            self.wake();
        }
    }

    pub fn add(&mut self, frames: Bytes) {
        self.own_bytes += frames.len();
        self.own.push_back(frames);
    }

    pub fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub fn watch(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }

    /// One write of `tail` and then `own`; at least one of them is not empty.
    pub fn write(&mut self, wire: &Wire) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let waiting = std::iter::once(&self.tail).filter(|tail| !tail.is_empty()).chain(&self.own);
        let count = fill(&mut slices, waiting);
        let mut written = wire.write_vectored(&mut slices[..count])?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let from_tail = written.min(self.tail.len());
        self.tail.advance(from_tail);
        if self.tail.is_empty() {
            // The batch that it was a slice of may be large.
            self.tail = Bytes::new();
        }
        written -= from_tail;
        self.own_written(written);
        Ok(())
    }

    /// One write of `own` and then `batch`, while `tail` is empty; returns how much of `batch` went out.
    pub fn write_own_and(&mut self, wire: &Wire, batch: &Bytes) -> io::Result<usize> {
        if self.own.len() >= SLICES {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = fill(&mut slices, self.own.iter().chain(std::iter::once(batch)));
        let written = wire.write_vectored(&mut slices[..count])?;
        let own = written.min(self.own_bytes);
        self.own_written(own);
        if self.own.is_empty() {
            // The connection's task may not look at it for long.
            self.own = VecDeque::new();
        }
        Ok(written - own)
    }

    fn own_written(&mut self, mut written: usize) {
        let was_full = self.is_full();
        self.own_bytes -= written;
        while let Some(front) = self.own.front_mut() {
            if written < front.len() {
                front.advance(written);
                break;
            }
            written -= front.len();
            self.own.pop_front();
        }
        if was_full && !self.is_full() {
            // Reading waits for this, and may have been asked before writing in the same poll.
            self.wake();
        }
    }
}

fn fill<'a>(slices: &mut [IoSlice<'a>], bytes: impl Iterator<Item = &'a Bytes>) -> usize {
    let mut count = 0;
    for (slice, bytes) in slices.iter_mut().zip(bytes) {
        *slice = IoSlice::new(bytes);
        count += 1;
    }
    count
}
