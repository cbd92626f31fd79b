//! `chat.v1` over a WebSocket, from the side of a client that may lose it at any time.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::world::{Duplex, Place, ROOM, STEP};

pub(crate) struct Socket(WebSocketStream<Box<dyn Duplex>>);

impl Socket {
    /// Opens a connection at one of the two ports and says hello.
    pub(crate) async fn open(place: &Place, relayed: bool, hello: Value) -> Option<Self> {
        let (address, path) = if relayed { (&place.front, "/ws") } else { (&place.back, "/") };
        let stream = place.dial(address).await?;
        let mut request = format!("ws://{address}{path}").into_client_request().ok()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", "chat.v1".parse().ok()?);
        let (websocket, _) = timeout(STEP, client_async(request, stream)).await.ok()?.ok()?;
        let mut socket = Self(websocket);
        socket.say(hello).await?;
        Some(socket)
    }

    pub(crate) async fn say(&mut self, message: Value) -> Option<()> {
        timeout(STEP, self.0.send(Message::text(message.to_string()))).await.ok()?.ok()
    }

    /// The next message; nothing when the connection is over or silent.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(STEP, self.0.next()).await.ok()??.ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }
}

/// The room's whole history, as back has it.
pub(crate) async fn history(place: &Place) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    loop {
        let hello = json!({"type": "hello", "presence": false});
        let Some(mut socket) = Socket::open(place, false, hello).await else { continue };
        let after = all.last().map_or(0, |(seq, _)| *seq);
        let ask = json!({"type": "history", "id": "h", "room": ROOM, "after": after, "limit": 200});
        if socket.say(ask).await.is_none() {
            continue;
        }
        while let Some(message) = socket.next().await {
            if message["id"] == "h" {
                all.extend(message["messages"].as_array().expect("a page").iter().map(item));
                if message["more"] == false {
                    return all;
                }
                break;
            }
        }
    }
}

/// A message's number and text.
pub(crate) fn item(message: &Value) -> (u64, String) {
    (message["seq"].as_u64().expect("a seq"), message["text"].as_str().expect("a text").to_owned())
}
