//! What the server says as JSON text.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Person, Resume, ServerMessage};
use crate::{moderation::Sentence, names::RoomName, position::Epoch};

/// What is said as JSON.
pub trait Json {
    /// Writes its JSON text behind what is there.
    fn write_json(&self, out: &mut Vec<u8>);
}

/// As in [`ServerMessage::to_json`], nothing in it can fail to serialise, and writing to memory does not fail.
pub(super) fn write(message: &impl Serialize, out: &mut Vec<u8>) {
    _ = serde_json::to_writer(out, message);
}

impl ServerMessage {
    /// The JSON text of this message.
    ///
    /// Nothing in it can fail to serialise: all keys are strings and no float occurs.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Json for ServerMessage {
    fn write_json(&self, out: &mut Vec<u8>) {
        write(self, out);
    }
}

/// [`ServerMessage::Joined`] with people that are JSON already, as [`Person::page`] writes them: whoever comes into a
/// large room is told the same ones as the last who came.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "joined")]
#[expect(missing_docs, reason = "the fields are those of `ServerMessage::Joined`")]
pub struct Joined<'a> {
    pub room: &'a RoomName,
    pub epoch: &'a Epoch,
    pub first: u64,
    pub top: u64,
    pub resume: Resume,
    pub count: usize,
    pub users: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Sentence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<u64>,
}

impl Json for Joined<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        write(self, out);
    }
}

impl Person {
    /// These people as JSON, for [`Joined`].
    pub fn page(people: &[Self]) -> Box<RawValue> {
        // Nothing in it can fail to serialise.
        serde_json::value::to_raw_value(people).unwrap_or_default()
    }
}
