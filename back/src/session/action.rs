//! What can follow from a message.

use shared::{Ask, CloseCode, MessageId, ModeratorSecret, Name, RoomName, Sentence, ServerMessage, UserId};

use crate::{
    history::{Draft, Query, Range},
    metrics::Limit,
};

/// What to do about a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Answer.
    Say(ServerMessage),
    /// Answer that this limit keeps them from it.
    Refuse(Limit, ServerMessage),
    /// Answer with the time.
    Pong(Option<MessageId>),
    /// Let the session into a room.
    Join(Option<MessageId>, RoomName, Ask),
    /// Let it out.
    Leave(Option<MessageId>, RoomName),
    /// Store a message; the answer comes from history.
    Append(Box<Draft>),
    /// Tell the rooms of another name.
    Rename(Option<MessageId>, Name),
    /// Tell the room of typing.
    Typing(RoomName),
    /// Answer with a page of history.
    History(MessageId, RoomName, Range, usize),
    /// Answer with a page of what is found before a message.
    Search(MessageId, RoomName, Query, u64, usize),
    /// Note up to where a room has been read.
    Read(Option<MessageId>, RoomName, u64),
    /// Answer with a page of people.
    Who(MessageId, RoomName, Option<UserId>),
    /// Answer with the list of rooms.
    Rooms(MessageId),
    /// Look whether this is a moderator's secret.
    Claim(MessageId, ModeratorSecret),
    /// Do this if it is a moderator who asks.
    Moderate(Option<MessageId>, Order),
    /// Answer with what moderators have set of a room.
    Topic(Option<MessageId>, RoomName),
    /// Leave every room at once and close.
    Quit,
    /// Close.
    Close(CloseCode),
}

/// What a moderator wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// End somebody's connections.
    Kick(UserId, Option<Sentence>),
    /// Keep somebody out.
    Ban {
        /// Whom.
        user: UserId,
        /// For so many seconds.
        seconds: u64,
        /// The moderator's words.
        reason: Option<Sentence>,
        /// Whether whoever comes from their addresses is kept out too.
        address: bool,
    },
    /// Keep somebody from speaking.
    Mute {
        /// Whom.
        user: UserId,
        /// For so many seconds.
        seconds: u64,
        /// The moderator's words.
        reason: Option<Sentence>,
    },
    /// Lift both.
    Pardon(UserId),
    /// Say what is in force.
    Sanctions,
    /// Set a room's pace, in seconds.
    Slow(RoomName, u64),
    /// Set what a room is about.
    Topic(RoomName, Sentence),
}

impl Order {
    /// Against whom it is.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::Kick(user, _) | Self::Ban { user, .. } | Self::Mute { user, .. } => Some(user),
            Self::Pardon(_) | Self::Sanctions | Self::Slow(..) | Self::Topic(..) => None,
        }
    }
}
