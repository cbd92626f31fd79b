//! A client that tests speak through: it waits with a deadline, and never longer than for what it was asked to wait
//! for.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

/// Long enough for a loaded machine; a test that waits so long has failed.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A client over a bare socket, or over what is laid on one.
pub struct Client<S = TcpStream> {
    pub websocket: WebSocketStream<S>,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Close(u16, String),
    Lost,
}

impl Client {
    /// Opens a path without a subprotocol.
    pub async fn plain(address: SocketAddr, path: &str) -> Self {
        Self::open(address, path, None).await
    }

    /// Opens `/` with `chat.v1`, without a word.
    pub async fn chat(address: SocketAddr) -> Self {
        Self::open(address, "/", Some("chat.v1")).await
    }

    /// A `chat.v1` client that said hello and was welcomed; `rooms` as in `hello`.
    pub async fn hello(address: SocketAddr, name: &str, rooms: Value) -> (Self, Value) {
        let mut client = Self::chat(address).await;
        client.send(json!({"type": "hello", "name": name, "rooms": rooms})).await;
        let welcome = client.next().await;
        assert_eq!(welcome["type"], "welcome");
        (client, welcome)
    }

    /// A `chat.v1` client that is in a room and up to date.
    pub async fn in_room(address: SocketAddr, name: &str, room: &str) -> Self {
        let (mut client, _) = Self::hello(address, name, json!({room: {}})).await;
        client.until("synced").await;
        client
    }

    /// What somebody who comes into a room is shown of its past: so many messages.
    pub async fn in_room_with_history(address: SocketAddr, name: &str, room: &str, count: usize) -> Vec<Value> {
        let (mut client, _) = Self::hello(address, name, json!({room: {}})).await;
        client.messages(count).await
    }

    /// A `chat.v1` connection without a word, if there is somebody to connect to.
    pub async fn try_chat(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        let mut request = format!("ws://{address}/").into_client_request().ok()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", "chat.v1".parse().ok()?);
        let (websocket, _) = timeout(DEADLINE, client_async(request, stream)).await.ok()?.ok()?;
        Some(Self { websocket })
    }

    /// The newest message of a room, if the connection lives; says hello first where that was not said.
    pub async fn try_top(&mut self, room: &str) -> Option<u64> {
        // A second hello is refused, and that is all right.
        for request in [json!({"type": "hello"}), json!({"type": "history", "id": "top", "room": room, "limit": 1})] {
            self.websocket.send(Message::text(request.to_string())).await.ok()?;
        }
        loop {
            let Message::Text(text) = timeout(DEADLINE, self.websocket.next()).await.ok()??.ok()? else { continue };
            let said: Value = serde_json::from_str(&text).ok()?;
            if said["id"] == "top" {
                return said["top"].as_u64();
            }
        }
    }

    /// A connection whose proxy says that it comes from there.
    pub async fn from_there(address: SocketAddr, there: &str, path: &str, subprotocol: Option<&str>) -> Self {
        let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
        request.headers_mut().insert("X-Forwarded-For", there.parse().unwrap());
        if let Some(name) = subprotocol {
            request.headers_mut().insert("Sec-WebSocket-Protocol", name.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        let (websocket, _) = timeout(DEADLINE, client_async(request, stream)).await.unwrap().unwrap();
        Self { websocket }
    }

    pub async fn open(address: SocketAddr, path: &str, subprotocol: Option<&str>) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, path, subprotocol).await
    }

    /// A client whose kernel takes in little, so that it is slow as soon as it does not read.
    pub async fn with_small_window(address: SocketAddr, path: &str, subprotocol: Option<&str>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::over(socket.connect(address).await.unwrap(), path, subprotocol).await
    }

    /// Ends the TCP connection without a word.
    pub fn vanish(self) {
        let stream = self.websocket.get_ref();
        _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// A client over this stream, which has no words behind it yet.
    pub async fn over(stream: S, path: &str, subprotocol: Option<&str>) -> Self {
        let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
        if let Some(name) = subprotocol {
            request.headers_mut().insert("Sec-WebSocket-Protocol", name.parse().unwrap());
        }
        let (websocket, _) = timeout(DEADLINE, client_async(request, stream)).await.unwrap().unwrap();
        Self { websocket }
    }

    pub async fn send(&mut self, message: Value) {
        self.say(&message.to_string()).await;
    }

    /// Sends a text message as it is.
    pub async fn say(&mut self, text: &str) {
        self.websocket.send(Message::text(text)).await.unwrap();
    }

    /// Sends a text message and answers with everything up to its `ok` or `error`.
    pub async fn ask(&mut self, message: Value) -> Value {
        let id = message["id"].clone();
        self.send(message).await;
        self.find(|answer| answer["id"] == id).await
    }

    /// The next text message as it came.
    pub async fn next_text(&mut self) -> String {
        loop {
            match timeout(DEADLINE, self.websocket.next()).await.expect("nothing came in time") {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("instead of a text: {other:?}"),
            }
        }
    }

    pub async fn next(&mut self) -> Value {
        serde_json::from_str(&self.next_text().await).unwrap()
    }

    /// The next message for which this is true; those before it are passed over.
    pub async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await;
            if wanted(&message) {
                return message;
            }
        }
    }

    /// The next message of this type.
    pub async fn until(&mut self, kind: &str) -> Value {
        self.find(|message| message["type"] == kind).await
    }

    /// The next `count` chat messages.
    pub async fn messages(&mut self, count: usize) -> Vec<Value> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.push(self.until("message").await);
        }
        messages
    }

    /// Reads to the end: what came before it, and how it ended.
    pub async fn end(&mut self) -> (Vec<Value>, End) {
        let mut before = Vec::new();
        let mut end = End::Lost;
        loop {
            match timeout(DEADLINE, self.websocket.next()).await.expect("the connection did not end in time") {
                Some(Ok(Message::Text(text))) => before.push(serde_json::from_str(&text).unwrap_or(Value::Null)),
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    end = End::Close(code.into(), reason.to_string());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return (before, end),
            }
        }
    }

    /// The code of the Close frame that ends the connection.
    pub async fn close_code(&mut self) -> u16 {
        match self.end().await.1 {
            End::Close(code, _) => code,
            End::Lost => panic!("the connection ended without a Close frame"),
        }
    }

    /// Nothing but pings comes before the answer to a `ping` sent now: what was sent before it has been dealt with.
    pub async fn expect_silence(&mut self) {
        self.send(json!({"type": "ping", "id": "silence"})).await;
        let next = self.find(|message| message["type"] != "presence").await;
        assert_eq!(next["type"], "pong", "{next}");
    }
}

/// The texts of chat messages.
pub fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap()).collect()
}

/// The numbers of chat messages.
pub fn seqs(messages: &[Value]) -> Vec<u64> {
    messages.iter().map(|message| message["seq"].as_u64().unwrap()).collect()
}

/// Sends bytes and reads until the server has nothing more to say.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("the server did not end the connection").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The request of the study notes, typed by hand: no Host, and the key of RFC 6455.
pub const NOTES_REQUEST: &str = "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// That request as a proxy passes it on for somebody there.
pub fn request_from(there: &str) -> String {
    NOTES_REQUEST.replace("\r\n\r\n", &format!("\r\nX-Forwarded-For: {there}\r\n\r\n"))
}

/// A stream that has a WebSocket handshake behind it, for bytes that no library would send.
pub async fn raw_websocket(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(NOTES_REQUEST.replace("GET /", &format!("GET {path}")).as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(DEADLINE, stream.read_u8()).await.unwrap().unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// A masked client frame with this first byte and payload.
pub fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        medium @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend((medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xFA, 0x21, 0x3D];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
