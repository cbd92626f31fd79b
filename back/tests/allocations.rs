//! What a delivery allocates: nothing. A message costs the same number of allocations however many it goes to.
//!
//! Counted per thread, on a runtime of one thread. A crowd is told some messages one after the other; between two
//! crowds only the number of deliveries differs, so whatever a delivery allocated would show as a difference.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::{
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};

use back::{
    history::{Append, Change, Draft, Follow, History, Memory, MemoryLimits, Says},
    hub::{Hub, HubLimits, Membership, Next, Outlet, PresenceTimes, Receipt, Vitals, Wire},
    metrics::Metrics,
};
use shared::{Ask, Epoch, Name, Person, RoomName, UserId};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    task::{JoinSet, yield_now},
    time::timeout,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// Before anything is counted: lists that grow with the messages have grown then.
const WARM_UP: u64 = 3;

const COUNTED: u64 = 20;

/// After this nothing is taken to follow at once; twice what it is.
const QUIET: Duration = Duration::from_millis(2);

/// Members of a segment of a room.
const SEGMENT: usize = 256;

/// What a sweep of several segments allocates that one of a single segment does not, with one worker: the list of
/// segments that the workers share, and the number of the next one.
const SHARING: u64 = 2;

struct Crowd {
    hub: Arc<Hub>,
    follow: Follow<Receipt>,
    outlets: Vec<Arc<Outlet>>,
    readers: Vec<TcpStream>,
    _members: Vec<Membership>,
    _tasks: JoinSet<()>,
}

impl Crowd {
    /// So many clients on sockets, who have come in and read everything.
    async fn new(count: usize) -> Self {
        let limits = MemoryLimits { messages: 1_000, bytes: usize::MAX };
        let (history, writer, follow) = History::open(Arc::new(Memory::new(Epoch::parse("e").unwrap(), limits)));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut writers = JoinSet::new();
            let _stopper = writer.start(&mut writers);
            writers.join_next().await;
        });
        let hour = Duration::from_secs(3_600);
        let presence = PresenceTimes { interval: hour, grace: hour };
        let hub = Arc::new(Hub::new(
            history,
            HubLimits { rooms: 1, sessions: 0, log_bytes: usize::MAX, rest: Duration::from_millis(5), presence },
            Arc::new(Metrics::default()),
        ));
        let mut crowd =
            Self { hub, follow, outlets: Vec::new(), readers: Vec::new(), _members: Vec::new(), _tasks: tasks };
        let opened = {
            let hub = Arc::clone(&crowd.hub);
            tokio::spawn(async move { hub.open(&RoomName::lobby()).await.ok().unwrap() })
        };
        // Whoever opens a room waits until what is on its way has been passed on.
        let settled = timeout(DEADLINE, crowd.follow.recv()).await.unwrap().unwrap();
        crowd.hub.publish(settled);
        let room = opened.await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for n in 0..count {
            let mut reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let wire = Wire::Tcp(listener.accept().await.unwrap().0);
            let metrics = Arc::clone(crowd.hub.metrics());
            let outlet = Arc::new(Outlet::new(n as u64 + 1, wire, true, Vitals::new(false), metrics));
            let entered = crowd.hub.enter(Arc::clone(&room), &outlet, person(n), true, &Ask::Default, None).await;
            crowd._members.push(entered.ok().unwrap().unwrap());
            let (hub, writes) = (Arc::clone(&crowd.hub), Arc::clone(&outlet));
            crowd._tasks.spawn(async move {
                while let Next::CatchUp(backlog) = poll_fn(|cx| writes.poll_next(cx)).await {
                    backlog.step(&writes, hub.history()).await;
                }
            });
            let mut read = Vec::new();
            while !read.ends_with(br#""seq":0}"#) {
                assert!(timeout(DEADLINE, reader.read_buf(&mut read)).await.unwrap().unwrap() > 0);
            }
            crowd.outlets.push(outlet);
            crowd.readers.push(reader);
        }
        crowd
    }

    /// Stores a message, and gives what is to be published of it.
    async fn say(&mut self, seq: u64) -> Vec<back::history::Followed<Receipt>> {
        let says = Says::Text { text: text(seq), reply_to: None };
        let Person { user, name } = person(0);
        let change = Change::Say(Draft { room: RoomName::lobby(), user, name, id: None, says });
        let receipt = Receipt { outlet: Arc::clone(&self.outlets[0]), id: None, coming: None };
        assert!(self.hub.history().append(Append { change, receipt }).await.is_ok());
        timeout(DEADLINE, self.follow.recv()).await.unwrap().unwrap()
    }

    /// Reads a message from every socket. Nothing is swept meanwhile that was not swept before.
    async fn hear(&mut self, seq: u64) {
        let mut read = [0; 1_024];
        for reader in &mut self.readers {
            // It is there already, and nothing else is.
            timeout(DEADLINE, reader.readable()).await.unwrap().unwrap();
            let count = reader.try_read(&mut read).unwrap();
            let payload = String::from_utf8_lossy(&read[4..count]);
            assert_eq!(payload.matches(r#""type":"message""#).count(), 1, "{payload}");
            assert!(payload.contains(&text(seq)), "{payload}");
        }
    }
}

fn person(n: usize) -> Person {
    Person { user: UserId::parse(&format!("{n:016}")).unwrap(), name: Name::parse("kim").unwrap() }
}

/// Always as long, so that its JSON is.
fn text(seq: u64) -> String {
    format!("message {seq:04}, and what else there is to say {}", "x".repeat(60))
}

/// How much is allocated while some messages, one after the other, are handed to so many clients.
fn allocations(clients: usize) -> u64 {
    let runtime: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut crowd = runtime.block_on(Crowd::new(clients));
    let mut total = 0;
    for seq in 1..=WARM_UP + COUNTED {
        let batch = runtime.block_on(crowd.say(seq));
        // A small room is swept at once if the last sweep is so long ago.
        let begun = Instant::now();
        runtime.block_on(async {
            while begun.elapsed() < QUIET {
                yield_now().await;
            }
        });
        let hub = Arc::clone(&crowd.hub);
        let info = allocation_counter::measure(|| {
            runtime.block_on(async {
                hub.publish(batch);
                // The sweep's turns: it lets others go first, and again after every segment.
                for _ in 0..2 + clients.div_ceil(SEGMENT) {
                    yield_now().await;
                }
            });
        });
        runtime.block_on(crowd.hear(seq));
        if seq > WARM_UP {
            total += info.count_total;
        }
    }
    total
}

#[test]
fn a_delivery_allocates_nothing() {
    // These are swept at once.
    let few = allocations(10);
    assert!(few > 0, "the counter counts");
    assert_eq!(allocations(30), few, "20 clients more in a small room");
    let one_segment = allocations(100);
    assert_eq!(allocations(250), one_segment, "150 clients more in the one segment");
    let two_segments = allocations(300);
    assert_eq!(allocations(500), two_segments, "200 clients more in two segments");
    assert_eq!(two_segments, one_segment + SHARING * COUNTED, "several segments cost what it takes to share them");
}
