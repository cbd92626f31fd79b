//! The way to back for whoever speaks HTTP: rooms are read once and shared, questions are asked, messages are said. It
//! keeps no state that a request could not rebuild, and knows no HTTP.

pub(crate) mod backoff;
pub(crate) mod departure;
pub(crate) mod encoded;
pub(crate) mod feed;
mod line;
mod places;
pub(crate) mod reader;
mod ring;
mod rooms;
mod say;
pub(crate) mod session;
mod stranger;
pub(crate) mod told;
pub(crate) mod upstream;

use std::{
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::{Value, json};
use service::visitors::Allowed;
use shared::{Address, ErrorBody, RoomName, limits};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{accounts::Person, dial::Back, metrics::Metrics};
use departure::{Departure, Departures};
use line::Line;
use places::{Place, Places};
pub(crate) use rooms::Reading;
use rooms::Rooms;
pub use say::{Saying, new_id};
use session::Sessions;
pub use told::Page;

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
    /// Those of one address.
    pub posts_per_address: u32,
    /// Searches at once.
    pub searches: usize,
    /// Those of one address.
    pub searches_per_address: u32,
    /// Bytes of messages that all rooms together keep ready.
    pub buffered: usize,
    /// A room is read for so long after its last reader left.
    pub room_idle: Duration,
    /// An API session that nobody reads ends after this.
    pub session_idle: Duration,
    /// Time in which those who listen are let go when the server stops.
    pub drain: Duration,
}

/// Searches at once that back is asked for; it has as many searchers.
const SEARCHERS: usize = 2;

/// How long the chat server's name for itself is believed.
const SERVER_KNOWN: Duration = Duration::from_secs(60);

/// Front's side of the conversation with back.
pub struct Bridge {
    back: Back,
    runtime: Handle,
    departures: Arc<Departures>,
    end: CancellationToken,
    limits: BridgeLimits,
    rooms: Mutex<Rooms>,
    share: Arc<AtomicUsize>,
    readers: Places,
    posts: Places,
    searches: Places,
    /// Searches have lines of their own. Back answers one question of a connection after the other, and a search may take
    /// seconds: behind it everybody's pages and lists would wait.
    searching: Vec<Arc<Line>>,
    /// What the chat server calls itself, and since when that is known; one asks at a time.
    server: tokio::sync::Mutex<Option<(String, Instant)>>,
    /// API sessions.
    pub(crate) sessions: Sessions,
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
        let lines = (0..SEARCHERS).map(|_| Line::new(back.clone(), stop.clone(), 1));
        let (searching, runs): (Vec<_>, Vec<_>) = lines.unzip();
        let bridge = Arc::new(Self {
            sessions: Sessions::new(back.clone(), limits.sessions, limits.session_idle),
            back,
            departures: Departures::new(stop, limits.drain),
            end,
            rooms: Mutex::default(),
            share: Arc::new(AtomicUsize::new(limits.buffered)),
            readers: Places::for_readers(limits.readers, limits.addresses),
            posts: Places::for_posts(limits.posts, limits.posts_per_address),
            searches: Places::for_searches(limits.searches, limits.searches_per_address),
            searching,
            server: tokio::sync::Mutex::default(),
            limits,
            runtime,
        });
        runs.into_iter().for_each(|run| bridge.spawn(run));
        bridge.spawn(rooms::tidy(Arc::downgrade(&bridge)));
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

    /// What this server counts of itself.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        self.back.metrics()
    }

    /// Asks back, in an object without `id`; the answer comes as back wrote it.
    ///
    /// # Errors
    /// What back answered, or why it could not be asked.
    pub(crate) async fn ask(&self, room: Option<&RoomName>, question: Value) -> Result<Bytes, Box<ErrorBody>> {
        self.line(room).ask(question).await
    }

    /// Searches in a room, for somebody at an address that is counted; the answer comes as back wrote it. Who gives up while
    /// it waits for its turn takes it from nobody.
    ///
    /// # Errors
    /// `overloaded` or `rate_limited` when too many search at once, here or at that address; else as [`Self::ask`].
    pub(crate) async fn search(&self, from: Option<Address>, question: Value) -> Result<Bytes, Box<ErrorBody>> {
        let _place = self.searcher(from)?;
        let line = self.searching.iter().min_by_key(|line| line.under_way());
        line.ok_or_else(told::unavailable)?.ask(question).await
    }

    /// A page of a room's history, for somebody at an address that is counted; `which` is `before`, `after` or `around`
    /// with its `seq`, or nothing for the newest.
    ///
    /// # Errors
    /// As [`Self::may_ask`]; what back answered, or why it could not be asked.
    pub(crate) async fn page(
        &self,
        from: Option<Address>,
        room: &RoomName,
        which: Option<(&str, u64)>,
        limit: u32,
    ) -> Result<Page, Box<ErrorBody>> {
        self.may_ask(from)?;
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
    pub(crate) async fn newest(&self, from: Option<Address>, room: &RoomName) -> Result<Page, Box<ErrorBody>> {
        self.page(from, room, None, limits::DEFAULT_LAST).await
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
    ///
    /// # Errors
    /// `unauthorized` when their sign-in is over: without a ticket they would speak as a guest, where guests may.
    pub(crate) fn ticket_of(&self, person: &Person) -> Result<String, Box<ErrorBody>> {
        self.back.ticket_of(person).ok_or_else(told::signed_out)
    }

    /// Hands the chat server an order to end a sign-in; whether it was carried out.
    pub(crate) async fn end(&self, order: String) -> bool {
        session::end(&self.back, order).await
    }

    /// Whether whoever brings no ticket sees one of these rooms; nothing where that cannot be told just now.
    pub(crate) async fn stranger_sees(&self, rooms: &[RoomName]) -> Option<bool> {
        stranger::sees(&self.back, rooms).await
    }

    /// Says something, once, however often it has to be tried: the `ok` as back wrote it. The one who says it is not
    /// counted among the people of the room.
    ///
    /// # Errors
    /// What back answered: nothing was stored. `unavailable` where it did not answer: the same [`Saying`] again settles
    /// whether it was stored.
    pub(crate) async fn say(&self, place: Place, saying: Saying) -> Result<Bytes, Box<ErrorBody>> {
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
}
