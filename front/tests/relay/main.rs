//! WebSocket through the page server's own port: the real chat server behind it, and what can go wrong between the two.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test reports by panicking")]

mod addresses;
mod client;
mod deaf;
mod ends;
mod nginx;
mod passing;
mod refusals;
#[path = "../yard/site.rs"]
mod site;
#[path = "../yard/nginx.rs"]
mod yard_nginx;

use site::Process;
