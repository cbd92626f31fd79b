//! Those who say something: each says its texts in order, one after the other, and again with the same `id` until it is
//! told that it is stored.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    http,
    socket::Socket,
    world::{ROOM, ROOM_PATH, Talk},
};

/// How somebody speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// WebSocket at back's port.
    Socket,
    /// WebSocket at front's port.
    Relayed,
    /// One request for each message.
    Post,
    /// Commands of a session over HTTP.
    Session,
}

impl Door {
    pub(crate) const ALL: [Self; 4] = [Self::Socket, Self::Relayed, Self::Post, Self::Session];

    /// What it says as its `n`th.
    pub(crate) fn text(self, n: usize) -> String {
        format!("{self:?} {n}")
    }

    /// Whether it said this.
    pub(crate) fn said(self, text: &str) -> bool {
        text.split_once(' ').is_some_and(|(who, _)| who == format!("{self:?}"))
    }

    /// A secret of 128 bits, the same in each attempt.
    fn session(self) -> String {
        format!("sender-{:0>25}", format!("{self:?}"))
    }
}

pub(crate) async fn send(door: Door, talk: Arc<Talk>, count: usize) {
    let mut said = 0;
    while said < count {
        _ = match door {
            Door::Socket | Door::Relayed => over_a_socket(door, &talk, &mut said, count).await,
            Door::Post => by_post(door, &talk, &mut said).await,
            Door::Session => by_session(door, &talk, &mut said, count).await,
        };
        if said < count {
            // Something broke, or was refused for now.
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn message(door: Door, n: usize) -> Value {
    json!({"type": "send", "id": n.to_string(), "room": ROOM, "text": door.text(n)})
}

fn hello(door: Door) -> Value {
    json!({"type": "hello", "session": door.session(), "rooms": {ROOM: {"last": 0}}})
}

/// Whether this settles the `n`th.
fn settles(answer: &Value, n: usize) -> bool {
    let is_answer = answer["id"].as_str() == Some(&*n.to_string());
    assert!(!is_answer || answer["type"] == "ok" || answer["retry"] == true, "{answer}");
    is_answer && answer["type"] == "ok"
}

async fn over_a_socket(door: Door, talk: &Talk, said: &mut usize, count: usize) -> Option<()> {
    let mut socket = Socket::open(&talk.place, door == Door::Relayed, hello(door)).await?;
    while *said < count {
        socket.say(message(door, *said)).await?;
        while !settles(&socket.next().await?, *said) {}
        *said += 1;
        talk.is_said();
    }
    Some(())
}

async fn by_post(door: Door, talk: &Talk, said: &mut usize) -> Option<()> {
    let (key, bearer) = (said.to_string(), format!("Bearer {}", door.session()));
    let fields = [("Idempotency-Key", key.as_str()), ("Authorization", &bearer), ("Content-Type", "text/plain")];
    let path = format!("/api/rooms/{ROOM_PATH}/messages");
    let (status, answer) = http::json(&talk.place, "POST", &path, &fields, door.text(*said)).await?;
    if matches!(status, 200 | 201) {
        assert_eq!(answer["type"], "ok");
        *said += 1;
        talk.is_said();
    } else {
        assert!(matches!(status, 503 | 0), "{status} {answer}");
    }
    Some(())
}

async fn by_session(door: Door, talk: &Talk, said: &mut usize, count: usize) -> Option<()> {
    let place = &talk.place;
    let (status, welcome) = http::json(place, "POST", "/api/sessions", &[], hello(door).to_string()).await?;
    if status != 201 {
        return None;
    }
    let path = format!("/api/sessions/{}", welcome["user"].as_str()?);
    let bearer = format!("Bearer {}", door.session());
    let fields = [("Authorization", bearer.as_str())];
    let events = http::ask(place, "GET", &format!("{path}/events"), &fields, String::new()).await?;
    let mut events = http::Blocks::of(events, "\n\n")?;
    while *said < count {
        let command = message(door, *said).to_string();
        let (status, _) = http::json(place, "POST", &format!("{path}/commands"), &fields, command).await?;
        if status != 202 {
            return None;
        }
        loop {
            let block = events.next().await?;
            let (_, kind, data) = http::event(&block);
            if kind == "close" {
                return None;
            }
            if data.is_some_and(|answer| settles(&answer, *said)) {
                break;
            }
        }
        *said += 1;
        talk.is_said();
    }
    Some(())
}
