//! A message of a room, and pages of them: the same bytes wherever it is told.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::json::{self, Json};
use crate::{
    names::{MessageId, Name, RoomName, UserId},
    position::Epoch,
};

/// A message of a room, as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Which room.
    pub room: RoomName,
    /// Its number there: 1, 2, 3 … without holes.
    pub seq: u64,
    /// Who said it.
    pub user: UserId,
    /// What they were called then.
    pub name: Name,
    /// What was said.
    pub text: String,
    /// When it was numbered, in Unix milliseconds.
    pub at: u64,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// The message whose text it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edits: Option<u64>,
    /// The message that it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletes: Option<u64>,
    /// The message that replaced this text last. What it was before is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<u64>,
    /// The message that took this one back. Its text is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<u64>,
}

/// A page of history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The request's.
    pub id: MessageId,
    /// Which room.
    pub room: RoomName,
    /// Which history.
    pub epoch: Epoch,
    /// The oldest message that is kept.
    pub first: u64,
    /// The newest message.
    pub top: u64,
    /// Ascending by `seq`, and newest first where they were searched for; each the same object as a `message`.
    #[serde(serialize_with = "with_type")]
    pub messages: Vec<Arc<Message>>,
    /// Whether there are more in the direction that was asked for.
    pub more: bool,
}

/// A message with its `type`, as a [`ServerMessage`](super::ServerMessage) has it, without owning it.
#[derive(Serialize)]
#[serde(tag = "type", rename = "message")]
struct Typed<'a> {
    #[serde(flatten)]
    message: &'a Message,
}

/// Writes each message of a page as it is written live.
fn with_type<S: Serializer>(messages: &[Arc<Message>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(messages.iter().map(|message| Typed { message }))
}

impl Message {
    /// The JSON text of this message: the same bytes live, replayed and on a page.
    pub fn to_json(&self) -> String {
        // As in `ServerMessage::to_json`, nothing in it can fail to serialise.
        serde_json::to_string(&Typed { message: self }).unwrap_or_default()
    }
}

impl Json for Message {
    fn write_json(&self, out: &mut Vec<u8>) {
        json::write(&Typed { message: self }, out);
    }
}
