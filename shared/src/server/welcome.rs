//! How the server introduces itself.

use serde::{Deserialize, Serialize};

use crate::names::{Name, SessionToken, UserId};

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
