//! Places for those who wait, stream or say something, and how fast one address may ask.

use std::time::Instant;

use service::visitors::Visit;
use shared::{Address, ErrorBody, ErrorCode};

use super::{Bridge, told::overloaded};
use crate::metrics::{Limit, Open, Seat};

/// When to look again for a place that another reader at the same address may leave.
const READER_RETRY_MS: u64 = 10_000;

/// A place of somebody who waits or streams.
pub(crate) struct ReaderSeat {
    _seat: Seat,
    _visit: Option<Visit<Address>>,
}

impl Bridge {
    /// Takes a place among those who wait or stream, for this, and for somebody at an address that is counted.
    ///
    /// # Errors
    /// `overloaded` when there is none, `rate_limited` when the address has as many as it may.
    pub(crate) fn seat(&self, what: Open, from: Option<Address>) -> Result<ReaderSeat, Box<ErrorBody>> {
        let visit = from.map(|from| self.addresses.come(from, Instant::now())).transpose();
        let Ok(visit) = visit else {
            self.metrics().hit(Limit::ReadersPerAddress);
            let text = "too many streams and waiting polls at once come from this address";
            let error = ErrorBody::new(ErrorCode::RateLimited, text).retry_after_ms(READER_RETRY_MS);
            let error = error.limit(u64::from(self.limits.addresses.at_once));
            return Err(Box::new(error.hint("end one first, or ask again after retry_after_ms")));
        };
        let seat = self.metrics().seat(&self.readers, what, Limit::Readers);
        let seat = seat.ok_or_else(|| too_many("too many streams and waiting polls at once", self.limits.readers))?;
        Ok(ReaderSeat { _seat: seat, _visit: visit })
    }

    /// Whether somebody at an address that is counted may ask back something now.
    ///
    /// # Errors
    /// `rate_limited` when the address asks too fast.
    pub(crate) fn may_ask(&self, from: Option<Address>) -> Result<(), Box<ErrorBody>> {
        let Some(Err(wait)) = from.map(|from| self.addresses.act(from, Instant::now())) else { return Ok(()) };
        self.metrics().hit(Limit::QuestionsPerSecondPerAddress);
        let error = ErrorBody::new(ErrorCode::RateLimited, "too many questions come from this address");
        let error = error.retry_after_ms(wait.as_millis() as u64 + 1);
        let error = error.limit(u64::from(self.limits.addresses.acts_per_second));
        Err(Box::new(error.hint("ask again after retry_after_ms")))
    }

    /// Takes a place among those who say something, before their body is read.
    ///
    /// # Errors
    /// `overloaded` when there is none.
    pub(crate) fn post(&self) -> Result<Seat, Box<ErrorBody>> {
        let post = self.metrics().seat(&self.posts, Open::Post, Limit::Posts);
        post.ok_or_else(|| too_many("too many requests say something at once", self.limits.posts))
    }
}

pub(super) fn too_many(text: &str, limit: usize) -> Box<ErrorBody> {
    Box::new(overloaded(text).limit(limit as u64))
}
