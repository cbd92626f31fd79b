//! The people of the chat: senders that give up nothing, subscribers of every kind, and a reader for the end. They come in
//! by every door there is, over links that may break at any byte, and write down what they are told.

mod api;
mod chat;
pub mod door;
mod feed;
pub mod http;
mod lines;
pub mod link;
mod listener;
mod poster;
pub mod reader;
pub mod sender;
mod session;
mod sse;
pub mod subscriber;
pub mod ways;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use shared::{RoomName, SessionToken};
use tokio::{sync::watch, task::JoinSet};

use crate::{random::Random, record::Recorder};
use door::{Door, SENDERS, SUBSCRIBERS};
use poster::Poster;
use sender::Sender;
use subscriber::Subscriber;
use ways::Ways;

/// The rooms of a round.
pub const ROOMS: [&str; 3] = ["dev", "lobby", "마당"];

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

/// What a client has in common with the others.
#[derive(Clone)]
pub struct Person {
    /// Its name in the history.
    pub name: String,
    /// Its secret, kept over reconnects.
    pub session: SessionToken,
    /// How it goes in.
    pub door: Door,
    /// Where.
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
        door: Door,
        way: SocketAddr,
        recorder: &Arc<Recorder>,
        phase: &watch::Receiver<Phase>,
    ) -> anyhow::Result<Self> {
        let mut random = Random::stream(seed, &name);
        let session = SessionToken::parse(&format!("{:016x}{:016x}", random.next(), random.next()))?;
        let jitter = Random::new(random.next());
        Ok(Self { name, session, door, way, random, jitter, recorder: Arc::clone(recorder), phase: phase.clone() })
    }

    /// The same person doing one of several things at once, which has a name and choices of its own.
    fn part(&mut self, number: u32) -> Self {
        let (random, jitter) = (Random::new(self.random.next()), Random::new(self.random.next()));
        Self { name: format!("{}.{number}", self.name), random, jitter, ..self.clone() }
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
        let person = |name, door: Door, kind| {
            let door = door.or_back(&ways.open);
            Person::new(name, seed, door, ways.of(door, kind), recorder, phase)
        };
        let think = THINK.div_f64(pace);
        let doors = SENDERS.iter().flat_map(|(door, count)| std::iter::repeat_n(*door, *count));
        for (n, door) in doors.enumerate() {
            let person = person(format!("p{n}"), door, None)?;
            if person.door.is_chat() {
                crowd.senders.spawn(Sender::new(person, &rooms, think).run());
            } else {
                crowd.senders.spawn(Poster::new(person, &rooms, think).run());
            }
        }
        let kinds = SUBSCRIBERS.iter().flat_map(|(door, kind, count)| std::iter::repeat_n((*door, *kind), *count));
        for (n, (door, kind)) in kinds.enumerate() {
            let person = person(format!("s{n}"), door, Some(kind))?;
            let Some(room) = rooms.get(n % rooms.len()).cloned() else { continue };
            crowd.subscribers.spawn(Subscriber::new(person, kind, room, seconds).run());
        }
        Ok(crowd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody who never goes anywhere.
    pub(super) fn person(name: &str, recorder: &Arc<Recorder>) -> Person {
        let (_, phase) = watch::channel(Phase::Talk);
        let way = SocketAddr::from(([127, 0, 0, 1], 1));
        Person::new(name.to_owned(), 1, Door::Back, way, recorder, &phase).unwrap()
    }

    #[tokio::test]
    async fn one_person_may_do_several_things_and_is_still_one() {
        let folder = crate::folder::Folder::create("people").unwrap();
        let recorder = Arc::new(Recorder::create(&folder.path().join("history.jsonl")).unwrap());
        let mut whole = person("p1", &recorder);
        let (mut one, mut other) = (whole.part(0), whole.part(1));
        assert_eq!((one.name.as_str(), other.name.as_str()), ("p1.0", "p1.1"));
        assert_eq!(one.session.as_str(), other.session.as_str());
        assert_ne!(one.random.next(), other.random.next());
    }
}
