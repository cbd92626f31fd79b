//! The HTTP API over the real programs: each address, what it survives, and what an attacker gets.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test reports by panicking")]

mod ahead;
mod counted;
mod counter;
mod described;
mod drain;
mod faults;
mod forms;
mod hook;
mod house;
mod http;
mod keys;
mod limits;
mod lists;
mod members;
mod messages;
mod moderation;
#[path = "../../../shared/service/tests/support/openmetrics.rs"]
mod openmetrics;
mod ops;
mod person;
#[path = "../yard/process.rs"]
mod process;
mod refusals;
mod say;
mod sessions;
mod shares;
mod signin;
mod strangers;
mod streams;
