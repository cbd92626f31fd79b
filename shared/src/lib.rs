//! The words that `front` and `back` speak: messages, names, positions, close codes and limits.
//!
//! This crate is pure. It opens no socket, reads no clock and starts no task, so every rule in it can be tested by
//! calling a function. `docs/protocol.md` says the same in prose.

pub mod address;
mod ask;
pub mod client;
pub mod close;
mod diagnosis;
mod error;
pub mod forwarded;
mod keys;
pub mod limits;
pub mod moderation;
pub mod names;
pub mod origin;
pub mod position;
pub mod server;
pub mod sight;
pub mod ticket;
mod words;

pub use address::Address;
pub use ask::Ask;
pub use client::ClientMessage;
pub use close::{Advice, CloseCode};
pub use error::{ErrorBody, ErrorCode, Refusal};
pub use forwarded::TrustedProxies;
pub use keys::{KEYS, TicketKeys};
pub use moderation::{ModeratorSecret, Sanction, SanctionKind, Sentence, bare, claimed};
pub use names::{MessageId, Name, NameError, RoomName, SessionToken, UserId};
pub use position::{Epoch, Position};
pub use server::{Gap, GapReason, Json, Message, OkBody, Person, Resume, RoomEntry, ServerMessage};
pub use sight::Sight;
pub use ticket::{Ticket, TicketError, TicketKey};

/// The subprotocol that `Sec-WebSocket-Protocol` negotiates; the only one so far.
pub const SUBPROTOCOL: &str = "chat.v1";

/// The room of `ws://host:port/`.
pub const LOBBY: &str = "lobby";
