//! The people of the chat: senders that give up nothing, subscribers of every kind, and a reader for the end. They
//! speak `chat.v1` over a link that may break at any byte, and write down what they are told.

pub mod link;
pub mod reader;
pub mod sender;
pub mod subscriber;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use shared::{RoomName, SessionToken};
use tokio::{sync::watch, task::JoinSet};

use crate::{faults::proxy::Proxy, random::Random, record::Recorder};
use sender::Sender;
use subscriber::{Kind, Subscriber};

/// The rooms of a round.
pub const ROOMS: [&str; 3] = ["dev", "lobby", "마당"];

/// Senders of a round.
const SENDERS: usize = 20;

/// Subscribers of a round, by kind.
const SUBSCRIBERS: [(Kind, usize); 4] = [(Kind::Steady, 12), (Kind::Cut, 9), (Kind::Slow, 5), (Kind::Late, 4)];

/// Mean time between two messages of one sender: twenty of them make 300 messages a second.
const THINK: Duration = Duration::from_millis(66);

/// The newest number of each room.
pub type Tops = BTreeMap<RoomName, u64>;

/// What the people do.
#[derive(Debug, Clone)]
pub enum Phase {
    /// They talk.
    Talk,
    /// Nobody says anything new; what is unanswered is settled.
    Settle,
    /// Subscribers read up to these numbers.
    Drain(Arc<Tops>),
}

/// Where the people go in.
pub struct Ways {
    /// For senders.
    pub talk: Proxy,
    /// For subscribers.
    pub listen: Proxy,
    /// For slow subscribers: little fits into it.
    pub narrow: Proxy,
}

/// What a client has in common with the others.
#[derive(Clone)]
pub struct Person {
    /// Its name in the history.
    pub name: String,
    /// Its secret, kept over reconnects.
    pub session: SessionToken,
    /// Where it goes in.
    pub way: SocketAddr,
    /// What it chooses by: how often it had to come back makes no difference to it.
    pub random: Random,
    /// What it waits by.
    jitter: Random,
    /// Where it writes down what it is told.
    pub recorder: Arc<Recorder>,
    /// What it is to do.
    pub phase: watch::Receiver<Phase>,
}

impl Person {
    /// Somebody whose secret and choices follow from the seed.
    fn new(
        name: String,
        seed: u64,
        way: SocketAddr,
        recorder: &Arc<Recorder>,
        phase: &watch::Receiver<Phase>,
    ) -> anyhow::Result<Self> {
        let mut random = Random::stream(seed, &name);
        let session = SessionToken::parse(&format!("{:016x}{:016x}", random.next(), random.next()))?;
        let jitter = Random::new(random.next());
        Ok(Self { name, session, way, random, jitter, recorder: Arc::clone(recorder), phase: phase.clone() })
    }

    /// How long to wait before asking again for what was refused for now.
    fn pause(&mut self) -> Duration {
        self.jitter.seconds(0.1, 0.5)
    }

    /// Waits before the next attempt: longer each time, with full jitter, and no less than the server advised.
    pub async fn back_off(&mut self, attempt: u32, advised: Option<Duration>) {
        let most = (0.1 * f64::from(1_u32 << attempt.min(4))).min(1.0);
        let wait = self.jitter.seconds(0.05, most).max(advised.unwrap_or_default());
        tokio::time::sleep(wait.min(link::LONGEST_ADVICE)).await;
    }
}

/// The people of a round, at work.
pub struct Crowd {
    /// Each ends when all it said is settled.
    pub senders: JoinSet<()>,
    /// Each ends when it has everything.
    pub subscribers: JoinSet<()>,
}

impl Crowd {
    /// Lets everybody in. `seconds` is how long they will talk, so that who comes late comes in time.
    ///
    /// # Errors
    /// When a name is none.
    pub fn start(
        seed: u64,
        seconds: f64,
        pace: f64,
        ways: &Ways,
        recorder: &Arc<Recorder>,
        phase: &watch::Receiver<Phase>,
    ) -> anyhow::Result<Self> {
        let rooms = ROOMS.iter().map(|room| RoomName::parse(room)).collect::<Result<Vec<_>, _>>()?;
        let mut crowd = Self { senders: JoinSet::new(), subscribers: JoinSet::new() };
        for n in 0..SENDERS {
            let person = Person::new(format!("p{n}"), seed, ways.talk.address(), recorder, phase)?;
            crowd.senders.spawn(Sender::new(person, &rooms, THINK.div_f64(pace)).run());
        }
        let kinds = SUBSCRIBERS.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
        for (n, kind) in kinds.enumerate() {
            let way = if kind == Kind::Slow { &ways.narrow } else { &ways.listen };
            let person = Person::new(format!("s{n}"), seed, way.address(), recorder, phase)?;
            let Some(room) = rooms.get(n % rooms.len()) else { continue };
            crowd.subscribers.spawn(Subscriber::new(person, kind, room.clone(), seconds).run());
        }
        Ok(crowd)
    }
}
