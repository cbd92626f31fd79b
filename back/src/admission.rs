//! Who may come in just now: seats for all connections, what one address may have of them, and whether the line of those
//! who are being let in is short enough. It keeps count and words refusals; it reads and writes nothing.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use service::{
    live::Live,
    visitors::{Allowed, Turned, Visitors},
};
use shared::{Address, TrustedProxies};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{arrivals::Arrivals, handshake::Reply, limits::Visit, metrics::Refused};

/// Whoever is refused at one moment comes back over so many seconds.
const SPREAD_SECONDS: u64 = 5;

/// When to look again for a place that somebody at the same address may leave.
const PLACE_SECONDS: u64 = 10;

/// Who may come in.
pub struct Admission {
    seats: Arc<Semaphore>,
    addresses: Arc<Visitors<Address>>,
    trusted: Live<TrustedProxies>,
    arrivals: Arc<Arrivals>,
    spread: Spread,
}

/// A connection that may come in; dropping it makes place for another.
pub struct Place {
    _seat: OwnedSemaphorePermit,
    visit: Option<Arc<Visit>>,
}

/// Why somebody may not come in, and what to tell them.
pub struct NotNow {
    /// The word for it.
    pub why: Refused,
    /// The answer.
    pub reply: Reply,
}

/// Gives each who asks another time of the next seconds.
#[derive(Default)]
struct Spread(AtomicU64);

impl Spread {
    fn next(&self) -> u64 {
        1 + self.0.fetch_add(1, Ordering::Relaxed) % SPREAD_SECONDS
    }
}

impl Admission {
    /// Nobody is in, and so many may be. A proxy that is `trusted` is not counted itself, only those it names.
    pub fn new(connections: usize, allowed: Allowed, trusted: Live<TrustedProxies>, arrivals: Arc<Arrivals>) -> Self {
        Self {
            seats: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            addresses: Visitors::new(allowed),
            trusted,
            arrivals,
            spread: Spread::default(),
        }
    }

    /// Proxies whose word about an address counts.
    pub fn trusted(&self) -> Arc<TrustedProxies> {
        self.trusted.now()
    }

    /// A place for somebody who has just connected, before a byte of theirs is read.
    ///
    /// # Errors
    /// Why there is none.
    pub fn accept(&self, peer: IpAddr, now: Instant) -> Result<Place, NotNow> {
        let visit = self.visit(peer, now)?;
        let seat = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| {
            self.later(Refused::Full, "There is no room for another connection just now.", self.spread.next())
        })?;
        Ok(Place { _seat: seat, visit })
    }

    /// The same, now that a trusted proxy has named whose connection it is.
    ///
    /// # Errors
    /// Why there is no place for them.
    pub fn name(&self, place: &mut Place, client: IpAddr, now: Instant) -> Result<(), NotNow> {
        if place.visit.is_none() {
            place.visit = self.visit(client, now)?;
        }
        Ok(())
    }

    /// Whether there is time for somebody else's arrival.
    ///
    /// # Errors
    /// When to come back.
    pub fn arrive(&self) -> Result<(), NotNow> {
        self.arrivals.look().map_err(|wait| {
            let seconds = wait.as_secs_f64().ceil() as u64;
            self.later(Refused::Overloaded, "Too many are coming in at this moment.", seconds)
        })
    }

    fn visit(&self, client: IpAddr, now: Instant) -> Result<Option<Arc<Visit>>, NotNow> {
        // This machine, and whoever may speak for others: they may be everybody.
        let Some(address) = Address::of(client).filter(|_| !self.trusted.now().trusts(client)) else { return Ok(None) };
        let turned = match self.addresses.come(address, now) {
            Ok(visit) => return Ok(Some(Arc::new(visit))),
            Err(turned) => turned,
        };
        let Allowed { at_once, comes_per_second, .. } = self.addresses.allowed();
        let (why, sentence, seconds) = match turned {
            Turned::TooMany => {
                let sentence = format!("There are {at_once} connections from your address already; close one first.");
                (Refused::TooMany, sentence, PLACE_SECONDS)
            }
            Turned::TooFast(wait) => {
                let sentence = format!("Your address connects more than {comes_per_second} times a second.");
                (Refused::TooFast, sentence, self.spread.next().max(wait.as_secs() + 1))
            }
        };
        Err(self.later(why, &sentence, seconds))
    }

    fn later(&self, why: Refused, sentence: &str, seconds: u64) -> NotNow {
        let status = if matches!(why, Refused::TooMany | Refused::TooFast) { 429 } else { 503 };
        let sentence = format!("{sentence} Try again in {seconds} s.");
        NotNow { why, reply: Reply::refuse(status, &sentence).header("Retry-After", &seconds.to_string()) }
    }
}

impl Place {
    /// What it counts as at its address, if it is counted.
    pub fn visit(&self) -> Option<&Arc<Visit>> {
        self.visit.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn admission(connections: usize, at_once: u32, per_second: u32) -> Admission {
        let allowed = Allowed {
            at_once,
            comes_per_second: per_second,
            comes_burst: per_second,
            acts_per_second: 0,
            acts_burst: 0,
        };
        let trusted = Live::new("127.0.0.0/8,::1,10.0.0.1".parse().unwrap());
        Admission::new(connections, allowed, trusted, Arrivals::new(1, Duration::ZERO, Arc::default()))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn why(answer: Result<Place, NotNow>) -> Option<Refused> {
        answer.err().map(|not_now| not_now.why)
    }

    #[test]
    fn an_address_has_its_share_and_this_machine_has_no_address() {
        let admission = admission(1_000, 2, 0);
        let now = Instant::now();
        let _here: Vec<_> =
            ["192.0.2.1", "192.0.2.1", "2001:db8::1", "2001:db8::2"].map(|peer| admission.accept(ip(peer), now)).into();
        for peer in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::3"] {
            let Err(not_now) = admission.accept(ip(peer), now) else { panic!("{peer}") };
            let text = String::from_utf8(not_now.reply.to_bytes(false)).unwrap();
            assert!(text.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{text}");
            assert!(text.contains("\r\nRetry-After: 10\r\n") && text.contains("2 connections from your address"));
        }
        for peer in ["192.0.2.2", "2001:db8:0:1::1"] {
            assert!(admission.accept(ip(peer), now).is_ok(), "{peer}");
        }
        for peer in ["127.0.0.1", "::1", "10.0.0.1"] {
            let many: Vec<_> = (0..100).map(|_| admission.accept(ip(peer), now)).collect();
            assert!(many.iter().all(Result::is_ok), "{peer}");
        }
    }

    #[test]
    fn a_trusted_proxy_names_whose_connection_it_is() {
        let admission = admission(1_000, 1, 0);
        let now = Instant::now();
        let mut one = admission.accept(ip("10.0.0.1"), now).ok().unwrap();
        let mut two = admission.accept(ip("127.0.0.1"), now).ok().unwrap();
        assert!(admission.name(&mut one, ip("192.0.2.1"), now).is_ok());
        let refused = admission.name(&mut two, ip("192.0.2.1"), now).err().unwrap();
        assert_eq!(refused.why, Refused::TooMany);
        assert_eq!(why(admission.accept(ip("192.0.2.1"), now)), Some(Refused::TooMany), "over whatever way");
        drop(one);
        assert!(admission.name(&mut two, ip("192.0.2.1"), now).is_ok());
    }

    #[test]
    fn who_is_refused_at_one_moment_comes_back_over_seconds() {
        let admission = admission(1, 0, 3);
        let now = Instant::now();
        let _seat = admission.accept(ip("127.0.0.1"), now);
        let mut full: Vec<_> = (0..SPREAD_SECONDS).map(|_| admission.accept(ip("127.0.0.1"), now)).collect();
        full.dedup_by_key(|refused| refused.as_ref().err().map(|not_now| not_now.reply.to_bytes(false)));
        assert_eq!(full.len(), SPREAD_SECONDS as usize);
        for _ in 0..3 {
            assert_eq!(why(admission.accept(ip("192.0.2.1"), now)), Some(Refused::Full));
        }
        assert_eq!(why(admission.accept(ip("192.0.2.1"), now)), Some(Refused::TooFast));
    }

    #[tokio::test]
    async fn whom_arrivals_have_no_time_for_is_told_when_to_come_back() {
        let admission = admission(1_000, 0, 0);
        let arriving = admission.arrivals.begin().await.unwrap();
        let NotNow { why, reply } = admission.arrive().err().unwrap();
        assert_eq!(why, Refused::Overloaded);
        let text = String::from_utf8(reply.to_bytes(false)).unwrap();
        assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("\r\nRetry-After: 1\r\n"), "{text}");
        drop(arriving);
        assert!(admission.arrive().is_ok());
    }
}
