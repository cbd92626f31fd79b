//! Whether a room is being swept, and when the next sweep may begin.
//!
//! A sweep costs one system call per member, however much it carries. So while a room is busy, each sweep is followed by
//! a rest as long as itself, in which the next batch gathers: half as many system calls for the same messages. It is
//! what network cards call adaptive interrupt moderation.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

/// A sweep that carried so many frames says that its room is busy. With fewer, waiting would delay each of them and
/// save little.
const BUSY_FRAMES: u64 = 8;

/// The least rest that is worth a timer, which is one millisecond coarse.
const LEAST_REST: Duration = Duration::from_millis(1);

const IDLE: u8 = 0;
const SCHEDULED: u8 = 1;
const RUNNING: u8 = 2;
const RUNNING_DIRTY: u8 = 3;

/// A room that was swept so recently may have more to deliver in a moment, which should leave in the same write.
const QUIET: Duration = Duration::from_millis(1);

/// The pace of one room's sweeps.
pub struct Pace {
    state: AtomicU8,
    longest_rest: Duration,
    rest: Mutex<Rest>,
}

#[derive(Default)]
struct Rest {
    until: Option<Instant>,
    /// When the last sweep ended.
    since: Option<Instant>,
}

impl Pace {
    /// A room that is not swept. `longest_rest` bounds what resting adds to the delay of a message.
    pub fn new(longest_rest: Duration) -> Self {
        Self { state: AtomicU8::new(IDLE), longest_rest, rest: Mutex::default() }
    }

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

    /// Whether a sweep is under way and another one has to follow, or the room rests between two.
    pub fn is_busy(&self, now: Instant) -> bool {
        self.state.load(Ordering::Relaxed) == RUNNING_DIRTY || self.rests_until().is_some_and(|until| now < until)
    }

    /// A sweep of so many frames took from `began` to `now`.
    pub fn rest(&self, frames: u64, began: Instant, now: Instant) {
        let rest = (now - began).min(self.longest_rest);
        let until = (frames >= BUSY_FRAMES && rest >= LEAST_REST).then(|| now + rest);
        *self.resting() = Rest { until, since: Some(now) };
    }

    /// When the next sweep may begin, if not at once.
    pub fn rests_until(&self) -> Option<Instant> {
        self.resting().until
    }

    /// Whether nothing was delivered just now. Who talks into such a room is most likely alone.
    pub fn is_quiet(&self, now: Instant) -> bool {
        self.resting().since.is_none_or(|since| now.saturating_duration_since(since) >= QUIET)
    }

    fn resting(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_asks_start_one_sweep() {
        let pace = Pace::new(Duration::from_millis(5));
        assert_eq!([pace.ask(), pace.ask(), pace.ask()], [true, false, false]);
        pace.begin();
        assert!(!pace.is_busy(Instant::now()) && !pace.end());
        assert!(pace.ask(), "the next one is started again");
    }

    #[test]
    fn an_ask_during_a_sweep_has_another_one_follow() {
        let pace = Pace::new(Duration::from_millis(5));
        assert!(pace.ask());
        pace.begin();
        assert_eq!([pace.ask(), pace.ask()], [false, false]);
        assert!(pace.is_busy(Instant::now()) && pace.end());
        // That one follows by itself.
        assert!(!pace.ask());
        pace.begin();
        assert!(!pace.end());
    }

    #[test]
    fn a_rest_follows_a_busy_sweep_and_is_as_long_as_it_but_five_milliseconds_at_most() {
        let pace = Pace::new(Duration::from_millis(5));
        let began = Instant::now();
        for (frames, sweep_us, rest_us) in [
            (8, 1_000, Some(1_000)),
            (8, 999, None),
            (7, 1_000, None),
            (64, 3_300, Some(3_300)),
            (8, 5_000, Some(5_000)),
            (8, 80_000, Some(5_000)),
        ] {
            let now = began + Duration::from_micros(sweep_us);
            pace.rest(frames, began, now);
            assert_eq!(pace.rests_until(), rest_us.map(|us| now + Duration::from_micros(us)), "{frames} in {sweep_us}");
        }
    }

    #[test]
    fn a_room_that_may_not_rest_does_not() {
        let pace = Pace::new(Duration::ZERO);
        let began = Instant::now();
        pace.rest(64, began, began + Duration::from_millis(4));
        assert_eq!(pace.rests_until(), None);
    }

    #[test]
    fn a_lone_message_never_waits_and_ends_a_busy_time() {
        let pace = Pace::new(Duration::from_millis(5));
        let began = Instant::now();
        assert_eq!(pace.rests_until(), None);
        pace.rest(64, began, began + Duration::from_millis(4));
        assert!(pace.rests_until().is_some());
        pace.rest(1, began, began + Duration::from_millis(80));
        assert_eq!(pace.rests_until(), None);
    }
}
