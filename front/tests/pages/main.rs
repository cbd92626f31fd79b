//! The page server over real HTTP: what it answers, under which headers, and what an attacker gets.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test reports by panicking")]

mod addresses;
mod headers;
mod readers;
mod scriptless;
mod server;
mod words;
