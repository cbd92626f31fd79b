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
    let server = TestServer::with(&["--ping-after", "0.1", "--dead-after", "2"]);
    let mut client = Client::plain(server.address, "/echo").await;
    for _ in 0..25 {
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
async fn who_reads_nothing_is_cut_off_and_the_others_go_on() {
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
    // The Close frame found no room in its socket either; what was in it before can still be read.
    let mut deaf = deaf;
    assert_eq!(deaf.end().await.1, crate::client::End::Lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_not_silent_while_it_is_not_read() {
    let flags = ["--ping-after", "0.2", "--dead-after", "0.6", "--stall-timeout", "60", "--sends-per-second", "0"];
    let server = TestServer::with(&flags);
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    for id in 0..20 {
        kim.ask(json!({"type": "send", "id": id.to_string(), "text": "x".repeat(16_000)})).await;
    }
    let mut slow = Client::with_small_window(server.address, "/rooms/dev", None).await;
    for id in 0..40 {
        slow.say(&format!(r#"{{"type":"history","id":"{id}","limit":20}}"#)).await;
    }
    for id in 0..40 {
        // Long enough in all for the silence to have killed it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        slow.find(|page| page["type"] == "page" && page["id"].as_str() == Some(&id.to_string())).await;
    }
}
