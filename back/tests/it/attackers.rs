//! One client misbehaves; the others notice nothing.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{Client, DEADLINE, client_frame, raw_websocket, seqs},
    process::{Back, resident_bytes},
    server::TestServer,
};

/// Two people chat while the attack runs and after it. What they see is exactly what they said.
async fn unnoticed(path: &str, attack: impl AsyncFnOnce(TcpStream)) {
    let server = TestServer::with(&["--sends-per-second", "0", "--presence-grace", "600"]);
    let mut kim = Client::in_room(server.address, "kim", "lobby").await;
    let mut lee = Client::in_room(server.address, "lee", "lobby").await;
    let attacker = raw_websocket(server.address, path).await;
    let chat = async {
        for number in 0..50 {
            kim.send(json!({"type": "send", "text": number.to_string()})).await;
            assert_eq!(lee.until("message").await["text"], number.to_string());
        }
    };
    tokio::join!(attack(attacker), chat);
    kim.send(json!({"type": "send", "text": "after"})).await;
    assert_eq!(lee.until("message").await["seq"], 51);
    assert_eq!(seqs(&kim.messages(51).await), (1..=51).collect::<Vec<_>>());
}

async fn read_all(mut stream: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    // The server may have to reset a connection whose peer goes on writing.
    _ = timeout(DEADLINE, stream.read_to_end(&mut all)).await.expect("the server did not end the connection");
    all
}

/// Writes and does not mind being cut off.
async fn pour(stream: &mut TcpStream, bytes: &[u8]) {
    _ = timeout(DEADLINE, stream.write_all(bytes)).await.expect("the server neither reads nor ends the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_frame_ff_fe() {
    unnoticed("/", async |mut stream| {
        stream.write_all(&client_frame(0x82, &[0xFF, 0xFE])).await.unwrap();
        stream.write_all(&client_frame(0x88, &1000_u16.to_be_bytes())).await.unwrap();
        let all = read_all(stream).await;
        let text = String::from_utf8_lossy(&all);
        assert!(text.contains(r#""code":"no_binary""#), "{text}");
        assert!(all.ends_with(b"\x88\x02\x03\xe8"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_no_utf8() {
    unnoticed("/", async |mut stream| {
        stream.write_all(&client_frame(0x81, b"\xc0\xaf")).await.unwrap();
        assert!(read_all(stream).await.ends_with(b"\x88\x0e\x03\xefinvalid_utf8"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes() {
    unnoticed("/", async |mut stream| {
        pour(&mut stream, &client_frame(0x81, &vec![b'x'; 10_000_000])).await;
        // The server refuses it by its header and goes on reading only for a moment.
        let all = read_all(stream).await;
        assert!(!String::from_utf8_lossy(&all).contains("xxxx"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_of_ten_megabytes_is_refused_at_once() {
    unnoticed("/", async |mut stream| {
        stream.write_all(&client_frame(0x81, &vec![b'x'; 10_000_000])[..14]).await.unwrap();
        assert!(read_all(stream).await.ends_with(b"\x88\x09\x03\xf1too_big"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_frame_and_silence() {
    unnoticed("/", async |mut stream| {
        stream.write_all(&client_frame(0x81, b"a message that is cut")[..12]).await.unwrap();
        // It stays open, half a frame in hand, while the others chat.
        tokio::time::sleep(Duration::from_millis(100)).await;
        // And nothing was said to it for that.
        stream.shutdown().await.unwrap();
        let all = read_all(stream).await;
        assert!(!String::from_utf8_lossy(&all).contains("bye"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage() {
    unnoticed("/", async |mut stream| {
        let garbage: Vec<u8> = (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        pour(&mut stream, &garbage).await;
        assert!(read_all(stream).await.windows(2).any(|bytes| bytes[0] == 0x88), "a Close frame");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vanishing_in_the_middle() {
    unnoticed("/", async |mut stream| {
        stream.write_all(&client_frame(0x81, b"/who")).await.unwrap();
        stream.write_all(&client_frame(0x81, b"cut off")[..9]).await.unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_empty_fragments() {
    unnoticed("/", async |mut stream| {
        let fragments = client_frame(0x00, b"").repeat(1000);
        pour(&mut stream, &client_frame(0x01, b"")).await;
        for _ in 0..200 {
            pour(&mut stream, &fragments).await;
        }
        assert!(read_all(stream).await.windows(4).any(|bytes| bytes == b"\x88\x0c\x03\xf0"), "closed with 1008");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_pings_from_somebody_who_does_not_read() {
    unnoticed("/", async |mut stream| {
        let pings = client_frame(0x89, &[b'p'; 100]).repeat(100);
        let mut held_back = false;
        for _ in 0..2000 {
            // Once its answers wait, nothing more is read from it.
            held_back = timeout(Duration::from_millis(500), stream.write_all(&pings)).await.is_err();
            if held_back {
                break;
            }
        }
        assert!(held_back, "the server took 20 MB of pings from somebody who reads nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_answers_that_nobody_reads_are_bounded_by_what_they_cost() {
    let back = Back::start(&[]);
    let mut deaf = Vec::new();
    for _ in 0..20 {
        deaf.push(raw_websocket(back.address, "/echo").await);
    }
    let before = resident_bytes(back.id());
    let empty = client_frame(0x82, b"").repeat(1000);
    for stream in &mut deaf {
        for _ in 0..100 {
            if timeout(Duration::from_millis(200), stream.write_all(&empty)).await.is_err() {
                break;
            }
        }
    }
    // Someone who is served after that was not starved by it.
    Client::in_room(back.address, "kim", "dev").await;
    let grown = resident_bytes(back.id()).saturating_sub(before);
    assert!(grown < 20 * 512 * 1024, "20 deaf clients cost {grown} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_that_crosses_ours_is_not_answered_twice() {
    unnoticed("/", async |mut stream| {
        let bad = client_frame(0x82, b"binary").repeat(10);
        stream.write_all(&[bad, client_frame(0x88, &1000_u16.to_be_bytes())].concat()).await.unwrap();
        let all = read_all(stream).await;
        assert!(all.ends_with(b"\x88\x0d\x0f\xa0bad_request"), "one Close frame, and nothing after it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_the_last_word_and_stops_still_gets_the_answer() {
    let server = TestServer::start();
    for _ in 0..20 {
        let mut stream = raw_websocket(server.address, "/echo").await;
        stream.write_all(&client_frame(0x81, b"last")).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(read_all(stream).await, b"\x81\x04last");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_joins_and_leaves() {
    unnoticed("/", async |mut stream| {
        for number in 0..500 {
            let room = format!("/join r{}", number % 70);
            stream.write_all(&client_frame(0x81, room.as_bytes())).await.unwrap();
            stream.write_all(&client_frame(0x81, b"/leave")).await.unwrap();
        }
        stream.write_all(&client_frame(0x81, br#"{"type":"quit"}"#)).await.unwrap();
        assert!(read_all(stream).await.ends_with(b"\x88\x08\x03\xe8normal"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guessed_user_id_is_no_session() {
    let server = TestServer::start();
    let (mut kim, welcome) = Client::hello(server.address, "kim", json!({"dev": {}})).await;
    let mut eve = Client::chat(server.address).await;
    // The public id is known to everybody; padded to the length of a secret it is one, but of somebody else.
    let guess = format!("{}AAAAAA", welcome["user"].as_str().unwrap());
    eve.send(json!({"type": "hello", "session": guess, "rooms": {"dev": {}}})).await;
    let other = eve.until("welcome").await;
    assert_ne!(other["user"], welcome["user"]);
    assert_eq!(other["resumed"], false);
    kim.until("synced").await;
    assert_eq!(kim.ask(json!({"type": "send", "id": "1", "text": "still me"})).await["type"], "ok");
}
