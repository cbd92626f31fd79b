//! `back` as its clients meet it: over real sockets, on a free port, without sleeping for luck.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic in a test is its report")]

mod attackers;
mod chat;
mod client;
#[path = "../../../shared/service/tests/support/config_file.rs"]
mod config_file;
mod counted;
mod crowd;
mod disk;
mod doors;
mod drain;
mod durable;
mod handshake;
mod heartbeat;
#[cfg(feature = "jwt")]
mod jwt;
mod limits;
mod logs;
mod moderation;
mod office;
#[path = "../../../shared/service/tests/support/openmetrics.rs"]
mod openmetrics;
mod ops;
mod plain;
mod presence;
mod process;
mod refusals;
mod resume;
mod revise;
mod server;
mod settings;
mod sight;
mod storms;
#[path = "../../../shared/service/tests/support/supervisor.rs"]
mod supervisor;
mod tls;
