//! Those who read nothing: little lies on the way to them, and nobody waits for them.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Socket, connect, ended, frame, until},
    site::{Back, FrontServer, PATIENCE, handshake, read_head},
};

/// Somebody in the room dev who does not read, over a socket that holds little.
async fn deaf(front: &FrontServer) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let mut deaf = socket.connect(front.address).await.unwrap();
    deaf.write_all(handshake("/ws/rooms/dev", &front.address.to_string(), "").as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut deaf).await.0, 101);
    deaf
}

/// Sixteen megabytes, many times what may lie between the chat server and a client.
async fn flood(talker: &mut Socket) {
    let text = "x".repeat(16_000);
    let begun = Instant::now();
    for _ in 0..1000 {
        talker.send(Message::text(text.clone())).await.unwrap();
        until(talker, "message").await;
    }
    assert!(begun.elapsed() < PATIENCE, "nobody waits for the slowest");
}

#[tokio::test]
async fn little_lies_on_the_way_to_a_deaf_client() {
    let mut back = Back::start(&["--stall-timeout", "0", "--sends-per-second", "0"]);
    let front = FrontServer::before(&back, |_| {});
    let mut deaf = deaf(&front).await;
    let mut talker = connect(&format!("{}/rooms/dev", back.url)).await;
    until(&mut talker, "synced").await;
    flood(&mut talker).await;
    // What the chat server did not hand over is gone with it.
    back.kill();
    let unread = ended(&mut deaf).await.len();
    assert!(unread < 400_000, "{unread} bytes lay on the way");
}

#[tokio::test]
async fn a_client_who_was_deaf_is_told_what_it_missed() {
    let back = Back::start(&["--stall-timeout", "0", "--sends-per-second", "0"]);
    let front = FrontServer::before(&back, |_| {});
    let mut deaf = deaf(&front).await;
    let mut talker = connect(&format!("{}/rooms/dev", back.url)).await;
    until(&mut talker, "synced").await;
    flood(&mut talker).await;
    talker.send(Message::text("the end")).await.unwrap();
    let mut heard = String::new();
    let hearing = async {
        let mut piece = vec![0; 64 * 1024];
        while !heard.contains("the end") {
            let read = deaf.read(&mut piece).await.unwrap();
            assert!(read > 0, "it ended");
            heard.push_str(&String::from_utf8_lossy(&piece[..read]));
        }
    };
    timeout(PATIENCE, hearing).await.expect("the last message in time");
    assert!(heard.contains(r#""reason":"slow""#), "it missed nothing: somebody kept it all");
}

#[tokio::test]
async fn a_client_who_stays_deaf_is_let_go_of() {
    let back = Back::start(&["--stall-timeout", "1", "--sends-per-second", "0", "--presence-grace", "0"]);
    let front = FrontServer::before(&back, |_| {});
    let mut deaf = deaf(&front).await;
    let mut talker = connect(&format!("{}/rooms/dev", back.url)).await;
    until(&mut talker, "synced").await;
    flood(&mut talker).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        talker.send(Message::text(r#"{"type":"who","id":"1","room":"dev"}"#)).await.unwrap();
        if until(&mut talker, "ok").await["count"] == 1 {
            break;
        }
        assert!(Instant::now() < deadline, "the chat server never noticed that nobody reads");
    }
    ended(&mut deaf).await;
}

#[tokio::test]
async fn who_only_talks_is_held_up_too() {
    let back = Back::start(&["--stall-timeout", "2"]);
    let front = FrontServer::before(&back, |_| {});
    let mut stream = front.upgraded("/ws/echo").await;
    let piece = frame(2, &[7; 60_000]);
    let mut sent = 0_usize;
    while timeout(Duration::from_millis(500), stream.write_all(&piece)).await.is_ok_and(|written| written.is_ok()) {
        sent += piece.len();
        assert!(sent < 32_000_000, "it takes everything, and loses or keeps it");
    }
    assert!(sent > 0);
}
