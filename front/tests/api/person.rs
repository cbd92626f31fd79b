//! Somebody who speaks WebSocket.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::http::DEADLINE;

pub(crate) struct Person {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Person {
    /// Says hello at this address, through a proxy that says it comes from there: the first answer.
    pub(crate) async fn knock(url: &str, there: &str, hello: Value) -> Value {
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(shared::SUBPROTOCOL));
        headers.insert("x-forwarded-for", there.parse().unwrap());
        let (socket, _) = timeout(DEADLINE, connect_async(request)).await.unwrap().unwrap();
        let mut person = Self { socket };
        person.send(hello).await;
        person.until(|_| true).await
    }

    /// Comes into a room and is up to date.
    pub(crate) async fn join(back: &str, name: &str, room: &str) -> Self {
        let mut request = format!("ws://{back}/").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(shared::SUBPROTOCOL));
        let (socket, _) = timeout(DEADLINE, connect_async(request)).await.unwrap().unwrap();
        let mut person = Self { socket };
        let mut hello = json!({ "type": "hello", "name": name });
        hello["rooms"][room] = json!({});
        person.send(hello).await;
        person.until(|said| said["type"] == "synced").await;
        person
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Says something and waits until it is stored.
    pub(crate) async fn say(&mut self, text: &str) -> Value {
        self.send(json!({ "type": "send", "id": text, "text": text })).await;
        self.until(|said| said["type"] == "ok" && said["id"] == text).await
    }

    /// Asks, and gets the answer.
    pub(crate) async fn ask(&mut self, message: Value) -> Value {
        let id = message["id"].clone();
        self.send(message).await;
        self.until(|said| said["id"] == id).await
    }

    /// The next message that is like this.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = timeout(DEADLINE, self.socket.next()).await.expect("in time").expect("open").unwrap();
            let Ok(said) = serde_json::from_str::<Value>(message.to_text().unwrap_or_default()) else { continue };
            if wanted(&said) {
                return said;
            }
        }
    }
}
