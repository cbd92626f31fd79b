//! The chat that everybody writes first over tokio-tungstenite: a map of unbounded channels, a split socket, and one
//! message per channel, flushed one by one. Written here after the pattern; default configuration.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::TcpStream,
    sync::mpsc::{self, UnboundedSender},
};
use tokio_tungstenite::tungstenite::Message;

type Peers = Arc<Mutex<HashMap<SocketAddr, UnboundedSender<Message>>>>;

/// Serves until it is killed.
pub async fn serve(port: u16) -> anyhow::Result<()> {
    let door = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let peers = Peers::default();
    loop {
        let (stream, address) = door.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(talk(stream, address, Arc::clone(&peers)));
    }
}

#[expect(clippy::disallowed_methods, reason = "what it does wrong is what is measured")]
async fn talk(stream: TcpStream, address: SocketAddr, peers: Peers) {
    let Ok(socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let (mut out, mut incoming) = socket.split();
    let (sender, mut inbox) = mpsc::unbounded_channel();
    lock(&peers).insert(address, sender);
    let sending = async {
        while let Some(message) = inbox.recv().await {
            if out.send(message).await.is_err() {
                break;
            }
        }
    };
    let receiving = async {
        while let Some(Ok(message)) = incoming.next().await {
            if message.is_text() || message.is_binary() {
                for peer in lock(&peers).values() {
                    _ = peer.send(message.clone());
                }
            }
        }
    };
    // As in the example both halves are one task, so whatever wakes one polls the other too.
    tokio::select! {
        () = sending => {}
        () = receiving => {}
    }
    lock(&peers).remove(&address);
}

fn lock(peers: &Peers) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, UnboundedSender<Message>>> {
    peers.lock().unwrap_or_else(PoisonError::into_inner)
}
