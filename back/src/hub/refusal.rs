//! What history refused or could not do, as the protocol says it.

use shared::{ErrorBody, ErrorCode, MessageId, ServerMessage};

use crate::history::{Refusal, Unavailable};

/// When to try again what history could not do.
const RETRY_MS: u64 = 1_000;

/// The answer to a change that was refused.
pub(super) fn refused(refusal: Refusal, id: Option<MessageId>) -> ServerMessage {
    let (code, hint) = match refusal {
        Refusal::TooManyRooms => (ErrorCode::RoomLimit, "nothing was stored; say it in a room that exists"),
        Refusal::Unavailable => (ErrorCode::StorageUnavailable, "nothing was stored; send it again with the same id"),
        Refusal::NoSuchMessage => {
            (ErrorCode::NoSuchSeq, "seq is that of a message; edits and deletions are not changed")
        }
        Refusal::Expired => (ErrorCode::Expired, "it cannot be changed any more"),
        Refusal::NotYours => (ErrorCode::Forbidden, "only its sender can change it"),
        Refusal::NotYet => (ErrorCode::NoSuchSeq, "mark a message that you were sent"),
    };
    let body = ErrorBody::new(code, refusal.to_string()).hint(hint);
    let body = if body.retry { body.retry_after_ms(RETRY_MS) } else { body };
    ServerMessage::Error(Box::new(body.id(id)))
}

/// The answer to whatever needs to read history when that cannot be read.
pub fn unavailable(error: Unavailable) -> Box<ErrorBody> {
    let body = match error {
        Unavailable::Broken(_) => {
            tracing::error!(%error, "a request was not answered");
            let body = ErrorBody::new(ErrorCode::StorageUnavailable, "history cannot be read just now");
            body.hint("ask again later")
        }
        Unavailable::TooLong => ErrorBody::new(ErrorCode::Overloaded, error.to_string()).hint("look for longer words"),
        Unavailable::Crowded => {
            ErrorBody::new(ErrorCode::Overloaded, error.to_string()).hint("ask again after retry_after_ms")
        }
    };
    Box::new(body.retry_after_ms(RETRY_MS))
}
