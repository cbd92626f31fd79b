//! A rate. It is fed with instants and reads no clock.

use std::time::{Duration, Instant};

/// A token bucket: `per_second` tokens flow in, at most `burst` are kept. Kept as one instant, as the generic cell rate
/// algorithm does (ITU-T I.371).
#[derive(Debug, Clone)]
pub struct Bucket {
    per_second: u32,
    burst: u32,
    /// When the bucket will be full again; `None` while nothing was taken. A token is `1 / per_second` of time.
    full_at: Option<Instant>,
}

impl Bucket {
    /// A full bucket. `per_second` 0 means no limit.
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst, full_at: None }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How long to wait for the next one, when there is none.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.take_many(1, now)
    }

    /// Takes so many tokens, or none of them.
    ///
    /// # Errors
    /// How long to wait for them. For more than the burst nobody can wait long enough.
    pub fn take_many(&mut self, tokens: u32, now: Instant) -> Result<(), Duration> {
        if self.per_second == 0 {
            return Ok(());
        }
        let second = Duration::from_secs(1);
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + second * tokens / self.per_second;
        let owed = full_at - now;
        let most = second * self.burst / self.per_second;
        if owed > most {
            return Err(owed - most);
        }
        self.full_at = Some(full_at);
        Ok(())
    }

    /// Whether it is as if nothing had ever been taken.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 20);
        for _ in 0..20 {
            bucket.take(start).unwrap();
        }
        assert_eq!(bucket.take(start), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(start + Duration::from_millis(40)), Err(Duration::from_millis(60)));
        bucket.take(start + Duration::from_millis(100)).unwrap();
        assert!(bucket.take(start + Duration::from_millis(100)).is_err());
        assert!(!bucket.is_full(start + Duration::from_millis(2_099)));
        assert!(bucket.is_full(start + Duration::from_millis(2_100)));
        for _ in 0..20 {
            bucket.take(start + Duration::from_secs(60)).unwrap();
        }
        assert!(bucket.take(start + Duration::from_secs(60)).is_err());
    }

    #[test]
    fn many_are_taken_together_or_not_at_all() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1_000, 2_000);
        bucket.take_many(1_500, start).unwrap();
        assert_eq!(bucket.take_many(700, start), Err(Duration::from_millis(200)));
        bucket.take_many(500, start).unwrap();
        assert_eq!(bucket.take_many(2_000, start), Err(Duration::from_secs(2)));
        bucket.take_many(2_000, start + Duration::from_secs(2)).unwrap();
        assert!(bucket.take_many(2_001, start + Duration::from_secs(60)).is_err());
    }

    #[test]
    fn zero_is_no_limit() {
        let now = Instant::now();
        let mut bucket = Bucket::new(0, 0);
        assert!((0..10_000).all(|_| bucket.take_many(u32::MAX, now).is_ok()));
        assert!(bucket.is_full(now));
    }

    #[test]
    fn no_rate_makes_it_panic() {
        let now = Instant::now();
        for per_second in [1, u32::MAX] {
            for burst in [0, 1, u32::MAX] {
                let mut bucket = Bucket::new(per_second, burst);
                _ = bucket.take_many(u32::MAX, now);
                _ = bucket.take(now);
            }
        }
    }
}
