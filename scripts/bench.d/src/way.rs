//! The ways to read a room over HTTP: what is asked for, and what an answer says. The counterpart of a dialect. Pure.

use std::time::Duration;

use crate::{
    dialect::{room_name, word_after},
    http::Answer,
};

/// A way to read a room over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Madang's server-sent events.
    Events,
    /// Madang's lines of JSON.
    Lines,
    /// Madang's long poll.
    LongPoll,
    /// Madang's messages, asked for at this interval.
    Interval(Duration),
    /// nchan's server-sent events.
    NchanEvents,
    /// nchan's long poll.
    NchanLongPoll,
}

/// What a line of a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The replay is over.
    Synced,
    /// The server says that messages will not come.
    Gap,
    /// A message, or nothing that matters.
    Other,
}

/// How far a poll has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// Madang's position.
    position: String,
    /// The entity tag and the date of what came last.
    etag: String,
    modified: String,
}

impl Mark {
    /// Goes on to where this answer ends; one without a body changes nothing.
    pub fn follow(&mut self, answer: &Answer) {
        if answer.status() != 200 {
            return;
        }
        let header = |name| answer.header(name).unwrap_or_default().to_owned();
        (self.etag, self.modified) = (header("etag"), header("last-modified"));
        if let Some(position) = word_after(&answer.body, b"\"position\":\"") {
            self.position = String::from_utf8_lossy(position).into_owned();
        }
    }
}

impl Way {
    /// Whether one request is answered for ever.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Events | Self::Lines | Self::NchanEvents)
    }

    /// Whether the first answer comes at once, and not only when something is said.
    pub fn answers_at_once(self) -> bool {
        self != Self::NchanLongPoll
    }

    /// From one request to the next, where that is not the end of an answer.
    pub fn interval(self) -> Option<Duration> {
        match self {
            Self::Interval(time) => Some(time),
            _ => None,
        }
    }

    /// Whether this answer, of which there is the head, lets the reader in at once.
    pub fn is_ready_with_head(self) -> bool {
        self == Self::NchanEvents
    }

    /// The request for what comes after the mark.
    pub fn request(self, room: u32, mark: &Mark) -> String {
        let name = room_name(room);
        let Mark { position, etag, modified } = mark;
        let mut more = String::new();
        let path = match self {
            Self::Events => format!("/api/rooms/{name}/events?last=0"),
            Self::Lines => format!("/api/rooms/{name}/stream?last=0"),
            Self::LongPoll | Self::Interval(_) if position.is_empty() => format!("/api/rooms/{name}/messages?limit=1"),
            Self::LongPoll => format!("/api/rooms/{name}/messages?after={position}&wait=25"),
            Self::Interval(_) => {
                more = format!("If-None-Match: {etag}\r\n");
                format!("/api/rooms/{name}/messages?after={position}")
            }
            Self::NchanEvents => format!("/events/{name}"),
            Self::NchanLongPoll => {
                if !etag.is_empty() {
                    more = format!("If-None-Match: {etag}\r\nIf-Modified-Since: {modified}\r\n");
                }
                format!("/poll/{name}")
            }
        };
        if matches!(self, Self::Events | Self::NchanEvents) {
            more.push_str("Accept: text/event-stream\r\n");
        }
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n")
    }

    /// What a line of a stream is.
    pub fn line(self, line: &[u8]) -> Line {
        let begins = |text: &[u8]| line.starts_with(text);
        match self {
            Self::Events if begins(b"event: synced") => Line::Synced,
            Self::Events if begins(b"event: gap") => Line::Gap,
            Self::Lines if begins(br#"{"type":"synced""#) => Line::Synced,
            Self::Lines if begins(br#"{"type":"gap""#) => Line::Gap,
            _ => Line::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        let mut answer = Answer::new();
        answer.take(text.as_bytes()).unwrap();
        answer
    }

    #[test]
    fn a_poll_asks_for_what_comes_after_the_last_answer() {
        let mut mark = Mark::default();
        assert!(Way::LongPoll.request(7, &mark).starts_with("GET /api/rooms/bench00007/messages?limit=1 HTTP/1.1\r\n"));
        let body = r#"{"room":"bench00007","messages":[],"position":"k3J9:41","more":false}"#;
        let text = format!("HTTP/1.1 200 OK\r\nETag: \"k3J9:41\"\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        mark.follow(&answer(&text));
        assert!(Way::LongPoll.request(7, &mark).contains("messages?after=k3J9:41&wait=25 "));
        let interval = Way::Interval(Duration::from_secs(1));
        assert!(interval.request(7, &mark).contains("after=k3J9:41 HTTP/1.1\r\n"));
        assert!(interval.request(7, &mark).contains("\r\nIf-None-Match: \"k3J9:41\"\r\n"));
        let before = mark.clone();
        mark.follow(&answer("HTTP/1.1 304 Not Modified\r\n\r\n"));
        assert_eq!(mark, before);
    }

    #[test]
    fn nchan_is_told_what_came_last() {
        let mut mark = Mark::default();
        assert!(!Way::NchanLongPoll.request(7, &mark).contains("If-"));
        mark.follow(&answer(
            "HTTP/1.1 200 OK\r\nEtag: 3\r\nLast-Modified: Sat, 01 Jan 2026\r\ncontent-length: 0\r\n\r\n",
        ));
        let request = Way::NchanLongPoll.request(7, &mark);
        assert!(request.starts_with("GET /poll/bench00007 "));
        assert!(request.contains("\r\nIf-None-Match: 3\r\nIf-Modified-Since: Sat, 01 Jan 2026\r\n"));
    }

    #[test]
    fn the_end_of_a_replay_and_a_gap_are_noticed() {
        assert_eq!(Way::Events.line(b"event: synced"), Line::Synced);
        assert_eq!(Way::Events.line(b"event: gap"), Line::Gap);
        assert_eq!(Way::Events.line(b"event: message"), Line::Other);
        assert_eq!(Way::Lines.line(br#"{"type":"synced","room":"a"}"#), Line::Synced);
        assert_eq!(Way::Lines.line(br#"{"type":"gap","room":"a"}"#), Line::Gap);
    }
}
