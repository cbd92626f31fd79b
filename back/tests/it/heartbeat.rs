//! Silence, delay and their ends.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, DEADLINE, client_frame, raw_websocket},
    server::TestServer,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_silent_are_pinged_and_live_as_long_as_they_answer() {
    let server = TestServer::with(&["--ping-after", "0.1", "--dead-after", "0.6"]);
    let mut client = Client::plain(server.address, "/echo").await;
    for _ in 0..15 {
        let ping = timeout(DEADLINE, client.websocket.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(ping, Message::Ping(Default::default()));
    }
    client.say("still here").await;
    assert_eq!(client.next_text().await, "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_are_closed_with_4102() {
    let server = TestServer::with(&["--ping-after", "0.1", "--dead-after", "0.4"]);
    let mut stream = raw_websocket(server.address, "/").await;
    let mut all = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut all)).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&all);
    assert!(text.contains(r#"{"type":"bye","code":4102,"reason":"timeout","reconnect":true}"#), "{text}");
    assert!(all.ends_with(b"\x88\x09\x10\x06timeout"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_no_hello_is_closed_with_4103() {
    let server = TestServer::with(&["--hello-timeout", "0.2"]);
    let mut client = Client::chat(server.address).await;
    assert_eq!(client.close_code().await, 4103);
    let mut known = Client::in_room(server.address, "kim", "dev").await;
    // A plain client owes none.
    let mut plain = Client::plain(server.address, "/").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    known.expect_silence().await;
    plain.say("hi").await;
    plain.until("message").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_does_not_end_is_closed_with_1008() {
    let server = TestServer::with(&["--message-timeout", "0.3"]);
    let whole = client_frame(0x81, b"never whole");
    for part in [whole[..8].to_vec(), client_frame(0x01, b"a fragment"), whole[..1].to_vec()] {
        let mut stream = raw_websocket(server.address, "/echo").await;
        stream.write_all(&part).await.unwrap();
        let mut all = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut all)).await.unwrap().unwrap();
        assert_eq!(all, b"\x88\x0c\x03\xf0unfinished");
    }
    // Control frames in between change nothing.
    let mut stream = raw_websocket(server.address, "/echo").await;
    stream.write_all(&[client_frame(0x01, b"a fragment"), client_frame(0x8A, b"pong")].concat()).await.unwrap();
    let mut all = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut all)).await.unwrap().unwrap();
    assert_eq!(all, b"\x88\x0c\x03\xf0unfinished");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_closed_with_4101_and_the_others_go_on() {
    let server = TestServer::with(&["--sends-per-second", "0", "--stall-timeout", "0.5"]);
    let deaf = Client::with_small_window(server.address, "/rooms/dev", None).await;
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let mut sent = 0_u64;
    let gone = async {
        while server.hub.people().count() > 1 {
            sent += 1;
            let ok = kim.ask(json!({"type": "send", "id": sent.to_string(), "text": "x".repeat(16_000)})).await;
            assert_eq!(ok["seq"], sent);
        }
    };
    timeout(DEADLINE, gone).await.expect("a client that reads nothing stays for ever");
    assert!(sent > 3);
    drop(deaf);
}
