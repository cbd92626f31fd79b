//! The chat of axum's examples without axum: tokio's broadcast channel, a split socket, and a receiver per client. axum
//! would bring some twenty packages and a second tungstenite; its WebSocket is tokio-tungstenite with the
//! configuration that is used here, the default one, so what is left out is its router and extractors, which take no
//! part in the fan-out.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, sync::broadcast};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// Messages that a receiver may be behind; the example has 100, of which 64 in flight come near.
const CAPACITY: usize = 1024;

/// Serves until it is killed.
pub async fn serve(port: u16) -> anyhow::Result<()> {
    let door = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let (sender, _) = broadcast::channel(CAPACITY);
    loop {
        let (stream, _) = door.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(talk(stream, sender.clone()));
    }
}

#[expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "what it does wrong is what is measured")]
async fn talk(stream: TcpStream, sender: broadcast::Sender<Utf8Bytes>) {
    let mut receiver = sender.subscribe();
    let Ok(socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let (mut out, mut incoming) = socket.split();
    let mut sending = tokio::spawn(async move {
        while let Ok(text) = receiver.recv().await {
            if out.send(Message::Text(text)).await.is_err() {
                break;
            }
        }
    });
    let mut receiving = tokio::spawn(async move {
        while let Some(Ok(message)) = incoming.next().await {
            if let Message::Text(text) = message {
                _ = sender.send(text);
            }
        }
    });
    // Whichever ends first ends the other.
    tokio::select! {
        _ = &mut sending => receiving.abort(),
        _ = &mut receiving => sending.abort(),
    }
}
