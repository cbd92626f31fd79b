//! What a request is answered with where that is no page.

use serde::{Deserialize, Serialize};

use super::Person;
use crate::{
    moderation::{Sanction, Sentence},
    names::{Name, RoomName},
    position::Epoch,
};

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
