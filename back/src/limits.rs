//! Rates. Pure: a bucket is fed with instants.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A token bucket: `per_second` tokens flow in, at most `burst` are kept.
#[derive(Debug, Clone)]
pub struct Bucket {
    per_second: u32,
    burst: u32,
    /// The moment at which the bucket was, or would have been, empty; a token is `1 / per_second` of time.
    empty_at: Option<Instant>,
}

impl Bucket {
    /// A full bucket. `per_second` 0 means no limit.
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst, empty_at: None }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How long to wait for the next one, when there is none.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if self.per_second == 0 {
            return Ok(());
        }
        let token = Duration::from_secs(1) / self.per_second;
        let full = token * self.burst;
        let filled = self.empty_at.map_or(full, |empty_at| now.saturating_duration_since(empty_at).min(full));
        if filled < token {
            return Err(token - filled);
        }
        // Time that would make `now - x` underflow is time in which the bucket was full anyway.
        self.empty_at = now.checked_sub(filled - token).or(Some(now));
        Ok(())
    }
}

/// A bucket that outlives the connection that takes from it: who reconnects finds it as it was.
#[derive(Debug, Clone)]
pub struct SharedBucket(Arc<Mutex<Bucket>>);

impl SharedBucket {
    /// Shares a bucket.
    pub fn new(bucket: Bucket) -> Self {
        Self(Arc::new(Mutex::new(bucket)))
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How long to wait for the next one, when there is none.
    pub fn take(&self, now: Instant) -> Result<(), Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut bucket = Bucket::new(10, 20);
        for _ in 0..20 {
            bucket.take(start).unwrap();
        }
        assert_eq!(bucket.take(start), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(start + Duration::from_millis(40)), Err(Duration::from_millis(60)));
        bucket.take(start + Duration::from_millis(100)).unwrap();
        assert!(bucket.take(start + Duration::from_millis(100)).is_err());
        for _ in 0..20 {
            bucket.take(start + Duration::from_secs(60)).unwrap();
        }
        assert!(bucket.take(start + Duration::from_secs(60)).is_err());
    }

    #[test]
    fn zero_is_no_limit() {
        let now = Instant::now();
        let mut bucket = Bucket::new(0, 0);
        assert!((0..10_000).all(|_| bucket.take(now).is_ok()));
    }
}
