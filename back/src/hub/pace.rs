//! Whether a room is being swept, and when the next sweep may begin.
//!
//! A sweep costs one system call per member, however much it carries. So while a room is busy, each sweep is followed by
//! a rest as long as itself, in which the next batch gathers: half as many system calls for the same messages. It is
//! what network cards call adaptive interrupt moderation.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

/// A sweep that carried so many frames says that its room is busy. With fewer, waiting would delay each of them and
/// save little.
const BUSY_FRAMES: u64 = 8;

/// The least rest that is worth a timer, which is one millisecond coarse.
const LEAST_REST: Duration = Duration::from_millis(1);

/// The longest rest. It bounds what the largest room adds to the delay of a message.
const LONGEST_REST: Duration = Duration::from_millis(5);

const IDLE: u8 = 0;
const SCHEDULED: u8 = 1;
const RUNNING: u8 = 2;
const RUNNING_DIRTY: u8 = 3;

/// The pace of one room's sweeps.
#[derive(Default)]
pub struct Pace {
    state: AtomicU8,
    rest_until: Mutex<Option<Instant>>,
}

impl Pace {
    /// Asks for a sweep; `true` when the caller has to start it. Several calls share one.
    pub fn ask(&self) -> bool {
        let before = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
            IDLE => Some(SCHEDULED),
            RUNNING => Some(RUNNING_DIRTY),
            _ => None,
        });
        before == Ok(IDLE)
    }

    /// A sweep begins. Whatever is asked for from here on needs another one, so this comes before the log is read.
    pub fn begin(&self) {
        self.state.store(RUNNING, Ordering::Release);
    }

    /// A sweep ends; `true` when another one has to follow.
    pub fn end(&self) -> bool {
        let idle = self.state.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire);
        if idle.is_err() {
            self.state.store(SCHEDULED, Ordering::Release);
        }
        idle.is_err()
    }

    /// Whether a sweep is under way and another one has to follow.
    pub fn is_busy(&self) -> bool {
        self.state.load(Ordering::Relaxed) == RUNNING_DIRTY
    }

    /// A sweep of so many frames took from `began` to `now`.
    pub fn rest(&self, frames: u64, began: Instant, now: Instant) {
        let rest = (now - began).min(LONGEST_REST);
        let until = (frames >= BUSY_FRAMES && rest >= LEAST_REST).then(|| now + rest);
        *self.rest_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// When the next sweep may begin, if not at once.
    pub fn rests_until(&self) -> Option<Instant> {
        *self.rest_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
