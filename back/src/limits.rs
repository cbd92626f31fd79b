//! How fast somebody may act: what one session sends, what one connection asks, and what an address does in all. Pure: it
//! is fed with instants.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub use service::bucket::Bucket;
use service::visitors;
use shared::{Address, limits::MESSAGE_BYTES};

use crate::metrics::Limit;

/// A connection from an address that is counted.
pub type Visit = visitors::Visit<Address>;

/// Tokens of a session or connection are kept for so many seconds.
const BURST_SECONDS: u32 = 2;

/// Requests may come at once in this many times the number of a second: a page that opens asks for much.
const REQUESTS_BURST: u32 = 5;

/// Rates that an operator may set; 0 is no limit.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Messages per second and session, over a burst of twice as many.
    pub sends: u32,
    /// Bytes of their texts, over a burst of twice as many, and of the largest message.
    pub send_bytes: u32,
    /// Requests of any other kind per second and connection, over a burst of five times as many.
    pub requests: u32,
}

/// Something came too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFast {
    /// Which limit says so.
    pub limit: Limit,
    /// What it allows in a second.
    pub per_second: u32,
    /// When it may come again.
    pub wait: Duration,
}

/// What a session may send. It outlives the connection that sends: who reconnects finds it as it was.
#[derive(Debug, Clone)]
pub struct Sends(Arc<Mutex<[Bucket; 2]>>);

impl Sends {
    /// What a new session may send.
    pub fn new(rates: &Rates) -> Self {
        let messages = Bucket::new(rates.sends, rates.sends.saturating_mul(BURST_SECONDS));
        // Whatever may be sent at all can be sent in time.
        let bytes = rates.send_bytes.saturating_mul(BURST_SECONDS).max(MESSAGE_BYTES as u32);
        Self(Arc::new(Mutex::new([messages, Bucket::new(rates.send_bytes, bytes)])))
    }

    fn take(&self, bytes: u32, now: Instant) -> Result<(), (Limit, Duration)> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [messages, texts] = &mut *buckets;
        let mut fewer = messages.clone();
        fewer.take(now).map_err(|wait| (Limit::SendsPerSecond, wait))?;
        texts.take_many(bytes, now).map_err(|wait| (Limit::SendBytesPerSecond, wait))?;
        *messages = fewer;
        Ok(())
    }
}

/// What one connection may ask, from an address that is counted or from none.
pub fn requests(rates: &Rates, is_counted: bool) -> Bucket {
    let per_second = if is_counted { rates.requests } else { 0 };
    Bucket::new(per_second, per_second.saturating_mul(REQUESTS_BURST))
}

/// How fast one connection may act.
#[derive(Debug)]
pub struct Pace {
    rates: Rates,
    sends: Sends,
    requests: Bucket,
    /// Nothing for this machine, and for proxies that speak for themselves.
    visit: Option<Arc<Visit>>,
}

impl Pace {
    /// The pace of a session's connection from an address that is counted, or from none.
    ///
    /// Without one it may ask as fast as it likes: `front` asks for all its readers on a few connections, and whoever
    /// sits at this machine has other ways to keep it busy.
    pub fn new(rates: Rates, sends: Sends, visit: Option<Arc<Visit>>) -> Self {
        let requests = requests(&rates, visit.is_some());
        Self { rates, sends, requests, visit }
    }

    /// Somebody says something with so many bytes of text.
    ///
    /// # Errors
    /// What it is too fast for. The session's own limits come first: who passes over them takes nothing from others at
    /// the same address.
    pub fn send(&self, bytes: usize, now: Instant) -> Result<(), TooFast> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.sends.take(bytes, now).map_err(|(limit, wait)| {
            let per_second = if limit == Limit::SendsPerSecond { self.rates.sends } else { self.rates.send_bytes };
            TooFast { limit, per_second, wait }
        })?;
        let Some(visit) = &self.visit else { return Ok(()) };
        let per_second = visit.allowed().acts_per_second;
        visit.act(now).map_err(|wait| TooFast { limit: Limit::SendsPerSecondPerAddress, per_second, wait })
    }

    /// Somebody asks for anything else.
    ///
    /// # Errors
    /// That they ask too fast.
    pub fn request(&mut self, now: Instant) -> Result<(), TooFast> {
        let (limit, per_second) = (Limit::RequestsPerSecond, self.rates.requests);
        self.requests.take(now).map_err(|wait| TooFast { limit, per_second, wait })
    }
}

#[cfg(test)]
mod tests {
    use service::visitors::{Allowed, Visitors};

    use super::*;

    const RATES: Rates = Rates { sends: 10, send_bytes: 50_000, requests: 4 };

    fn visit() -> Arc<Visit> {
        let allowed = Allowed { at_once: 0, comes_per_second: 0, comes_burst: 0, acts_per_second: 15, acts_burst: 30 };
        let address = Address::parse("192.0.2.1").unwrap();
        Arc::new(Visitors::new(allowed).come(address, Instant::now()).unwrap())
    }

    fn limit(sent: Result<(), TooFast>) -> Option<Limit> {
        sent.err().map(|too_fast| too_fast.limit)
    }

    #[test]
    fn a_session_has_a_rate_of_messages_and_one_of_bytes() {
        let now = Instant::now();
        let pace = Pace::new(RATES, Sends::new(&RATES), None);
        for _ in 0..6 {
            pace.send(16_384, now).unwrap();
        }
        let error = pace.send(16_384, now).unwrap_err();
        assert_eq!((error.limit, error.per_second), (Limit::SendBytesPerSecond, 50_000));
        // Fourteen tokens are left: what was refused took none.
        for _ in 0..14 {
            pace.send(1, now).unwrap();
        }
        assert_eq!(limit(pace.send(1, now)), Some(Limit::SendsPerSecond));
        pace.send(16_384, now + Duration::from_secs(1)).unwrap();
    }

    #[test]
    fn the_largest_text_can_always_be_sent() {
        let now = Instant::now();
        let slow = Rates { send_bytes: 1, ..RATES };
        let pace = Pace::new(slow, Sends::new(&slow), None);
        pace.send(MESSAGE_BYTES, now).unwrap();
        assert_eq!(limit(pace.send(1, now)), Some(Limit::SendBytesPerSecond));
    }

    #[test]
    fn an_address_has_a_rate_that_its_sessions_share() {
        let now = Instant::now();
        let visit = visit();
        let pace = || Pace::new(RATES, Sends::new(&RATES), Some(Arc::clone(&visit)));
        let (one, two) = (pace(), pace());
        for _ in 0..20 {
            one.send(1, now).unwrap();
        }
        for _ in 0..100 {
            // One floods, and takes nothing from the other with it.
            assert_eq!(limit(one.send(1, now)), Some(Limit::SendsPerSecond));
        }
        for _ in 0..10 {
            two.send(1, now).unwrap();
        }
        assert_eq!(limit(two.send(1, now)), Some(Limit::SendsPerSecondPerAddress));
    }

    #[test]
    fn requests_have_a_rate_where_they_come_from_an_address() {
        let now = Instant::now();
        let mut pace = Pace::new(RATES, Sends::new(&RATES), Some(visit()));
        for _ in 0..20 {
            pace.request(now).unwrap();
        }
        assert_eq!(pace.request(now).unwrap_err().wait, Duration::from_millis(250));
        let mut local = Pace::new(RATES, Sends::new(&RATES), None);
        assert!((0..1_000).all(|_| local.request(now).is_ok()));
    }
}
