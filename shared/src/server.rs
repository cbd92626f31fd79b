//! What the server says.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    error::ErrorBody,
    moderation::{Sanction, Sentence},
    names::{MessageId, Name, RoomName, SessionToken, UserId},
    position::Epoch,
};

/// One message from the server. Clients ignore types and fields that they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Always the first frame.
    Welcome(Box<Welcome>),
    /// You are in a room, at this position. Its replay follows, then `synced`.
    Joined {
        /// Which room.
        room: RoomName,
        /// Which history its `seq` counts in.
        epoch: Epoch,
        /// The oldest message that is kept; `top + 1` when there is none.
        first: u64,
        /// The newest message; 0 before the first.
        top: u64,
        /// How the position that was asked for was met.
        resume: Resume,
        /// How many people are in the room.
        count: usize,
        /// The first 50 of them, by user id; `who` reads the rest.
        users: Vec<Person>,
        /// The newest message that this person has marked as read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        read: Option<u64>,
        /// What the room is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<Sentence>,
        /// Seconds between two messages of one person, where a moderator slowed the room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slow: Option<u64>,
    },
    /// A moderator changed what the room is about, or how fast it is: all of it, as it is now.
    Room {
        /// Which room.
        room: RoomName,
        /// What it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<Sentence>,
        /// Seconds between two messages of one person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slow: Option<u64>,
        /// The moderator; nobody where it is told again to somebody who may have missed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Name>,
    },
    /// You may read and not speak for a time.
    Muted {
        /// When it ends, in Unix milliseconds.
        until: u64,
        /// The same in milliseconds from now.
        retry_after_ms: u64,
        /// The moderator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Sentence>,
        /// The moderator.
        by: Name,
    },
    /// You may speak again, before the time.
    Unmuted {
        /// The moderator.
        by: Name,
    },
    /// Somebody said something. Live and replayed bytes are identical, and identical for every receiver, until the text
    /// is edited or taken back.
    Message(Message),
    /// The replay is over; what follows is live.
    Synced {
        /// Which room.
        room: RoomName,
        /// The last message before live ones.
        seq: u64,
    },
    /// These were not delivered.
    Gap(Gap),
    /// Who came, went or is called something else: state, not history, coalesced over an interval.
    Presence {
        /// Which room.
        room: RoomName,
        /// How many people are in it now.
        count: usize,
        /// Who came.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        joined: Vec<Person>,
        /// Who went.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<Person>,
        /// Who has another name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        renamed: Vec<Person>,
    },
    /// Somebody is typing; never queued.
    Typing {
        /// Which room.
        room: RoomName,
        /// Who.
        user: UserId,
        /// Their name.
        name: Name,
    },
    /// The answer to a request with an `id`.
    Ok {
        /// The request's.
        id: MessageId,
        /// What was asked for.
        #[serde(flatten)]
        body: OkBody,
    },
    /// The answer to `history` and `search`.
    Page(Box<Page>),
    /// Something was refused. An `error` with an `id` is the request's one answer.
    Error(Box<ErrorBody>),
    /// The answer to `ping`.
    Pong {
        /// The request's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Unix time in milliseconds.
        now: u64,
    },
    /// The operator, or the server's own help, speaks.
    Notice {
        /// Plain text, perhaps of several lines.
        text: String,
    },
    /// The last frame before Close, whose code and reason say the same.
    Bye {
        /// A [`crate::CloseCode`].
        code: u16,
        /// Its word.
        reason: String,
        /// Whether to come back.
        reconnect: bool,
        /// When, in milliseconds from now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
        /// A moderator's words, where one ended the connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Sentence>,
        /// That moderator.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Name>,
    },
}

/// The first frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Program and version.
    pub server: String,
    /// `chat.v1` or `plain`.
    pub protocol: String,
    /// This connection's number, unique while the server runs.
    pub connection: u64,
    /// The secret to send in the next `hello`.
    pub session: SessionToken,
    /// The public id that follows from it.
    pub user: UserId,
    /// The name that others see.
    pub name: Name,
    /// Whether the server knew the session.
    pub resumed: bool,
    /// Unix time in milliseconds.
    pub now: u64,
    /// After so many milliseconds of silence the server pings, at the level of the WebSocket protocol.
    pub ping_ms: u64,
    /// `memory` when a restart of the server forgets everything, `sqlite` when `ok` means on disk.
    pub history: String,
    /// What this server allows.
    pub limits: Limits,
    /// The moderator whose secret the `hello` had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderator: Option<Name>,
}

/// What a server allows; 0 means no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of UTF-8 in a `text`.
    pub text_bytes: usize,
    /// Characters in a name.
    pub name_chars: usize,
    /// Rooms per connection.
    pub rooms: usize,
    /// Messages per second and session, over a burst of twice as many.
    pub sends_per_second: u32,
}

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

/// A hole in what a client received, said openly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Which room.
    pub room: RoomName,
    /// The first message that was not delivered.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why messages were not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The client read too slowly while it was connected.
    Slow,
    /// They are no longer kept.
    Expired,
    /// There were more than a resume replays.
    TooMany,
    /// The position was of another history.
    Epoch,
    /// The server lost them.
    Lost,
}

/// How a join met the position that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resume {
    /// None was asked for.
    Fresh,
    /// Everything after it follows.
    Ok,
    /// A `gap` says what does not follow.
    Gap,
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

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who.
    pub user: UserId,
    /// What they are called.
    pub name: Name,
}

impl Person {
    /// These people as JSON, for [`Joined`].
    pub fn page(people: &[Self]) -> Box<RawValue> {
        // Nothing in it can fail to serialise.
        serde_json::value::to_raw_value(people).unwrap_or_default()
    }
}

/// A room in the answer to `rooms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomEntry {
    /// Its name.
    pub room: RoomName,
    /// How many people are in it.
    pub count: usize,
    /// Its newest message.
    pub top: u64,
}

/// What an `ok` says besides the `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OkBody {
    /// To `send`, `edit` and `delete`: stored, at this position.
    Stored {
        /// Which room.
        room: RoomName,
        /// Which history.
        epoch: Epoch,
        /// Its number.
        seq: u64,
        /// When, in Unix milliseconds.
        at: u64,
        /// True when the same `id` had been stored before; the rest is what was said then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        duplicate: bool,
    },
    /// To `name`, and to `moderator`: the moderator's.
    Named {
        /// The name as it is shown: trimmed and composed.
        name: Name,
    },
    /// To `who`.
    Who {
        /// How many there are in all.
        count: usize,
        /// At most 50 of them, by user id.
        users: Vec<Person>,
        /// Whether there are more after the last of these.
        more: bool,
    },
    /// To `rooms`.
    Rooms {
        /// The rooms with people or messages in them, the fullest first.
        rooms: Vec<RoomEntry>,
    },
    /// To `sanctions`.
    Sanctions {
        /// What is in force, the one that ends first first.
        sanctions: Vec<Sanction>,
    },
    /// To `kick`, `ban` and `mute`.
    Sanctioned {
        /// How many connections were ended, or told.
        connections: usize,
        /// When it ends, in Unix milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<u64>,
        /// How many addresses are shut out, where that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        addresses: Option<usize>,
    },
    /// To `topic` and `slow`: how the room is now.
    Room {
        /// Which room.
        room: RoomName,
        /// What it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<Sentence>,
        /// Seconds between two messages of one person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slow: Option<u64>,
    },
    /// To everything else.
    Done {},
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

/// A message with its `type`, as [`ServerMessage::Message`] writes it, without owning it.
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
        // As in [`ServerMessage::to_json`], nothing in it can fail to serialise.
        serde_json::to_string(&Typed { message: self }).unwrap_or_default()
    }
}

impl Json for Message {
    fn write_json(&self, out: &mut Vec<u8>) {
        write(&Typed { message: self }, out);
    }
}

/// What is said as JSON.
pub trait Json {
    /// Writes its JSON text behind what is there.
    fn write_json(&self, out: &mut Vec<u8>);
}

/// As in [`ServerMessage::to_json`], nothing in it can fail to serialise, and writing to memory does not fail.
fn write(message: &impl Serialize, out: &mut Vec<u8>) {
    _ = serde_json::to_writer(out, message);
}

impl Json for ServerMessage {
    fn write_json(&self, out: &mut Vec<u8>) {
        write(self, out);
    }
}

impl ServerMessage {
    /// The JSON text of this message.
    ///
    /// Nothing in it can fail to serialise: all keys are strings and no float occurs.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
