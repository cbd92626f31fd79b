//! What an error says.

use serde::{Deserialize, Serialize};

use crate::{moderation::Sentence, names::MessageId};

/// What can be wrong. The code is the contract; the text beside it is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not one JSON object.
    BadJson,
    /// A field is missing or not what it may be.
    BadField,
    /// No such `type`.
    UnknownType,
    /// The text is longer than allowed.
    TooBig,
    /// Too often; `retry_after_ms` says when.
    RateLimited,
    /// A ticket is needed, or a secret is not right.
    Unauthorized,
    /// Not allowed.
    Forbidden,
    /// Shut out by a moderator.
    Banned,
    /// Silenced by a moderator.
    Muted,
    /// There is no such room.
    NoRoom,
    /// In too many rooms, or there are too many.
    RoomLimit,
    /// Not in that room.
    NotJoined,
    /// A name of a person or a room is not allowed.
    BadName,
    /// There is no such message.
    NoSuchSeq,
    /// It is no longer kept.
    Expired,
    /// Binary messages mean nothing here.
    NoBinary,
    /// Too much to do just now.
    Overloaded,
    /// History cannot be written just now.
    StorageUnavailable,
    /// Something went wrong in the server.
    Internal,
    /// HTTP only: front cannot reach back.
    Unavailable,
    /// HTTP only: this front holds no such session; begin it again.
    NoSession,
    /// HTTP only: there is no such address.
    NotFound,
    /// HTTP only: the address is not spoken to with this method.
    WrongMethod,
}

/// The fields of an `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The request's, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MessageId>,
    /// The contract.
    pub code: ErrorCode,
    /// For people.
    pub text: String,
    /// Whether the same request may succeed later.
    pub retry: bool,
    /// When, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Which field was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What it was, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// What it may be at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// A moderator's words, where one is the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Sentence>,
}

/// A wrong value is repeated up to so many characters.
const GOT_CHARS: usize = 40;

impl ErrorBody {
    /// An error that trying again does not mend, unless its code says otherwise.
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        let retry = matches!(
            code,
            ErrorCode::RateLimited
                | ErrorCode::Overloaded
                | ErrorCode::StorageUnavailable
                | ErrorCode::Internal
                | ErrorCode::Unavailable
        );
        let text = text.into();
        Self {
            id: None,
            code,
            text,
            retry,
            retry_after_ms: None,
            field: None,
            got: None,
            limit: None,
            hint: None,
            reason: None,
        }
    }

    /// The request's `id`.
    #[must_use]
    pub fn id(self, id: Option<MessageId>) -> Self {
        Self { id, ..self }
    }

    /// Which field was wrong.
    #[must_use]
    pub fn field(self, field: &str) -> Self {
        Self { field: Some(field.to_owned()), ..self }
    }

    /// What it was; shortened, so that an error is never longer than what caused it by much.
    #[must_use]
    pub fn got(self, got: &str) -> Self {
        let short: String = got.chars().take(GOT_CHARS).collect();
        let got = if short.len() < got.len() { format!("{short}…") } else { short };
        Self { got: Some(got), ..self }
    }

    /// What it may be at most.
    #[must_use]
    pub fn limit(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// When trying again may succeed.
    #[must_use]
    pub fn retry_after_ms(self, after: u64) -> Self {
        Self { retry: true, retry_after_ms: Some(after), ..self }
    }

    /// A moderator's words.
    #[must_use]
    pub fn reason(self, reason: Option<Sentence>) -> Self {
        Self { reason, ..self }
    }

    /// What to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Why something was refused: the `error` to send, with the `id` where one could be read.
pub type Refusal = Box<ErrorBody>;
