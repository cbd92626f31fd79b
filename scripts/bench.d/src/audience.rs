//! All readers over HTTP of a run in one thread: an epoll loop like that of a crowd. They only listen.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::bail;

use crate::{
    crowd::Tally,
    poller::{EventFlags, Poller},
    reader::{Asked, Outcome, Reader},
    way::Way,
};

/// Readers on their way in at once; fewer than any server's backlog.
const ENTERING: usize = 128;
/// Most bytes of one read.
const READ_BYTES: usize = 64 * 1024;
/// How long it may take until all are in.
const PATIENCE: Duration = Duration::from_secs(30);

/// All readers.
pub struct Audience {
    way: Way,
    address: SocketAddr,
    poller: Poller,
    buffer: Vec<u8>,
    readers: Vec<Reader>,
    ready: usize,
    /// What they asked for.
    pub asked: Asked,
    /// What was counted.
    pub tally: Tally,
}

impl Audience {
    /// Nobody yet, who will read from the server at `address`; times are counted from `began`.
    pub fn new(way: Way, address: SocketAddr, began: Instant) -> anyhow::Result<Self> {
        Ok(Self {
            way,
            address,
            poller: Poller::new()?,
            buffer: vec![0; READ_BYTES],
            readers: Vec::new(),
            ready: 0,
            asked: Asked::default(),
            tally: Tally::since(began),
        })
    }

    /// Lets `count` readers into a room, and waits until all are in.
    pub fn gather(&mut self, count: usize, room: u32) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.ready < count {
            while self.readers.len() < count && self.readers.len() - self.ready < ENTERING {
                let mut reader = Reader::connect(self.address, self.way, room)?;
                self.poller.add(reader.stream(), self.readers.len(), EventFlags::IN)?;
                reader.ask(&mut self.asked)?;
                self.ready += usize::from(reader.is_ready());
                self.readers.push(reader);
            }
            self.turn(Duration::from_millis(20))?;
            if Instant::now() > deadline {
                bail!("only {} of {count} readers came in", self.ready);
            }
        }
        Ok(())
    }

    /// Reads from whoever has something and asks for whoever is to, or waits for so long.
    pub fn turn(&mut self, timeout: Duration) -> anyhow::Result<()> {
        let timeout = if self.way.interval().is_some() { self.ask_in_time(timeout)? } else { timeout };
        for number in self.poller.wait(timeout)? {
            let Some(reader) = self.readers.get_mut(number) else { continue };
            let was_ready = reader.is_ready();
            let outcome = reader.read(&mut self.buffer, &mut self.tally, &mut self.asked)?;
            self.ready += usize::from(!was_ready && reader.is_ready());
            if outcome == Outcome::Ended {
                reader.reconnect(self.address, &mut self.asked)?;
                self.poller.add(reader.stream(), number, EventFlags::IN)?;
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

    /// Waits until every reader has as many messages as were said.
    pub fn drain(&mut self, said: u64, patience: Duration) -> anyhow::Result<()> {
        let (owed, deadline) = (said * self.readers.len() as u64, Instant::now() + patience);
        while self.tally.deliveries < owed {
            self.turn(Duration::from_millis(20))?;
            if Instant::now() > deadline {
                bail!("a loss: {} deliveries never came", owed - self.tally.deliveries);
            }
        }
        Ok(())
    }

    /// Asks for everybody whose time has come; says how long to wait at most until somebody else's does.
    fn ask_in_time(&mut self, most: Duration) -> anyhow::Result<Duration> {
        let mut least = most;
        for reader in &mut self.readers {
            match reader.rests() {
                Some(Duration::ZERO) => reader.ask(&mut self.asked)?,
                Some(rest) => least = least.min(rest),
                None => {}
            }
        }
        Ok(least)
    }
}
