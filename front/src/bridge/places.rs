//! Places for those who wait, stream, say or search something, each kind with its share for one address, and how fast one
//! address may ask.

use std::{sync::Arc, time::Instant};

use service::visitors::{Allowed, Visit, Visitors};
use shared::{Address, ErrorBody, ErrorCode};
use tokio::sync::Semaphore;

use super::{Bridge, told::overloaded};
use crate::metrics::{Limit, Metrics, Open, Seat};

/// What one address may have where it is counted how much of something it has at once, and not how fast.
const fn at_once(at_once: u32) -> Allowed {
    Allowed { at_once, comes_per_second: 0, comes_burst: 0, acts_per_second: 0, acts_burst: 0 }
}

/// Places of one kind.
pub(super) struct Places {
    all: Arc<Semaphore>,
    number: usize,
    addresses: Arc<Visitors<Address>>,
    kind: &'static Kind,
}

/// What places are for.
struct Kind {
    /// What there is too much of, for people.
    name: &'static str,
    of_all: Limit,
    of_address: Limit,
    /// When to look again for a place that another at the same address may leave, in milliseconds.
    retry_ms: u64,
}

const READERS: Kind = Kind {
    name: "streams and waiting polls",
    of_all: Limit::Readers,
    of_address: Limit::ReadersPerAddress,
    retry_ms: 10_000,
};

const POSTS: Kind = Kind {
    name: "requests that say something",
    of_all: Limit::Posts,
    of_address: Limit::PostsPerAddress,
    retry_ms: 1_000,
};

const SEARCHES: Kind =
    Kind { name: "searches", of_all: Limit::Searches, of_address: Limit::SearchesPerAddress, retry_ms: 1_000 };

/// A place that is taken.
#[derive(Debug)]
pub(crate) struct Place {
    _seat: Seat,
    _visit: Option<Visit<Address>>,
}

impl Places {
    pub(super) fn for_readers(number: usize, each: Allowed) -> Self {
        Self::new(number, each, &READERS)
    }

    pub(super) fn for_posts(number: usize, each: u32) -> Self {
        Self::new(number, at_once(each), &POSTS)
    }

    pub(super) fn for_searches(number: usize, each: u32) -> Self {
        Self::new(number, at_once(each), &SEARCHES)
    }

    fn new(number: usize, each: Allowed, kind: &'static Kind) -> Self {
        let all = Arc::new(Semaphore::new(number.min(Semaphore::MAX_PERMITS)));
        Self { all, number, addresses: Visitors::new(each), kind }
    }

    /// Takes one for somebody at an address, where that is counted.
    fn take(&self, metrics: &Arc<Metrics>, what: Open, from: Option<Address>) -> Result<Place, Box<ErrorBody>> {
        let visit = from.map(|from| self.addresses.come(from, Instant::now())).transpose();
        let Ok(visit) = visit else {
            metrics.hit(self.kind.of_address);
            let text = format!("too many {} at once come from this address", self.kind.name);
            let error = ErrorBody::new(ErrorCode::RateLimited, text).retry_after_ms(self.kind.retry_ms);
            let error = error.limit(u64::from(self.addresses.allowed().at_once));
            return Err(Box::new(error.hint("end one first, or ask again after retry_after_ms")));
        };
        let seat = metrics.seat(&self.all, what, self.kind.of_all);
        let seat = seat.ok_or_else(|| too_many(&format!("too many {} at once", self.kind.name), self.number))?;
        Ok(Place { _seat: seat, _visit: visit })
    }
}

impl Bridge {
    /// Takes a place among those who wait or stream, for this, and for somebody at an address that is counted.
    ///
    /// # Errors
    /// `overloaded` when there is none, `rate_limited` when the address has as many as it may.
    pub(crate) fn seat(&self, what: Open, from: Option<Address>) -> Result<Place, Box<ErrorBody>> {
        self.readers.take(self.metrics(), what, from)
    }

    /// Whether somebody at an address that is counted may ask back something now.
    ///
    /// # Errors
    /// `rate_limited` when the address asks too fast.
    pub(crate) fn may_ask(&self, from: Option<Address>) -> Result<(), Box<ErrorBody>> {
        let addresses = &self.readers.addresses;
        let Some(Err(wait)) = from.map(|from| addresses.act(from, Instant::now())) else { return Ok(()) };
        self.metrics().hit(Limit::QuestionsPerSecondPerAddress);
        let error = ErrorBody::new(ErrorCode::RateLimited, "too many questions come from this address");
        let error = error.retry_after_ms(wait.as_millis() as u64 + 1);
        let error = error.limit(u64::from(addresses.allowed().acts_per_second));
        Err(Box::new(error.hint("ask again after retry_after_ms")))
    }

    /// Takes a place among those who say something, before their body is read: whoever is slow holds a place, and nothing
    /// else.
    ///
    /// # Errors
    /// As [`Self::seat`].
    pub(crate) fn post(&self, from: Option<Address>) -> Result<Place, Box<ErrorBody>> {
        self.posts.take(self.metrics(), Open::Post, from)
    }

    /// Takes a place among those who search.
    pub(super) fn searcher(&self, from: Option<Address>) -> Result<Place, Box<ErrorBody>> {
        self.searches.take(self.metrics(), Open::Search, from)
    }
}

pub(super) fn too_many(text: &str, limit: usize) -> Box<ErrorBody> {
    Box::new(overloaded(text).limit(limit as u64))
}
