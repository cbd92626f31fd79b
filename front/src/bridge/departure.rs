//! How those who listen leave when the server stops: one after the other, each with its own time to come back. It knows
//! neither requests nor rooms.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use service::drain::{Pace, turn};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// All who listen.
pub(crate) struct Departures {
    stop: CancellationToken,
    window: Duration,
    here: AtomicUsize,
    comers: AtomicU64,
    /// When the end began, and the pace for those who were here then.
    begun: OnceLock<(Instant, Pace)>,
}

/// One of them; dropping it is leaving.
pub(crate) struct Departure {
    all: Arc<Departures>,
    turn: f64,
}

impl Departures {
    /// They leave within `window` after `stop`.
    pub(crate) fn new(stop: CancellationToken, window: Duration) -> Arc<Self> {
        let (here, comers) = (AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Self { stop, window, here, comers, begun: OnceLock::new() })
    }

    /// When they begin to leave.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Somebody comes.
    pub(crate) fn enter(self: &Arc<Self>) -> Departure {
        self.here.fetch_add(1, Ordering::Relaxed);
        Departure { all: Arc::clone(self), turn: turn(self.comers.fetch_add(1, Ordering::Relaxed)) }
    }

    fn begun(&self) -> (Instant, Pace) {
        *self.begun.get_or_init(|| (Instant::now(), Pace::of(self.here.load(Ordering::Relaxed), self.window)))
    }
}

impl Departure {
    /// Waits until it is this one's turn to leave, because the server stops: in how many milliseconds to come back. May be
    /// asked again and again.
    pub(crate) async fn due(&self) -> u64 {
        self.all.stop.cancelled().await;
        let (begun, pace) = self.all.begun();
        sleep_until(begun + pace.told(self.turn)).await;
        pace.advice(self.turn).as_millis() as u64
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.all.here.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream::FuturesUnordered};

    use super::*;

    #[tokio::test]
    async fn they_leave_one_after_the_other_and_come_back_so_too() {
        let stop = CancellationToken::new();
        let all = Departures::new(stop.clone(), Duration::from_secs(4));
        let (stay, gone): (Vec<_>, Vec<_>) = (0..2_000).map(|_| all.enter()).enumerate().partition(|(n, _)| n % 2 == 0);
        drop(gone);
        let began = Instant::now();
        stop.cancel();
        let leaving = FuturesUnordered::from_iter(stay.iter().map(|(_, one)| one.due()));
        let leaving: Vec<(Duration, u64)> = leaving.map(|advice| (began.elapsed(), advice)).collect().await;
        // A thousand are left of two thousand: half a millisecond for each.
        assert!((450..2_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        let early = leaving.iter().filter(|(at, _)| at.as_millis() < 250).count();
        assert!(early < 600, "{early} of a thousand in the first half of the time");
        let returns: Vec<u64> = leaving.iter().map(|(at, advice)| at.as_millis() as u64 + advice).collect();
        let (first, last) = (returns.iter().min().unwrap(), returns.iter().max().unwrap());
        assert!(*first >= 1_000 && last - first > 900, "{first} to {last}");
    }
}
