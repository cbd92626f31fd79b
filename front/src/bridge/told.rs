//! What front has to know of what back tells it: a few fields of any message. The rest stays as it came.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::{Epoch, ErrorBody, ErrorCode, Gap, GapReason, RoomName};

use super::encoded::Encoded;

/// A message from back, as far as front reads it.
#[derive(Debug, Deserialize)]
pub(crate) struct Told<'a> {
    /// What it is.
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    /// What it answers.
    #[serde(default, borrow)]
    pub(crate) id: Option<Cow<'a, str>>,
    /// Which room it is about.
    #[serde(default, borrow)]
    pub(crate) room: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) epoch: Option<Epoch>,
    #[serde(default)]
    pub(crate) first: Option<u64>,
    #[serde(default)]
    pub(crate) top: Option<u64>,
    #[serde(default)]
    pub(crate) seq: Option<u64>,
}

/// The error in an `error`.
pub(crate) fn error_of(text: &[u8]) -> Box<ErrorBody> {
    // A code that this front does not know is the server's fault as far as anybody here can tell.
    serde_json::from_slice(text).unwrap_or_else(|_| {
        Box::new(ErrorBody::new(ErrorCode::Internal, "the chat server refused it in words not known here"))
    })
}

/// Back cannot be reached.
pub(crate) fn unavailable() -> Box<ErrorBody> {
    let error = ErrorBody::new(ErrorCode::Unavailable, "the chat server cannot be reached just now");
    Box::new(error.retry_after_ms(RETRY_MS).hint("ask again after retry_after_ms"))
}

/// A sign-in ended before what was asked in it was done.
pub(crate) fn signed_out() -> Box<ErrorBody> {
    Box::new(ErrorBody::new(ErrorCode::Unauthorized, "this sign-in is over").hint("sign in again"))
}

/// Something here has too much to do.
pub(crate) fn overloaded(text: &str) -> Box<ErrorBody> {
    let error = ErrorBody::new(ErrorCode::Overloaded, text);
    Box::new(error.retry_after_ms(RETRY_MS).hint("ask again after retry_after_ms"))
}

/// When to ask again, in milliseconds: a restart of back takes less.
const RETRY_MS: u64 = 1_000;

/// A page of history, its messages as they came.
#[derive(Debug)]
pub struct Page {
    /// Which history.
    pub epoch: Epoch,
    /// The oldest message that is kept.
    pub first: u64,
    /// The newest message.
    pub top: u64,
    /// Ascending by `seq`.
    pub(crate) messages: Vec<Encoded>,
    /// Whether there are more in the direction that was asked for.
    pub more: bool,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    epoch: Epoch,
    first: u64,
    top: u64,
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    more: bool,
}

#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

impl Page {
    /// Reads a `page`.
    ///
    /// # Errors
    /// `internal` when it is none.
    pub(crate) fn read(text: &Bytes) -> Result<Self, Box<ErrorBody>> {
        let strange = |error: serde_json::Error| {
            tracing::error!(%error, "back sent a page that cannot be read");
            Box::new(ErrorBody::new(ErrorCode::Internal, "the chat server's answer could not be read"))
        };
        let RawPage { epoch, first, top, messages, more } = serde_json::from_slice(text).map_err(strange)?;
        let mut encoded = Vec::with_capacity(messages.len());
        for message in messages {
            let Numbered { seq } = serde_json::from_str(message.get()).map_err(strange)?;
            encoded.push(Encoded::new(&epoch, seq, message.get()));
        }
        Ok(Self { epoch, first, top, messages: encoded, more })
    }

    /// The messages, each as JSON.
    pub fn messages(&self) -> impl Iterator<Item = Bytes> {
        self.messages.iter().map(Encoded::json)
    }
}

/// A hole.
pub(crate) fn gap(room: &RoomName, from: u64, to: u64, reason: GapReason) -> Gap {
    Gap { room: room.clone(), from, to, reason }
}
