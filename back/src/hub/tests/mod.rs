//! The hub and history together, without a socket's timing in between.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::FutureExt;
use shared::{Epoch, Message, Name, Position, UserId};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use super::*;
use crate::history::{Append, Bounds, Change, Draft, Fatal, Follow, Memory, MemoryLimits, Query, Says, Stopper, Store};

pub const DEADLINE: Duration = Duration::from_secs(20);

/// Counts the questions that would be asked of a disk.
struct Counting {
    memory: Memory,
    reads: AtomicUsize,
    sizes: AtomicUsize,
}

impl Store for Counting {
    fn kind(&self) -> &'static str {
        self.memory.kind()
    }

    fn blocks(&self) -> bool {
        true
    }

    fn commit(&self, changes: Vec<Change>, now_ms: u64) -> Result<Vec<Outcome>, Fatal> {
        self.memory.commit(changes, now_ms)
    }

    fn bounds(&self, room: &RoomName) -> Result<Bounds, Unavailable> {
        self.memory.bounds(room)
    }

    fn read(&self, room: &RoomName, range: Range, limit: usize) -> Result<Vec<Arc<Message>>, Unavailable> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.memory.read(room, range, limit)
    }

    fn size_after(&self, room: &RoomName, seq: u64, limit: usize) -> Result<(usize, usize), Unavailable> {
        self.sizes.fetch_add(1, Ordering::Relaxed);
        self.memory.size_after(room, seq, limit)
    }

    fn search(
        &self,
        room: &RoomName,
        query: &Query,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, Unavailable> {
        self.memory.search(room, query, before, limit)
    }

    fn marker(&self, room: &RoomName, user: &UserId) -> Result<Option<u64>, Unavailable> {
        self.memory.marker(room, user)
    }

    fn name(&self, user: &UserId) -> Result<Option<Name>, Unavailable> {
        self.memory.name(user)
    }

    fn rooms(&self, limit: usize) -> Result<Vec<(RoomName, u64)>, Unavailable> {
        self.memory.rooms(limit)
    }
}

struct Yard {
    hub: Arc<Hub>,
    store: Arc<Counting>,
    follow: Follow<Receipt>,
    _writer: (Option<Stopper>, JoinSet<Result<(), Fatal>>),
}

fn yard() -> Yard {
    let limits = MemoryLimits { messages: 100_000, bytes: usize::MAX };
    let memory = Memory::new(Epoch::parse("e").unwrap(), limits);
    let store = Arc::new(Counting { memory, reads: AtomicUsize::new(0), sizes: AtomicUsize::new(0) });
    let (history, writer, follow) = history::History::open(Arc::clone(&store) as Arc<dyn Store>);
    let mut tasks = JoinSet::new();
    let stopper = writer.start(&mut tasks);
    let presence = PresenceTimes { interval: Duration::from_millis(250), grace: Duration::from_secs(15) };
    let hub = Arc::new(Hub::new(history, HubLimits { rooms: 10, log_bytes: usize::MAX, presence }));
    Yard { hub, store, follow, _writer: (stopper, tasks) }
}

async fn outlet(hub: &Hub) -> Arc<Outlet> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    Arc::new(Outlet::new(hub.people().next_connection(), Wire::Tcp(stream), true, Vitals::new(false)))
}

fn user(n: usize) -> UserId {
    UserId::parse(&format!("{n:016}")).unwrap()
}

fn say(n: usize) -> Change {
    let says = Says::Text { text: format!("message {n}"), reply_to: None };
    Change::Say(Draft { room: RoomName::lobby(), user: user(1), name: Name::parse("kim").unwrap(), id: None, says })
}

#[tokio::test]
async fn nobody_is_shown_a_message_before_its_sender_is_answered() {
    let mut yard = yard();
    let receipt = Receipt { outlet: outlet(&yard.hub).await, id: None };
    yard.hub.history().append(Append { change: say(1), receipt }).await.ok().unwrap();
    // It is stored, and the answer is still on its way.
    let committed = yard.follow.recv().await.unwrap();
    assert_eq!(yard.hub.history().bounds(&RoomName::lobby()).await.unwrap().top, 1);
    let hub = Arc::clone(&yard.hub);
    let opening = tokio::spawn(async move { hub.open(&RoomName::lobby()).await.map(|room| room.top()) });
    let settled = timeout(DEADLINE, yard.follow.recv()).await.expect("whoever opens the room waits for it").unwrap();
    assert!(matches!(settled[..], [Followed::Settled(_)]) && !opening.is_finished());
    yard.hub.publish(committed);
    yard.hub.publish(settled);
    assert_eq!(timeout(DEADLINE, opening).await.unwrap().unwrap().ok(), Some(1));
    // The same for a page of history.
    let receipt = Receipt { outlet: outlet(&yard.hub).await, id: None };
    yard.hub.history().append(Append { change: say(2), receipt }).await.ok().unwrap();
    let committed = yard.follow.recv().await.unwrap();
    let bounds = yard.hub.history().bounds(&RoomName::lobby()).await.unwrap();
    assert_eq!((bounds.top, yard.hub.published(&RoomName::lobby(), bounds.clone()).top), (2, 1));
    yard.hub.publish(committed);
    assert_eq!(yard.hub.published(&RoomName::lobby(), bounds).top, 2);
}

#[tokio::test]
async fn a_crowd_that_comes_back_costs_history_one_look() {
    let mut yard = yard();
    yard.store.commit((1..=700).map(say).collect(), 1).unwrap();
    let hub = Arc::clone(&yard.hub);
    let publisher = Arc::clone(&hub);
    tokio::spawn(async move {
        while let Some(batch) = yard.follow.recv().await {
            publisher.publish(batch);
        }
    });
    let mut crowd = JoinSet::new();
    for n in 0..200 {
        let hub = Arc::clone(&hub);
        crowd.spawn(async move {
            let room = hub.open(&RoomName::lobby()).await.ok().unwrap();
            let person = Person { user: user(n), name: Name::parse("kim").unwrap() };
            let ask = Ask::Resume(Position { epoch: Epoch::parse("e").unwrap(), seq: 3 * n as u64 });
            let outlet = outlet(&hub).await;
            let membership = hub.enter(room, &outlet, person, &ask, None).await.unwrap();
            assert!(membership.is_some_and(|membership| membership.room().log().locate(3 * n as u64).is_some()));
        });
    }
    while let Some(done) = crowd.join_next().await {
        done.unwrap();
    }
    assert_eq!((yard.store.reads.load(Ordering::Relaxed), yard.store.sizes.load(Ordering::Relaxed)), (8, 0));
}

#[tokio::test]
async fn who_says_more_than_a_room_can_deliver_waits_until_it_has() {
    let yard = yard();
    let (hub, mut follow) = (Arc::clone(&yard.hub), yard.follow);
    tokio::spawn(async move {
        while let Some(batch) = follow.recv().await {
            hub.publish(batch);
        }
    });
    let room = yard.hub.open(&RoomName::lobby()).await.ok().unwrap();
    assert!(room.keeps_up().now_or_never().is_some());
    for _ in 0..=log::LOG_FRAMES {
        room.log().append_state(Bytes::from_static(b"x"));
    }
    let mut waiting = pin!(room.keeps_up());
    assert!(room.lags() && waiting.as_mut().now_or_never().is_none());
    sweep::mark(&room);
    timeout(DEADLINE, waiting).await.expect("a sweep ends it");
    assert!(!room.lags());
}
