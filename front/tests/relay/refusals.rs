//! Who is not let through, and what they are told.

use std::time::Instant;

use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::{
    client::handshake_fields,
    site::{Back, FrontServer, PATIENCE},
};

#[tokio::test]
async fn a_refusal_comes_through_with_its_sentence() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let refused = front.ask("/ws", &handshake_fields("Origin: https://evil.example\r\n")).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("--allow-origin"), "{}", refused.body);
    assert_eq!(front.ask("/ws/nowhere", &handshake_fields("")).await.status, 404);
    assert_eq!(front.ask("/ws/rooms/%FF", &handshake_fields("")).await.status, 400);
    let plain = front.ask("/ws", "Connection: close\r\n").await;
    assert_eq!((plain.status, plain.field("upgrade")), (426, "websocket"));
    assert!(plain.body.contains("new WebSocket("), "{}", plain.body);
    let unknown = front.ask("/ws", &handshake_fields("Sec-WebSocket-Protocol: soap\r\n")).await;
    assert_eq!(unknown.status, 400);
    let old = front.ask("/ws", &handshake_fields("").replace(": 13", ": 8")).await;
    assert_eq!((old.status, old.field("sec-websocket-version")), (426, "13"));
    let long = front.ask("/ws", &handshake_fields(&format!("Cookie: {}\r\n", "c".repeat(17_000)))).await;
    assert_eq!(long.status, 431);
}

#[tokio::test]
async fn a_list_of_protocols_that_actix_takes_for_no_upgrade_is_none() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    // Were it passed on as an upgrade, what follows the head would be read as another request.
    let fields = handshake_fields("").replace("Upgrade: websocket", "Upgrade: h2c, websocket");
    assert_eq!(front.ask("/ws", &fields).await.status, 426);
}

#[tokio::test]
async fn more_connections_than_allowed_are_turned_away() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |config| config.relays = Some(2));
    let (first, _second) = (front.upgraded("/ws").await, front.upgraded("/ws").await);
    let full = front.ask("/ws", &handshake_fields("")).await;
    assert_eq!((full.status, full.field("retry-after")), (503, "5"));
    assert!(full.body.contains("--relays"), "{}", full.body);
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    while front.ask("/ws", &handshake_fields("Sec-WebSocket-Protocol: soap\r\n")).await.status != 400 {
        assert!(Instant::now() < deadline, "the seat of somebody who left is never free again");
    }
}

#[tokio::test]
async fn what_is_no_chat_server_is_not_passed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let front = FrontServer::with(|config| config.back = url.parse().unwrap());
    let asking = tokio::spawn(async move { front.ask("/ws", &handshake_fields("")).await });
    let (mut other, _) = listener.accept().await.unwrap();
    other.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
    assert_eq!(asking.await.unwrap().status, 502);
}

#[tokio::test]
async fn one_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let front = FrontServer::with(|config| config.back = url.parse().unwrap());
    let answer = front.ask("/ws", &handshake_fields("")).await;
    assert_eq!((answer.status, answer.field("retry-after")), (503, "2"));
}

#[tokio::test]
async fn without_the_flag_nothing_is_passed_on() {
    let front = FrontServer::with(|config| config.same_port = false);
    let answer = front.ask("/ws", &handshake_fields("")).await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("--same-port"), "{}", answer.body);
}
