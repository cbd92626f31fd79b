//! What the server says.

mod answer;
mod json;
mod message;
mod welcome;

pub use answer::{OkBody, RoomEntry};
pub use json::{Joined, Json};
pub use message::{Message, Page};
use serde::{Deserialize, Serialize};
pub use welcome::{Limits, Welcome};

use crate::{
    error::ErrorBody,
    moderation::Sentence,
    names::{MessageId, Name, RoomName, UserId},
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

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who.
    pub user: UserId,
    /// What they are called.
    pub name: Name,
}
