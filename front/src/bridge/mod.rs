//! The way to back for whoever speaks HTTP: rooms are read once and shared, questions are asked, messages are said. It
//! keeps no state that a request could not rebuild, and knows no HTTP.

pub(crate) mod backoff;
pub(crate) mod departure;
pub(crate) mod encoded;
pub(crate) mod feed;
mod line;
pub(crate) mod reader;
mod ring;
mod say;
pub(crate) mod session;
pub(crate) mod told;
pub(crate) mod upstream;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::{Value, json};
use service::visitors::{Allowed, Visit, Visitors};
use shared::{Address, ErrorBody, ErrorCode, MessageId, Name, RoomName, SessionToken, limits};
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    dial::Back,
    metrics::{Limit, Metrics, Open, Seat},
    signin::office::Person,
};
use departure::{Departure, Departures};
use feed::Feed;
use line::Line;
pub use say::{Saying, new_id};
use session::Sessions;
pub use told::Page;
use told::overloaded;

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct BridgeLimits {
    /// Streams and waiting polls at once.
    pub readers: usize,
    /// What one address may have of them, and how fast it may ask.
    pub addresses: Allowed,
    /// Rooms that are read at once.
    pub rooms: usize,
    /// API sessions at once.
    pub sessions: usize,
    /// Requests at once that say something or begin a session.
    pub posts: usize,
    /// Bytes of messages that all rooms together keep ready.
    pub buffered: usize,
    /// A room is read for so long after its last reader left.
    pub room_idle: Duration,
    /// An API session that nobody reads ends after this.
    pub session_idle: Duration,
    /// Time in which those who listen are let go when the server stops.
    pub drain: Duration,
}

/// How often is looked for rooms and sessions that nobody reads, at least.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// How long the chat server's name for itself is believed.
const SERVER_KNOWN: Duration = Duration::from_secs(60);

/// When to look again for a place that another reader at the same address may leave.
const READER_RETRY_MS: u64 = 10_000;

/// A place of somebody who waits or streams.
pub(crate) struct ReaderSeat {
    _seat: Seat,
    _visit: Option<Visit<Address>>,
}

/// Front's side of the conversation with back.
pub struct Bridge {
    back: Back,
    runtime: Handle,
    departures: Arc<Departures>,
    end: CancellationToken,
    limits: BridgeLimits,
    rooms: Mutex<Rooms>,
    share: Arc<AtomicUsize>,
    readers: Arc<Semaphore>,
    addresses: Arc<Visitors<Address>>,
    posts: Arc<Semaphore>,
    /// What the chat server calls itself, and since when that is known; one asks at a time.
    server: tokio::sync::Mutex<Option<(String, Instant)>>,
    /// API sessions.
    pub(crate) sessions: Sessions,
}

#[derive(Default)]
struct Rooms {
    feeds: HashMap<RoomName, Arc<Feed>>,
    lines: Vec<Arc<Line>>,
}

/// A room that is being read; dropping it is leaving.
pub(crate) struct Reading {
    feed: Arc<Feed>,
}

impl std::ops::Deref for Reading {
    type Target = Feed;

    fn deref(&self) -> &Feed {
        &self.feed
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.feed.close(Instant::now());
    }
}

impl Bridge {
    /// A bridge whose tasks run on this runtime until `end`; it connects when somebody asks for something. Those who
    /// listen leave from `stop` on.
    pub fn new(
        back: Back,
        limits: BridgeLimits,
        runtime: Handle,
        stop: CancellationToken,
        end: CancellationToken,
    ) -> Arc<Self> {
        let bridge = Arc::new(Self {
            sessions: Sessions::new(back.clone(), limits.sessions, limits.session_idle),
            back,
            departures: Departures::new(stop, limits.drain),
            end,
            rooms: Mutex::default(),
            share: Arc::new(AtomicUsize::new(limits.buffered)),
            readers: Arc::new(Semaphore::new(limits.readers.min(Semaphore::MAX_PERMITS))),
            addresses: Visitors::new(limits.addresses),
            posts: Arc::new(Semaphore::new(limits.posts.min(Semaphore::MAX_PERMITS))),
            server: tokio::sync::Mutex::default(),
            limits,
            runtime,
        });
        bridge.spawn(tidy(Arc::downgrade(&bridge)));
        bridge
    }

    /// Runs on the runtime of connections, not on the thread of a request, and not beyond the end.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let end = self.end.clone();
        self.runtime.spawn(async move {
            tokio::select! {
                () = task => {}
                () = end.cancelled() => {}
            }
        });
    }

    /// Somebody listens, until the server stops and it is their turn to leave.
    pub(crate) fn enter(&self) -> Departure {
        self.departures.enter()
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this server counts of itself.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        self.back.metrics()
    }

    /// Takes a place among those who wait or stream, for this, and for somebody at an address that is counted.
    ///
    /// # Errors
    /// `overloaded` when there is none, `rate_limited` when the address has as many as it may.
    pub(crate) fn seat(&self, what: Open, from: Option<Address>) -> Result<ReaderSeat, Box<ErrorBody>> {
        let visit = from.map(|from| self.addresses.come(from, Instant::now())).transpose();
        let Ok(visit) = visit else {
            self.metrics().hit(Limit::ReadersPerAddress);
            let text = "too many streams and waiting polls at once come from this address";
            let error = ErrorBody::new(ErrorCode::RateLimited, text).retry_after_ms(READER_RETRY_MS);
            let error = error.limit(u64::from(self.limits.addresses.at_once));
            return Err(Box::new(error.hint("end one first, or ask again after retry_after_ms")));
        };
        let seat = self.metrics().seat(&self.readers, what, Limit::Readers);
        let seat = seat.ok_or_else(|| too_many("too many streams and waiting polls at once", self.limits.readers))?;
        Ok(ReaderSeat { _seat: seat, _visit: visit })
    }

    /// Whether somebody at an address that is counted may ask back something now.
    ///
    /// # Errors
    /// `rate_limited` when the address asks too fast.
    pub(crate) fn may_ask(&self, from: Option<Address>) -> Result<(), Box<ErrorBody>> {
        let Some(Err(wait)) = from.map(|from| self.addresses.act(from, Instant::now())) else { return Ok(()) };
        self.metrics().hit(Limit::QuestionsPerSecondPerAddress);
        let error = ErrorBody::new(ErrorCode::RateLimited, "too many questions come from this address");
        let error = error.retry_after_ms(wait.as_millis() as u64 + 1);
        let error = error.limit(u64::from(self.limits.addresses.acts_per_second));
        Err(Box::new(error.hint("ask again after retry_after_ms")))
    }

    /// Takes a place among those who say something, before their body is read.
    ///
    /// # Errors
    /// `overloaded` when there is none.
    pub(crate) fn post(&self) -> Result<Seat, Box<ErrorBody>> {
        let post = self.metrics().seat(&self.posts, Open::Post, Limit::Posts);
        post.ok_or_else(|| too_many("too many requests say something at once", self.limits.posts))
    }

    /// Reads a room: the one subscription of this front, begun where nobody reads it yet.
    ///
    /// # Errors
    /// `overloaded` when as many rooms are read as may be.
    pub(crate) fn read(&self, room: &RoomName) -> Result<Reading, Box<ErrorBody>> {
        let mut rooms = self.rooms();
        if let Some(feed) = rooms.feeds.get(room)
            && !feed.is_refused()
        {
            return Ok(reading(feed));
        }
        if !rooms.feeds.contains_key(room) && rooms.feeds.len() >= self.limits.rooms && !rooms.forget_one() {
            self.metrics().hit(Limit::Rooms);
            return Err(too_many("too many rooms are read at once", self.limits.rooms));
        }
        let held = self.metrics().hold(Open::Room);
        let feed = Arc::new(Feed::new(room.clone(), Arc::clone(&self.share), held));
        let reading = reading(&feed);
        rooms.feeds.insert(room.clone(), Arc::clone(&feed));
        self.share_out(rooms.feeds.len());
        self.line_for(&mut rooms, Some(room)).join(feed);
        Ok(reading)
    }

    /// The room where it is read already.
    pub(crate) fn read_already(&self, room: &RoomName) -> Option<Reading> {
        self.rooms().feeds.get(room).filter(|feed| !feed.is_refused()).map(reading)
    }

    fn share_out(&self, rooms: usize) {
        self.share.store(self.limits.buffered / rooms.max(1), Ordering::Relaxed);
    }

    /// The line of a room, or one with a place for another.
    fn line_for(&self, rooms: &mut Rooms, room: Option<&RoomName>) -> Arc<Line> {
        let has = |line: &&Arc<Line>| room.is_some_and(|room| line.has(room));
        let lines = &rooms.lines;
        if let Some(line) = lines.iter().find(has).or_else(|| lines.iter().find(|line| line.rooms() < line::ROOMS)) {
            return Arc::clone(line);
        }
        let (line, run) = Line::new(self.back.clone());
        self.spawn(run);
        rooms.lines.push(Arc::clone(&line));
        line
    }

    /// Asks back, in an object without `id`; the answer comes as back wrote it.
    ///
    /// # Errors
    /// What back answered, or why it could not be asked.
    pub(crate) async fn ask(&self, room: Option<&RoomName>, question: Value) -> Result<Bytes, Box<ErrorBody>> {
        let line = self.line_for(&mut self.rooms(), room);
        line.ask(question).await
    }

    /// A page of a room's history; `which` is `before`, `after` or `around` with its `seq`, or nothing for the newest.
    ///
    /// # Errors
    /// What back answered, or why it could not be asked.
    pub async fn page(&self, room: &RoomName, which: Option<(&str, u64)>, limit: u32) -> Result<Page, Box<ErrorBody>> {
        let mut question = json!({ "type": "history", "room": room, "limit": limit });
        if let Some((which, seq)) = which {
            question[which] = seq.into();
        }
        Page::read(&self.ask(Some(room), question).await?)
    }

    /// The newest page of a room, as somebody sees it who comes in.
    ///
    /// # Errors
    /// As [`Self::page`].
    pub async fn newest(&self, room: &RoomName) -> Result<Page, Box<ErrorBody>> {
        self.page(room, None, limits::DEFAULT_LAST).await
    }

    /// What the chat server calls itself; nothing while it cannot be reached. Asked at most once a minute.
    pub(crate) async fn server(&self) -> Option<String> {
        let mut known = self.server.lock().await;
        if let Some((name, at)) = &*known
            && at.elapsed() < SERVER_KNOWN
        {
            return Some(name.clone());
        }
        let name = session::server(&self.back).await?;
        *known = Some((name.clone(), Instant::now()));
        Some(name)
    }

    /// A ticket for somebody who signed in.
    pub(crate) fn ticket_of(&self, person: &Person) -> Option<String> {
        self.back.ticket_of(person)
    }

    /// Hands the chat server an order to end a sign-in; whether it was carried out.
    pub(crate) async fn end(&self, order: String) -> bool {
        session::end(&self.back, order).await
    }

    /// Says something as the page does: with a session as that person, without one as a guest. The same `id` again stores
    /// it once.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub async fn send(
        &self,
        room: RoomName,
        text: String,
        name: Option<Name>,
        session: Option<SessionToken>,
        id: Option<MessageId>,
    ) -> Result<Bytes, Box<ErrorBody>> {
        let saying = match session {
            Some(session) => {
                let id = id.map_or_else(new_id, Ok)?;
                Saying { room, text, reply_to: None, session, name, id, from: None, person: None, shows_session: true }
            }
            None => Saying::guest(room, text, None, name, id, None)?,
        };
        self.say(self.post()?, saying).await
    }

    /// Says something, once, however often it has to be tried: the `ok` as back wrote it. The one who says it is not
    /// counted among the people of the room.
    ///
    /// # Errors
    /// What back answered: nothing was stored. `unavailable` where it did not answer: the same [`Saying`] again settles
    /// whether it was stored.
    pub async fn say(&self, place: Seat, saying: Saying) -> Result<Bytes, Box<ErrorBody>> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let (back, reading) = (self.back.clone(), self.read_already(&saying.room));
        let metrics = Arc::clone(self.metrics());
        // On its own: whoever asked for it may be gone before it is done. Its place it keeps until then.
        self.spawn(async move {
            let said = say::say(&back, &saying).await;
            if said.is_ok() {
                metrics.said();
            }
            if let (Ok(ok), Some(reading)) = (&said, reading) {
                say::until_heard(ok, &reading).await;
            }
            drop(place);
            let _ = answer.send(said);
        });
        answered.await.unwrap_or_else(|_| Err(told::unavailable()))
    }

    fn tidy(&self) {
        let now = Instant::now();
        let mut rooms = self.rooms();
        let idle: Vec<_> = rooms
            .feeds
            .values()
            .filter(|feed| {
                let idle = |since: Instant| feed.is_refused() || now.duration_since(since) >= self.limits.room_idle;
                feed.idle_since().is_some_and(idle)
            })
            .map(|feed| feed.room().clone())
            .collect();
        idle.iter().for_each(|room| rooms.forget(room));
        self.share_out(rooms.feeds.len());
    }
}

impl Rooms {
    fn forget(&mut self, room: &RoomName) {
        self.feeds.remove(room);
        self.lines.iter().filter(|line| line.has(room)).for_each(|line| line.leave(room));
    }

    /// Makes place for a room, if there is one that nobody reads.
    fn forget_one(&mut self) -> bool {
        let idle = |feed: &&Arc<Feed>| feed.idle_since().is_some();
        let oldest = self.feeds.values().filter(idle).min_by_key(|feed| feed.idle_since());
        let Some(room) = oldest.map(|feed| feed.room().clone()) else { return false };
        self.forget(&room);
        true
    }
}

fn reading(feed: &Arc<Feed>) -> Reading {
    feed.open();
    Reading { feed: Arc::clone(feed) }
}

fn too_many(text: &str, limit: usize) -> Box<ErrorBody> {
    Box::new(overloaded(text).limit(limit as u64))
}

/// Forgets what nobody reads.
async fn tidy(bridge: Weak<Bridge>) {
    loop {
        let Some(every) =
            bridge.upgrade().map(|bridge| bridge.limits.room_idle.clamp(Duration::from_millis(100), TIDY_EVERY))
        else {
            return;
        };
        tokio::time::sleep(every).await;
        if let Some(bridge) = bridge.upgrade() {
            bridge.tidy();
        }
    }
}
