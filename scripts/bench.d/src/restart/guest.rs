//! One client that comes back whenever its link is lost, as the page does, and goes on where it was. It checks that
//! number follows number.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use socket2::{Domain, Socket, Type};

use super::ledger::Ledger;
use crate::{
    dialect::{Dialect, Heard, Position, number_after, word_after},
    frame::{self, Header},
    stamp::Stamp,
};

/// The room of all.
const ROOM: u32 = 0;
/// What the page waits for before it tries again, and for a welcome: see `backoff.js` and `connection.js`.
const FIRST_WITHIN: Duration = Duration::from_millis(300);
const BASE: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(30);
const WELCOME_WITHIN: Duration = Duration::from_secs(10);
const STEADY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Away,
    Dialling,
    Head,
    Hello,
    In,
}

/// What happened to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing that anybody counts.
    None,
    /// It is in the room, up to date.
    CameIn,
    /// Its link is gone; it tries again after this.
    Lost(Duration),
}

/// A text that is not answered yet.
#[derive(Debug, Clone, Copy)]
struct Unanswered {
    number: u32,
    intended: u64,
    /// Whether the link was lost since it was said: then its time says nothing of the server.
    repeated: bool,
}

/// What was counted of all guests.
#[derive(Debug, Default)]
pub struct Counts {
    /// Attempts to connect.
    pub attempts: u64,
    /// Of those, how many met nobody or were turned away.
    pub failures: u64,
    /// Messages told as a gap.
    pub gaps: Vec<(String, u64)>,
    /// Nanoseconds from the intended time to `ok`, of texts that one link carried there and back.
    pub answers: Vec<u64>,
}

/// One client.
pub struct Guest {
    number: u32,
    server: SocketAddr,
    stream: Option<TcpStream>,
    phase: Phase,
    since: Instant,
    rest: Vec<u8>,
    session: String,
    epoch: String,
    seq: u64,
    said: u32,
    unanswered: Option<Unanswered>,
    attempt: u32,
    advice: Option<Duration>,
    chance: u64,
}

impl Guest {
    /// Somebody who has never been there.
    pub fn new(number: u32, server: SocketAddr) -> Self {
        Self {
            number,
            server,
            stream: None,
            phase: Phase::Away,
            since: Instant::now(),
            rest: Vec::new(),
            session: String::new(),
            epoch: String::new(),
            seq: 0,
            said: 0,
            unanswered: None,
            attempt: 0,
            advice: None,
            chance: u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        }
    }

    /// Its socket, while it has one.
    pub fn stream(&self) -> Option<&TcpStream> {
        self.stream.as_ref()
    }

    /// The number of the last message that it was given.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether it is in the room.
    pub fn is_in(&self) -> bool {
        self.phase == Phase::In
    }

    /// Whether its socket is not connected yet.
    pub fn is_dialling(&self) -> bool {
        self.phase == Phase::Dialling
    }

    /// Whether it waits for an answer.
    pub fn is_waiting(&self) -> bool {
        self.unanswered.is_some()
    }

    /// Whether it is on its way in for longer than the page would believe in.
    pub fn is_stuck(&self) -> bool {
        matches!(self.phase, Phase::Dialling | Phase::Head | Phase::Hello) && self.since.elapsed() > WELCOME_WITHIN
    }

    fn random(&mut self) -> f64 {
        // xorshift64*: enough to be nobody else's.
        self.chance ^= self.chance >> 12;
        self.chance ^= self.chance << 25;
        self.chance ^= self.chance >> 27;
        (self.chance.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Begins to connect, from an address of its own: to a server, everybody on one machine would be one household.
    pub fn dial(&mut self, counts: &mut Counts) -> anyhow::Result<()> {
        counts.attempts += 1;
        let own = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + self.number);
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).context("no socket")?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::new(IpAddr::V4(own), 0).into())?;
        // Whether anybody is there stands in the socket when it is ready.
        _ = socket.connect(&self.server.into());
        self.stream = Some(socket.into());
        (self.phase, self.since) = (Phase::Dialling, Instant::now());
        Ok(())
    }

    /// Loses the link, and says when to try again.
    pub fn lose(&mut self, counts: &mut Counts) -> News {
        if self.phase == Phase::In {
            if self.since.elapsed() >= STEADY {
                self.attempt = 0;
            }
        } else {
            counts.failures += 1;
        }
        (self.stream, self.phase) = (None, Phase::Away);
        self.rest.clear();
        if let Some(text) = &mut self.unanswered {
            text.repeated = true;
        }
        let chance = self.random();
        let wait = match (self.advice.take(), self.attempt) {
            (Some(advice), _) => advice + FIRST_WITHIN.max(advice / 10).mul_f64(chance),
            (None, 0) => FIRST_WITHIN.mul_f64(chance),
            (None, attempt) => MOST.min(BASE * 2_u32.saturating_pow(attempt.min(10) - 1)).mul_f64(chance),
        };
        self.attempt += 1;
        News::Lost(wait)
    }

    /// Says the next text, meant for `intended`.
    pub fn say(&mut self, intended: u64) -> io::Result<()> {
        let number = self.said;
        self.said += 1;
        self.unanswered = Some(Unanswered { number, intended, repeated: false });
        self.repeat()
    }

    fn repeat(&mut self) -> io::Result<()> {
        let Some(Unanswered { number, intended, .. }) = self.unanswered else { return Ok(()) };
        let stamp = Stamp { publisher: self.number, number, intended };
        let mut payload = Vec::with_capacity(128);
        Dialect::Chat.say(number, |out| stamp.write(100, out), &mut payload);
        self.send(frame::TEXT, &payload)
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(payload.len() + 14);
        frame::client(opcode, payload, &mut bytes);
        self.stream.as_mut().map_or(Ok(()), |stream| stream.write_all(&bytes))
    }

    /// Does what there is to do when the socket is ready.
    ///
    /// # Errors
    /// When the server broke a promise.
    pub fn ready(
        &mut self,
        now: u64,
        buffer: &mut [u8],
        ledger: &mut Ledger,
        counts: &mut Counts,
    ) -> anyhow::Result<News> {
        let Some(stream) = &mut self.stream else { return Ok(News::None) };
        if self.phase == Phase::Dialling {
            if stream.take_error()?.is_some() || stream.write_all(Dialect::Chat.request(ROOM).as_bytes()).is_err() {
                return Ok(self.lose(counts));
            }
            self.phase = Phase::Head;
            return Ok(News::None);
        }
        let count = match stream.read(buffer) {
            Ok(0) => return Ok(self.lose(counts)),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(News::None);
            }
            Err(_) => return Ok(self.lose(counts)),
        };
        let was_in = self.is_in();
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend_from_slice(&buffer[..count]);
        let Some(used) = self.look(&bytes, now, ledger, counts)? else { return Ok(self.lose(counts)) };
        bytes.drain(..used);
        self.rest = bytes;
        Ok(if self.is_in() && !was_in { News::CameIn } else { News::None })
    }

    /// Looks at what is whole and says how many bytes that was; nothing when the link is over.
    fn look(
        &mut self,
        bytes: &[u8],
        now: u64,
        ledger: &mut Ledger,
        counts: &mut Counts,
    ) -> anyhow::Result<Option<usize>> {
        let mut used = 0;
        if self.phase == Phase::Head {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(Some(0)) };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                return Ok(None);
            }
            used = end + 4;
            self.phase = Phase::Hello;
            let (session, epoch, seq) = (self.session.as_str(), self.epoch.as_str(), self.seq);
            let position = (!session.is_empty()).then_some(Position { session, epoch, seq });
            let hello = Dialect::Chat.hello(ROOM, position).unwrap_or_default();
            if self.send(frame::TEXT, hello.as_bytes()).is_err() {
                return Ok(None);
            }
        }
        while let Some(header) = Header::read(&bytes[used..]) {
            let payload = &bytes[used + header.begin..used + header.end];
            used += header.end;
            let done = match header.opcode {
                frame::TEXT => self.hear(payload, now, ledger, counts)?,
                frame::PING => self.send(frame::PONG, payload),
                frame::PONG => Ok(()),
                _ => {
                    // The answer of a closing handshake; the server ends the connection.
                    _ = self.send(frame::CLOSE, payload.get(..2).unwrap_or_default());
                    return Ok(None);
                }
            };
            if done.is_err() {
                return Ok(None);
            }
        }
        Ok(Some(used))
    }

    fn hear(
        &mut self,
        text: &[u8],
        now: u64,
        ledger: &mut Ledger,
        counts: &mut Counts,
    ) -> anyhow::Result<io::Result<()>> {
        let words = || String::from_utf8_lossy(text).into_owned();
        match Dialect::Chat.hear(text) {
            Heard::Message(Some(seq)) => {
                if seq != self.seq + 1 {
                    let what = if seq <= self.seq { "a duplicate or disorder" } else { "a loss" };
                    bail!("{what}: guest {} was given {seq} after {}", self.number, self.seq);
                }
                self.seq = seq;
                let Some(stamp) = Stamp::find(text, &mut 0) else { bail!("a text that nobody said: {}", words()) };
                ledger.saw(seq, (stamp.publisher, stamp.number)).map_err(anyhow::Error::msg)?;
            }
            Heard::Gap(from, to) => {
                if from != self.seq + 1 || to < from {
                    bail!("guest {} is at {} and was told: {}", self.number, self.seq, words());
                }
                self.seq = to;
                let reason = word_after(text, b"\"reason\":\"").unwrap_or_default();
                counts.gaps.push((String::from_utf8_lossy(reason).into_owned(), to - from + 1));
            }
            Heard::Welcome(session) => self.session = String::from_utf8_lossy(session).into_owned(),
            Heard::Joined(epoch) => {
                let epoch = String::from_utf8_lossy(epoch);
                if !self.epoch.is_empty() && self.epoch != epoch {
                    bail!("the history is another one: {}", words());
                }
                self.epoch = epoch.into_owned();
            }
            Heard::Ready => {
                (self.phase, self.since) = (Phase::In, Instant::now());
                return Ok(self.repeat());
            }
            Heard::Refused if text.starts_with(br#"{"type":"bye""#) => {
                self.advice = number_after(text, b"\"retry_after_ms\":").map(Duration::from_millis);
            }
            Heard::Refused => bail!("the server said {}", words()),
            Heard::Other if text.starts_with(br#"{"type":"ok""#) => {
                let (Some(id), Some(seq)) = (number_after(text, b"\"id\":\""), number_after(text, b"\"seq\":")) else {
                    bail!("an ok without a number: {}", words());
                };
                ledger.stored((self.number, id as u32), seq).map_err(anyhow::Error::msg)?;
                if let Some(text) = self.unanswered.take_if(|text| u64::from(text.number) == id)
                    && !text.repeated
                {
                    counts.answers.push(now.saturating_sub(text.intended));
                }
            }
            Heard::Message(None) | Heard::Answer(_) | Heard::Other => {}
        }
        Ok(Ok(()))
    }
}
