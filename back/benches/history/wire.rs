//! A client that costs little, so that the server is what is measured: frames are made and read by hand, and of an
//! answer only its type and its number are looked at.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    ops::Range,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// A connection; the numbers of the room that it is in are followed, and none may be missing.
pub struct Client {
    stream: TcpStream,
    inbox: Vec<u8>,
    /// What of the inbox has been read.
    read: usize,
    outbox: Vec<u8>,
}

/// What the server said, as far as it matters here.
#[derive(Debug)]
pub enum News<'a> {
    /// A message of this session is stored.
    Stored { id: &'a str, seq: u64 },
    /// A message of the room.
    Message(u64),
    /// The replay is over.
    Synced(u64),
    /// Somebody came or went, or this client did.
    Other(&'a str),
}

/// Where a client is after its hello.
pub struct Place {
    pub epoch: String,
    /// The newest message.
    pub top: u64,
    /// How many messages were replayed, without a hole and up to `top`.
    pub replayed: u64,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat.v1\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut client = Self { stream, inbox: Vec::with_capacity(1 << 16), read: 0, outbox: Vec::new() };
        loop {
            client.fill().await?;
            if let Some(end) = client.inbox.windows(4).position(|end| end == b"\r\n\r\n") {
                ensure!(client.inbox.starts_with(b"HTTP/1.1 101 "), "no handshake");
                client.read = end + 4;
                return Ok(client);
            }
        }
    }

    /// Says hello and comes into one room, with `ask` as on the wire; ends when the replay does.
    pub async fn hello(address: SocketAddr, name: &str, room: &str, ask: &str) -> anyhow::Result<(Self, Place)> {
        let mut client = Self::connect(address).await?;
        client.put(&format!(r#"{{"type":"hello","name":"{name}","rooms":{{"{room}":{ask}}}}}"#));
        client.flush().await?;
        let mut place = Place { epoch: String::new(), top: 0, replayed: 0 };
        let mut last = None;
        loop {
            while let Some(text) = client.take()? {
                match news(text)? {
                    News::Message(seq) => {
                        ensure!(last.is_none_or(|last| seq == last + 1), "{seq} came after {last:?}");
                        last = Some(seq);
                        place.replayed += 1;
                    }
                    News::Synced(seq) => {
                        ensure!(seq == place.top && last.unwrap_or(seq) == seq, "synced at {seq} after {last:?}");
                        return Ok((client, place));
                    }
                    News::Other(text) if text.starts_with(r#"{"type":"joined""#) => {
                        place.top = number(text, r#""top":"#)?;
                        place.epoch = string(text, r#""epoch":""#)?.to_owned();
                    }
                    News::Other(_) => {}
                    news @ News::Stored { .. } => bail!("before anything was sent: {news:?}"),
                }
            }
            client.fill().await?;
        }
    }

    /// Makes a text message ready to be sent.
    pub fn put(&mut self, text: &str) {
        frame(TEXT, text.as_bytes(), &mut self.outbox);
    }

    /// Sends what was made ready.
    pub async fn flush(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.outbox).await?;
        self.outbox.clear();
        Ok(())
    }

    /// Waits for more to read.
    pub async fn fill(&mut self) -> anyhow::Result<()> {
        self.inbox.drain(..self.read);
        self.read = 0;
        let count = self.stream.read_buf(&mut self.inbox).await?;
        ensure!(count > 0, "the server closed the connection");
        Ok(())
    }

    /// The next text message that has come whole.
    pub fn take(&mut self) -> anyhow::Result<Option<&str>> {
        loop {
            let Some((first, payload)) = self.head() else { return Ok(None) };
            self.read = payload.end;
            match first {
                TEXT => {
                    let text = self.inbox.get(payload).context("a frame beyond what was read")?;
                    return Ok(Some(std::str::from_utf8(text)?));
                }
                PING => frame(PONG, &[], &mut self.outbox),
                CLOSE => bail!("the server said goodbye: {}", String::from_utf8_lossy(&self.inbox[payload])),
                other => bail!("a frame that begins with {other:#x}"),
            }
        }
    }

    /// The first byte of the next frame, and where its payload stands, if it has come whole.
    fn head(&self) -> Option<(u8, Range<usize>)> {
        let bytes = self.inbox.get(self.read..)?;
        let (head, len) = match *bytes.get(1)? {
            126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into()),
            127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
            short => (2, short.into()),
        };
        let start = self.read + head;
        (bytes.len() >= head + len).then(|| (bytes[0], start..start + len))
    }

    /// The next text message.
    pub async fn next(&mut self) -> anyhow::Result<&str> {
        while self.head().is_none() {
            self.fill().await?;
        }
        self.take()?.context("a ping where an answer was due")
    }

    /// A second way into the same socket, for a thread that sends.
    fn sender(&self) -> anyhow::Result<std::net::TcpStream> {
        Ok(self.stream.as_fd().try_clone_to_owned()?.into())
    }
}

/// What a text message says.
pub fn news(text: &str) -> anyhow::Result<News<'_>> {
    let kind = text.strip_prefix(r#"{"type":""#).unwrap_or_default();
    if kind.starts_with("message\"") {
        Ok(News::Message(number(text, r#""seq":"#)?))
    } else if kind.starts_with("ok\"") {
        ensure!(!text.contains("\"duplicate\""), "stored before: {text}");
        Ok(News::Stored { id: string(text, r#""id":""#)?, seq: number(text, r#""seq":"#)? })
    } else if kind.starts_with("synced\"") {
        Ok(News::Synced(number(text, r#""seq":"#)?))
    } else if kind.starts_with("gap\"") || kind.starts_with("error\"") || kind.starts_with("bye\"") {
        bail!("the server said {text}")
    } else {
        Ok(News::Other(text))
    }
}

fn number(text: &str, key: &str) -> anyhow::Result<u64> {
    let digits = text.split_once(key).with_context(|| format!("no {key} in {text}"))?.1;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    Ok(digits[..end].parse()?)
}

fn string<'a>(text: &'a str, key: &str) -> anyhow::Result<&'a str> {
    let value = text.split_once(key).and_then(|(_, rest)| rest.split_once('"'));
    Ok(value.with_context(|| format!("no {key} in {text}"))?.0)
}

fn frame(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        medium @ 126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend((medium as u16).to_be_bytes());
        }
        long => {
            out.push(0x80 | 127);
            out.extend((long as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

fn send(id: u64, text: &str) -> String {
    format!(r#"{{"type":"send","id":"{id}","text":"{text}"}}"#)
}

/// What one client's messages are: number `n` from 1 up is one of these lines, another one for each client.
#[derive(Clone, Copy)]
pub struct Script<'a> {
    pub lines: &'a [String],
    pub client: usize,
}

impl<'a> Script<'a> {
    pub fn line(&self, n: u64) -> &'a str {
        self.lines.get((n as usize + self.client * 31) % self.lines.len().max(1)).map_or("", String::as_str)
    }
}

/// What a client has seen of its own messages: each is answered, and then comes, once and in order.
struct Ledger {
    /// The room's newest message before the first.
    base: u64,
    stored: u64,
    received: u64,
}

impl Ledger {
    /// Notes what came; true for an `ok`.
    fn note(&mut self, news: &News<'_>) -> anyhow::Result<bool> {
        match *news {
            News::Stored { id, seq } => {
                self.stored += 1;
                let expected = (self.stored.to_string(), self.base + self.stored);
                ensure!(
                    (id, seq) == (expected.0.as_str(), expected.1),
                    "{id} is stored as {seq} instead of {expected:?}"
                );
                Ok(true)
            }
            News::Message(seq) => {
                self.received += 1;
                ensure!(seq == self.base + self.received, "{seq} came after {}", self.base + self.received - 1);
                ensure!(self.received <= self.stored, "{seq} came before its ok");
                Ok(false)
            }
            News::Synced(_) | News::Other(_) => Ok(false),
        }
    }
}

/// Sends until a time, with never more than `window` unanswered, and waits for the rest: how long each `ok` took.
pub async fn pump(
    mut client: Client,
    base: u64,
    script: Script<'_>,
    window: u64,
    until: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut ledger = Ledger { base, stored: 0, received: 0 };
    let mut waiting = VecDeque::with_capacity(window as usize);
    let mut times = Vec::with_capacity(1 << 16);
    let mut sent = 0;
    loop {
        let now = Instant::now();
        while now < until && sent < ledger.stored + window {
            sent += 1;
            client.put(&send(sent, script.line(sent)));
            waiting.push_back(now);
        }
        client.flush().await?;
        if now >= until && ledger.stored == sent && ledger.received == sent {
            return Ok(times);
        }
        client.fill().await?;
        let now = Instant::now();
        while let Some(text) = client.take()? {
            if ledger.note(&news(text)?)? {
                times.push(now - waiting.pop_front().context("an answer to nothing")?);
            }
        }
    }
}

/// When what is to be sent: message `n` (from 1) of client `k` of `clients`, evenly.
#[derive(Clone, Copy)]
pub struct Plan {
    pub start: Instant,
    pub per_second: u32,
    pub clients: u32,
}

impl Plan {
    fn due(&self, k: usize, n: u64) -> Instant {
        self.start + Duration::from_secs(1) * ((n - 1) as u32 * self.clients + k as u32) / self.per_second
    }

    /// Sends as planned, on a thread of its own, whether or not anything is answered.
    pub fn send(self, clients: &[Client], each: u64, lines: &'static [String]) -> anyhow::Result<Sending> {
        let mut sockets = clients.iter().map(Client::sender).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(std::thread::spawn(move || {
            for n in 1..=each {
                for (k, socket) in sockets.iter_mut().enumerate() {
                    let mut bytes = Vec::with_capacity(256);
                    frame(TEXT, send(n, Script { lines, client: k }.line(n)).as_bytes(), &mut bytes);
                    let due = self.due(k, n);
                    while let Some(wait) = due.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
                        std::thread::park_timeout(wait);
                    }
                    write_all(socket, &bytes)?;
                }
            }
            Ok(())
        }))
    }

    /// Waits for the answers of client `k`: how long each took, from when its message should have been sent.
    pub async fn receive(self, mut client: Client, k: usize, each: u64) -> anyhow::Result<Vec<Duration>> {
        let mut ledger = Ledger { base: 0, stored: 0, received: 0 };
        let mut times = Vec::with_capacity(each as usize);
        while ledger.received < each {
            client.fill().await?;
            let now = Instant::now();
            while let Some(text) = client.take()? {
                if ledger.note(&news(text)?)? {
                    times.push(now.saturating_duration_since(self.due(k, ledger.stored)));
                }
            }
        }
        Ok(times)
    }
}

/// The thread that sends.
pub type Sending = std::thread::JoinHandle<anyhow::Result<()>>;

/// The socket does not block, because its other half is read by the runtime.
fn write_all(socket: &mut std::net::TcpStream, mut bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::{ErrorKind, Write};
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::park_timeout(Duration::from_micros(200));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
