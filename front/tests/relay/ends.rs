//! How a connection ends: by either side, or because one of the servers stops or is gone.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use tokio::{io::AsyncWriteExt, time::timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{close_of, connect, ended, frame, handshake_fields, until},
    site::{Back, FrontServer, PATIENCE},
};

#[tokio::test]
async fn the_socket_ends_soon_after_the_closing_handshake() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut stream = front.upgraded("/ws/echo").await;
    let begun = Instant::now();
    stream.write_all(&frame(8, &1000_u16.to_be_bytes())).await.unwrap();
    assert_eq!(ended(&mut stream).await, [0x88, 2, 3, 0xE8]);
    // A browser tells its page of the end only then.
    assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn who_ends_its_half_is_still_answered() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut stream = front.upgraded("/ws/echo").await;
    stream.write_all(&frame(1, b"last words")).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(ended(&mut stream).await, b"\x81\x0alast words");
}

#[tokio::test]
async fn a_killed_chat_server_ends_its_clients_who_come_back_when_it_does() {
    let mut back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut stream = front.upgraded("/ws").await;
    back.kill();
    ended(&mut stream).await;
    let away = front.ask("/ws", &handshake_fields("")).await;
    assert_eq!((away.status, away.field("retry-after")), (503, "2"));
    assert!(away.body.contains("cannot be reached"), "{}", away.body);
    back.restart();
    let mut socket = connect(&front.ws("/rooms/dev")).await;
    until(&mut socket, "synced").await;
}

#[tokio::test]
async fn a_goodbye_passes_while_both_stop() {
    let back = Back::start(&["--drain", "0.1"]);
    let front = FrontServer::before(&back, |_| {});
    let mut socket = connect(&front.ws("/rooms/dev")).await;
    until(&mut socket, "synced").await;
    front.stop.cancel();
    back.terminate();
    assert_eq!(until(&mut socket, "bye").await["code"], 4200);
    assert_eq!(close_of(&mut socket).await.unwrap().0, 4200);
    timeout(PATIENCE, front.running).await.expect("it stops").unwrap().unwrap();
}

#[tokio::test]
async fn a_stopping_page_server_lets_its_connections_go_in_time() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut talking = connect(&front.ws("/rooms/dev")).await;
    until(&mut talking, "synced").await;
    let begun = Instant::now();
    front.stop.cancel();
    talking.send(Message::text("still here")).await.unwrap();
    assert_eq!(until(&mut talking, "message").await["text"], "still here", "work goes on for a while");
    assert_eq!(close_of(&mut talking).await, None, "nobody closed it; it ended");
    timeout(PATIENCE, front.running).await.expect("it stops").unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
