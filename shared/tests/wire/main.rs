//! The wire, pinned as literal JSON: what changes here breaks other people's programs.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod client;
mod server;

use shared::{Epoch, MessageId, ModeratorSecret, Name, Person, RoomName, Sentence, SessionToken, UserId};

pub(crate) fn room() -> RoomName {
    RoomName::parse("lobby").unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn id(text: &str) -> MessageId {
    MessageId::parse(text).unwrap()
}

pub(crate) fn user() -> UserId {
    UserId::parse("u7Zk2mQ0aB-_x9Yc").unwrap()
}

pub(crate) fn epoch() -> Epoch {
    Epoch::parse("k3J9xQ2a").unwrap()
}

pub(crate) fn minsu() -> Person {
    Person { user: user(), name: name("민수") }
}

pub(crate) fn token() -> SessionToken {
    SessionToken::parse("4fQm1zX8Jw0cK7sYh2LbNg").unwrap()
}

pub(crate) fn secret() -> ModeratorSecret {
    ModeratorSecret::parse("Zr1kPp0mQeWv8sUy3aTbXg").unwrap()
}

pub(crate) fn sentence(text: &str) -> Sentence {
    Sentence::parse(text).unwrap()
}
