//! Those who listen: each believes the position that it was told, comes back with it as often as it has to, and writes
//! down what it is given.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::watch, time::sleep};

use crate::{
    http,
    socket::{Socket, item},
    world::{ROOM, ROOM_PATH, Talk},
};

/// How somebody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// WebSocket at back's port.
    Socket,
    /// WebSocket at front's port.
    Relayed,
    /// Server-sent events.
    Events,
    /// Lines of JSON.
    Lines,
    /// Polls that wait.
    LongPoll,
    /// Polls that do not.
    Poll,
    /// A session over HTTP, with server-sent events.
    Session,
    /// A session over HTTP, with polls that wait.
    SessionPoll,
}

impl Way {
    pub(crate) const ALL: [Self; 8] = [
        Self::Socket,
        Self::Relayed,
        Self::Events,
        Self::Lines,
        Self::LongPoll,
        Self::Poll,
        Self::Session,
        Self::SessionPoll,
    ];

    fn session(self) -> String {
        format!("reader-{:0>25}", format!("{self:?}"))
    }
}

/// What one of them knows.
struct Reader {
    way: Way,
    talk: Arc<Talk>,
    /// The last number, when everything was said.
    goal: watch::Receiver<Option<u64>>,
    /// As it was told.
    position: Option<String>,
    transcript: Vec<(u64, String)>,
}

/// Listens up to the goal.
pub(crate) async fn read(way: Way, talk: Arc<Talk>, goal: watch::Receiver<Option<u64>>) -> (Way, Vec<(u64, String)>) {
    let mut reader = Reader { way, talk, goal, position: None, transcript: Vec::new() };
    while !reader.has_all() {
        _ = match way {
            Way::Socket | Way::Relayed => reader.socket().await,
            Way::Events => reader.events().await,
            Way::Lines => reader.lines().await,
            Way::LongPoll | Way::Poll => reader.poll().await,
            Way::Session => reader.session().await,
            Way::SessionPoll => reader.session_polls().await,
        };
        // It was cut, or nothing is there just now.
        sleep(Duration::from_millis(50)).await;
    }
    (way, reader.transcript)
}

impl Reader {
    fn has_all(&self) -> bool {
        self.goal.borrow().is_some_and(|goal| self.transcript.last().is_some_and(|(seq, _)| *seq >= goal))
    }

    /// A position that is believed from here on.
    fn is_at(&mut self, position: &str) {
        if self.position.replace(position.to_owned()).is_none() {
            self.talk.begins();
        }
    }

    /// Takes what `chat.v1` says; the same objects come by every way.
    fn take(&mut self, message: &Value) {
        match message["type"].as_str() {
            Some("gap") => panic!("{:?} was told {message}", self.way),
            Some("joined") if self.position.is_none() => {
                let position = format!("{}:{}", message["epoch"].as_str().unwrap(), message["top"]);
                self.is_at(&position);
            }
            Some("message") => {
                self.transcript.push(item(message));
                let epoch = self.position.as_ref().and_then(|at| at.split_once(':')).expect("joined first").0;
                self.position = Some(format!("{epoch}:{}", message["seq"]));
            }
            _ => {}
        }
    }

    /// What a join asks for.
    fn ask(&self) -> Value {
        match self.position.as_ref().and_then(|at| at.split_once(':')) {
            Some((epoch, seq)) => json!({"epoch": epoch, "seq": seq.parse::<u64>().unwrap()}),
            None => json!({"last": 0}),
        }
    }

    fn hello(&self) -> Value {
        json!({"type": "hello", "session": self.way.session(), "rooms": {ROOM: self.ask()}})
    }

    async fn socket(&mut self) -> Option<()> {
        let mut socket = Socket::open(&self.talk.place, self.way == Way::Relayed, self.hello()).await?;
        while !self.has_all() {
            self.take(&socket.next().await?);
        }
        Some(())
    }

    /// As an `EventSource` does: the last `id` decides, and nothing else.
    async fn events(&mut self) -> Option<()> {
        let path = format!("/api/rooms/{ROOM_PATH}/events?last=0");
        let last = self.position.clone().unwrap_or_default();
        let fields = [("Last-Event-ID", last.as_str())];
        let fields = if last.is_empty() { &[][..] } else { &fields[..] };
        let answer = http::ask(&self.talk.place, "GET", &path, fields, String::new()).await?;
        let mut blocks = http::Blocks::of(answer, "\n\n")?;
        while !self.has_all() {
            let block = blocks.next().await?;
            let (id, kind, data) = http::event(&block);
            if let (Some(id), Some(data)) = (id, data) {
                assert_ne!(kind, "gap", "{block}");
                self.is_at(id);
                if kind == "message" {
                    self.transcript.push(item(&data));
                }
            }
        }
        Some(())
    }

    async fn lines(&mut self) -> Option<()> {
        let after = self.position.as_ref().map_or("last=0".to_owned(), |at| format!("after={at}"));
        let path = format!("/api/rooms/{ROOM_PATH}/stream?{after}");
        let answer = http::ask(&self.talk.place, "GET", &path, &[], String::new()).await?;
        let mut lines = http::Blocks::of(answer, "\n")?;
        while !self.has_all() {
            let line = lines.next().await?;
            let Ok(said) = serde_json::from_str::<Value>(&line) else { continue };
            match said["type"].as_str() {
                Some("synced") => {
                    let position = format!("{}:{}", said["epoch"].as_str()?, said["seq"]);
                    self.is_at(&position);
                }
                _ => self.take(&said),
            }
        }
        Some(())
    }

    async fn poll(&mut self) -> Option<()> {
        let wait = if self.way == Way::LongPoll { 5 } else { 0 };
        loop {
            let path = match &self.position {
                Some(at) => format!("/api/rooms/{ROOM_PATH}/messages?after={at}&wait={wait}"),
                None => format!("/api/rooms/{ROOM_PATH}/messages?limit=1"),
            };
            let tag = format!("\"{}\"", self.position.clone().unwrap_or_default());
            let fields = [("If-None-Match", tag.as_str())];
            let (status, page) = http::json(&self.talk.place, "GET", &path, &fields, String::new()).await?;
            match status {
                200 => {
                    assert!(page["gap"].is_null(), "{page}");
                    self.transcript.extend(page["messages"].as_array()?.iter().map(item));
                    self.is_at(page["position"].as_str()?);
                }
                304 => {}
                _ => return None,
            }
            if self.has_all() {
                return Some(());
            }
            if wait == 0 {
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// Begins a session over HTTP: its path, and what proves who it is.
    async fn begin_session(&mut self) -> Option<(String, String)> {
        let hello = self.hello().to_string();
        let (status, welcome) = http::json(&self.talk.place, "POST", "/api/sessions", &[], hello).await?;
        (status == 201).then_some(())?;
        let path = format!("/api/sessions/{}/events", welcome["user"].as_str()?);
        Some((path, format!("Bearer {}", self.way.session())))
    }

    async fn session(&mut self) -> Option<()> {
        let (path, bearer) = self.begin_session().await?;
        let fields = [("Authorization", bearer.as_str())];
        let answer = http::ask(&self.talk.place, "GET", &path, &fields, String::new()).await?;
        let mut blocks = http::Blocks::of(answer, "\n\n")?;
        while !self.has_all() {
            let block = blocks.next().await?;
            match http::event(&block) {
                (_, "close", _) => return None,
                (_, _, Some(frame)) => self.take(&frame),
                _ => {}
            }
        }
        Some(())
    }

    async fn session_polls(&mut self) -> Option<()> {
        let (path, bearer) = self.begin_session().await?;
        let fields = [("Authorization", bearer.as_str())];
        let mut next = 0;
        while !self.has_all() {
            let path = format!("{path}?after={next}&wait=5");
            let (status, answer) = http::json(&self.talk.place, "GET", &path, &fields, String::new()).await?;
            (status == 200).then_some(())?;
            for frame in answer["frames"].as_array()? {
                self.take(frame);
            }
            next = answer["next"].as_u64()?;
            if !answer["closed"].is_null() {
                return None;
            }
        }
        Some(())
    }
}
