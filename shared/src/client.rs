//! What a client says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ask::Ask,
    diagnosis::diagnose,
    error::Refusal,
    moderation::{ModeratorSecret, Sentence},
    names::{MessageId, Name, RoomName, SessionToken, UserId},
};

/// One message from a client. `room` defaults to the room joined last; `id` asks for exactly one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// The first message of a `chat.v1` connection: who I am, and the rooms with the positions I have reached.
    Hello {
        /// The name to show; the session's last name, or a guest's, when it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Name>,
        /// The secret of an earlier `welcome`, to be the same person again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionToken>,
        /// A signed ticket, where back asks for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<String>,
        /// The secret of a moderator, to be one from the beginning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moderator: Option<ModeratorSecret>,
        /// Whether to be one of the people of a room. Who is not is counted and listed nowhere, and neither replaces
        /// nor is replaced by another connection of the same session: a page's reader or a script beside a person.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        presence: bool,
        /// Rooms to join at once; at most [`crate::limits::ROOMS_PER_CONNECTION`].
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        rooms: BTreeMap<RoomName, Ask>,
    },
    /// Come into a room, or resume in it.
    Join {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        room: RoomName,
        /// What to show of its past.
        #[serde(flatten)]
        ask: Ask,
    },
    /// Go out of a room.
    Leave {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
    },
    /// Say something to a room.
    Send {
        /// Answered by `ok` once the message is stored; also the idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// What is said, as plain text.
        text: String,
        /// The `seq` that this answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<u64>,
    },
    /// Replace the text of one's own message.
    Edit {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// Which message.
        seq: u64,
        /// Its new text.
        text: String,
    },
    /// Take back one's own message; a moderator takes back anybody's.
    Delete {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// Which message.
        seq: u64,
    },
    /// Be called something else.
    Name {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// The new name.
        name: Name,
    },
    /// I am typing; passed on at most once in three seconds and never queued.
    Typing {
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
    },
    /// I have read up to here; the marker only moves forward.
    Read {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// The newest message read.
        seq: u64,
    },
    /// A page of the past; exactly one of `before`, `after` and `around`, or none for the newest.
    History {
        /// Answered by `page`.
        id: MessageId,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// Messages with a smaller `seq`, the nearest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// Messages with a larger `seq`, the nearest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// Messages on both sides of this `seq`, and itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        around: Option<u64>,
        /// Most messages wanted; at most [`limits::PAGE_MESSAGES`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Messages that contain all the words of `text`, newest first.
    Search {
        /// Answered by `page`.
        id: MessageId,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// The words.
        text: String,
        /// Only messages with a smaller `seq`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// Most messages wanted; at most [`limits::PAGE_MESSAGES`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Who is in a room, a page at a time.
    Who {
        /// Answered by `ok`.
        id: MessageId,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// The last user of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<UserId>,
    },
    /// Which rooms there are.
    Rooms {
        /// Answered by `ok`.
        id: MessageId,
    },
    /// Prove to be a moderator. It holds for this connection.
    Moderator {
        /// Answered by `ok`.
        id: MessageId,
        /// What `back moderator add` printed.
        secret: ModeratorSecret,
    },
    /// End all connections of somebody, who may come back. For moderators, as all up to `Slow`.
    Kick {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Whose.
        user: UserId,
        /// Told to them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Sentence>,
    },
    /// Shut somebody out for a time.
    Ban {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Whom.
        user: UserId,
        /// For how long; 1 to [`limits::SANCTION_SECONDS`].
        seconds: u64,
        /// Told to them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Sentence>,
        /// Whether everybody is shut out who comes from an address of theirs.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        address: bool,
    },
    /// Let somebody read and not speak for a time.
    Mute {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Whom.
        user: UserId,
        /// For how long; 1 to [`limits::SANCTION_SECONDS`].
        seconds: u64,
        /// Told to them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Sentence>,
    },
    /// Lift what is in force against somebody.
    Pardon {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Whom.
        user: UserId,
    },
    /// What is in force.
    Sanctions {
        /// Answered by `ok`.
        id: MessageId,
    },
    /// Let everybody in a room speak once in so long.
    Slow {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// Seconds between two messages of one person; 0 for off, at most [`limits::SLOW_SECONDS`].
        seconds: u64,
    },
    /// What a room is about; only moderators say it.
    Topic {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// The topic; empty for none. Without it the request asks for the present one, which everybody may.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Sentence>,
    },
    /// Are you there?
    Ping {
        /// Repeated in `pong`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
    },
    /// I go, and shall not be back: presence leaves at once.
    Quit {},
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

impl ClientMessage {
    /// Every `type` that a client may send, for hints.
    pub const TYPES: &'static [&'static str] = &[
        "hello",
        "join",
        "leave",
        "send",
        "edit",
        "delete",
        "name",
        "typing",
        "read",
        "history",
        "search",
        "who",
        "rooms",
        "moderator",
        "kick",
        "ban",
        "mute",
        "pardon",
        "sanctions",
        "slow",
        "topic",
        "ping",
        "quit",
    ];

    /// Reads one message.
    ///
    /// # Errors
    /// `bad_json`, `unknown_type`, `bad_name` or `bad_field`, with the field, what it was and what it may be.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        // The common case pays for one pass; only a refusal is looked at twice, to say what was wrong.
        serde_json::from_str(text).map_err(|error| Box::new(diagnose(text, &error)))
    }

    /// The request's `id`.
    pub fn id(&self) -> Option<&MessageId> {
        match self {
            Self::Join { id, .. }
            | Self::Leave { id, .. }
            | Self::Send { id, .. }
            | Self::Edit { id, .. }
            | Self::Delete { id, .. }
            | Self::Name { id, .. }
            | Self::Read { id, .. }
            | Self::Kick { id, .. }
            | Self::Ban { id, .. }
            | Self::Mute { id, .. }
            | Self::Pardon { id, .. }
            | Self::Slow { id, .. }
            | Self::Topic { id, .. }
            | Self::Ping { id } => id.as_ref(),
            Self::History { id, .. }
            | Self::Search { id, .. }
            | Self::Who { id, .. }
            | Self::Rooms { id }
            | Self::Moderator { id, .. }
            | Self::Sanctions { id } => Some(id),
            Self::Hello { .. } | Self::Typing { .. } | Self::Quit {} => None,
        }
    }
}
