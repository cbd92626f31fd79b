//! Somebody who talks by POST. One message after the other on each of a few lanes, all of one session: requests over
//! several connections have no order among themselves, so each lane is a sender of its own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HeaderName};
use serde_json::json;
use shared::RoomName;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    Person, Phase,
    api::{self, Said, of_room},
    http::{Call, Connection},
    link::{Over, PATIENCE},
};
use crate::{body, event::What};

/// How often a message that was refused for now is given up, as impatient people do.
const GIVES_UP: f64 = 0.2;

/// How a text is written.
const FORMS: [&str; 3] = ["text/plain; charset=utf-8", "application/x-www-form-urlencoded", "application/json"];

/// Somebody who talks.
pub struct Poster {
    lanes: Vec<Lane>,
}

struct Lane {
    person: Person,
    rooms: Vec<RoomName>,
    think: Duration,
    /// Says who it is; else it is a guest each time.
    known: bool,
    said: u64,
    connections: u64,
    connection: Option<Connection>,
}

impl Poster {
    /// A sender in some of these rooms, with this time between two messages.
    pub fn new(mut person: Person, rooms: &[RoomName], think: Duration) -> Self {
        let count = 1 + u32::try_from(person.random.below(4)).unwrap_or(0);
        let known = person.random.chance(0.75);
        let lane = |n: u32| {
            let mut person = person.part(n);
            let first = person.random.index(rooms.len());
            let rooms = rooms.iter().cycle().skip(first).take(1 + person.random.index(2)).cloned().collect();
            Lane { person, rooms, think: think * count, known, said: 0, connections: 0, connection: None }
        };
        Self { lanes: (0..count).map(lane).collect() }
    }

    /// Talks until told otherwise and everything is settled.
    pub async fn run(self) {
        let mut lanes: JoinSet<()> = self.lanes.into_iter().map(Lane::run).collect();
        while lanes.join_next().await.is_some() {}
    }
}

impl Lane {
    async fn run(mut self) {
        while matches!(*self.person.phase.borrow(), Phase::Talk) {
            let pause = -(1.0 - self.person.random.unit()).ln() * self.think.as_secs_f64();
            let mut phase = self.person.phase.clone();
            // Nobody begins anything new once it is over.
            if timeout(Duration::from_secs_f64(pause.min(2.0)), phase.changed()).await.is_ok() {
                continue;
            }
            self.say().await;
        }
    }

    async fn say(&mut self) {
        let Some(room) = self.person.random.pick(&self.rooms).cloned() else { return };
        self.said += 1;
        let cid = format!("{}-{}", self.person.name, self.said);
        let text = body::compose(&cid, &mut self.person.random);
        let form = self.person.random.pick(&FORMS).copied().unwrap_or("text/plain");
        let call = self.call(&room, &cid, &text, form);
        let (c, conn, h) = (self.person.name.clone(), self.connections, body::hash(&text));
        let recorder = Arc::clone(&self.person.recorder);
        recorder.note(What::Send { c: c.clone(), conn, room: room.to_string(), cid: cid.clone(), h });
        // Some request ended without an answer: it may be stored, or come to be.
        let mut unsure = false;
        for attempt in 1.. {
            let began = Instant::now();
            let (why, after) = match self.attempt(&call).await {
                Ok((Said::Stored { epoch, seq }, _)) => {
                    recorder.note(What::Ack { cid, seq, epoch: Some(epoch) });
                    return;
                }
                Ok((Said::Refused { code, retry }, after)) => {
                    // What is certain is certain: who gives up now never finds it in the room.
                    if !retry || (!unsure && self.person.random.chance(GIVES_UP)) {
                        if !unsure {
                            recorder.note(What::Nack { cid, code });
                        }
                        return;
                    }
                    ("refused for now", after)
                }
                Ok((Said::Unknown, after)) => {
                    unsure = true;
                    ("not known", after)
                }
                Err(over) => {
                    unsure = true;
                    ("reconnected", over.after)
                }
            };
            let attempt = if began.elapsed() > Duration::from_secs(2) { 1 } else { attempt };
            self.person.back_off(attempt, after).await;
            recorder.note(What::Retry { c: c.clone(), conn: self.connections, cid: cid.clone(), why: why.to_owned() });
        }
    }

    /// One request, over the connection that is there or a new one.
    async fn attempt(&mut self, call: &Call) -> Result<(Said, Option<Duration>), Over> {
        let mut connection = match self.connection.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => {
                self.connections += 1;
                Connection::open(self.person.way, None).await?
            }
        };
        let answer = connection.ask(call, PATIENCE).await?;
        self.connection = Some(connection);
        Ok((api::said(&answer), answer.over().after))
    }

    fn call(&self, room: &RoomName, cid: &str, text: &str, form: &str) -> Call {
        let key = HeaderName::from_static("idempotency-key");
        let json = form == "application/json";
        let body: Bytes =
            if json { json!({"text": text, "id": cid}).to_string().into() } else { text.to_owned().into() };
        let mut call = Call::post(of_room(room, "messages"), form, body);
        // JSON carries its key within, and sometimes the header says the same.
        if !json || text.len().is_multiple_of(2) {
            call = call.header(key, cid);
        }
        if self.known {
            call = call.header(AUTHORIZATION, format!("Bearer {}", self.person.session.as_str()));
        }
        call
    }
}
