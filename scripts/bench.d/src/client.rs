//! One client of the load: a socket, what came of the next frame, and what must come next. It checks every message.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, bail};
use socket2::{Domain, SockRef, Socket, Type};

use crate::{
    crowd::Tally,
    dialect::{Dialect, Heard, Position},
    frame::{self, Header},
    stamp::Stamp,
};

/// How much a client's kernel takes that the client does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffer {
    /// What the system gives.
    Usual,
    /// Next to nothing: what a stalled client does not read has to wait in the server.
    Small,
    /// At least so many bytes, counted as the kernel counts: with what it needs beside them.
    Large(usize),
}

/// Bytes of a small buffer.
const SMALL: usize = 4096;

/// What a number is while anything may come: after a gap.
const ANY: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Hello,
    Ready,
}

/// One client.
pub struct Client {
    stream: TcpStream,
    state: State,
    rest: Vec<u8>,
    /// Messages that came.
    heard: u64,
    /// Bytes that left.
    sent: u64,
    past: Past,
}

/// What a client knows of its room, whatever becomes of its connection.
pub struct Past {
    room: u32,
    /// Its place among the publishers of its room.
    publisher: u32,
    said: u32,
    /// The next number of each publisher of its room.
    expected: Vec<u32>,
    /// The next number of a publisher that was not heard yet.
    first: u32,
    /// The room's number of the last message, where the server gives one.
    seq: Option<u64>,
    /// Where stamps stand in its messages.
    stamp_at: usize,
    /// Whether its latencies count.
    timed: bool,
    /// Who it is, where the server gives a secret for that.
    session: String,
    /// Which history `seq` is of, where the server says so.
    epoch: String,
}

impl Past {
    /// Of somebody who comes for the first time, as the publisher of this number in its room.
    pub fn none(room: u32, publisher: u32) -> Self {
        Self {
            room,
            publisher,
            said: 0,
            expected: Vec::new(),
            first: 0,
            seq: None,
            stamp_at: 0,
            timed: true,
            session: String::new(),
            epoch: String::new(),
        }
    }

    /// Where it wants to go on, if it was there before.
    fn position(&self) -> Option<Position<'_>> {
        let seq = self.seq.filter(|_| !self.epoch.is_empty())?;
        Some(Position { session: &self.session, epoch: &self.epoch, seq })
    }

    /// Notes that a message came.
    ///
    /// # Errors
    /// When another one was due.
    pub fn check(&mut self, stamp: Stamp, seq: Option<u64>) -> anyhow::Result<()> {
        let publisher = stamp.publisher as usize;
        if publisher >= self.expected.len() {
            self.expected.resize(publisher + 1, self.first);
        }
        let expected = self.expected[publisher];
        if expected != ANY && stamp.number != expected {
            let what = if stamp.number < expected { "a duplicate or disorder" } else { "a loss" };
            bail!("{what}: number {} of publisher {publisher}, where {expected} was due", stamp.number);
        }
        self.expected[publisher] = stamp.number + 1;
        if let (Some(last), Some(seq)) = (self.seq, seq)
            && seq != last + 1
        {
            bail!("seq {seq} after seq {last}");
        }
        self.seq = seq;
        Ok(())
    }
}

impl Client {
    /// Connects and asks for the way in; whoever was there before asks for what it missed.
    pub fn connect(address: SocketAddr, dialect: Dialect, past: Past, buffer: Buffer) -> anyhow::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).context("no socket")?;
        match buffer {
            Buffer::Usual => {}
            Buffer::Small => socket.set_recv_buffer_size(SMALL)?,
            Buffer::Large(bytes) => {
                // The kernel doubles it, and cuts it to net.core.rmem_max without a word.
                socket.set_recv_buffer_size(bytes / 2)?;
                let given = socket.recv_buffer_size()?;
                if given < bytes {
                    bail!("a receive buffer of {bytes} bytes is needed and net.core.rmem_max allows {given}");
                }
            }
        }
        socket.connect_timeout(&address.into(), Duration::from_secs(10)).context("cannot connect")?;
        let mut stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        // The end is a reset: thousands of sockets in TIME_WAIT would leave the next round without ports.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        let request = dialect.request(past.room);
        stream.write_all(request.as_bytes())?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, state: State::Head, rest: Vec::new(), heard: 0, sent: request.len() as u64, past })
    }

    /// Loses the connection: a reset, as when a network goes away.
    pub fn lose(self) -> Past {
        self.past
    }

    /// Leaves its latencies out.
    pub fn leave_untimed(&mut self) {
        self.past.timed = false;
    }

    /// Messages that came over this connection.
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// Bytes that it sent, its request included.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes that the kernel holds for it.
    pub fn readable(&self) -> anyhow::Result<u64> {
        Ok(rustix::io::ioctl_fionread(&self.stream)?)
    }

    /// Its socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Its room.
    pub fn room(&self) -> u32 {
        self.past.room
    }

    /// Sends a frame.
    pub fn send(&mut self, opcode: u8, payload: &[u8]) -> anyhow::Result<()> {
        let mut bytes = Vec::with_capacity(payload.len() + 14);
        frame::client(opcode, payload, &mut bytes);
        self.sent += bytes.len() as u64;
        self.stream.write_all(&bytes).context("the server does not read what is said")
    }

    /// Says the next text, meant for `intended`.
    pub fn say(&mut self, dialect: Dialect, intended: u64, bytes: usize) -> anyhow::Result<()> {
        let stamp = Stamp { publisher: self.past.publisher, number: self.past.said, intended };
        let mut payload = Vec::with_capacity(bytes + 64);
        dialect.say(self.past.said, |out| stamp.write(bytes, out), &mut payload);
        self.past.said += 1;
        self.send(frame::TEXT, &payload)
    }

    /// Reads once and looks at every whole frame; says whether this made the client ready.
    pub fn read(&mut self, dialect: Dialect, buffer: &mut [u8], tally: &mut Tally) -> anyhow::Result<bool> {
        let count = match self.stream.read(buffer) {
            Ok(0) => bail!("the server ended a connection"),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(false);
            }
            Err(error) => return Err(error).context("a connection broke"),
        };
        tally.read(count);
        let was_ready = self.state == State::Ready;
        if self.rest.is_empty() {
            let used = self.look(&buffer[..count], dialect, tally)?;
            self.rest.extend_from_slice(&buffer[used..count]);
        } else {
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.extend_from_slice(&buffer[..count]);
            let used = self.look(&bytes, dialect, tally)?;
            bytes.drain(..used);
            self.rest = bytes;
        }
        Ok(!was_ready && self.state == State::Ready)
    }

    /// Looks at what is whole and says how many bytes that was.
    fn look(&mut self, bytes: &[u8], dialect: Dialect, tally: &mut Tally) -> anyhow::Result<usize> {
        let mut used = 0;
        if self.state == State::Head {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(0) };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                bail!("the handshake was refused: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]));
            }
            used = end + 4;
            self.state = if dialect.is_ready_at_once() { State::Ready } else { State::Hello };
            if let Some(hello) = dialect.hello(self.past.room, self.past.position()) {
                self.send(frame::TEXT, hello.as_bytes())?;
            }
        }
        while let Some(header) = Header::read(&bytes[used..]) {
            let payload = &bytes[used + header.begin..used + header.end];
            match header.opcode {
                frame::TEXT | frame::BINARY => self.hear(payload, header.end, dialect, tally)?,
                frame::PING => self.send(frame::PONG, payload)?,
                frame::PONG => tally.pongs += 1,
                frame::CLOSE => bail!("the server closed: {}", String::from_utf8_lossy(payload)),
                _ => bail!("a frame was torn"),
            }
            used += header.end;
        }
        Ok(used)
    }

    fn hear(&mut self, text: &[u8], frame_bytes: usize, dialect: Dialect, tally: &mut Tally) -> anyhow::Result<()> {
        match dialect.hear(text) {
            Heard::Message(seq) => {
                let Some(stamp) = Stamp::find(text, &mut self.past.stamp_at) else {
                    // A bare server may greet; whatever is lost is missed when the run is counted.
                    return Ok(());
                };
                self.past.check(stamp, seq)?;
                self.heard += 1;
                let own = stamp.publisher == self.past.publisher;
                tally.message(stamp.intended, frame_bytes, self.past.timed);
                if own {
                    tally.own.push(self.past.room);
                }
                Ok(())
            }
            Heard::Gap(from, to) => {
                if self.past.seq.is_some_and(|seq| from != seq + 1) || to < from {
                    bail!("a gap from {from} to {to} after number {:?}", self.past.seq);
                }
                self.past.seq = Some(to);
                self.past.expected.iter_mut().for_each(|number| *number = ANY);
                self.past.first = ANY;
                tally.gapped += to - from + 1;
                Ok(())
            }
            Heard::Welcome(session) => {
                self.past.session = String::from_utf8_lossy(session).into_owned();
                Ok(())
            }
            Heard::Joined(epoch) => {
                self.past.epoch = String::from_utf8_lossy(epoch).into_owned();
                Ok(())
            }
            Heard::Ready => {
                self.state = State::Ready;
                Ok(())
            }
            Heard::Answer(answer) => self.send(frame::TEXT, answer),
            Heard::Refused => bail!("the server said {}", String::from_utf8_lossy(text)),
            Heard::Other => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// What a client says of a server that sends messages with these numbers.
    fn judge(numbers: &[u32]) -> Result<u64, String> {
        judge_after(Past::none(0, 7), numbers).map(|(deliveries, _)| deliveries)
    }

    /// The same of one who was there before; with what it knows when it loses the connection.
    fn judge_after(past: Past, numbers: &[u32]) -> Result<(u64, Past), String> {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = Client::connect(door.local_addr().unwrap(), Dialect::Bare, past, Buffer::Usual).unwrap();
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
        for &number in numbers {
            let mut text = Vec::new();
            Stamp { publisher: 3, number, intended: 0 }.write(100, &mut text);
            frame::server(frame::TEXT, &text, &mut bytes);
        }
        let mut server = door.accept().unwrap().0;
        // A socket that is closed with unread bytes in it is reset.
        assert_ne!(server.read(&mut [0; 1024]).unwrap(), 0);
        server.write_all(&bytes).unwrap();
        drop(server);
        client.stream.set_nonblocking(false).unwrap();
        let mut tally = Tally::new();
        // A small buffer, so that frames come in pieces. The last read finds the end of the connection.
        let mut buffer = [0; 64];
        loop {
            match client.read(Dialect::Bare, &mut buffer, &mut tally) {
                Ok(_) => {}
                Err(error) if error.to_string().contains("ended") => return Ok((tally.deliveries, client.lose())),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    #[test]
    fn who_comes_back_goes_on_where_it_was() {
        let past = || judge_after(Past::none(0, 7), &[0, 1]).unwrap().1;
        assert_eq!(judge_after(past(), &[2, 3]).unwrap().0, 2);
        assert!(judge_after(past(), &[3]).err().unwrap().contains("a loss"));
        assert!(judge_after(past(), &[1, 2]).err().unwrap().contains("a duplicate"));
    }

    #[test]
    fn after_a_gap_anybody_may_go_on_anywhere_and_then_in_order() {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = door.local_addr().unwrap();
        let mut client = Client::connect(address, Dialect::Chat, Past::none(0, 7), Buffer::Usual).unwrap();
        let mut hear = |text: &str| client.hear(text.as_bytes(), text.len(), Dialect::Chat, &mut Tally::new());
        let message = |seq: u64, number: u32| {
            let mut stamp = Vec::new();
            Stamp { publisher: 3, number, intended: 0 }.write(0, &mut stamp);
            format!(r#"{{"type":"message","seq":{seq},"text":"{}"}}"#, String::from_utf8(stamp).unwrap())
        };
        hear(r#"{"type":"gap","from":1,"to":9,"reason":"slow"}"#).unwrap();
        hear(&message(10, 5)).unwrap();
        hear(&message(11, 6)).unwrap();
        assert!(hear(&message(12, 8)).unwrap_err().to_string().contains("a loss"));
    }

    #[test]
    fn what_is_not_read_can_be_counted_and_a_buffer_that_is_too_small_is_refused() {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let connect =
            |bytes| Client::connect(door.local_addr().unwrap(), Dialect::Bare, Past::none(0, 0), Buffer::Large(bytes));
        let client = connect(64 * 1024).unwrap();
        let mut server = door.accept().unwrap().0;
        server.write_all(&[0; 1000]).unwrap();
        while client.readable().unwrap() < 1000 {
            std::thread::yield_now();
        }
        assert!(connect(1 << 30).err().unwrap().to_string().contains("rmem_max"));
    }

    #[test]
    fn a_loss_a_duplicate_and_a_disorder_are_noticed() {
        assert_eq!(judge(&[0, 1, 2, 3]), Ok(4));
        assert!(judge(&[0, 2]).unwrap_err().contains("a loss"));
        assert!(judge(&[1]).unwrap_err().contains("a loss"));
        assert!(judge(&[0, 1, 1]).unwrap_err().contains("a duplicate"));
        assert!(judge(&[0, 2, 1]).unwrap_err().contains("a loss"));
    }
}
