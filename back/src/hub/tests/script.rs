//! A wire that a test writes to, and what it reads from there.

use std::{
    io::{self, IoSlice},
    mem,
    task::{Context, Poll, Waker},
};

use super::*;

/// A wire that lets through what the test grants.
#[derive(Default)]
pub struct Script(Mutex<Paper>);

/// Called at every write.
type Hook = Box<dyn FnMut() + Send>;

struct Paper {
    /// Bytes that one write takes at most.
    at_once: usize,
    /// Bytes that go before it blocks.
    granted: usize,
    written: Vec<u8>,
    waker: Option<Waker>,
    hook: Option<Hook>,
    calls: Calls,
}

/// What became of the calls that would be system calls on a socket.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calls {
    /// How many there were.
    pub all: usize,
    /// Those that took nothing.
    pub refused: usize,
    /// Those that took one byte of several.
    pub single_bytes: usize,
}

impl Default for Paper {
    fn default() -> Self {
        let (written, calls) = (Vec::new(), Calls::default());
        Self { at_once: usize::MAX, granted: usize::MAX, written, waker: None, hook: None, calls }
    }
}

impl Script {
    fn paper(&self) -> MutexGuard<'_, Paper> {
        self.0.lock().unwrap()
    }

    /// Takes part of what is offered, as a socket does.
    pub fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let hook = self.paper().hook.take();
        if let Some(mut hook) = hook {
            hook();
            self.paper().hook = Some(hook);
        }
        let mut paper = self.paper();
        paper.calls.all += 1;
        let most = paper.at_once.min(paper.granted);
        if most == 0 {
            paper.calls.refused += 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let before = paper.written.len();
        for slice in slices {
            let left = most - (paper.written.len() - before);
            paper.written.extend_from_slice(&slice[..slice.len().min(left)]);
        }
        let count = paper.written.len() - before;
        if count == 1 && slices.iter().map(|slice| slice.len()).sum::<usize>() > 1 {
            paper.calls.single_bytes += 1;
        }
        if paper.granted != usize::MAX {
            paper.granted -= count;
        }
        Ok(count)
    }

    /// Waits for a grant.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut paper = self.paper();
        if paper.granted > 0 {
            return Poll::Ready(Ok(()));
        }
        paper.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// So many bytes go from here on, and so many of them at once.
    pub fn grant(&self, bytes: usize, at_once: usize) {
        let mut paper = self.paper();
        (paper.granted, paper.at_once) = (bytes, at_once);
        if let Some(waker) = paper.waker.take() {
            waker.wake();
        }
    }

    /// What is to be done in the middle of every write from here on.
    pub fn on_write(&self, hook: impl FnMut() + Send + 'static) {
        self.paper().hook = Some(Box::new(hook));
    }

    /// What is to be done in the middle of the next write.
    pub fn on_next_write(&self, hook: impl FnOnce() + Send + 'static) {
        let mut hook = Some(hook);
        self.on_write(move || {
            if let Some(hook) = hook.take() {
                hook();
            }
        });
    }

    /// What was written since this was last asked.
    pub fn take(&self) -> Vec<u8> {
        mem::take(&mut self.paper().written)
    }

    /// How often it was written to.
    pub fn calls(&self) -> Calls {
        self.paper().calls
    }
}

/// The whole frames that these bytes begin with, and how many bytes are left.
pub fn frames(mut bytes: &[u8]) -> (Vec<(u8, &[u8])>, usize) {
    let mut frames = Vec::new();
    loop {
        let (header, length) = match bytes {
            [_, length @ 0..=125, ..] => (2, usize::from(*length)),
            [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([*a, *b]))),
            _ => return (frames, bytes.len()),
        };
        let Some(payload) = bytes.get(header..header + length) else { return (frames, bytes.len()) };
        assert!([0x81, 0x88].contains(&bytes[0]), "a frame is torn: it begins with {:#x}", bytes[0]);
        frames.push((bytes[0], payload));
        bytes = &bytes[header + length..];
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): a seed tells a whole run again, as far as threads let it.
pub struct Dice(pub u64);

impl Dice {
    /// A number below this one.
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}
