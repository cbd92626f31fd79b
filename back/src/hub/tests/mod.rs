//! The hub and history together, without a socket's timing in between.

mod counting;
mod looks;
mod model;
mod people;
mod script;
mod storm;
mod sweeps;
mod tick;

use std::time::Duration;

use shared::{Ask, Epoch, Name, Person, Position, ServerMessage, UserId};
use tokio::{
    task::{JoinHandle, JoinSet, yield_now},
    time::timeout,
};

use super::*;
use crate::{
    connection, frame,
    history::{Append, Bounds, Change, Draft, Fatal, Follow, Followed, Memory, Outcome, Says, Stopper, Store},
};

use counting::Counting;
pub use script::Script;

const DEADLINE: Duration = Duration::from_secs(20);

const EPOCH: &str = "e";

/// No news of people comes of itself while a test runs.
const QUIET: PresenceTimes = PresenceTimes { interval: Duration::from_secs(3_600), grace: Duration::from_secs(3_600) };

/// A hub over a history whose writer runs; nobody follows it yet.
struct Yard {
    hub: Arc<Hub>,
    store: Arc<Counting>,
    follow: Follow<Receipt>,
    _writer: (Option<Stopper>, JoinSet<Result<(), Fatal>>),
}

impl Yard {
    fn new(store: Counting, presence: PresenceTimes) -> Self {
        let store = Arc::new(store);
        let (history, writer, follow) = history::History::open(Arc::clone(&store) as Arc<dyn Store>);
        let mut tasks = JoinSet::new();
        let stopper = writer.start(&mut tasks);
        let hub = Arc::new(Hub::new(
            history,
            HubLimits { rooms: 10, sessions: 2, log_bytes: 0, rest: Duration::from_millis(5), presence },
            Arc::default(),
        ));
        Self { hub, store, follow, _writer: (stopper, tasks) }
    }

    /// Over a history that is asked as one on disk is.
    fn on_disk() -> Self {
        Self::new(Counting::new(100_000, true), QUIET)
    }

    /// Hands everybody what comes out of history, from here on.
    fn publish(self) -> Published {
        let Self { hub, store, mut follow, _writer: (stopper, mut tasks) } = self;
        let publisher = Arc::clone(&hub);
        tasks.spawn(async move {
            while let Some(batch) = follow.recv().await {
                publisher.publish(batch);
            }
            Ok(())
        });
        Published { hub, store, _tasks: (stopper, tasks) }
    }
}

/// A yard whose follower runs.
struct Published {
    hub: Arc<Hub>,
    store: Arc<Counting>,
    _tasks: (Option<Stopper>, JoinSet<Result<(), Fatal>>),
}

/// A connection to a script, and the task that writes to it.
fn connect(hub: &Arc<Hub>) -> (Arc<Script>, Arc<Outlet>, JoinHandle<()>) {
    let script = Arc::new(Script::default());
    let wire = Wire::Scripted(Arc::clone(&script));
    let (connection, metrics) = (hub.people().next_connection(), Arc::clone(hub.metrics()));
    let outlet = Arc::new(Outlet::new(connection, wire, true, Vitals::new(false), metrics));
    let (hub, writes) = (Arc::clone(hub), Arc::clone(&outlet));
    let task = tokio::spawn(async move { connection::write(&writes, hub.history()).await });
    (script, outlet, task)
}

fn person(n: usize) -> Person {
    Person { user: user(n), name: Name::parse("kim").unwrap() }
}

fn user(n: usize) -> UserId {
    UserId::parse(&format!("{n:016}")).unwrap()
}

fn says(n: usize, says: Says) -> Change {
    let Person { user, name } = person(n);
    Change::Say(Draft { room: RoomName::lobby(), user, name, id: None, says })
}

fn say(n: usize) -> Change {
    says(1, Says::Text { text: format!("message {n}"), reply_to: None })
}

fn resume(seq: u64) -> Ask {
    Ask::Resume(Position { epoch: Epoch::parse(EPOCH).unwrap(), seq })
}

/// Lets everybody go on until it is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    let waited = timeout(DEADLINE, async {
        while !is_so() {
            yield_now().await;
        }
    });
    waited.await.expect("it never became so");
}
