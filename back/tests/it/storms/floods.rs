//! Frames, echoes and people without end, each of them as it should be.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt, future::join_all};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use super::Others;
use crate::{
    client::{Client, DEADLINE, client_frame, raw_websocket},
    ops::scrape,
    server::TestServer,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_pings_from_somebody_who_reads_them() {
    let server = TestServer::with(&["--sends-per-second", "0"]);
    let mut others = Others::come(server.address).await;
    let stream = raw_websocket(server.address, "/echo").await;
    let (mut reading, mut writing) = stream.into_split();
    let ping = client_frame(0x89, b"x").repeat(100);
    let storm = async {
        let write = async {
            for _ in 0..1_000 {
                timeout(DEADLINE, writing.write_all(&ping)).await.unwrap().unwrap();
            }
        };
        // A pong without a mask has three bytes.
        let mut pongs = vec![0; 3 * 100_000];
        let read = timeout(4 * DEADLINE, reading.read_exact(&mut pongs));
        let ((), read) = tokio::join!(write, read);
        read.unwrap().unwrap();
        assert!(pongs.chunks(3).all(|pong| pong == [0x8A, 1, b'x']));
    };
    others.during(storm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_at_echo_comes_back_whole_at_the_rate_of_requests() {
    const MESSAGES: usize = 300;
    let server = TestServer::with(&["--requests-per-second", "50", "--sends-per-second", "0"]);
    let ops = server.ops();
    let mut others = Others::come(server.address).await;
    let flood = async |there: &str| {
        let (mut writing, mut reading) =
            Client::from_there(server.address, there, "/echo", None).await.websocket.split();
        let begun = tokio::time::Instant::now();
        let write = async {
            for n in 0..MESSAGES {
                writing.send(Message::text(n.to_string())).await.unwrap();
            }
        };
        let read = async {
            for n in 0..MESSAGES {
                let said = timeout(DEADLINE, reading.next()).await.expect("an echo is missing").unwrap().unwrap();
                assert_eq!(said, Message::text(n.to_string()));
            }
        };
        tokio::join!(write, read);
        begun.elapsed()
    };
    let took = others.during(join_all((0..20).map(|_| flood("203.0.113.9")))).await;
    // 250 at once, and 50 a second. The clocks' steps may make it a little less.
    assert!(took.iter().all(|took| *took > Duration::from_millis(900)), "{took:?}");
    let hits = async || scrape(ops).await.value("madang_back_limits_hit_total", &[("limit", "requests_per_second")]);
    let hit = hits().await;
    assert!(hit >= 20.0, "{hit}");
    // This machine has no address.
    flood("127.0.0.1").await;
    assert_eq!(hits().await, hit);
}

#[tokio::test(flavor = "multi_thread")]
async fn comings_and_goings_without_end_are_told_at_a_pace() {
    let server = TestServer::with(&["--presence-interval", "0.25", "--sends-per-second", "0"]);
    let mut others = Others::come(server.address).await;
    let mut onlooker = Client::in_room(server.address, "mo", "busy").await;
    let storm = async {
        for round in 0..10 {
            join_all((0..40).map(async |n| {
                let (mut guest, _) =
                    Client::hello(server.address, &format!("guest {round} {n}"), json!({"busy": {}})).await;
                guest.until("synced").await;
                guest.send(json!({"type": "quit"})).await;
                assert_eq!(guest.close_code().await, 1000);
            }))
            .await;
        }
    };
    let begun = tokio::time::Instant::now();
    others.during(storm).await;
    let intervals = begun.elapsed().as_millis() as usize / 250;
    onlooker.send(json!({"type": "ping", "id": "end"})).await;
    let mut deltas = 0;
    loop {
        let message = onlooker.next().await;
        match message["type"].as_str() {
            Some("pong") => break,
            Some("presence") => deltas += 1,
            _ => {}
        }
    }
    // 400 came and 400 went.
    assert!(deltas <= intervals + 2, "{deltas} deltas in {intervals} intervals");
}
