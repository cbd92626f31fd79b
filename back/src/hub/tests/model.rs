//! Fan-out against a model: clients that take one byte at a time, stop, come back, leave and are closed while messages
//! are said, edited out of reach and mixed with control frames. Whatever happens, a client reads whole frames, and of
//! every room it is in each message once and in order, or a gap in its place.

use std::{
    io::{self, IoSlice},
    task::{Context, Poll, Waker},
};

use serde_json::Value;
use shared::{Ask, CloseCode, Epoch, Name, Position, UserId};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use super::{tests::DEADLINE, *};
use crate::{
    connection,
    history::{Append, Change, Draft, Fatal, Memory, MemoryLimits, Says, Stopper, Store},
};

/// A wire that lets through what the test grants.
#[derive(Default)]
pub struct Script(Mutex<Paper>);

struct Paper {
    /// Bytes that one write takes at most.
    at_once: usize,
    /// Bytes that go before it blocks.
    granted: usize,
    written: Vec<u8>,
    waker: Option<Waker>,
}

impl Default for Paper {
    fn default() -> Self {
        Self { at_once: usize::MAX, granted: usize::MAX, written: Vec::new(), waker: None }
    }
}

impl Script {
    fn paper(&self) -> MutexGuard<'_, Paper> {
        self.0.lock().unwrap()
    }

    /// Takes part of what is offered, as a socket does.
    pub fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut paper = self.paper();
        let most = paper.at_once.min(paper.granted);
        if most == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let before = paper.written.len();
        for slice in slices {
            let left = most - (paper.written.len() - before);
            paper.written.extend_from_slice(&slice[..slice.len().min(left)]);
        }
        let count = paper.written.len() - before;
        if paper.granted != usize::MAX {
            paper.granted -= count;
        }
        Ok(count)
    }

    /// Waits for a grant.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut paper = self.paper();
        if paper.granted > 0 {
            return Poll::Ready(Ok(()));
        }
        paper.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn grant(&self, bytes: usize, at_once: usize) {
        let mut paper = self.paper();
        (paper.granted, paper.at_once) = (bytes, at_once);
        if let Some(waker) = paper.waker.take() {
            waker.wake();
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): a seed tells a whole run again, as far as threads let it.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// A client: its wire, its place in the room, and what was pushed to it alone.
struct Client {
    user: UserId,
    script: Arc<Script>,
    outlet: Arc<Outlet>,
    task: JoinHandle<()>,
    membership: Option<Membership>,
    /// Its visits to the room, in order.
    visits: Vec<Visit>,
    /// How many frames were pushed to it alone; they are numbered from 1.
    pings: u64,
}

/// From a `joined` to the next one.
struct Visit {
    ask: Ask,
    /// The room's newest message when it left.
    left_at: Option<u64>,
}

struct World {
    hub: Arc<Hub>,
    room: Arc<Room>,
    clients: Vec<Client>,
    said: usize,
    dice: Dice,
    _writer: (Option<Stopper>, JoinSet<Result<(), Fatal>>),
}

const EPOCH: &str = "e";

impl World {
    async fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        // Sometimes history is shorter than what somebody may miss.
        let messages = if dice.roll(2) == 0 { 100_000 } else { 150 };
        let memory = Memory::new(Epoch::parse(EPOCH).unwrap(), MemoryLimits { messages, bytes: usize::MAX });
        let (history, writer, mut follow) = history::History::open(Arc::new(memory) as Arc<dyn Store>);
        let mut tasks = JoinSet::new();
        let stopper = writer.start(&mut tasks);
        let presence = PresenceTimes { interval: Duration::from_millis(2), grace: Duration::from_millis(1) };
        let hub = Arc::new(Hub::new(history, HubLimits { rooms: 1, log_bytes: usize::MAX, presence }));
        let publisher = Arc::clone(&hub);
        tasks.spawn(async move {
            while let Some(batch) = follow.recv().await {
                publisher.publish(batch);
            }
            Ok(())
        });
        let room = hub.open(&RoomName::lobby()).await.ok().unwrap();
        let mut world = Self { hub, room, clients: Vec::new(), said: 0, dice, _writer: (stopper, tasks) };
        for _ in 0..12 {
            world.connect().await;
        }
        world
    }

    async fn connect(&mut self) {
        let user = UserId::parse(&format!("{:016}", self.clients.len())).unwrap();
        let script = Arc::new(Script::default());
        let number = self.hub.people().next_connection();
        let outlet = Arc::new(Outlet::new(number, Wire::Scripted(Arc::clone(&script)), true, Vitals::new(false)));
        let (hub, writes) = (Arc::clone(&self.hub), Arc::clone(&outlet));
        let task = tokio::spawn(async move { connection::write(&writes, hub.history()).await });
        self.clients.push(Client { user, script, outlet, task, membership: None, visits: Vec::new(), pings: 0 });
        let number = self.clients.len() - 1;
        self.enter(number).await;
    }

    async fn enter(&mut self, number: usize) {
        let top = self.room.top();
        let ask = match self.dice.roll(3) {
            0 => Ask::Default,
            1 => Ask::Last(self.dice.roll(80) as u32),
            _ => {
                let seq = top - self.dice.roll(400).min(top);
                Ask::Resume(Position { epoch: Epoch::parse(EPOCH).unwrap(), seq })
            }
        };
        let client = &mut self.clients[number];
        let person = Person { user: client.user.clone(), name: Name::parse("kim").unwrap() };
        let (room, before) = (Arc::clone(&self.room), client.membership.take());
        client.membership = self.hub.enter(room, &client.outlet, person, &ask, before).await.ok().unwrap();
        if client.membership.is_some() {
            client.visits.push(Visit { ask, left_at: None });
        }
    }

    async fn say(&mut self) {
        for _ in 0..=self.dice.roll(12) {
            self.said += 1;
            // Some so long that the log holds few of them and a batch one.
            let length = if self.dice.roll(30) == 0 { 15_000 } else { self.dice.roll(60) as usize };
            let says = Says::Text { text: format!("{}:{}", self.said, "x".repeat(length)), reply_to: None };
            let (user, name) = (self.clients[0].user.clone(), Name::parse("lee").unwrap());
            let change = Change::Say(Draft { room: RoomName::lobby(), user, name, id: None, says });
            let receipt = Receipt { outlet: Arc::clone(&self.clients[0].outlet), id: None };
            self.hub.history().append(Append { change, receipt }).await.ok().unwrap();
        }
    }

    async fn act(&mut self) {
        let number = self.dice.roll(self.clients.len() as u64) as usize;
        match self.dice.roll(16) {
            0..=4 => self.say().await,
            5 => self.clients[number].script.grant(0, usize::MAX),
            6 => self.clients[number].script.grant(usize::MAX, 1),
            7 => {
                let bytes = self.dice.roll(3_000) as usize;
                self.clients[number].script.grant(bytes, 1 + self.dice.roll(700) as usize);
            }
            8 => self.clients[number].script.grant(usize::MAX, usize::MAX),
            9 | 10 => self.ping(number),
            11 => {
                if let Some(membership) = self.clients[number].membership.take() {
                    membership.leave();
                    let visit = self.clients[number].visits.last_mut().unwrap();
                    visit.left_at = Some(self.room.top());
                }
            }
            12 => self.enter(number).await,
            13 => {
                if let Some(membership) = &self.clients[number].membership {
                    membership.typing();
                }
            }
            14 => tokio::time::sleep(Duration::from_micros(self.dice.roll(3_000))).await,
            _ if self.dice.roll(6) == 0 => {
                self.clients[number].outlet.close(CloseCode::Shutdown, None);
                self.connect().await;
            }
            _ => tokio::task::yield_now().await,
        }
    }

    fn ping(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.outlet.is_open() {
            client.pings += 1;
            client.outlet.push(frame::text(&format!("{{\"ping\":{}}}", client.pings)));
        }
    }

    /// Lets everything out and waits until everybody has it.
    async fn finish(&mut self) {
        self.hub.history().settle().await.ok().unwrap();
        for client in &self.clients {
            client.script.grant(usize::MAX, usize::MAX);
        }
        let top = self.room.top();
        assert_eq!(top, self.said as u64);
        for client in &self.clients {
            if !client.outlet.is_open() {
                continue;
            }
            let wants_top = client.membership.is_some();
            let done = timeout(DEADLINE, async {
                loop {
                    let written = client.script.paper().written.clone();
                    let story = Story::read(&frames(&written).0, &client.visits);
                    let has_all = !wants_top || (story.last == top && story.is_synced);
                    if has_all && story.pings == client.pings && story.visits == client.visits.len() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            assert!(done.await.is_ok(), "client {} never had everything up to {top}", client.user);
        }
    }

    fn check(&self) {
        for client in &self.clients {
            let written = std::mem::take(&mut client.script.paper().written);
            let (frames, rest) = frames(&written);
            assert!(rest == 0 || !client.outlet.is_open(), "client {}: a frame is torn", client.user);
            let story = Story::read(&frames, &client.visits);
            assert!(story.pings <= client.pings && story.visits <= client.visits.len());
        }
    }
}

/// The whole frames that these bytes begin with, and how many bytes are left.
fn frames(mut bytes: &[u8]) -> (Vec<(u8, &[u8])>, usize) {
    let mut frames = Vec::new();
    loop {
        let (header, length) = match bytes {
            [_, length @ 0..=125, ..] => (2, usize::from(*length)),
            [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([*a, *b]))),
            _ => return (frames, bytes.len()),
        };
        let Some(payload) = bytes.get(header..header + length) else { return (frames, bytes.len()) };
        assert!([0x81, 0x88].contains(&bytes[0]), "a frame is torn: it begins with {:#x}", bytes[0]);
        frames.push((bytes[0], payload));
        bytes = &bytes[header + length..];
    }
}

/// What a client was told, as it would understand it.
#[derive(Default)]
struct Story {
    /// The last message, or the end of the last gap.
    last: u64,
    /// Where what it is told has to end, once it has left.
    end: Option<u64>,
    is_synced: bool,
    visits: usize,
    pings: u64,
}

impl Story {
    fn read(frames: &[(u8, &[u8])], visits: &[Visit]) -> Self {
        let mut story = Self::default();
        for (index, (kind, payload)) in frames.iter().enumerate() {
            if *kind == 0x88 {
                assert_eq!(index, frames.len() - 1, "something follows Close");
                break;
            }
            story.hear(&serde_json::from_slice(payload).unwrap(), visits);
        }
        story
    }

    fn hear(&mut self, message: &Value, visits: &[Visit]) {
        let number = |key: &str| message[key].as_u64().unwrap();
        if message.get("ping").is_some() {
            self.pings += 1;
            return assert_eq!(number("ping"), self.pings, "control frames are out of order");
        }
        match message["type"].as_str().unwrap() {
            "joined" => {
                let (top, first) = (number("top"), number("first"));
                let newest = |count: u32| top.saturating_sub(u64::from(count)).max(first - 1);
                let visit = &visits[self.visits];
                self.last = match &visit.ask {
                    Ask::Default => newest(shared::limits::DEFAULT_LAST),
                    Ask::Last(count) => newest(*count),
                    Ask::Resume(at) => at.seq,
                };
                self.end = visit.left_at;
                self.visits += 1;
                self.is_synced = false;
            }
            "message" => {
                assert_eq!(number("seq"), self.last + 1, "a loss, a duplicate or a disorder");
                let text = message["text"].as_str().unwrap();
                assert!(text.starts_with(&format!("{}:", self.last + 1)), "another text: {text:.20}");
                self.go_to(self.last + 1);
            }
            "gap" => {
                let (from, to) = (number("from"), number("to"));
                assert!(from == self.last + 1 && to >= from, "a gap from {from} to {to} after {}", self.last);
                self.go_to(to);
            }
            "synced" => {
                assert_eq!(number("seq"), self.last, "synced elsewhere");
                self.is_synced = true;
            }
            "presence" | "typing" | "bye" => {}
            other => panic!("{other}"),
        }
    }

    fn go_to(&mut self, seq: u64) {
        assert!(self.end.is_none_or(|end| seq <= end), "message {seq} came after the client had left");
        self.last = seq;
    }
}

async fn play(seed: u64, acts: usize) {
    let mut world = World::new(seed).await;
    for _ in 0..acts {
        world.act().await;
    }
    world.finish().await;
    world.check();
    for client in &world.clients {
        client.task.abort();
    }
}

/// Several seeds, printed when one fails.
async fn play_all(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        println!("seed {seed}");
        play(seed, 600).await;
    }
}

#[tokio::test]
async fn every_client_reads_whole_frames_and_every_message_once_on_one_thread() {
    play_all(0..12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_client_reads_whole_frames_and_every_message_once_on_four_threads() {
    play_all(100..112).await;
}
