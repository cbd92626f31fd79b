//! The page in a real browser, against the real servers: what people see, and that it survives what happens to servers.

#![expect(clippy::expect_used, clippy::panic, reason = "a test reports by panicking")]

#[path = "browser/access.rs"]
mod access;
#[path = "browser/acts.rs"]
mod acts;
#[path = "browser/commands.rs"]
mod commands;
#[path = "browser/copies.rs"]
mod copies;
#[path = "browser/delivery.rs"]
mod delivery;
#[path = "browser/examples.rs"]
mod examples;
#[path = "browser/finding.rs"]
mod finding;
#[path = "browser/first.rs"]
mod first;
#[path = "browser/hangul.rs"]
mod hangul;
#[path = "browser/hardship.rs"]
mod hardship;
#[path = "browser/keys.rs"]
mod keys;
#[path = "browser/looks.rs"]
mod looks;
#[path = "browser/markup.rs"]
mod markup;
#[path = "browser/members.rs"]
mod members;
#[path = "browser/moderation.rs"]
mod moderation;
#[path = "browser/nginx.rs"]
mod nginx;
#[path = "browser/notices.rs"]
mod notices;
#[path = "browser/outage.rs"]
mod outage;
#[path = "browser/place.rs"]
mod place;
#[path = "browser/quiet.rs"]
mod quiet;
#[path = "browser/rules.rs"]
mod rules;
#[path = "browser/signin.rs"]
mod signin;
#[path = "browser/talking.rs"]
mod talking;
#[path = "browser/transports.rs"]
mod transports;
#[path = "browser/writing.rs"]
mod writing;
#[path = "browser/xss.rs"]
mod xss;
mod yard;
