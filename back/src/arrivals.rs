//! Those who are being let in: greeted, looked up, and brought into their rooms; and the line of those who wait for it.
//! After a restart everybody comes within a second, and most of them are in before a refusal would have them back: so
//! whoever finds no place stands in line, as long as the line moves fast enough. How fast it moves also says when to come
//! back.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::metrics::Metrics;

/// The pace of the line is measured over so long at least; before that nobody is refused for it.
const MEASURED: Duration = Duration::from_secs(1);

/// Nobody is asked back sooner …
const SOONEST: Duration = Duration::from_secs(1);
/// … or later, which is when the page would look by itself. Who gets no time before it shares that of others.
const LATEST: Duration = Duration::from_secs(30);

/// Between two who are asked back, where no pace is known; and the most that a slow one puts between them.
const APART: Duration = Duration::from_millis(1);
const FARTHEST: Duration = Duration::from_secs(1);

/// Places for those who are being let in, and the line before them. Waiting for a peer's bytes is not part of it, so
/// nobody holds a place by saying nothing.
pub struct Arrivals {
    places: Arc<Semaphore>,
    patience: Duration,
    line: Mutex<Line>,
    metrics: Arc<Metrics>,
}

impl Arrivals {
    /// So many may be let in at once, and others wait for so long at most.
    pub fn new(at_once: usize, patience: Duration, metrics: Arc<Metrics>) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { places, patience, line: Mutex::new(Line::new(Instant::now())), metrics })
    }

    /// Whether somebody who comes now would be let in before their patience ends.
    ///
    /// # Errors
    /// When to come back.
    pub fn look(&self) -> Result<(), Duration> {
        if self.places.available_permits() > 0 {
            return Ok(());
        }
        self.line().expect_within(self.patience, Instant::now())
    }

    /// Begins to let somebody in, when it is their turn; dropping the permit ends it.
    ///
    /// # Errors
    /// When to come back: it is not their turn soon.
    pub async fn begin(self: &Arc<Self>) -> Result<OwnedSemaphorePermit, Duration> {
        // Nobody is overtaken: a place that is free goes to the first in line.
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        self.line().expect_within(self.patience, Instant::now())?;
        let waiting = Waiting::in_line(self);
        match timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => {
                waiting.end(true);
                Ok(place)
            }
            _ => Err(self.line().when_to_come_back(Instant::now())),
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody in line; they may go at any moment.
struct Waiting<'a>(&'a Arrivals, bool);

impl<'a> Waiting<'a> {
    fn in_line(arrivals: &'a Arrivals) -> Self {
        arrivals.line().join(Instant::now());
        arrivals.metrics.waits();
        Self(arrivals, false)
    }

    fn end(mut self, is_let_in: bool) {
        self.1 = is_let_in;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.line().leave(self.1, Instant::now());
        self.0.metrics.waited();
    }
}

/// How long the line is, and how fast it moves. Pure: it is fed with instants.
struct Line {
    waiting: u32,
    /// What is being measured: since when, and how many were let in.
    since: Instant,
    let_in: u32,
    /// What was measured last of this line, in people a second.
    pace: Option<f64>,
    /// When the last one was asked back.
    asked_back: Option<Instant>,
}

impl Line {
    fn new(now: Instant) -> Self {
        Self { waiting: 0, since: now, let_in: 0, pace: None, asked_back: None }
    }

    fn join(&mut self, now: Instant) {
        if self.waiting == 0 {
            (self.since, self.let_in, self.pace) = (now, 0, None);
        }
        self.waiting += 1;
    }

    fn leave(&mut self, is_let_in: bool, now: Instant) {
        self.waiting -= 1;
        self.let_in += u32::from(is_let_in);
        if now - self.since >= MEASURED {
            self.pace = self.pace_at(now);
            (self.since, self.let_in) = (now, 0);
        }
    }

    fn pace_at(&self, now: Instant) -> Option<f64> {
        let measured = now.saturating_duration_since(self.since);
        // A line that stands still is slower the longer it does.
        if measured >= MEASURED { Some(f64::from(self.let_in.max(1)) / measured.as_secs_f64()) } else { self.pace }
    }

    fn expect_within(&mut self, patience: Duration, now: Instant) -> Result<(), Duration> {
        let wait = self.wait(now);
        if patience.is_zero() || wait > patience { Err(self.when_to_come_back(now)) } else { Ok(()) }
    }

    /// How long somebody would wait who joins it now.
    fn wait(&self, now: Instant) -> Duration {
        let seconds = self.pace_at(now).map_or(0.0, |pace| f64::from(self.waiting) / pace);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// A time when the line will have gone, and no more come than it can take.
    fn when_to_come_back(&mut self, now: Instant) -> Duration {
        let first = self.wait(now).clamp(SOONEST, LATEST / 2);
        let apart =
            self.pace_at(now).map_or(APART, |pace| Duration::from_secs_f64((1.0 / pace).min(FARTHEST.as_secs_f64())));
        let next = self.asked_back.map_or(first, |last| first.max((last + apart).saturating_duration_since(now)));
        let wait = if next > LATEST { first } else { next };
        self.asked_back = Some(now + wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// A line in which so many wait, after so many a second were let in.
    fn line(now: Instant, waiting: u32, pace: u32) -> Line {
        let mut line = Line::new(now);
        (0..waiting + pace).for_each(|_| line.join(now));
        (1..pace).for_each(|_| line.leave(true, now));
        line.leave(true, now + MEASURED);
        line
    }

    #[test]
    fn a_line_that_moves_is_joined_and_one_that_does_not_is_not() {
        let now = Instant::now();
        let later = now + MEASURED;
        assert_eq!(line(now, 5_000, 1_000).expect_within(PATIENCE, later), Ok(()));
        assert!(line(now, 5_001, 1_000).expect_within(PATIENCE, later).is_err());
        assert!(line(now, 10, 1_000).expect_within(Duration::ZERO, later).is_err(), "nobody waits");

        // A new line is believed for a second, and one that stands still ever less.
        let mut new = Line::new(now);
        (0..10_000).for_each(|_| new.join(now));
        assert_eq!(new.expect_within(PATIENCE, now + MEASURED / 2), Ok(()));
        assert!(new.expect_within(PATIENCE, now + MEASURED).is_err());
        let mut few = line(now, 2, 1_000);
        assert_eq!(few.expect_within(PATIENCE, later + MEASURED), Ok(()));
        assert!(few.expect_within(PATIENCE, later + 3 * MEASURED).is_err());
    }

    #[test]
    fn the_pace_is_measured_anew_every_second() {
        let now = Instant::now();
        let mut line = Line::new(now);
        (0..300).for_each(|_| line.join(now));
        (1..=100).for_each(|n| line.leave(true, now + MEASURED * n / 100));
        assert_eq!(line.pace.map(f64::round), Some(100.0));
        (1..=50).for_each(|n| line.leave(true, now + MEASURED + MEASURED * n / 50));
        assert_eq!(line.pace.map(f64::round), Some(50.0));
        // Who gave up was not let in.
        (1..=50).for_each(|n| line.leave(false, now + 2 * MEASURED + MEASURED * n / 50));
        assert_eq!(line.pace.map(f64::round), Some(1.0));
        // What was measured of an old line says nothing of a new one.
        (0..100).for_each(|_| line.leave(true, now + 3 * MEASURED));
        line.join(now + 100 * MEASURED);
        assert_eq!(line.pace, None);
    }

    #[test]
    fn who_is_asked_back_comes_when_there_is_time_and_not_with_everybody() {
        let now = Instant::now();
        let later = now + MEASURED;
        let mut moving = line(now, 6_000, 1_000);
        let times: Vec<_> = (0..5_000).map(|_| moving.when_to_come_back(later)).collect();
        assert_eq!(times[0], Duration::from_secs(6));
        assert!(times.windows(2).all(|two| two[0] < two[1]));
        assert_eq!(times[4_999].as_millis(), 6_000 + 4_999);
        // Others who are asked back in the next second come after them.
        assert!(moving.when_to_come_back(later + MEASURED) >= times[4_999] - MEASURED);

        // Nobody waits for longer than the page would, however slow it goes.
        let mut stuck = line(now, 6_000, 1);
        let times: Vec<_> = (0..100).map(|_| stuck.when_to_come_back(later)).collect();
        assert!(times.iter().all(|time| (LATEST / 2..=LATEST).contains(time)));
        assert!(times.iter().filter(|time| **time == times[0]).count() < 10);
        let mut nothing_known = Line::new(now);
        assert_eq!(nothing_known.when_to_come_back(now), SOONEST);
        assert_eq!(nothing_known.when_to_come_back(now), SOONEST + APART);
    }

    #[tokio::test]
    async fn who_finds_no_place_waits_in_line_and_not_for_ever() {
        let patience = Duration::from_millis(100);
        let arrivals = Arrivals::new(1, patience, Arc::default());
        let place = arrivals.begin().await.unwrap();
        assert_eq!(arrivals.look(), Ok(()));
        let next = tokio::spawn({
            let arrivals = Arc::clone(&arrivals);
            async move { arrivals.begin().await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(arrivals.metrics.waiting(), 1);
        drop(place);
        assert_eq!(next.await.unwrap(), Ok(()));
        assert_eq!(arrivals.metrics.waiting(), 0);

        let _place = arrivals.begin().await.unwrap();
        assert!(arrivals.begin().await.unwrap_err() >= SOONEST, "the time ends");
        assert_eq!(arrivals.metrics.waiting(), 0);
        // And whoever goes while they wait leaves the line.
        assert!(timeout(patience / 4, arrivals.begin()).await.is_err());
        assert_eq!(arrivals.metrics.waiting(), 0);
    }

    #[tokio::test]
    async fn without_patience_there_is_no_line() {
        let arrivals = Arrivals::new(1, Duration::ZERO, Arc::default());
        let place = arrivals.begin().await.unwrap();
        assert!(arrivals.look().unwrap_err() >= SOONEST);
        assert!(arrivals.begin().await.unwrap_err() >= SOONEST);
        drop(place);
        assert_eq!(arrivals.look(), Ok(()));
    }
}
