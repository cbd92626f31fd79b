//! The doors that take the name of a room, and somebody who comes by one of them and names one room after the other.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    ops::Range,
    time::Duration,
};

use anyhow::{Context as _, bail};
use socket2::SockRef;

use crate::{
    dialect::Dialect,
    frame::{self, Header},
    http::Answer,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Rooms of one hello.
const OF_A_HELLO: u64 = 64;
/// Rooms whose messages are written before the answers are read: what fits into a socket's buffers.
const AT_ONCE: u64 = 50;

/// Where a name can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A `hello` that names rooms.
    Hello,
    /// `join`, and there everything that a member may; then `leave`.
    Join,
    /// Questions about rooms in which one is not.
    Ask,
    /// A plain handshake's path, and a line.
    Plain,
    /// Posts to `front`.
    Post,
    /// A poll, a page of history, a search and the people, of `front`.
    Read,
    /// The page, and the page without a script.
    Page,
    /// Streams of events.
    Events,
}

impl Door {
    /// All, with how many of a thousand names are said there: what costs little gets most.
    pub const ALL: [(Self, u64); 8] = [
        (Self::Join, 350),
        (Self::Hello, 250),
        (Self::Ask, 350),
        (Self::Plain, 10),
        (Self::Post, 10),
        (Self::Read, 15),
        (Self::Page, 10),
        (Self::Events, 5),
    ];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Join => "join, send, history, search, typing, read, leave",
            Self::Ask => "history, search, who of rooms one is not in",
            Self::Plain => "plain, one line",
            Self::Post => "POST",
            Self::Read => "poll, page of history, search, list",
            Self::Page => "page, page without a script",
            Self::Events => "event stream",
        }
    }

    /// Whether it is one of `front`.
    pub fn is_fronts(self) -> bool {
        matches!(self, Self::Post | Self::Read | Self::Page | Self::Events)
    }
}

/// What came of the names.
#[derive(Debug, Default, Clone, Copy)]
pub struct Said {
    /// Names that were said.
    pub names: u64,
    /// Answers that refused something.
    pub refused: u64,
}

/// Who names rooms; a connection that can be used again is.
pub struct Namer {
    door: Door,
    address: SocketAddr,
    open: Option<TcpStream>,
    said: Said,
}

/// The name with this number, unlike all others.
fn name_of(number: u64) -> String {
    format!("{number:x}-nobody-has-named-this-room")
}

impl Namer {
    /// Somebody who is nowhere yet.
    pub fn new(door: Door, address: SocketAddr) -> Self {
        Self { door, address, open: None, said: Said::default() }
    }

    /// What came of it so far.
    pub fn said(&self) -> Said {
        self.said
    }

    /// How many names make one turn.
    pub fn turn(&self) -> u64 {
        match self.door {
            Door::Hello => OF_A_HELLO,
            Door::Join | Door::Ask => AT_ONCE,
            _ => 1,
        }
    }

    /// Says these names.
    ///
    /// # Errors
    /// When nobody answers: the server is not to be brought to that.
    pub fn say(&mut self, mut numbers: Range<u64>) -> anyhow::Result<()> {
        self.said.names += numbers.end - numbers.start;
        match self.door {
            Door::Hello => {
                let rooms: Vec<String> =
                    numbers.map(|number| format!(r#""{}":{{"last":1}}"#, name_of(number))).collect();
                self.come(Dialect::Chat, &format!(r#"{{"type":"hello","rooms":{{{}}}}}"#, rooms.join(",")))?;
                self.until_answered(&mut Vec::new())?;
                self.open = None;
            }
            Door::Join | Door::Ask => {
                if self.open.is_none() {
                    self.come(Dialect::Chat, r#"{"type":"hello","rooms":{}}"#)?;
                }
                let mut words = Vec::new();
                for number in numbers {
                    for text in self.about(&name_of(number)) {
                        frame::client(frame::TEXT, text.as_bytes(), &mut words);
                    }
                }
                self.until_answered(&mut words)?;
            }
            Door::Plain => numbers.try_for_each(|number| self.plain(&name_of(number)))?,
            Door::Post | Door::Read | Door::Page | Door::Events => {
                numbers.try_for_each(|number| self.over_http(&name_of(number)))?;
            }
        }
        Ok(())
    }

    fn about(&self, room: &str) -> Vec<String> {
        let with = |kind: &str, more: &str| format!(r#"{{"type":"{kind}","id":"n","room":"{room}"{more}}}"#);
        let asked = [with("history", ""), with("search", r#","text":"x""#), with("who", "")];
        if self.door == Door::Ask {
            return asked.into();
        }
        let [history, search, _] = asked;
        let send = format!(r#"{{"type":"send","id":"{room}","room":"{room}","text":"x"}}"#);
        let typing = format!(r#"{{"type":"typing","room":"{room}"}}"#);
        [with("join", r#","last":1"#), send, history, search, typing, with("read", r#","seq":1"#), with("leave", "")]
            .into()
    }

    fn connect(&mut self) -> anyhow::Result<&mut TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE).context("nobody lets us in")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        // The end is a reset: a port of ours that waits for the last packets could not be used again for a minute.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        Ok(self.open.insert(stream))
    }

    fn come(&mut self, dialect: Dialect, hello: &str) -> anyhow::Result<()> {
        let mut words = dialect.request(0).into_bytes();
        frame::client(frame::TEXT, hello.as_bytes(), &mut words);
        let stream = self.connect()?;
        stream.write_all(&words)?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).context("no answer to a handshake")?;
            head.push(byte[0]);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            bail!("not let in: {}", String::from_utf8_lossy(&head));
        }
        Ok(())
    }

    /// Writes words and reads until all of them are answered.
    fn until_answered(&mut self, words: &mut Vec<u8>) -> anyhow::Result<()> {
        const LAST: &[u8] = br#"{"type":"pong","id":"the last""#;
        frame::client(frame::TEXT, br#"{"type":"ping","id":"the last"}"#, words);
        let stream = self.open.as_mut().context("nobody is there")?;
        stream.write_all(words)?;
        let (mut bytes, mut some) = (Vec::new(), [0; 16 * 1024]);
        loop {
            match stream.read(&mut some).context("no answer")? {
                0 => bail!("cut off: {}", String::from_utf8_lossy(&bytes)),
                count => bytes.extend_from_slice(&some[..count]),
            }
            let mut used = 0;
            while let Some(header) = Header::read(&bytes[used..]) {
                let text = &bytes[used + header.begin..used + header.end];
                if text.starts_with(LAST) {
                    return Ok(());
                }
                self.said.refused += u64::from(text.starts_with(br#"{"type":"error""#));
                used += header.end;
            }
            bytes.drain(..used);
        }
    }

    /// Comes into a room by its path, says a line, and goes.
    fn plain(&mut self, room: &str) -> anyhow::Result<()> {
        let path = format!("GET /rooms/{room} ");
        let words =
            Dialect::Chat.request(0).replace("GET / ", &path).replace("Sec-WebSocket-Protocol: chat.v1\r\n", "");
        let mut words = words.into_bytes();
        frame::client(frame::TEXT, b"x", &mut words);
        frame::client(frame::CLOSE, &1000_u16.to_be_bytes(), &mut words);
        let stream = self.connect()?;
        stream.write_all(&words)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).context("no end")?;
        if !answer.starts_with(b"HTTP/1.1 101") {
            bail!("not let in: {}", String::from_utf8_lossy(&answer));
        }
        self.said.refused += u64::from(answer.windows(14).any(|some| some == br#""type":"error""#));
        Ok(())
    }

    fn over_http(&mut self, room: &str) -> anyhow::Result<()> {
        let get = |path: String| format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        let requests = match self.door {
            Door::Post => vec![format!(
                "POST /api/rooms/{room}/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx"
            )],
            Door::Read => ["messages?limit=1", "messages?before=5", "search?q=x", "users"]
                .map(|what| get(format!("/api/rooms/{room}/{what}")))
                .into(),
            Door::Page => vec![get(format!("/r/{room}")), get(format!("/r/{room}/live"))],
            _ => vec![get(format!("/api/rooms/{room}/events?last=0"))],
        };
        for request in requests {
            let is_events = self.door == Door::Events;
            let stream = match self.open.take() {
                Some(stream) => self.open.insert(stream),
                None => self.connect()?,
            };
            stream.write_all(request.as_bytes())?;
            let (mut answer, mut some) = (Answer::new(), [0; 16 * 1024]);
            while !(answer.is_whole() || is_events && answer.has_head()) {
                match stream.read(&mut some).context("no answer")? {
                    0 => bail!("cut off"),
                    count => answer.take(&some[..count])?,
                }
            }
            self.said.refused += u64::from(answer.status() >= 400);
            if is_events || answer.header("connection").is_some_and(|word| word.eq_ignore_ascii_case("close")) {
                self.open = None;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_the_doors_are_the_whole_and_no_name_is_said_twice() {
        assert_eq!(Door::ALL.iter().map(|(_, share)| share).sum::<u64>(), 1_000);
        let names: std::collections::HashSet<String> = (0..1_000).map(name_of).collect();
        assert_eq!(names.len(), 1_000);
        assert!(names.iter().all(|name| name.len() <= 64));
    }
}
