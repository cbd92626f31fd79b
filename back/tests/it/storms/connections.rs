//! Connections without end, and such as never come to a request.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::Others;
use crate::{
    client::{Client, DEADLINE, NOTES_REQUEST, request_from},
    ops::scrape,
    process::{Back, resident_bytes},
    server::TestServer,
};

/// The first line of the answer, or nothing where the server is gone.
async fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut line = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut line)).await.expect("somebody is left waiting").ok()?;
    std::str::from_utf8(&line[9..]).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_heads_that_come_a_byte_at_a_time() {
    let server = TestServer::with(&["--handshake-timeout", "1.5", "--sends-per-second", "0"]);
    let ops = server.ops();
    let mut others = Others::come(server.address).await;
    let drip = async |_| {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        for byte in NOTES_REQUEST.bytes() {
            if stream.write_u8(byte).await.is_err() {
                break;
            }
            let answered = timeout(Duration::from_millis(40), stream.readable()).await;
            if answered.is_ok() {
                break;
            }
        }
        status(&mut stream).await
    };
    let answers = others.during(join_all((0..500).map(drip))).await;
    assert!(answers.iter().all(|answer| *answer == Some(408)), "{answers:?}");
    let seen = scrape(ops).await;
    assert_eq!(seen.value("madang_back_handshakes_refused_total", &[("reason", "too_slow")]), 500.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_connections_from_one_address() {
    let back =
        Back::start(&["--ops", "127.0.0.1:0", "--connects-per-second-per-address", "0", "--sends-per-second", "0"]);
    let mut others = Others::come(back.address).await;
    let before = resident_bytes(back.id());
    let request = request_from("203.0.113.9");
    let come = async |_| {
        let mut stream = TcpStream::connect(back.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        (status(&mut stream).await, stream)
    };
    let mut inside = Vec::new();
    let mut refused = 0;
    for _ in 0..50 {
        for (answer, stream) in others.during(join_all((0..100).map(come))).await {
            match answer {
                Some(101) => inside.push(stream),
                Some(429) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((inside.len(), refused), (100, 4_900));
    let grown = resident_bytes(back.id()).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes");
    // Somebody else at any other address comes in.
    Client::from_there(back.address, "203.0.113.10", "/", None).await.until("welcome").await;
    let seen = scrape(back.ops.unwrap()).await;
    assert_eq!(seen.value("madang_back_limits_hit_total", &[("limit", "connections_per_address")]), 4_900.0);
}
