//! A WebSocket client's life over HTTP: a connection to back per session, what comes from it numbered and kept until it
//! is read, what goes to it passed on unchanged.

mod frames;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use shared::{ErrorBody, ErrorCode, SessionToken, UserId};
use tokio::{
    sync::{Notify, Semaphore, mpsc, oneshot, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Bridge,
    say::closed,
    told::{Told, error_of, overloaded, unavailable},
    upstream::{self, Heard, Hearing, PING_EVERY, Speaking},
};
use crate::{
    dial::Back,
    metrics::{Limit, Open, Seat},
};
pub(crate) use frames::{End, Frames, Taken};

/// Time from the hello to the welcome, and for back to take what it is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time for back to answer a quit.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long an end that was told can be asked for again, where the answer was lost.
const ONCE_MORE: Duration = Duration::from_secs(3);

/// The code of an end without a Close frame (RFC 6455, 7.1.5), which no frame carries.
pub(super) const LOST: u16 = 1006;

/// Messages to pass on, and whom to tell when back has them.
type Commands = (Vec<String>, oneshot::Sender<()>);

/// All sessions of this front, by the hash of their secret.
pub(crate) struct Sessions {
    back: Back,
    idle: Duration,
    most: usize,
    seats: Arc<Semaphore>,
    all: Mutex<HashMap<[u8; 32], Arc<Session>>>,
}

/// One session.
pub(crate) struct Session {
    user: UserId,
    frames: Mutex<Frames>,
    changes: watch::Sender<u64>,
    space: Notify,
    commands: mpsc::Sender<Commands>,
    /// Nobody wants it any more.
    over: CancellationToken,
    /// Somebody was told how it ended.
    told: CancellationToken,
}

/// The one who reads a session; dropping it is to stop reading.
pub(crate) struct Listener {
    session: Arc<Session>,
    generation: u64,
    /// Wakes up after each change.
    pub(crate) changes: watch::Receiver<u64>,
}

#[derive(Deserialize)]
struct Welcomed {
    session: SessionToken,
    user: UserId,
}

fn key(secret: &SessionToken) -> [u8; 32] {
    Sha256::digest(secret.as_str().as_bytes()).into()
}

impl Sessions {
    pub(super) fn new(back: Back, most: usize, idle: Duration) -> Self {
        let seats = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { back, idle, most, seats, all: Mutex::default() }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Session>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session with this secret, where it is `user`'s.
    pub(crate) fn find(&self, secret: &SessionToken, user: &str) -> Option<Arc<Session>> {
        // Looked up by its hash: how long that takes tells nothing about the secret.
        self.all().get(&key(secret)).filter(|session| session.user.as_str() == user).cloned()
    }

    fn forget(&self, key: &[u8; 32], session: &Arc<Session>) {
        let mut all = self.all();
        // Another connection of the same person may have come in its place.
        if all.get(key).is_some_and(|known| Arc::ptr_eq(known, session)) {
            all.remove(key);
        }
    }
}

/// Begins a session with this `hello`, from this address: the user, and the `welcome` as it came.
///
/// # Errors
/// `unavailable`, `overloaded`, or what back says to the hello.
pub(crate) async fn begin(
    bridge: &Arc<Bridge>,
    hello: String,
    from: Option<IpAddr>,
) -> Result<(UserId, Bytes), Box<ErrorBody>> {
    let sessions = &bridge.sessions;
    let seat = bridge.metrics().seat(&sessions.seats, Open::Session, Limit::Sessions).ok_or_else(|| {
        let error = overloaded("there are too many sessions over HTTP");
        Box::new(error.limit(sessions.most as u64))
    })?;
    let (answer, answered) = oneshot::channel();
    let run = open(Arc::clone(bridge), hello, from, seat, answer);
    bridge.spawn(run);
    answered.await.unwrap_or_else(|_| Err(unavailable()))
}

/// Opens a session's connection and serves it to its end.
async fn open(
    bridge: Arc<Bridge>,
    hello: String,
    from: Option<IpAddr>,
    seat: Seat,
    answer: oneshot::Sender<Result<(UserId, Bytes), Box<ErrorBody>>>,
) {
    let sessions = &bridge.sessions;
    let greeting = timeout(PATIENCE, greet(&sessions.back, hello, from)).await.unwrap_or_else(|_| Err(unavailable()));
    let (speaking, hearing, welcome, welcomed) = match greeting {
        Ok(greeted) => greeted,
        Err(error) => {
            let _ = answer.send(Err(error));
            return;
        }
    };
    let Welcomed { session: secret, user } = welcomed;
    let (commands, said) = mpsc::channel(1);
    let session = Arc::new(Session {
        user: user.clone(),
        frames: Mutex::new(Frames::new(welcome.clone(), Instant::now())),
        changes: watch::Sender::new(0),
        space: Notify::new(),
        commands,
        over: CancellationToken::new(),
        told: CancellationToken::new(),
    });
    let key = key(&secret);
    sessions.all().insert(key, Arc::clone(&session));
    if answer.send(Ok((user, welcome))).is_ok() {
        session.serve(speaking, hearing, said, sessions.idle).await;
        // Whoever reads it still has to hear how it ended. Then they begin anew, all of them when back was restarted, and
        // need its seat for that.
        let told = async {
            session.told.cancelled().await;
            sleep(ONCE_MORE).await;
        };
        tokio::select! {
            () = session.until_idle(sessions.idle) => {}
            () = told => {}
        }
    }
    sessions.forget(&key, &session);
    drop(seat);
}

/// What the chat server calls itself, in its welcome.
pub(crate) async fn server(back: &Back) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        server: String,
    }
    let hello = back.hello();
    let (mut speaking, _, welcome, _) = greet(back, hello, None).await.ok()?;
    let _ = speaking.say(r#"{"type":"quit"}"#.to_owned()).await;
    serde_json::from_slice(&welcome).ok().map(|Named { server }| server)
}

/// Hands over an order that lets nobody in; whether it was carried out.
pub(super) async fn end(back: &Back, order: String) -> bool {
    let hello = serde_json::json!({ "type": "hello", "ticket": order }).to_string();
    let ending = async {
        let Ok((mut speaking, mut hearing)) = upstream::open(back, None).await else { return false };
        if speaking.say(hello).await.is_err() {
            return false;
        }
        loop {
            match hearing.hear().await {
                Heard::Text(_) => {}
                Heard::End(end) => return end.is_some_and(|(code, _)| code == 1000),
            }
        }
    };
    timeout(PATIENCE, ending).await.unwrap_or(false)
}

/// Says hello and waits for the welcome.
async fn greet(
    back: &Back,
    hello: String,
    from: Option<IpAddr>,
) -> Result<(Speaking, Hearing, Bytes, Welcomed), Box<ErrorBody>> {
    let (mut speaking, mut hearing) = upstream::open(back, from).await.map_err(|error| {
        tracing::debug!(%error, "back cannot be reached");
        error.problem()
    })?;
    speaking.say(hello).await.map_err(|_| unavailable())?;
    loop {
        match hearing.hear().await {
            Heard::Text(text) => {
                let Ok(told) = serde_json::from_slice::<Told<'_>>(&text) else { continue };
                match &*told.kind {
                    "welcome" => {
                        let strange = || Box::new(ErrorBody::new(ErrorCode::Internal, "the welcome could not be read"));
                        let welcomed = serde_json::from_slice(&text).map_err(|_| strange())?;
                        return Ok((speaking, hearing, text, welcomed));
                    }
                    "error" => return Err(error_of(&text)),
                    _ => {}
                }
            }
            Heard::End(end) => return Err(closed(end.map(|(code, _)| code)).unwrap_or_else(unavailable)),
        }
    }
}

impl Session {
    fn frames(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    async fn serve(
        &self,
        mut speaking: Speaking,
        mut hearing: Hearing,
        mut said: mpsc::Receiver<Commands>,
        idle: Duration,
    ) {
        let end = tokio::select! {
            end = self.hear(&mut hearing) => Some(end),
            () = speak(&mut speaking, &mut said) => None,
            () = self.until_idle(idle) => Some(None),
            () = self.over.cancelled() => Some(None),
        };
        let end = match end {
            Some(end) => end,
            // Who is sent away notices when speaking, but why stands in what is still to be heard.
            None => timeout(GOODBYE, self.hear(&mut hearing)).await.unwrap_or_default(),
        };
        let (code, reason) = end.unwrap_or((LOST, "lost".to_owned()));
        self.frames().end(End { code, reason });
        self.changed();
    }

    /// Keeps what comes, as long as there is room for it.
    async fn hear(&self, hearing: &mut Hearing) -> Option<(u16, String)> {
        loop {
            // The permit of a wake-up that came first is kept: nobody else waits for it.
            while !self.frames().has_space() {
                self.space.notified().await;
            }
            match hearing.hear().await {
                Heard::Text(text) => {
                    self.frames().push(text);
                    self.changed();
                }
                Heard::End(end) => return end,
            }
        }
    }

    /// Returns when nobody has read for so long.
    async fn until_idle(&self, idle: Duration) {
        loop {
            let left = self.frames().idle(Instant::now(), idle).unwrap_or(idle);
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = sleep(left) => {}
                () = self.over.cancelled() => return,
            }
        }
    }

    /// Begins to read after frame `after`, in the place of whoever reads now; frames up to there are forgotten.
    pub(crate) fn listen(self: &Arc<Self>, after: u64) -> Option<Listener> {
        let changes = self.changes.subscribe();
        let generation = self.frames().attach(after)?;
        self.space.notify_one();
        self.changed();
        Some(Listener { session: Arc::clone(self), generation, changes })
    }

    /// Passes messages on, in order; returns when they are on their way.
    ///
    /// # Errors
    /// `no_session` when the connection is over, `overloaded` when back takes nothing.
    pub(crate) async fn command(&self, texts: Vec<String>) -> Result<(), Box<ErrorBody>> {
        let passing = async {
            let (done, passed) = oneshot::channel();
            self.commands.send((texts, done)).await.map_err(|_| no_session())?;
            passed.await.map_err(|_| no_session())
        };
        timeout(PATIENCE, passing).await.unwrap_or_else(|_| Err(overloaded("the chat server takes long to read")))
    }

    /// Says quit and ends.
    pub(crate) async fn quit(&self) {
        let mut changes = self.changes.subscribe();
        let goodbye = async {
            self.command(vec![r#"{"type":"quit"}"#.to_owned()]).await.ok()?;
            while !self.frames().has_ended() {
                changes.changed().await.ok()?;
            }
            Some(())
        };
        // It is over either way.
        let _ = timeout(GOODBYE, goodbye).await;
        self.over.cancel();
    }
}

/// This front holds no such session.
pub(crate) fn no_session() -> Box<ErrorBody> {
    let error = ErrorBody::new(ErrorCode::NoSession, "there is no such session here");
    Box::new(error.hint("begin it again: POST the hello with the same session and the positions you have reached"))
}

/// Passes on what is said until the connection is lost.
async fn speak(speaking: &mut Speaking, said: &mut mpsc::Receiver<Commands>) {
    loop {
        tokio::select! {
            commands = said.recv() => {
                let Some((texts, done)) = commands else { return };
                for text in texts {
                    if speaking.say(text).await.is_err() {
                        return;
                    }
                }
                let _ = done.send(());
            }
            () = sleep(PING_EVERY) => if speaking.ping().await.is_err() { return },
        }
    }
}

impl Listener {
    /// Frames after `after`, at most some; see [`Taken`].
    pub(crate) fn take(&self, after: u64) -> Taken {
        let taken = self.session.frames().take(self.generation, after);
        self.session.space.notify_one();
        if let Taken::Ended(_) = taken {
            self.session.told.cancel();
        }
        taken
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.session.frames().detach(self.generation, Instant::now());
    }
}
