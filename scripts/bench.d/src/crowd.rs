//! All clients of a run in one thread: an epoll loop that reads, checks and counts. It knows no scenario.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::bail;

use crate::{
    client::{Buffer, Client, Past},
    dialect::Dialect,
    frame,
    poller::{EventFlags, Poller},
    stats::Histogram,
};

/// Handshakes under way at once; fewer than any server's backlog.
const ENTERING: usize = 128;
/// Most bytes of one read.
const READ_BYTES: usize = 256 * 1024;
/// How long anything may take that should come at once.
const PATIENCE: Duration = Duration::from_secs(30);
/// A crowd to which nothing came for so long has settled.
const QUIET: Duration = Duration::from_millis(600);

/// What was counted.
pub struct Tally {
    began: Instant,
    now: u64,
    /// Messages that came.
    pub deliveries: u64,
    /// Messages of which the server said that they will not come.
    pub gapped: u64,
    /// Bytes of the frames of those that came.
    pub message_bytes: u64,
    /// Bytes of everything that came.
    pub bytes: u64,
    /// Pongs.
    pub pongs: u64,
    /// From the intended time to the arrival.
    pub latencies: Histogram,
    /// Rooms in which a publisher saw its own message, as often as one did; taken by whoever says the next.
    pub own: Vec<u32>,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::since(Instant::now())
    }

    /// Nothing yet of a run that began then.
    pub fn since(began: Instant) -> Self {
        Self {
            began,
            now: 0,
            deliveries: 0,
            gapped: 0,
            message_bytes: 0,
            bytes: 0,
            pongs: 0,
            latencies: Histogram::default(),
            own: Vec::new(),
        }
    }

    /// Notes that bytes came just now.
    pub fn read(&mut self, bytes: usize) {
        self.now = self.began.elapsed().as_nanos() as u64;
        self.bytes += bytes as u64;
    }

    /// Counts a message.
    pub fn message(&mut self, intended: u64, frame_bytes: usize, timed: bool) {
        self.deliveries += 1;
        self.message_bytes += frame_bytes as u64;
        if timed {
            self.latencies.add(self.now.saturating_sub(intended), 1);
        }
    }
}

/// All clients.
pub struct Crowd {
    dialect: Dialect,
    address: SocketAddr,
    poller: Poller,
    buffer: Vec<u8>,
    clients: Vec<Client>,
    ready: usize,
    /// Members by room.
    rooms: Vec<u32>,
    /// Those who lost their connections, in their order; their places come after those of `clients`.
    away: VecDeque<Past>,
    /// Messages that have to come in all.
    owed: u64,
    /// Clients whose own message came since this was taken.
    own: Vec<usize>,
    /// What was counted.
    pub tally: Tally,
}

impl Crowd {
    /// Nobody yet, who will speak to the server at `address`.
    pub fn new(dialect: Dialect, address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            dialect,
            address,
            poller: Poller::new()?,
            buffer: vec![0; READ_BYTES],
            clients: Vec::new(),
            ready: 0,
            rooms: Vec::new(),
            away: VecDeque::new(),
            owed: 0,
            own: Vec::new(),
            tally: Tally::new(),
        })
    }

    /// Nanoseconds of the run.
    pub fn now(&self) -> u64 {
        self.tally.began.elapsed().as_nanos() as u64
    }

    /// When the run began.
    pub fn began(&self) -> Instant {
        self.tally.began
    }

    /// Counts times as another one does, whose run began then.
    pub fn count_from(&mut self, began: Instant) {
        self.tally.began = began;
    }

    /// Bytes that all of them sent.
    pub fn sent(&self) -> u64 {
        self.clients.iter().map(Client::sent).sum()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.clients.len()
    }

    /// Lets `count` more in, spread evenly over `rooms` and each with a buffer of its own, and waits until all are.
    pub fn gather(&mut self, count: usize, rooms: u32, buffer: impl Fn(usize) -> Buffer) -> anyhow::Result<()> {
        self.rooms.resize((rooms as usize).max(self.rooms.len()), 0);
        let all = self.clients.len() + count;
        let deadline = Instant::now() + PATIENCE + Duration::from_millis(5 * count as u64);
        while self.ready < all {
            while self.clients.len() < all && self.clients.len() - self.ready < ENTERING {
                let number = self.clients.len();
                let room = (number % rooms as usize) as u32;
                let publisher = self.rooms[room as usize];
                self.rooms[room as usize] += 1;
                self.enter(Past::none(room, publisher), buffer(number))?;
            }
            self.turn(Duration::from_millis(100))?;
            if Instant::now() > deadline {
                bail!("only {} of {all} clients came in", self.ready);
            }
        }
        Ok(())
    }

    /// Lets `count` into the room of this number, where nobody is yet, and waits until they are.
    pub fn gather_in(&mut self, room: u32, count: usize) -> anyhow::Result<()> {
        self.rooms.resize((room as usize + 1).max(self.rooms.len()), 0);
        for publisher in 0..count as u32 {
            self.rooms[room as usize] += 1;
            self.enter(Past::none(room, publisher), Buffer::Usual)?;
        }
        let deadline = Instant::now() + PATIENCE;
        while self.ready < self.clients.len() {
            self.turn(Duration::from_millis(100))?;
            if Instant::now() > deadline {
                bail!("only {} of {} clients came in", self.ready, self.clients.len());
            }
        }
        Ok(())
    }

    fn enter(&mut self, past: Past, buffer: Buffer) -> anyhow::Result<()> {
        let client = Client::connect(self.address, self.dialect, past, buffer)?;
        self.poller.add(client.stream(), self.clients.len(), EventFlags::IN)?;
        self.clients.push(client);
        Ok(())
    }

    /// Has everybody but the first `staying` lose the connection. What is said meanwhile is owed to them all the same.
    pub fn lose_all_but(&mut self, staying: usize) {
        self.away.extend(self.clients.drain(staying..).map(Client::lose));
        self.ready = self.clients.len();
    }

    /// Has all who lost their connections come back, `at_once` on their way in at a time; the last may still be on it.
    pub fn come_back(&mut self, at_once: usize) -> anyhow::Result<()> {
        while !self.away.is_empty() {
            while self.clients.len() - self.ready < at_once
                && let Some(past) = self.away.pop_front()
            {
                self.enter(past, Buffer::Usual)?;
            }
            self.turn(Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// Waits until nothing comes any more: everybody has heard of everybody.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let (mut since, mut bytes) = (Instant::now(), self.tally.bytes);
        while since.elapsed() < QUIET && Instant::now() < deadline {
            self.turn(Duration::from_millis(100))?;
            if self.tally.bytes != bytes {
                (since, bytes) = (Instant::now(), self.tally.bytes);
            }
        }
        Ok(())
    }

    /// Reads from whoever has something, or waits for so long.
    pub fn turn(&mut self, timeout: Duration) -> anyhow::Result<()> {
        for number in self.poller.wait(timeout)? {
            if let Some(client) = self.clients.get_mut(number) {
                if client.read(self.dialect, &mut self.buffer, &mut self.tally)? {
                    self.ready += 1;
                }
                self.own.extend(self.tally.own.drain(..).map(|_| number));
            }
        }
        Ok(())
    }

    /// Runs for so long, whatever comes.
    pub fn run_for(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(left.min(Duration::from_millis(100)))?;
        }
        Ok(())
    }

    /// Has a client say a text that was meant for `intended`.
    pub fn say(&mut self, number: usize, intended: u64, bytes: usize) -> anyhow::Result<()> {
        let client = &mut self.clients[number];
        self.owed += u64::from(self.rooms[client.room() as usize]);
        client.say(self.dialect, intended, bytes)
    }

    /// Messages that came to a client over its connection.
    pub fn heard(&self, number: usize) -> u64 {
        self.clients[number].heard()
    }

    /// Clients whose own message came, as often as one did.
    pub fn take_own(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.own)
    }

    /// Whether everything said has reached everybody.
    pub fn is_served(&self) -> bool {
        self.tally.deliveries + self.tally.gapped >= self.owed
    }

    /// Waits until everything said has reached everybody.
    pub fn drain(&mut self, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while !self.is_served() {
            self.turn(Duration::from_millis(20))?;
            if Instant::now() > deadline {
                bail!("a loss: {} deliveries never came", self.owed - self.tally.deliveries - self.tally.gapped);
            }
        }
        Ok(())
    }

    /// Stops reading for a client, or reads again. The latencies of one that ever stalled do not count.
    pub fn stall(&mut self, number: usize, stalled: bool) -> anyhow::Result<()> {
        let client = &mut self.clients[number];
        client.leave_untimed();
        let flags = if stalled { EventFlags::empty() } else { EventFlags::IN };
        Ok(self.poller.modify(client.stream(), number, flags)?)
    }

    /// Leaves the latencies of a client out.
    pub fn leave_untimed(&mut self, number: usize) {
        self.clients[number].leave_untimed();
    }

    /// Waits until so many bytes lie ready in the kernel for each of these clients, who read nothing.
    pub fn wait_unread(&mut self, clients: &[usize], bytes: u64, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        for &number in clients {
            loop {
                let ready = self.clients[number].readable()?;
                if ready >= bytes {
                    break;
                }
                if Instant::now() > deadline {
                    bail!("a loss, or a buffer was full: {ready} of {bytes} bytes came to client {number}");
                }
                self.turn(Duration::from_micros(100))?;
            }
        }
        Ok(())
    }

    /// Pings from every client, and waits for every answer.
    pub fn ping_all(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let wanted = self.tally.pongs + self.clients.len() as u64;
        for number in 0..self.clients.len() {
            self.clients[number].send(frame::PING, b"")?;
            if number % ENTERING == 0 {
                self.turn(Duration::ZERO)?;
            }
        }
        while self.tally.pongs < wanted {
            self.turn(Duration::from_millis(50))?;
            if Instant::now() > deadline {
                bail!("{} clients got no answer to a ping", wanted - self.tally.pongs);
            }
        }
        Ok(())
    }
}
