//! All guests in one thread: an epoll loop, and a queue of those who wait until they try again.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::bail;

use super::{
    guest::{Counts, Guest, News},
    ledger::Ledger,
};
use crate::poller::{EventFlags, Poller};

/// Most bytes of one read.
const READ_BYTES: usize = 256 * 1024;
/// How often is looked for those who wait for a welcome in vain.
const LOOK: Duration = Duration::from_secs(1);

/// All guests.
pub struct Flock {
    poller: Poller,
    guests: Vec<Guest>,
    away: BinaryHeap<(Reverse<Instant>, usize)>,
    inside: usize,
    began: Instant,
    looked: Instant,
    buffer: Vec<u8>,
    /// Texts that were due, and who has the next turn to say one.
    due: f64,
    turn: usize,
    /// What everybody saw.
    pub ledger: Ledger,
    /// What was counted.
    pub counts: Counts,
}

impl Flock {
    /// So many, who come in over `spread`.
    pub fn new(count: usize, server: SocketAddr, spread: Duration) -> anyhow::Result<Self> {
        let began = Instant::now();
        let when = |number: usize| began + spread.mul_f64(number as f64 / count as f64);
        Ok(Self {
            poller: Poller::new()?,
            guests: (0..count as u32).map(|number| Guest::new(number, server)).collect(),
            away: (0..count).map(|number| (Reverse(when(number)), number)).collect(),
            inside: 0,
            began,
            looked: began,
            buffer: vec![0; READ_BYTES],
            due: 0.0,
            turn: 0,
            ledger: Ledger::default(),
            counts: Counts::default(),
        })
    }

    /// How many are in the room.
    pub fn inside(&self) -> usize {
        self.inside
    }

    /// Whether everybody is in the room and nobody waits for an answer or a message.
    pub fn is_settled(&self) -> bool {
        let top = self.ledger.top();
        self.inside == self.guests.len() && self.guests.iter().all(|guest| guest.seq() == top && !guest.is_waiting())
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    /// Lets so much time of talk pass: the first `senders` take turns at `rate` texts a second. Who is not in the room, or
    /// waits for an answer, misses a turn.
    pub fn talk(&mut self, passed: Duration, senders: usize, rate: f64) {
        self.due = (self.due + passed.as_secs_f64() * rate).min(rate);
        while self.due >= 1.0 {
            self.due -= 1.0;
            self.turn = (self.turn + 1) % senders;
            let now = self.now();
            let guest = &mut self.guests[self.turn];
            if guest.is_in() && !guest.is_waiting() && guest.say(now).is_err() {
                self.lose(self.turn);
            }
        }
    }

    /// Reads from whoever has something, lets in whose time has come, and waits for so long at most.
    ///
    /// # Errors
    /// When the server broke a promise.
    pub fn step(&mut self, at_most: Duration) -> anyhow::Result<()> {
        let now = Instant::now();
        while let Some(&(Reverse(at), number)) = self.away.peek()
            && at <= now
        {
            self.away.pop();
            self.dial(number)?;
        }
        if self.looked.elapsed() > LOOK {
            self.looked = now;
            for number in 0..self.guests.len() {
                if self.guests[number].is_stuck() {
                    self.lose(number);
                }
            }
        }
        for number in self.poller.wait(at_most)? {
            let now = self.now();
            let guest = &mut self.guests[number];
            let (was_in, was_dialling) = (guest.is_in(), guest.is_dialling());
            let news = guest.ready(now, &mut self.buffer, &mut self.ledger, &mut self.counts)?;
            if was_dialling && let Some(stream) = guest.stream() {
                self.poller.modify(stream, number, EventFlags::IN)?;
            }
            self.note(number, was_in, news);
        }
        Ok(())
    }

    fn dial(&mut self, number: usize) -> anyhow::Result<()> {
        let guest = &mut self.guests[number];
        guest.dial(&mut self.counts)?;
        let Some(stream) = guest.stream() else { bail!("no socket") };
        Ok(self.poller.add(stream, number, EventFlags::IN | EventFlags::OUT)?)
    }

    fn lose(&mut self, number: usize) {
        let was_in = self.guests[number].is_in();
        let news = self.guests[number].lose(&mut self.counts);
        self.note(number, was_in, news);
    }

    fn note(&mut self, number: usize, was_in: bool, news: News) {
        match news {
            News::None => {}
            News::CameIn => self.inside += 1,
            News::Lost(wait) => {
                self.inside -= usize::from(was_in);
                self.away.push((Reverse(Instant::now() + wait), number));
            }
        }
    }
}
