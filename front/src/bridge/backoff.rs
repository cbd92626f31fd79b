//! How long to wait before trying again. Pure but for the random number, which is given to it.

use std::time::Duration;

/// The first wait is at most this.
const FIRST: Duration = Duration::from_millis(200);

/// No wait is longer than this: readers wait for it here, and of front there are few.
const LONGEST: Duration = Duration::from_secs(2);

/// Doubling waits with full jitter: many who lost the same server do not come back at the same moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked: the next wait is short again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed once more: how long to wait, from `random`, evenly spread over all numbers.
    pub(crate) fn next(&mut self, random: u64) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let ms = longest.as_millis() as u64;
        Duration::from_millis(random % (ms + 1))
    }
}

/// A random number for [`Backoff::next`]. Where the system has none, everybody waits equally long: no secret is at stake.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_success() {
        let mut backoff = Backoff::default();
        let longest = |backoff: &mut Backoff| {
            let before = backoff.failures;
            let mut most = Duration::ZERO;
            for random in 0..20_000 {
                backoff.failures = before;
                most = most.max(backoff.next(random));
            }
            most
        };
        assert_eq!(longest(&mut backoff), FIRST);
        assert_eq!(longest(&mut backoff), FIRST * 2);
        for _ in 0..100 {
            backoff.next(0);
        }
        assert_eq!(longest(&mut backoff), LONGEST);
        backoff.reset();
        assert_eq!(longest(&mut backoff), FIRST);
    }
}
