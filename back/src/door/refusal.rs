//! Why somebody stays outside, and what they are told.

use shared::{CloseCode, ErrorBody, ErrorCode, TicketError};

use crate::{identity::IdentityError, metrics::Tried};

/// Why somebody stays outside.
#[derive(Debug)]
pub struct TurnedAway {
    /// What they are told.
    pub error: Box<ErrorBody>,
    /// What their connection is closed with.
    pub code: CloseCode,
    /// What is counted.
    pub why: Tried,
}

/// Why nobody can be judged.
#[derive(Debug)]
pub enum Outside {
    /// They are to stay outside.
    TurnedAway(TurnedAway),
    /// There is no identity for them.
    Identity(IdentityError),
}

impl<E: Into<IdentityError>> From<E> for Outside {
    fn from(error: E) -> Self {
        Self::Identity(error.into())
    }
}

impl From<TurnedAway> for Outside {
    fn from(turned: TurnedAway) -> Self {
        Self::TurnedAway(turned)
    }
}

/// Nobody comes in without a ticket.
pub(super) fn no_ticket() -> TurnedAway {
    let error = ErrorBody::new(ErrorCode::Unauthorized, "nobody comes in here without a ticket").field("ticket");
    let error = error.hint("sign in where this server's pages are, or come from the application that it belongs to");
    TurnedAway { error: Box::new(error), code: CloseCode::Unauthorized, why: Tried::Missing }
}

/// A ticket that never was any good here.
pub(super) fn foreign(text: &str, why: Tried) -> TurnedAway {
    let error = ErrorBody::new(ErrorCode::Unauthorized, text).field("ticket");
    let error = error.hint("tickets are described in docs/protocol.md; both sides need the same key");
    TurnedAway { error: Box::new(error), code: CloseCode::Unauthorized, why }
}

/// A ticket that is no good any more: another one may be.
pub(super) fn another(text: &str, why: Tried) -> TurnedAway {
    let error = ErrorBody::new(ErrorCode::Unauthorized, text).field("ticket");
    let error = error.hint("a ticket is for one hello within 30 s: fetch another");
    TurnedAway { error: Box::new(error), code: CloseCode::TicketExpired, why }
}

/// A ticket that cannot be opened.
pub(super) fn unopened(error: &TicketError) -> TurnedAway {
    let text = error.to_string();
    match error {
        TicketError::Expired => another(&text, Tried::Expired),
        TicketError::Foreign => foreign(&text, Tried::Foreign),
        TicketError::Malformed(_) => foreign(&text, Tried::Malformed),
        TicketError::Early => foreign(&text, Tried::Early),
    }
}

/// A session of another person.
pub(super) fn somebody_elses() -> TurnedAway {
    let error = ErrorBody::new(ErrorCode::Unauthorized, "this session belongs to somebody else").field("session");
    let error = error.hint("leave it out to begin a new one");
    TurnedAway { error: Box::new(error), code: CloseCode::Unauthorized, why: Tried::Session }
}

/// A ticket when no more of its kind than `limit` can be remembered.
pub(super) fn too_many(text: &str, limit: usize, hint: &str) -> TurnedAway {
    let error = ErrorBody::new(ErrorCode::Overloaded, text).limit(limit as u64).retry_after_ms(1_000).hint(hint);
    TurnedAway { error: Box::new(error), code: CloseCode::Overloaded, why: Tried::TooMany }
}

/// A sign-in that ended.
pub(super) fn over() -> TurnedAway {
    TurnedAway { error: signed_out(), code: CloseCode::Unauthorized, why: Tried::Over }
}

/// What who was signed out is told.
pub(super) fn signed_out() -> Box<ErrorBody> {
    let error = ErrorBody::new(ErrorCode::Unauthorized, "this sign-in is over").field("ticket");
    Box::new(error.hint("sign in again"))
}
