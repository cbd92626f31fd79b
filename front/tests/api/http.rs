//! HTTP as a test speaks it: one request per connection, answers whole or as they come. It waits with a deadline.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than anything takes on a loaded machine; a test that waits so long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(40);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and code of an error.
    pub(crate) fn problem(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(body["type"], "error", "{self:?}");
        (self.status, body["code"].as_str().unwrap().to_owned())
    }
}

pub(crate) async fn ask(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    timeout(DEADLINE, async {
        let mut stream = send(address, method, path, headers, body).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let end = head_end(&bytes).expect("a head");
        let (status, headers) = head(&bytes[..end]);
        let body = if headers.contains_key("transfer-encoding") {
            let mut chunks = Chunks::default();
            chunks.feed(&bytes[end..]);
            chunks.text
        } else {
            bytes[end..].to_vec()
        };
        Answer { status, headers, body: String::from_utf8(body).unwrap() }
    })
    .await
    .unwrap_or_else(|_| panic!("no answer to {method} {path}"))
}

pub(crate) async fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let named = headers.iter().any(|(name, _)| *name == "Host");
    let host = if named { String::new() } else { format!("Host: {address}\r\n") };
    let head = format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{lines}{length}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    stream
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

fn head(bytes: &[u8]) -> (u16, BTreeMap<String, String>) {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut lines = text.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    (status, headers)
}

/// Takes the chunks apart (RFC 9112, 7.1).
#[derive(Default)]
struct Chunks {
    raw: Vec<u8>,
    text: Vec<u8>,
    over: bool,
}

impl Chunks {
    fn feed(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        while let Some(line) = self.raw.windows(2).position(|w| w == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&self.raw[..line]).unwrap(), 16).unwrap();
            let end = line + 2 + size + 2;
            if self.raw.len() < end {
                return;
            }
            self.over |= size == 0;
            self.text.extend_from_slice(&self.raw[line + 2..line + 2 + size]);
            self.raw.drain(..end);
        }
    }
}

/// An answer that goes on.
pub(crate) struct Stream {
    stream: TcpStream,
    pub(crate) status: u16,
    headers: BTreeMap<String, String>,
    chunks: Chunks,
    over: bool,
    /// What the stream said last about when to come back, in milliseconds.
    pub(crate) retry: Option<u64>,
}

/// A server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

impl Stream {
    pub(crate) async fn open(address: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = send(address, "GET", path, headers, b"").await;
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = head_end(&bytes) {
                break end;
            }
            let read = timeout(DEADLINE, stream.read_buf(&mut bytes)).await.expect("a head in time").unwrap();
            assert!(read > 0, "no head");
        };
        let (status, headers) = head(&bytes[..end]);
        let mut chunks = Chunks::default();
        if headers.contains_key("transfer-encoding") {
            chunks.feed(&bytes[end..]);
        } else {
            chunks.text = bytes[end..].to_vec();
        }
        Self { stream, status, headers, chunks, over: false, retry: None }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Everything up to this mark, without it; nothing when the stream is over.
    async fn until(&mut self, mark: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.chunks.text.windows(mark.len()).position(|w| w == mark) {
                let text: Vec<u8> = self.chunks.text.drain(..at + mark.len()).take(at).collect();
                return Some(String::from_utf8(text).unwrap());
            }
            if self.chunks.over || self.over {
                return None;
            }
            let mut bytes = Vec::new();
            match timeout(DEADLINE, self.stream.read_buf(&mut bytes)).await.expect("more in time") {
                Ok(0) | Err(_) => self.over = true,
                Ok(_) => self.chunks.feed(&bytes),
            }
        }
    }

    /// The next event, comments and `retry` passed over; nothing when the stream is over.
    pub(crate) async fn try_event(&mut self) -> Option<Event> {
        // Comments are signs of life, and no event: they do not put the deadline off.
        timeout(DEADLINE, self.some_event()).await.expect("an event in time")
    }

    async fn some_event(&mut self) -> Option<Event> {
        loop {
            let block = self.until(b"\n\n").await?;
            let mut event = Event::default();
            for line in block.lines() {
                match line.split_once(": ") {
                    Some(("id", id)) => event.id = id.to_owned(),
                    Some(("event", kind)) => event.kind = kind.to_owned(),
                    Some(("data", data)) => event.data = data.to_owned(),
                    Some(("retry", retry)) => self.retry = retry.parse().ok(),
                    _ => {}
                }
            }
            if !event.data.is_empty() {
                return Some(event);
            }
        }
    }

    pub(crate) async fn event(&mut self) -> Event {
        self.try_event().await.expect("another event")
    }

    /// The texts of the next `count` messages, nothing else between them.
    pub(crate) async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            let event = self.event().await;
            assert_eq!(event.kind, "message", "{event:?}");
            texts.push(event.json()["text"].as_str().unwrap().to_owned());
        }
        texts
    }

    /// The next line that is not empty.
    pub(crate) async fn line(&mut self) -> Value {
        loop {
            let line = self.until(b"\n").await.expect("another line");
            if !line.is_empty() {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }
}

/// A path's segment, escaped.
pub(crate) fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
