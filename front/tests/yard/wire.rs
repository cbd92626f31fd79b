//! What lies between a browser and the chat server: a wire that can be cut or made deaf, and clients without a browser.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use shared::SUBPROTOCOL;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

/// What the wire does with what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Everything arrives.
    Whole,
    /// The server hears the browser, but its own words are lost.
    Deaf,
    /// Nothing arrives, and every connection ends.
    Cut,
}

/// A way to the chat server that a test can break.
pub(crate) struct Wire {
    pub(crate) address: String,
    mode: watch::Sender<Mode>,
}

impl Wire {
    pub(crate) async fn to(back: &str) -> Self {
        Self::between(back, false).await
    }

    /// Carries HTTP, but of the answers that are streams of events nothing arrives.
    pub(crate) async fn without_streams(front: &str) -> Self {
        Self::between(front, true).await
    }

    async fn between(back: &str, swallows: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let (mode, seen) = watch::channel(Mode::Whole);
        let back = back.to_owned();
        tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                if *seen.borrow() != Mode::Cut {
                    tokio::spawn(carry(browser, back.clone(), seen.clone(), swallows));
                }
            }
        });
        Self { address, mode }
    }

    pub(crate) fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    pub(crate) fn deafen(&self) {
        self.mode.send_replace(Mode::Deaf);
    }

    pub(crate) fn mend(&self) {
        self.mode.send_replace(Mode::Whole);
    }
}

async fn carry(browser: TcpStream, back: String, mut mode: watch::Receiver<Mode>, swallows: bool) {
    let Ok(back) = TcpStream::connect(back).await else { return };
    let (mut from_browser, mut to_browser) = browser.into_split();
    let (mut from_back, mut to_back) = back.into_split();
    let seen = mode.clone();
    let (mute, muted) = watch::channel(false);
    let up = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from_browser.read(&mut bytes).await {
            // A connection that has carried the request of a stream carries nothing else.
            let request = String::from_utf8_lossy(&bytes[..n]);
            if swallows
                && request.lines().next().is_some_and(|line| line.contains("/events?") && !line.contains("wait="))
            {
                mute.send_replace(true);
            }
            if to_back.write_all(&bytes[..n]).await.is_err() {
                break;
            }
        }
    };
    let down = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from_back.read(&mut bytes).await {
            let passes = *seen.borrow() == Mode::Whole && !*muted.borrow();
            if passes && to_browser.write_all(&bytes[..n]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
        _ = mode.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

/// Somebody in a room, without a browser.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    /// Joins as a console does: the path names the room, and the server greets.
    pub(crate) async fn join(back: &str, room: &str) -> Self {
        let (socket, _) = connect_async(format!("ws://{back}/rooms/{room}")).await.expect("a connection");
        let mut client = Self { socket };
        client.until("synced").await;
        client
    }

    /// Comes in with the secret of somebody who is there already.
    pub(crate) async fn replace(back: &str, session: &str) -> Self {
        let mut request = format!("ws://{back}/").into_client_request().expect("an address");
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let (socket, _) = connect_async(request).await.expect("a connection");
        let mut client = Self { socket };
        let hello = json!({ "type": "hello", "session": session });
        client.socket.send(Message::text(hello.to_string())).await.expect("it is sent");
        client.until("welcome").await;
        client
    }

    /// Says something and waits until it is stored.
    pub(crate) async fn say(&mut self, text: &str) {
        self.say_all([text.to_owned()]).await;
    }

    /// Answers a message.
    pub(crate) async fn reply(&mut self, to: u64, text: &str) {
        let message = json!({ "type": "send", "id": id_of(text), "text": text, "reply_to": to });
        self.socket.send(Message::text(message.to_string())).await.expect("it is sent");
        self.until("ok").await;
    }

    /// Joins a room, and says what the server said to that.
    pub(crate) async fn join_again(&mut self, room: &str) -> Value {
        let message = json!({ "type": "join", "room": room, "last": 0 });
        self.socket.send(Message::text(message.to_string())).await.expect("it is sent");
        self.until("joined").await
    }

    /// Replaces the text of message `seq`, its own, or takes it back.
    pub(crate) async fn change(&mut self, seq: u64, text: Option<&str>) {
        let change = match text {
            Some(text) => json!({ "type": "edit", "id": format!("e{seq}"), "seq": seq, "text": text }),
            None => json!({ "type": "delete", "id": format!("d{seq}"), "seq": seq }),
        };
        self.socket.send(Message::text(change.to_string())).await.expect("it is sent");
        self.until("ok").await;
    }

    /// Says many things without waiting between them; returns when all are stored.
    pub(crate) async fn say_all(&mut self, texts: impl IntoIterator<Item = String>) {
        let mut left = 0;
        for text in texts {
            let message = json!({ "type": "send", "id": id_of(&text), "text": text });
            self.socket.feed(Message::text(message.to_string())).await.expect("it is sent");
            left += 1;
            // The server stops listening to whoever has this many answers to come.
            if left >= 32 {
                self.socket.flush().await.expect("it is sent");
                self.until("ok").await;
                left -= 1;
            }
        }
        self.socket.flush().await.expect("it is sent");
        for _ in 0..left {
            self.until("ok").await;
        }
    }

    /// The answer to a request.
    pub(crate) async fn ask(&mut self, mut request: Value, answer: &str) -> Value {
        request["id"] = json!("question");
        self.socket.send(Message::text(request.to_string())).await.expect("it is sent");
        loop {
            let message = self.until(answer).await;
            if message["id"] == "question" {
                return message;
            }
        }
    }

    /// The next message of a type.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.socket.next().await.expect("an open socket").expect("a message");
            if let Ok(message) = serde_json::from_str::<Value>(message.to_text().unwrap_or_default()) {
                assert_ne!(message["type"], "error", "{message}");
                if message["type"] == kind {
                    return message;
                }
            }
        }
    }
}

/// A text's own `id`: its beginning, for an `id` has at most 64 bytes.
fn id_of(text: &str) -> String {
    text.replace('\n', "/").chars().take(20).collect()
}
