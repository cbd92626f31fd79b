//! One reader over HTTP: a connection that is kept, what was asked for, and what must come next. It checks every message.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use socket2::SockRef;

use crate::{
    client::Past,
    crowd::Tally,
    http::Answer,
    stamp::{self, Stamp},
    way::{Line, Mark, Way},
};

/// A place that no publisher has: nothing that comes is the reader's own.
const NOBODY: u32 = u32::MAX;

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Go on.
    Open,
    /// The server ended a connection on which nothing was under way, as it may.
    Ended,
}

/// What readers asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Requests.
    pub requests: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One reader.
pub struct Reader {
    stream: TcpStream,
    way: Way,
    answer: Answer,
    mark: Mark,
    past: Past,
    room: u32,
    /// Whether an answer is due.
    waiting: bool,
    ready: bool,
    /// When the last request left.
    asked_at: Instant,
}

impl Reader {
    /// Connects; nothing is asked yet.
    pub fn connect(address: SocketAddr, way: Way, room: u32) -> anyhow::Result<Self> {
        Ok(Self {
            stream: open(address)?,
            way,
            answer: Answer::new(),
            mark: Mark::default(),
            past: Past::none(room, NOBODY),
            room,
            waiting: false,
            ready: !way.answers_at_once(),
            asked_at: Instant::now(),
        })
    }

    /// Connects anew after the server ended the connection, and asks again what was not answered.
    pub fn reconnect(&mut self, address: SocketAddr, asked: &mut Asked) -> anyhow::Result<()> {
        self.stream = open(address)?;
        if self.waiting { self.ask(asked) } else { Ok(()) }
    }

    /// Its socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether it hears what is said from now on.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// How long until it asks by itself; `None` while an answer is due, and for those who ask as soon as they are answered.
    pub fn rests(&self) -> Option<Duration> {
        let interval = self.way.interval().filter(|_| !self.waiting)?;
        Some((self.asked_at + interval).saturating_duration_since(Instant::now()))
    }

    /// Asks for what comes next.
    pub fn ask(&mut self, asked: &mut Asked) -> anyhow::Result<()> {
        let request = self.way.request(self.room, &self.mark);
        asked.requests += 1;
        asked.bytes += request.len() as u64;
        self.waiting = true;
        self.asked_at = Instant::now();
        // A server that ended the connection a moment ago is found out by the read.
        match self.stream.write_all(request.as_bytes()) {
            Err(error) if !is_end(&error) => Err(error).context("the server does not read what is asked"),
            _ => Ok(()),
        }
    }

    /// Reads once, and asks again if that is its way.
    pub fn read(&mut self, buffer: &mut [u8], tally: &mut Tally, asked: &mut Asked) -> anyhow::Result<Outcome> {
        let may_end = !self.way.is_stream() && self.answer.is_untouched();
        let count = match self.stream.read(buffer) {
            Ok(0) if may_end => return Ok(Outcome::Ended),
            Ok(0) => bail!("the server ended a connection"),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(Outcome::Open);
            }
            Err(error) if may_end && is_end(&error) => return Ok(Outcome::Ended),
            Err(error) => return Err(error).context("a connection broke"),
        };
        tally.read(count);
        if !self.waiting {
            bail!("an answer to nothing: {}", String::from_utf8_lossy(&buffer[..count.min(80)]));
        }
        self.answer.take(&buffer[..count])?;
        if self.answer.has_head() && !matches!(self.answer.status(), 200 | 304) {
            bail!("refused: {} {}", self.answer.status(), String::from_utf8_lossy(&self.answer.body));
        }
        if self.way.is_stream() {
            self.look_at_lines(tally)?;
        } else if self.answer.is_whole() {
            self.look_at_page(tally)?;
            if self.way.interval().is_none() {
                self.ask(asked)?;
            }
        }
        Ok(Outcome::Open)
    }

    /// Everything that lies whole in a stream.
    fn look_at_lines(&mut self, tally: &mut Tally) -> anyhow::Result<()> {
        self.ready |= self.way.is_ready_with_head() && self.answer.has_head();
        let mut body = std::mem::take(&mut self.answer.body);
        let mut used = 0;
        while let Some(end) = body[used..].iter().position(|&byte| byte == b'\n') {
            let line = &body[used..used + end];
            match self.way.line(line) {
                Line::Synced => self.ready = true,
                Line::Gap => bail!("a loss: the server said {}", String::from_utf8_lossy(&body)),
                Line::Other => self.look(line, tally)?,
            }
            used += end + 1;
        }
        body.drain(..used);
        self.answer.body = body;
        if self.answer.is_whole() {
            bail!("the server ended a stream");
        }
        Ok(())
    }

    fn look_at_page(&mut self, tally: &mut Tally) -> anyhow::Result<()> {
        let body = std::mem::take(&mut self.answer.body);
        if body.windows(6).any(|six| six == b"\"gap\":") {
            bail!("a loss: the server said {}", String::from_utf8_lossy(&body));
        }
        self.look(&body, tally)?;
        self.answer.body = body;
        self.mark.follow(&self.answer);
        self.answer.next();
        self.waiting = false;
        self.ready = true;
        Ok(())
    }

    /// Checks and counts every message in these bytes.
    fn look(&mut self, mut bytes: &[u8], tally: &mut Tally) -> anyhow::Result<()> {
        let mut at = 0;
        while let Some(stamp) = Stamp::find(bytes, &mut at) {
            self.past.check(stamp, None)?;
            tally.message(stamp.intended, bytes.len(), true);
            bytes = &bytes[at + stamp::BYTES..];
            at = 0;
        }
        Ok(())
    }
}

fn open(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10)).context("cannot connect")?;
    stream.set_nodelay(true)?;
    // As for the clients of a crowd: no socket in TIME_WAIT.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn body(numbers: &[u32], position: u64) -> String {
        let mut out = b"{\"messages\":[".to_vec();
        for &number in numbers {
            out.extend_from_slice(b"{\"text\":\"");
            Stamp { publisher: 0, number, intended: 0 }.write(100, &mut out);
            out.extend_from_slice(b"\"}");
        }
        out.extend_from_slice(format!("],\"position\":\"k:{position}\"}}").as_bytes());
        String::from_utf8(out).unwrap()
    }

    fn page(numbers: &[u32], position: u64) -> String {
        let body = body(numbers, position);
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    /// Messages and requests of a reader whose requests are answered like this, or what it complains of.
    fn judge(way: Way, answers: &[String]) -> Result<(u64, u64), String> {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut reader = Reader::connect(door.local_addr().unwrap(), way, 0).unwrap();
        let mut server = door.accept().unwrap().0;
        reader.stream.set_nonblocking(false).unwrap();
        let (mut tally, mut asked, mut buffer) = (Tally::new(), Asked::default(), [0; 64]);
        reader.ask(&mut asked).unwrap();
        for answer in answers {
            server.write_all(answer.as_bytes()).unwrap();
            let mut left = answer.len();
            while left > 0 {
                let before = tally.bytes;
                reader.read(&mut buffer, &mut tally, &mut asked).map_err(|error| error.to_string())?;
                left -= (tally.bytes - before) as usize;
            }
        }
        Ok((tally.deliveries, asked.requests))
    }

    #[test]
    fn a_long_poll_asks_again_when_it_is_answered() {
        assert_eq!(judge(Way::LongPoll, &[page(&[], 0), page(&[0], 1), page(&[1, 2], 3)]), Ok((3, 4)));
    }

    #[test]
    fn a_loss_a_duplicate_and_a_disorder_in_polls_are_noticed() {
        let judge = |second: &[u32]| judge(Way::LongPoll, &[page(&[0], 1), page(second, 9)]).unwrap_err();
        assert!(judge(&[2]).contains("a loss"));
        assert!(judge(&[0]).contains("a duplicate"));
        assert!(judge(&[1, 3, 2]).contains("a loss"));
    }

    #[test]
    fn a_stream_is_read_line_by_line_and_a_gap_is_a_loss() {
        let head = "HTTP/1.1 200 OK\r\n\r\n".to_owned();
        let event = |number| format!("id: k:1\nevent: message\ndata: {}\n\n", body(&[number], 1));
        let synced = "event: synced\ndata: {}\n\n".to_owned();
        assert_eq!(judge(Way::Events, &[head.clone(), synced, event(0), event(1)]), Ok((2, 1)));
        assert!(judge(Way::Events, &[head.clone(), event(0), event(2)]).unwrap_err().contains("a loss"));
        assert!(judge(Way::Events, &[head.clone(), event(0), event(0)]).unwrap_err().contains("a duplicate"));
        assert!(judge(Way::Events, &[head, "event: gap\n".to_owned()]).unwrap_err().contains("a loss"));
    }

    #[test]
    fn a_refusal_and_a_gap_in_a_page_fail() {
        let refused = "HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n".to_owned();
        assert!(judge(Way::LongPoll, &[refused]).unwrap_err().contains("refused: 503"));
        let gap = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"gap\":{}}".to_owned();
        assert!(judge(Way::LongPoll, &[gap]).unwrap_err().contains("a loss"));
    }

    #[test]
    fn a_connection_that_ends_between_two_polls_is_replaced() {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = door.local_addr().unwrap();
        let mut reader = Reader::connect(address, Way::LongPoll, 0).unwrap();
        let (mut tally, mut asked, mut buffer) = (Tally::new(), Asked::default(), [0; 64]);
        drop(door.accept().unwrap());
        reader.stream.set_nonblocking(false).unwrap();
        assert_eq!(reader.read(&mut buffer, &mut tally, &mut asked).unwrap(), Outcome::Ended);
        reader.waiting = true;
        reader.reconnect(address, &mut asked).unwrap();
        assert_eq!(asked.requests, 1);
        // In the middle of an answer it is a loss.
        let mut server = door.accept().unwrap().0;
        assert_ne!(server.read(&mut [0; 1024]).unwrap(), 0);
        server.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
        drop(server);
        reader.stream.set_nonblocking(false).unwrap();
        assert_eq!(reader.read(&mut buffer, &mut tally, &mut asked).unwrap(), Outcome::Open);
        assert!(reader.read(&mut buffer, &mut tally, &mut asked).is_err());
    }
}
