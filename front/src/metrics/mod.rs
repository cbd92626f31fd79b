//! What this server counts of itself. It knows words and numbers, no requests and no rooms; whoever does something says
//! so here. No label ever comes from a browser: every value is a word of this program.

mod tell;

use std::{sync::Arc, time::SystemTime};

use service::{
    metrics::{Count, Tally},
    words,
};
use shared::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use tell::tell;

/// What is open for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// A stream of server-sent events of a room.
    Events,
    /// A stream of lines of a room.
    Lines,
    /// A poll that waits.
    Poll,
    /// A stream of server-sent events of a session.
    SessionEvents,
    /// A poll of a session.
    SessionPoll,
    /// A session over HTTP.
    Session,
    /// A request that says something or begins a session.
    Post,
    /// A search.
    Search,
    /// A WebSocket connection that is passed on.
    Relay,
    /// A room that is read here, however many read it.
    Room,
}

words! { Open: Events = "events" Lines = "lines" Poll = "poll" SessionEvents = "session_events"
SessionPoll = "session_poll" Session = "session" Post = "post" Search = "search" Relay = "relay" Room = "room" }

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A page, or a form of one.
    Page,
    /// A script, a style, words, an icon.
    Asset,
    /// The HTTP API.
    Api,
    /// WebSocket connections under `/ws`.
    Relay,
    /// What has no address here.
    Nothing,
}

words! { Kind: Page = "page" Asset = "asset" Api = "api" Relay = "relay" Nothing = "nothing" }

impl Kind {
    /// The kind of a path below the base path.
    pub fn of(path: &str) -> Self {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        match first {
            "" | "join" | "r" | "about" => Self::Page,
            "api" => Self::Api,
            "ws" => Self::Relay,
            "static" | "favicon.ico" | "manifest.webmanifest" => Self::Asset,
            _ => Self::Nothing,
        }
    }
}

/// The hundreds of an answer's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Switched,
    Fine,
    Elsewhere,
    Refused,
    Failed,
}

words! { Class: Switched = "1xx" Fine = "2xx" Elsewhere = "3xx" Refused = "4xx" Failed = "5xx" }

impl Class {
    fn of(status: u16) -> Self {
        match status {
            100..=199 => Self::Switched,
            200..=299 => Self::Fine,
            300..=399 => Self::Elsewhere,
            400..=499 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// What keeps browsers from taking too much. Each has the name of its flag; those of signing in have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `--readers`.
    Readers,
    /// `--rooms`.
    Rooms,
    /// `--sessions`.
    Sessions,
    /// `--posts`.
    Posts,
    /// `--relays`.
    Relays,
    /// `--readers-per-address`.
    ReadersPerAddress,
    /// `--posts-per-address`.
    PostsPerAddress,
    /// `--searches`.
    Searches,
    /// `--searches-per-address`.
    SearchesPerAddress,
    /// `--questions-per-second-per-address`.
    QuestionsPerSecondPerAddress,
    /// Tries to sign in to one account.
    SignInsPerAccount,
    /// Tries to sign in from one network.
    SignInsPerNetwork,
    /// Passwords that are looked at at once.
    Passwords,
}

words! { Limit: Readers = "readers" Rooms = "rooms" Sessions = "sessions" Posts = "posts" Relays = "relays"
ReadersPerAddress = "readers_per_address" PostsPerAddress = "posts_per_address" Searches = "searches"
SearchesPerAddress = "searches_per_address" QuestionsPerSecondPerAddress = "questions_per_second_per_address"
SignInsPerAccount = "sign_ins_per_account" SignInsPerNetwork = "sign_ins_per_network" Passwords = "passwords" }

/// How it went to reach the chat server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dial {
    Ok,
    Failed,
}

words! { Dial: Ok = "ok" Failed = "failed" }

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    begun: SystemTime,
    now: Tally<Open>,
    opened: Tally<Open>,
    /// By kind, in the order of the kinds.
    answers: Vec<Tally<Class>>,
    errors: Tally<ErrorCode>,
    limits: Tally<Limit>,
    dials: Tally<Dial>,
    said: Count,
}

impl Default for Metrics {
    /// Nothing has happened; the process began just now.
    fn default() -> Self {
        Self {
            begun: SystemTime::now(),
            now: Tally::new(Open::ALL, Open::word),
            opened: Tally::new(Open::ALL, Open::word),
            answers: Kind::ALL.iter().map(|_| Tally::new(Class::ALL, Class::word)).collect(),
            errors: Tally::new(ErrorCode::ALL, ErrorCode::word),
            limits: Tally::new(Limit::ALL, Limit::word),
            dials: Tally::new(Dial::ALL, Dial::word),
            said: Count::default(),
        }
    }
}

/// Something that is open; dropping it ends that.
#[derive(Debug)]
pub struct Held {
    metrics: Arc<Metrics>,
    what: Open,
}

/// One of a limited number of places, counted while it is taken.
#[derive(Debug)]
pub struct Seat {
    _permit: OwnedSemaphorePermit,
    _held: Held,
}

impl Metrics {
    /// Something opens.
    pub fn hold(self: &Arc<Self>, what: Open) -> Held {
        self.now.of(what).up();
        self.opened.of(what).up();
        Held { metrics: Arc::clone(self), what }
    }

    /// Takes one of the places for something that opens, if there is one; otherwise the limit is hit.
    pub fn seat(self: &Arc<Self>, places: &Arc<Semaphore>, what: Open, limit: Limit) -> Option<Seat> {
        match Arc::clone(places).try_acquire_owned() {
            Ok(permit) => Some(Seat { _permit: permit, _held: self.hold(what) }),
            Err(_) => {
                self.hit(limit);
                None
            }
        }
    }

    /// A limit kept somebody from something.
    pub fn hit(&self, limit: Limit) {
        self.limits.of(limit).up();
    }

    /// A request was answered.
    pub fn answered(&self, kind: Kind, status: u16) {
        let index = Kind::ALL.iter().position(|other| *other == kind).unwrap_or_default();
        self.answers[index].of(Class::of(status)).up();
    }

    /// An answer was this error.
    pub fn refused(&self, code: ErrorCode) {
        self.errors.of(code).up();
    }

    /// The chat server was reached, or not.
    pub fn dialled(&self, is_there: bool) {
        self.dials.of(if is_there { Dial::Ok } else { Dial::Failed }).up();
    }

    /// Something was said by POST, and the chat server has it.
    pub fn said(&self) {
        self.said.up();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.metrics.now.of(self.what).down();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_open_no_more_and_was_opened() {
        let metrics = Arc::<Metrics>::default();
        let places = Arc::new(Semaphore::new(1));
        let seat = metrics.seat(&places, Open::Events, Limit::Readers);
        assert!(seat.is_some() && metrics.seat(&places, Open::Poll, Limit::Readers).is_none());
        let count = |tally: &Tally<Open>| tally.words().find(|(word, _)| *word == "events").unwrap().1;
        assert_eq!((count(&metrics.now), count(&metrics.opened)), (1, 1));
        drop(seat);
        assert_eq!((count(&metrics.now), count(&metrics.opened)), (0, 1));
        assert!(metrics.limits.words().filter(|(_, hits)| *hits > 0).eq([("readers", 1)]));
    }

    #[test]
    fn a_path_says_what_it_is_for() {
        for (path, kind) in [
            ("", Kind::Page),
            ("/", Kind::Page),
            ("/r/dev", Kind::Page),
            ("/r/dev/live", Kind::Page),
            ("/join", Kind::Page),
            ("/api/rooms", Kind::Api),
            ("/ws/rooms/dev", Kind::Relay),
            ("/static/app/main.js", Kind::Asset),
            ("/favicon.ico", Kind::Asset),
            ("/manifest.webmanifest", Kind::Asset),
            ("/about", Kind::Page),
            ("/.env", Kind::Nothing),
        ] {
            assert_eq!(Kind::of(path), kind, "{path}");
        }
    }
}
