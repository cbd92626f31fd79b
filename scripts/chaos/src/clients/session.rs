//! A session of front's HTTP API: what a WebSocket does, over requests. What front says is read by a task of its own, which
//! comes back with the last frame's number when its connection breaks; what is said goes one request after the other.

use std::{net::SocketAddr, time::Duration};

use hyper::{
    Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, HeaderName},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::{ClientMessage, server::Welcome};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    http::{self, Call, Connection},
    link::{LONGEST_ADVICE, Over, PATIENCE, advised},
    sse::Parser,
};
use crate::random::Random;

/// Frames that wait to be read: as little as a socket would keep.
const QUEUE: usize = 16;

/// How long front waits for a frame before it answers a poll with none, in seconds.
const WAIT: u64 = 5;

/// How frames are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As server-sent events.
    Events,
    /// By long polls.
    Polls,
}

/// One session, as long as its connection to back lasts.
pub struct Session {
    way: SocketAddr,
    path: String,
    secret: String,
    commands: Option<Connection>,
    frames: mpsc::Receiver<Result<String, Over>>,
    reader: AbortHandle,
}

/// What front says of how a connection to back ended.
#[derive(Debug, Deserialize)]
struct Closed {
    #[serde(default)]
    reason: String,
}

/// The answer to a poll.
#[derive(Debug, Deserialize)]
struct Polled {
    frames: Vec<Box<RawValue>>,
    next: u64,
    #[serde(default)]
    closed: Option<Closed>,
}

impl Session {
    /// Begins a session with this `hello`.
    ///
    /// # Errors
    /// When any of it fails or takes too long.
    pub async fn open(way: SocketAddr, reading: Reading, hello: &ClientMessage) -> Result<Self, Over> {
        let mut commands = Connection::open(way, None).await?;
        let call =
            Call::post("/api/sessions".into(), "application/json", serde_json::to_vec(hello).unwrap_or_default());
        let answer = commands.ask(&call, PATIENCE).await?;
        if answer.status != StatusCode::CREATED {
            return Err(answer.over());
        }
        let welcome: Welcome = serde_json::from_slice(&answer.body).map_err(|_| Over::default())?;
        let path = format!("/api/sessions/{}", welcome.user);
        let secret = format!("Bearer {}", welcome.session.as_str());
        let (told, frames) = mpsc::channel(QUEUE);
        let reader = Reader { way, path: path.clone(), secret: secret.clone(), last: 0, heard: Instant::now(), told };
        let reader = tokio::spawn(reader.run(reading)).abort_handle();
        Ok(Self { way, path, secret, commands: Some(commands), frames, reader })
    }

    /// Says something.
    ///
    /// # Errors
    /// When it is not known whether front has it, or front does not want it: a new session settles that.
    pub async fn send(&mut self, text: String) -> Result<(), Over> {
        let call = Call::post(format!("{}/commands", self.path), "application/json", text);
        let answer = self.ask(call.header(AUTHORIZATION, &self.secret)).await?;
        if answer.status == StatusCode::ACCEPTED { Ok(()) } else { Err(answer.over()) }
    }

    async fn ask(&mut self, call: Call) -> Result<http::Answer, Over> {
        let mut connection = match self.commands.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => Connection::open(self.way, None).await?,
        };
        let answer = connection.ask(&call, PATIENCE).await?;
        self.commands = Some(connection);
        Ok(answer)
    }

    /// The next frame. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn next_text(&mut self) -> Result<String, Over> {
        self.frames.recv().await.unwrap_or(Err(Over::default()))
    }

    /// Ends it as the API says.
    pub async fn close(mut self) {
        let mut call = Call::get(self.path.clone()).header(AUTHORIZATION, &self.secret);
        call.method = Method::DELETE;
        _ = timeout(Duration::from_secs(1), self.ask(call)).await;
    }

    /// Goes without a word; the session stays in front.
    pub fn reset(mut self) {
        if let Some(connection) = self.commands.take() {
            connection.reset();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Reads a session's frames, over all connections.
struct Reader {
    way: SocketAddr,
    path: String,
    secret: String,
    /// The number of the last frame that came.
    last: u64,
    /// When front last answered.
    heard: Instant,
    told: mpsc::Sender<Result<String, Over>>,
}

impl Reader {
    /// Reads until the session is over, which is told last.
    async fn run(mut self, reading: Reading) {
        // When to leave and come back is nobody's business but this reader's: a browser's network is as fickle.
        let mut random = Random::stream(u64::from(self.way.port()), &self.secret);
        while self.heard.elapsed() < PATIENCE {
            let stay = random.seconds(0.2, 8.0);
            let over = match reading {
                Reading::Events => timeout(stay, self.events()).await.unwrap_or(Ok(())),
                Reading::Polls => self.polls().await,
            };
            if let Err(over) = over {
                _ = self.told.send(Err(over)).await;
                return;
            }
            sleep(random.seconds(0.0, 0.3)).await;
        }
        _ = self.told.send(Err(Over::default())).await;
    }

    fn call(&self, query: &str) -> Call {
        Call::get(format!("{}/events{query}", self.path)).header(AUTHORIZATION, &self.secret)
    }

    /// Hears one connection's events; it is worth coming back to the same session after it.
    async fn events(&mut self) -> Result<(), Over> {
        let Ok(mut connection) = Connection::open(self.way, None).await else { return Ok(()) };
        let mut call = self.call("").header(ACCEPT, "text/event-stream");
        let last_id = if self.last > 0 { self.last.to_string() } else { String::new() };
        if !last_id.is_empty() {
            call = call.header(HeaderName::from_static("last-event-id"), &last_id);
        }
        let Ok(response) = connection.begin(&call, PATIENCE).await else { return Ok(()) };
        if !response.status().is_success() {
            return refused(&http::whole(response).await.map_err(|_| Over::default())?);
        }
        self.heard = Instant::now();
        let (mut parser, mut body) = (Parser::new(&last_id), response.into_body());
        while let Ok(Some(bytes)) = http::more(&mut body).await {
            if parser.push(&bytes).is_err() {
                return Err(Over::default());
            }
            while let Some(event) = parser.next() {
                if event.name == "close" {
                    let closed: Option<Closed> = serde_json::from_str(&event.data).ok();
                    return Err(closed.map_or(Over::default(), |closed| advised(&closed.reason)));
                }
                self.tell(event.data).await?;
                self.last = event.last_id.parse().unwrap_or(self.last);
            }
        }
        Ok(())
    }

    /// Hears by polls, over one connection.
    async fn polls(&mut self) -> Result<(), Over> {
        let Ok(mut connection) = Connection::open(self.way, None).await else { return Ok(()) };
        loop {
            let call = self.call(&format!("?after={}&wait={WAIT}", self.last));
            let Ok(answer) = connection.ask(&call, Duration::from_secs(WAIT) + PATIENCE).await else { return Ok(()) };
            if answer.status != StatusCode::OK {
                return refused(&answer);
            }
            let Ok(polled) = serde_json::from_slice::<Polled>(&answer.body) else { return Err(Over::default()) };
            self.heard = Instant::now();
            for frame in polled.frames {
                self.tell(frame.get().to_owned()).await?;
            }
            self.last = polled.next;
            if let Some(closed) = polled.closed {
                return Err(advised(&closed.reason));
            }
        }
    }

    async fn tell(&self, frame: String) -> Result<(), Over> {
        self.told.send(Ok(frame)).await.map_err(|_| Over::default())
    }
}

/// Whether it is worth coming back to the same session.
fn refused(answer: &http::Answer) -> Result<(), Over> {
    match answer.status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Ok(()),
        _ => Err(Over { after: answer.over().after.map(|after| after.min(LONGEST_ADVICE)) }),
    }
}
