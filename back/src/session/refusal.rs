//! Why something is not done, in words for whoever asked.

use shared::{ErrorBody, ErrorCode, MessageId, Refusal, Sentence, ServerMessage, limits};

use super::Action;
use crate::{limits::TooFast, metrics::Limit};

/// Why something is not done.
pub(super) struct Refused {
    error: Refusal,
    /// The limit that says so, if it is one.
    limit: Option<Limit>,
}

impl<E: Into<Refusal>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self { error: error.into(), limit: None }
    }
}

impl Refused {
    /// A limit says so.
    pub(super) fn by(limit: Limit, error: ErrorBody) -> Self {
        Self { error: Box::new(error), limit: Some(limit) }
    }

    /// Somebody is faster than their pace.
    pub(super) fn for_pace(too_fast: &TooFast) -> Self {
        let TooFast { limit, per_second, wait } = too_fast;
        let (text, hint) = match limit {
            Limit::SendBytesPerSecond => ("too many bytes of text", "send it again after retry_after_ms"),
            Limit::SendsPerSecondPerAddress => {
                ("too many messages come from this address", "send it again after retry_after_ms")
            }
            Limit::RequestsPerSecond => ("too many requests", "ask again after retry_after_ms"),
            _ => ("too many messages", "send it again after retry_after_ms"),
        };
        // Rounded up: who waits exactly so long is let through.
        let error = ErrorBody::new(ErrorCode::RateLimited, text).retry_after_ms(wait.as_millis() as u64 + 1);
        Self::by(*limit, error.limit(u64::from(*per_second)).hint(hint))
    }

    /// The answer to the message with this id.
    pub(super) fn answer(self, id: Option<MessageId>) -> Action {
        let error = ServerMessage::Error(Box::new(self.error.id(id)));
        match self.limit {
            Some(limit) => Action::Refuse(limit, error),
            None => Action::Say(error),
        }
    }
}

/// Numbers of messages begin with 1 and stay exact in every language.
pub(super) fn check_seq(field: &str, seq: u64) -> Result<(), Refusal> {
    if seq > 0 && seq <= limits::MAX_SAFE_INTEGER {
        return Ok(());
    }
    Err(ErrorBody::new(ErrorCode::BadField, format!("{field} is the seq of a message")).field(field).into())
}

/// A reason that says something.
pub(super) fn said(reason: Option<Sentence>) -> Option<Sentence> {
    reason.filter(|reason| !reason.is_empty())
}

/// Times that moderators set have bounds.
pub(super) fn check_seconds(seconds: u64, least: u64, most: u64) -> Result<(), Refusal> {
    if (least..=most).contains(&seconds) {
        return Ok(());
    }
    let error = ErrorBody::new(ErrorCode::BadField, format!("seconds is a number from {least} to {most}"));
    Err(error.field("seconds").got(&seconds.to_string()).limit(most).into())
}

/// Somebody speaks of a room in which they are not.
pub(super) fn not_joined() -> ErrorBody {
    let error = ErrorBody::new(ErrorCode::NotJoined, "you are not in that room").field("room");
    error.hint(r#"join it first: {"type":"join","room":"lobby"}"#)
}

/// A search without a word in it.
pub(super) fn nothing_to_look_for() -> ErrorBody {
    let error = ErrorBody::new(ErrorCode::BadField, "there is nothing to look for").field("text");
    error.hint("give a word, or the beginning of one")
}
