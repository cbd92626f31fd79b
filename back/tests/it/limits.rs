//! Each limit of rates and numbers, attacked. Addresses are those that a proxy on this machine names.

use std::{
    io::Read,
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    client::{Client, DEADLINE, End, NOTES_REQUEST, request_from},
    ops::scrape,
    process::Back,
    server::TestServer,
};

/// The head of the answer to a handshake, and the connection.
async fn knock(address: SocketAddr, request: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(DEADLINE, stream.read_u8()).await.unwrap().unwrap());
    }
    (String::from_utf8(head).unwrap(), stream)
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Knocks until this is the answer.
async fn knock_until(address: SocketAddr, request: &str, wanted: u16) -> TcpStream {
    let begun = Instant::now();
    loop {
        let (head, stream) = knock(address, request).await;
        if status(&head) == wanted {
            return stream;
        }
        assert!(begun.elapsed() < DEADLINE, "{head}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn in_room_from(address: SocketAddr, there: &str, room: &str) -> Client {
    let mut client = Client::from_there(address, there, "/", Some("chat.v1")).await;
    client.send(json!({"type": "hello", "rooms": {room: {}}})).await;
    client.until("synced").await;
    client
}

async fn say(client: &mut Client, id: usize, text: &str) -> Value {
    client.ask(json!({"type": "send", "id": id.to_string(), "text": text})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_from_one_address_have_a_number() {
    let server = TestServer::with(&["--connections-per-address", "3"]);
    let ops = server.ops();
    let mut here = Vec::new();
    for there in ["203.0.113.9", "203.0.113.9, 127.0.0.1", "::ffff:203.0.113.9"] {
        here.push(Client::from_there(server.address, there, "/", None).await);
    }
    let (head, mut refused) = knock(server.address, &request_from("203.0.113.9")).await;
    assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("\r\nRetry-After: 10\r\n"), "{head}");
    let mut sentence = String::new();
    timeout(DEADLINE, refused.read_to_string(&mut sentence)).await.unwrap().unwrap();
    assert!(sentence.contains("3 connections from your address already"), "{sentence}");
    // Neighbours, a network of its own, and this machine are somebody else.
    for request in [&request_from("203.0.113.8"), &request_from("2001:db8::1"), NOTES_REQUEST] {
        let mut stream = knock_until(server.address, request, 101).await;
        stream.shutdown().await.unwrap();
    }
    here.pop();
    drop(knock_until(server.address, &request_from("203.0.113.9"), 101).await);
    let seen = scrape(ops).await;
    assert!(seen.value("madang_back_handshakes_refused_total", &[("reason", "too_many")]) >= 1.0);
    assert!(seen.value("madang_back_limits_hit_total", &[("limit", "connections_per_address")]) >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_of_its_address_counts_only_where_its_proxy_is_trusted() {
    let server = TestServer::with(&["--connections-per-address", "1", "--trusted-proxy", "192.0.2.1"]);
    let mut here = Vec::new();
    for _ in 0..5 {
        here.push(knock_until(server.address, &request_from("203.0.113.9"), 101).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_connects_at_its_rate_and_coming_again_is_no_way_around_it() {
    let server = TestServer::with(&["--connects-per-second-per-address", "1"]);
    let ops = server.ops();
    let request = request_from("2001:db8::1");
    let begun = Instant::now();
    let mut passed = 0;
    let head = loop {
        let (head, stream) = knock(server.address, &request).await;
        drop(stream);
        if status(&head) != 101 {
            break head;
        }
        passed += 1;
    };
    assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("\r\nRetry-After: "), "{head}");
    assert!((5..=6 + begun.elapsed().as_secs()).contains(&passed), "{passed} passed");
    // Its whole network has that rate, and nobody else.
    assert_eq!(status(&knock(server.address, &request_from("2001:db8::2")).await.0), 429);
    assert_eq!(status(&knock(server.address, &request_from("2001:db8:0:1::1")).await.0), 101);
    assert_eq!(status(&knock(server.address, NOTES_REQUEST).await.0), 101);
    knock_until(server.address, &request, 101).await;
    let seen = scrape(ops).await;
    assert!(seen.value("madang_back_handshakes_refused_total", &[("reason", "too_fast")]) >= 2.0);
    assert!(seen.value("madang_back_limits_hit_total", &[("limit", "connects_per_second_per_address")]) >= 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_at_one_address_send_as_one() {
    let server = TestServer::with(&["--sends-per-second", "0", "--sends-per-second-per-address", "5"]);
    let ops = server.ops();
    let mut refused = 0;
    for session in 0..8 {
        // A new session each time, as a guest who posts is.
        let mut client = in_room_from(server.address, "203.0.113.9", "dev").await;
        for n in 0..4 {
            let answer = say(&mut client, 10 * session + n, "x").await;
            if answer["type"] == "error" {
                assert_eq!((&answer["code"], &answer["limit"]), (&json!("rate_limited"), &json!(5)), "{answer}");
                assert!(answer["retry_after_ms"].as_u64().unwrap() <= 1_000, "{answer}");
                assert!(answer["text"].as_str().unwrap().contains("address"), "{answer}");
                refused += 1;
            }
        }
    }
    // Of 32 messages 10 pass at once, and 5 for each second that it took.
    assert!(refused > 5, "{refused}");
    let mut other = in_room_from(server.address, "203.0.113.10", "dev").await;
    assert_eq!(say(&mut other, 0, "x").await["type"], "ok");
    let seen = scrape(ops).await;
    let hit = seen.value("madang_back_limits_hit_total", &[("limit", "sends_per_second_per_address")]);
    assert_eq!(hit, f64::from(refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_sends_so_many_bytes_and_may_go_on_when_it_was_told() {
    let server = TestServer::with(&["--sends-per-second", "0", "--send-bytes-per-second", "40000"]);
    let ops = server.ops();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let text = "가".repeat(5_000);
    let mut sent = 0;
    let error = loop {
        let answer = say(&mut kim, sent, &text).await;
        if answer["type"] == "error" {
            break answer;
        }
        sent += 1;
        assert!(sent < 1_000, "nobody stops it");
    };
    assert!(sent >= 5, "{sent}");
    assert_eq!(
        (&error["code"], &error["limit"], &error["retry"]),
        (&json!("rate_limited"), &json!(40_000), &json!(true))
    );
    // What is small enough for what is left passes.
    assert_eq!(say(&mut kim, 1_000, "x").await["type"], "ok");
    sleep(Duration::from_millis(error["retry_after_ms"].as_u64().unwrap() + 1)).await;
    assert_eq!(say(&mut kim, 1_001, &text).await["type"], "ok");
    let hit = scrape(ops).await.value("madang_back_limits_hit_total", &[("limit", "send_bytes_per_second")]);
    assert_eq!(hit, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_every_kind_have_a_rate_that_leaves_speaking_alone() {
    let server = TestServer::with(&["--requests-per-second", "1"]);
    let ops = server.ops();
    let mut client = Client::from_there(server.address, "203.0.113.9", "/", Some("chat.v1")).await;
    // What a hello names is no flood.
    let rooms: serde_json::Map<String, Value> = (0..60).map(|n| (format!("r{n}"), json!({}))).collect();
    client.send(json!({"type": "hello", "rooms": rooms})).await;
    for _ in 0..60 {
        client.until("synced").await;
    }
    let requests = [
        json!({"type": "history", "id": "1", "room": "r1"}),
        json!({"type": "search", "id": "2", "room": "r1", "text": "x"}),
        json!({"type": "name", "id": "3", "name": "kim"}),
        json!({"type": "join", "id": "4", "room": "r1"}),
        json!({"type": "leave", "id": "5", "room": "r2"}),
        json!({"type": "who", "id": "6", "room": "r1"}),
        json!({"type": "rooms", "id": "7"}),
        json!({"type": "read", "id": "8", "room": "r1", "seq": 1}),
        json!({"type": "ping", "id": "9"}),
        json!({"type": "topic", "id": "10", "room": "r1"}),
    ];
    // One burst may pass, and one a second; the round that comes at once after it may not.
    for request in &requests[..5] {
        client.ask(request.clone()).await;
    }
    let begun = Instant::now();
    let mut refused = 0;
    for request in requests.iter().cycle().take(30) {
        let answer = client.ask(request.clone()).await;
        if answer["code"] == "rate_limited" {
            assert_eq!(answer["limit"], 1);
            assert!(answer["retry_after_ms"].as_u64().unwrap() <= 1_001);
            refused += 1;
        }
    }
    assert!(refused + 1 + begun.elapsed().as_secs() >= 30, "{refused} of 30 were refused");
    for n in 0..10 {
        assert_eq!(say(&mut client, 100 + n, "x").await["type"], "ok");
    }
    client.send(json!({"type": "quit"})).await;
    assert_eq!(client.close_code().await, 1000);
    let hit = scrape(ops).await.value("madang_back_limits_hit_total", &[("limit", "requests_per_second")]);
    assert_eq!(hit, refused as f64);
}

/// A server that lets in one at a time, whose disk stands still until somebody says `COMMIT` to it: whoever opens a room
/// waits for what is on its way to the disk. `kim` waits for an answer, and `lee` is on the way in.
struct Standstill {
    back: Back,
    disk: rusqlite::Connection,
    kim: Client,
    lee: Client,
    _data: tempfile::TempDir,
}

impl Standstill {
    async fn begin(wait: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let back = Back::on(data.path(), &["--ops", "127.0.0.1:0", "--arrivals", "1", "--arrival-wait", wait]);
        let mut kim = Client::in_room(back.address, "kim", "dev").await;
        // Whoever holds the file's lock is as good as a disk that is slow.
        let disk = rusqlite::Connection::open(data.path().join("chat.db")).unwrap();
        disk.execute_batch("BEGIN IMMEDIATE").unwrap();
        kim.send(json!({"type": "send", "id": "1", "text": "x"})).await;
        kim.expect_silence().await;
        let mut lee = Client::chat(back.address).await;
        lee.send(json!({"type": "hello", "rooms": {"new": {}}})).await;
        lee.until("welcome").await;
        Self { back, disk, kim, lee, _data: data }
    }

    async fn seen(&self, name: &str, label: (&str, &str)) -> f64 {
        scrape(self.back.ops.unwrap()).await.value(name, &[label])
    }

    async fn waiting(&self) -> f64 {
        self.seen("madang_back_queue", ("queue", "arrivals")).await
    }

    async fn limits_hit(&self) -> f64 {
        self.seen("madang_back_limits_hit_total", ("limit", "arrivals")).await
    }
}

/// Says hello from the room `dev`.
async fn hello_in_dev(client: &mut Client) {
    client.send(json!({"type": "hello", "rooms": {"dev": {}}})).await;
}

/// Reads a goodbye to whom there is no time for, and says when they are asked back, in milliseconds.
async fn asked_back(client: &mut Client) -> u64 {
    let (before, end) = client.end().await;
    let bye = before.last().unwrap();
    assert_eq!((&bye["type"], &bye["code"], &bye["reconnect"]), (&json!("bye"), &json!(4100), &json!(true)), "{bye}");
    let after = bye["retry_after_ms"].as_u64().unwrap();
    assert_eq!(end, End::Close(4100, format!("overloaded;retry={after}")));
    after
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_others_are_let_in_waits_in_line() {
    let mut here = Standstill::begin("60").await;
    let address = here.back.address;
    let mut line = Vec::new();
    for _ in 0..5 {
        let mut client = Client::chat(address).await;
        hello_in_dev(&mut client).await;
        line.push(client);
    }
    // A plain client is in line as soon as its handshake is over.
    let mut plain = Client::plain(address, "/rooms/dev").await;
    let begun = Instant::now();
    while here.waiting().await < 6.0 {
        assert!(begun.elapsed() < DEADLINE, "nobody waits");
        sleep(Duration::from_millis(20)).await;
    }
    // Whoever goes is in nobody's way.
    line.swap_remove(1);
    here.disk.execute_batch("COMMIT").unwrap();
    here.lee.until("synced").await;
    for client in &mut line {
        client.until("welcome").await;
        client.until("synced").await;
    }
    plain.until("welcome").await;
    assert_eq!((here.waiting().await, here.limits_hit().await), (0.0, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_would_wait_too_long_is_told_when_to_come_back() {
    let mut here = Standstill::begin("0").await;
    let address = here.back.address;
    for _ in 0..5 {
        let (head, _) = knock(address, NOTES_REQUEST).await;
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        let after: u64 = head.split("Retry-After: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
        assert!((1..=30).contains(&after), "{head}");
    }
    // Who is in goes on, and so does whoever says nothing at all.
    here.kim.expect_silence().await;
    Client::plain(address, "/echo").await;
    here.disk.execute_batch("COMMIT").unwrap();
    here.lee.until("synced").await;
    Client::in_room(address, "mo", "dev").await;
    assert_eq!(here.seen("madang_back_handshakes_refused_total", ("reason", "overloaded")).await, 5.0);
    assert_eq!(here.limits_hit().await, 5.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waited_in_vain_is_told_when_to_come_back() {
    let mut here = Standstill::begin("0.5").await;
    // All of them shook hands before the line was known to stand still.
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(Client::chat(here.back.address).await);
    }
    let mut times = Vec::new();
    for client in &mut clients {
        hello_in_dev(client).await;
    }
    for client in &mut clients {
        times.push(asked_back(client).await);
    }
    // That each is asked back at another moment is a rule of the line, which reads no clock.
    assert!(times.iter().all(|time| (1_000..=30_000).contains(time)), "{times:?}");
    assert_eq!((here.waiting().await, here.limits_hit().await), (0.0, 5.0));
    here.disk.execute_batch("COMMIT").unwrap();
    here.lee.until("synced").await;
    Client::in_room(here.back.address, "mo", "dev").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_descriptors_the_server_turns_people_away_and_recovers() {
    let data = tempfile::tempdir().unwrap();
    // The shell's limit becomes the program's.
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n 60 && exec "$0" "$@""#, env!("CARGO_BIN_EXE_back")]);
    command.env("BACK_LISTEN", "127.0.0.1:0").arg("--data").arg(data.path());
    let back = Back::spawn(command.args(["--connections", "0", "--ops", "127.0.0.1:0", "--history", "memory"]));
    let ops = back.ops.unwrap();
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    // As many as there are descriptors, and as many again.
    let mut streams = Vec::new();
    for _ in 0..120 {
        let mut stream = std::net::TcpStream::connect(back.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        std::io::Write::write_all(&mut stream, NOTES_REQUEST.as_bytes()).unwrap();
        streams.push(stream);
    }
    let (mut inside, mut told) = (0, 0);
    tokio::task::block_in_place(|| {
        for stream in &mut streams {
            let mut answer = [0; 12];
            // A reset may overtake the sentence, but nobody is left waiting.
            match stream.read_exact(&mut answer) {
                Ok(()) if answer.ends_with(b"101") => inside += 1,
                Ok(()) if answer.ends_with(b"503") => told += 1,
                Ok(()) => panic!("{}", String::from_utf8_lossy(&answer)),
                Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "somebody is left waiting"),
            }
        }
    });
    assert!(inside > 10 && told > 10, "{inside} inside, {told} told");
    // Who is in notices nothing.
    for n in 0..10 {
        assert_eq!(say(&mut kim, n, "x").await["type"], "ok");
    }
    drop(streams);
    let begun = Instant::now();
    while timeout(DEADLINE, Client::try_chat(back.address)).await.unwrap().is_none() {
        assert!(begun.elapsed() < DEADLINE, "it does not recover");
        sleep(Duration::from_millis(50)).await;
    }
    let seen = scrape(ops).await;
    let refused = seen.value("madang_back_handshakes_refused_total", &[("reason", "no_descriptor")]);
    assert!(refused >= f64::from(told), "{refused}");
    assert_eq!(seen.value("madang_back_limits_hit_total", &[("limit", "descriptors")]), refused);
}
