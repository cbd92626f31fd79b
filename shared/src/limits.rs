//! Limits that both processes must agree on. What an operator may change is a flag of `back` whose default is here.

/// Largest WebSocket message and frame that back reads, in bytes; a larger one is answered with close 1009.
pub const MESSAGE_BYTES: usize = 64 * 1024;

/// Largest `text` of a chat message, in bytes of UTF-8. A quarter of [`MESSAGE_BYTES`], because JSON may write one byte
/// of text as six (`\u0001`) and the refusal of a text should leave the connection open.
pub const TEXT_BYTES: usize = MESSAGE_BYTES / 4;

/// Longest name of a person, in characters (Unicode scalar values) after NFC and trimming.
pub const NAME_CHARS: usize = 32;

/// Longest name of a room, in characters after NFC and trimming.
pub const ROOM_CHARS: usize = 64;

/// Longest topic of a room, and longest reason of a moderator, in characters after NFC and trimming.
pub const SENTENCE_CHARS: usize = 200;

/// Longest ban and mute, in seconds: ten years.
pub const SANCTION_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;

/// Slowest slow mode: one message in so many seconds, which is six hours.
pub const SLOW_SECONDS: u64 = 6 * 60 * 60;

/// Longest `id` of a request, in bytes.
pub const MESSAGE_ID_BYTES: usize = 64;

/// Most rooms that one connection may be in.
pub const ROOMS_PER_CONNECTION: usize = 64;

/// Messages that a join shows when it names neither a position nor a number.
pub const DEFAULT_LAST: u32 = 50;

/// Most messages in one `page`, and in the replay of a join that asks for the newest.
pub const PAGE_MESSAGES: u32 = 200;

/// Rooms, and beginnings of rooms, that one ticket may name.
pub const SIGHT_ROOMS: usize = 64;

/// Longest name of an account in a ticket, in bytes.
pub const ACCOUNT_BYTES: usize = 128;

/// People named in one `joined`, in one `presence` delta, and in one answer to `who`.
pub const PEOPLE_NAMED: usize = 50;

/// Above this many people a room announces numbers only; names are read by `who`.
pub const NAMED_PRESENCE_MEMBERS: usize = 250;

/// Largest number that a JavaScript client can hold exactly (ECMA-262, `Number.MAX_SAFE_INTEGER`).
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
