//! When each of many clients is told goodbye, and when each is to come back: not all in one instant, lest whoever is
//! there next meets them all at once. It tells nobody itself.

use std::time::Duration;

/// How long one goodbye keeps the next waiting where there is time: a few clients are gone at once, and a person who
/// stops a server on a desk waits for nothing.
const APART: Duration = Duration::from_micros(500);

/// How far apart they come back. A handshake under TLS costs about so much of one CPU.
const RETURNS_APART: Duration = Duration::from_millis(1);

/// However many there are, the last of them is asked to wait no longer than this after the first.
const LONGEST_RETURN: Duration = Duration::from_secs(60);

/// The shortest advice: the time in which a server may be started again.
pub const RESTART: Duration = Duration::from_millis(500);

/// The pace at which so many are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    goodbyes: Duration,
    returns: Duration,
}

impl Pace {
    /// For so many clients, the last of them within `window`.
    pub fn of(clients: usize, window: Duration) -> Self {
        let clients = u32::try_from(clients).unwrap_or(u32::MAX);
        Self {
            goodbyes: APART.saturating_mul(clients).min(window),
            returns: RETURNS_APART.saturating_mul(clients).min(LONGEST_RETURN),
        }
    }

    /// How long after the beginning a client is told whose turn is this, from 0 for the first to 1 for the last.
    pub fn told(&self, turn: f64) -> Duration {
        self.goodbyes.mul_f64(turn.clamp(0.0, 1.0))
    }

    /// When it should come back, counted from when it is told. Nobody is asked to come while the others are still told:
    /// where one server is restarted there would be none.
    pub fn advice(&self, turn: f64) -> Duration {
        let turn = turn.clamp(0.0, 1.0);
        self.goodbyes.mul_f64(1.0 - turn) + RESTART + self.returns.mul_f64(turn)
    }
}

/// The turn of the `number`th comer: a sequence that never lumps (multiples of the golden ratio), so that whoever of
/// them is left at the end is spread over the whole time, and in no order that anybody could notice.
pub fn turn(number: u64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    // Beyond that many the product has no fraction worth speaking of.
    ((number % (1 << 32)) as f64 * GOLDEN).fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(4);

    #[test]
    fn a_few_are_told_at_once_and_many_within_the_window() {
        assert!(Pace::of(2, WINDOW).told(1.0) <= Duration::from_millis(1));
        assert!(Pace::of(2, WINDOW).advice(1.0) < Duration::from_millis(510));
        assert_eq!(Pace::of(1_000, WINDOW).told(1.0), Duration::from_millis(500));
        for many in [10_000, 1_000_000, usize::MAX] {
            assert_eq!(Pace::of(many, WINDOW).told(1.0), WINDOW);
        }
        assert_eq!(Pace::of(10_000, Duration::ZERO).told(1.0), Duration::ZERO);
    }

    #[test]
    fn they_come_back_one_after_the_other_when_all_have_been_told() {
        let clients = 10_000;
        let pace = Pace::of(clients, WINDOW);
        let returns: Vec<Duration> = (0..clients)
            .map(|index| index as f64 / clients as f64)
            .map(|turn| pace.told(turn) + pace.advice(turn))
            .collect();
        assert!(returns[0] >= WINDOW + RESTART, "{:?}", returns[0]);
        assert!(returns.windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(RETURNS_APART) < Duration::from_micros(10)));
        // Ten thousand are back within half a minute of a restart, which leaves some of it for failed attempts.
        assert!(returns[clients - 1] < Duration::from_secs(15), "{:?}", returns[clients - 1]);
        assert!(Pace::of(usize::MAX, WINDOW).advice(1.0) <= RESTART + LONGEST_RETURN);
    }

    #[test]
    fn turns_are_spread_whoever_is_left() {
        for left in [Vec::from_iter(0..100_u64), Vec::from_iter(5_000..5_100), (0..300).step_by(3).collect()] {
            let mut turns: Vec<f64> = left.into_iter().map(turn).collect();
            turns.sort_by(f64::total_cmp);
            assert!(turns.windows(2).all(|pair| pair[1] - pair[0] < 0.05), "{turns:?}");
            assert!(turns[0] < 0.05 && turns[99] > 0.95);
        }
    }
}
