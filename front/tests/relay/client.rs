//! One client of the page server's port: what it says, byte by byte where that matters, and what it waits for.

use futures_util::StreamExt;
use serde_json::Value;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::site::PATIENCE;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) async fn connect(url: &str) -> Socket {
    timeout(PATIENCE, connect_async(url)).await.expect("in time").expect("a connection").0
}

/// The next message of this type.
pub(crate) async fn until(socket: &mut Socket, kind: &str) -> Value {
    let found = async {
        loop {
            let message = socket.next().await.expect("an open socket").expect("a message");
            if let Ok(message) = serde_json::from_str::<Value>(message.to_text().unwrap_or_default())
                && message["type"] == kind
            {
                return message;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("never: {kind}"))
}

/// How the socket ends.
pub(crate) async fn close_of(socket: &mut Socket) -> Option<(u16, String)> {
    let found = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
            }
        }
        None
    };
    timeout(PATIENCE, found).await.expect("an end in time")
}

/// What still comes before the end.
pub(crate) async fn ended(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is an end too.
    _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end in time");
    rest
}

/// A masked frame with the mask zero.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ ..=125 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// The fields of a request for WebSocket, and more of them.
pub(crate) fn handshake_fields(more: &str) -> String {
    format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}"
    )
}
