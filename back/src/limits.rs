//! Rates. Pure: a bucket is fed with instants.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

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
        if self.per_second == 0 {
            return Ok(());
        }
        let token = Duration::from_secs(1) / self.per_second;
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + token;
        let owed = full_at - now;
        let most = token * self.burst;
        if owed > most {
            return Err(owed - most);
        }
        self.full_at = Some(full_at);
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
        let start = Instant::now();
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
