//! Madang's chat server. It speaks WebSocket only and knows nothing of pages or polling.
//!
//! A message's way: `listener` → `handshake` → `connection` → `session` decides, `conversation` carries out →
//! `history` numbers → `hub` hands it to everybody. `server` builds and runs the whole.
//! `docs/architecture.md` draws it.

mod access;
mod admission;
mod arrivals;
pub mod config;
mod connection;
mod conversation;
pub mod door;
mod frame;
pub mod handshake;
mod heartbeat;
pub mod history;
pub mod hub;
pub mod identity;
#[cfg(feature = "jwt")]
mod jwt;
#[cfg(not(feature = "jwt"))]
#[path = "no_jwt.rs"]
mod jwt;
mod limits;
mod listener;
pub mod metrics;
pub mod moderation;
pub mod ops;
pub mod plain;
mod sabotage;
pub mod scanner;
mod server;
mod session;
mod socket;
mod spare;
mod tls;

pub use access::Access;
pub use listener::listen;
pub use server::{BuildError, Server};
