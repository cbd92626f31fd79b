//! What `back` tells of itself: whether it lives, whether it is ready, and its numbers.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    client::{Client, DEADLINE, NOTES_REQUEST, client_frame, raw, raw_websocket},
    openmetrics::{Scrape, documented, queried},
    process::Back,
    server::TestServer,
};

/// Asks with this method: the status, the head and the body.
async fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String, String) {
    let answer = raw(address, format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

pub async fn scrape(address: SocketAddr) -> Scrape {
    let (status, head, body) = ask(address, "GET", "/metrics").await;
    assert_eq!(status, 200, "{body}");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    Scrape::parse(&body)
}

/// Scrapes until this is so.
pub async fn scrape_until(address: SocketAddr, wanted: impl Fn(&Scrape) -> bool) -> Scrape {
    let begun = Instant::now();
    loop {
        let seen = scrape(address).await;
        if wanted(&seen) {
            return seen;
        }
        assert!(begun.elapsed() < DEADLINE, "{seen:#?}");
        sleep(Duration::from_millis(10)).await;
    }
}

pub async fn readiness(address: SocketAddr) -> (u16, Value) {
    let (status, _, body) = ask(address, "GET", "/readyz").await;
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_clients_and_five_messages_are_fifteen_deliveries() {
    let server = TestServer::start();
    let ops = server.ops();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let mut lee = Client::in_room(server.address, "lee", "dev").await;
    let mut plain = Client::plain(server.address, "/rooms/dev").await;
    plain.until("synced").await;
    let _echo = Client::plain(server.address, "/echo").await;
    for n in 1..=5 {
        assert_eq!(kim.ask(json!({"type": "send", "id": n.to_string(), "text": "x"})).await["seq"], n);
    }
    let again = kim.ask(json!({"type": "send", "id": "5", "text": "x"})).await;
    assert_eq!(again["duplicate"], true);
    // The sender has passed over its own while it waited for answers.
    for client in [&mut lee, &mut plain] {
        let seen = client.find(|message| message["type"] == "message" && message["seq"] == 5).await;
        assert_eq!(seen["text"], "x");
    }
    assert_eq!(kim.ask(json!({"type": "history", "id": "h", "room": "a/b"})).await["code"], "bad_name");
    // A sweep is counted when it is over, which is after its clients have it.
    let seen = scrape_until(ops, |seen| seen.sum("madang_back_deliveries_total") >= 15.0).await;
    let value = |name: &str, labels: &[(&str, &str)]| seen.value(&format!("madang_back_{name}"), labels);
    assert_eq!(value("deliveries_total", &[("way", "live")]), 15.0);
    assert_eq!((value("messages_total", &[]), value("duplicates_total", &[])), (5.0, 1.0));
    for (protocol, transport, count) in [("chat.v1", "ws", 2.0), ("plain", "ws", 1.0), ("echo", "ws", 1.0)] {
        assert_eq!(value("connections", &[("protocol", protocol), ("transport", transport)]), count, "{protocol}");
    }
    assert_eq!(value("connections", &[("protocol", "chat.v1"), ("transport", "wss")]), 0.0);
    assert_eq!((value("connects_total", &[]), value("rooms", &[]), value("members", &[])), (4.0, 1.0, 3.0));
    assert_eq!(value("errors_total", &[("code", "bad_name")]), 1.0);
    assert_eq!(value("joins_total", &[("result", "fresh")]), 3.0);
    assert_eq!(value("late_members", &[]), 0.0);
    assert!(value("fan_out_seconds_count", &[]) >= 1.0 && value("commit_seconds_count", &[]) >= 1.0);
    // Two names are remembered beside the messages, of which one came twice.
    assert_eq!(value("changes_total", &[]), 8.0);
    assert!(value("database_bytes", &[]) > 4096.0);
    assert_eq!(value("history_writable", &[]), 1.0);
    assert_eq!(seen.value("madang_back_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    let start = seen.value("process_start_time_seconds", &[]);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(start <= now && now - start < 600.0, "{start}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_is_counted_by_how_and_no_gauge_stays_up() {
    let server = TestServer::with(&["--hello-timeout", "0.2", "--close-timeout", "0.2"]);
    let ops = server.ops();
    let mut quits = Client::in_room(server.address, "kim", "dev").await;
    quits.send(json!({"type": "quit"})).await;
    assert_eq!(quits.close_code().await, 1000);
    let mut silent = Client::chat(server.address).await;
    assert_eq!(silent.close_code().await, 4103);
    let mut leaves = raw_websocket(server.address, "/rooms/dev").await;
    leaves.write_all(&client_frame(0x88, &1001_u16.to_be_bytes())).await.unwrap();
    Client::in_room(server.address, "lee", "dev").await.vanish();
    let closes = |seen: &Scrape, code, by| seen.value("madang_back_closes_total", &[("code", code), ("by", by)]);
    let seen = scrape_until(ops, |seen| {
        seen.sum("madang_back_closes_total") >= 4.0
            && seen.sum("madang_back_connections") == 0.0
            && seen.sum("madang_back_members") == 0.0
    });
    let seen = seen.await;
    for (code, by) in [("normal", "server"), ("hello_timeout", "server"), ("going_away", "client"), ("lost", "client")]
    {
        assert_eq!(closes(&seen, code, by), 1.0, "{code} by {by}");
    }
    assert_eq!(seen.value("madang_back_limits_hit_total", &[("limit", "hello_timeout")]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_refusals_are_counted_by_their_words() {
    let server = TestServer::with(&["--text-bytes", "10", "--sends-per-second", "1", "--rooms-per-connection", "1"]);
    let ops = server.ops();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    assert_eq!(kim.ask(json!({"type": "send", "id": "1", "text": "x".repeat(11)})).await["code"], "too_big");
    while kim.ask(json!({"type": "send", "id": "again", "text": "x"})).await["code"] != "rate_limited" {}
    assert_eq!(kim.ask(json!({"type": "join", "id": "2", "room": "other"})).await["code"], "room_limit");
    raw(server.address, b"GET /nowhere HTTP/1.1\r\n\r\n").await;
    raw(server.address, b"GET / HTTP/1.1\r\n\r\n").await;
    raw(server.address, NOTES_REQUEST.replace("Upgrade\r\n", "Upgrade\r\nOrigin: http://a.example\r\n").as_bytes())
        .await;
    raw(server.address, format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(20_000)).as_bytes()).await;
    let seen = scrape(ops).await;
    for limit in ["text_bytes", "sends_per_second", "rooms_per_connection", "head"] {
        assert_eq!(seen.value("madang_back_limits_hit_total", &[("limit", limit)]), 1.0, "{limit}");
    }
    for reason in ["not_found", "no_upgrade", "origin", "too_big"] {
        assert_eq!(seen.value("madang_back_handshakes_refused_total", &[("reason", reason)]), 1.0, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_and_its_gap_are_counted() {
    let server = TestServer::with(&["--history", "memory"]);
    let ops = server.ops();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let ok = kim.ask(json!({"type": "send", "id": "1", "text": "x"})).await;
    kim.until("message").await;
    for at in [json!({"epoch": ok["epoch"], "seq": 0}), json!({"epoch": "another", "seq": 0})] {
        let (mut lee, _) = Client::hello(server.address, "lee", json!({"dev": at})).await;
        lee.until("synced").await;
    }
    let seen = scrape_until(ops, |seen| seen.sum("madang_back_deliveries_total") >= 3.0).await;
    for (result, count) in [("fresh", 1.0), ("ok", 1.0), ("gap", 1.0)] {
        assert_eq!(seen.value("madang_back_joins_total", &[("result", result)]), count, "{result}");
    }
    assert_eq!(seen.value("madang_back_gaps_total", &[("reason", "epoch")]), 1.0);
    // Each of the two who came back was sent the message by themselves.
    assert_eq!(seen.value("madang_back_deliveries_total", &[("way", "catch_up")]), 2.0);
    assert_eq!(seen.value("madang_back_deliveries_total", &[("way", "live")]), 1.0);
    assert!(seen.families.contains_key("madang_back_database_bytes"), "a history in memory has the name and no size");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_a_late_one() {
    let server = TestServer::with(&["--sends-per-second", "0", "--stall-timeout", "0"]);
    let ops = server.ops();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let deaf = Client::with_small_window(server.address, "/rooms/dev", None).await;
    for n in 1..=400 {
        let ok = kim.ask(json!({"type": "send", "id": n.to_string(), "text": "x".repeat(10_000)})).await;
        assert_eq!(ok["seq"], n);
    }
    scrape_until(ops, |seen| seen.value("madang_back_late_members", &[]) == 1.0).await;
    deaf.vanish();
    let seen = scrape_until(ops, |seen| seen.value("madang_back_late_members", &[]) == 0.0).await;
    assert_eq!(seen.value("madang_back_connections", &[("protocol", "plain"), ("transport", "ws")]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_under_traffic_is_whole_and_nothing_in_it_goes_back() {
    let server = TestServer::with(&["--sends-per-second", "0"]);
    let ops = server.ops();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let mut lee = Client::in_room(server.address, "lee", "dev").await;
    let traffic = tokio::spawn(async move {
        for n in 1..=500 {
            kim.ask(json!({"type": "send", "id": n.to_string(), "text": "x"})).await;
            lee.until("message").await;
        }
    });
    let (mut before, mut rounds) = (0.0, 0);
    while !traffic.is_finished() {
        let seen = scrape(ops).await;
        let now = seen.value("madang_back_messages_total", &[]);
        assert!(now >= before);
        (before, rounds) = (now, rounds + 1);
    }
    traffic.await.unwrap();
    assert!(rounds > 2, "{rounds}");
    assert_eq!(scrape(ops).await.value("madang_back_messages_total", &[]), 500.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_label_comes_from_a_client() {
    let server = TestServer::start();
    let ops = server.ops();
    let mut kim = Client::in_room(server.address, "canary-name", "canary-room").await;
    kim.ask(json!({"type": "send", "id": "canary-id", "text": "canary-text"})).await;
    let (_, _, text) = ask(ops, "GET", "/metrics").await;
    assert!(!text.contains("canary") && !text.contains("127.0.0.1"), "{text}");
    let words = Scrape::parse(&text);
    let before = words.label_values().len();
    for n in 0..20 {
        Client::in_room(server.address, &format!("name {n}"), &format!("room {n}")).await;
    }
    assert_eq!(scrape(ops).await.label_values().len(), before, "people and rooms make no series");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_three_addresses_and_reads_only() {
    let server = TestServer::start();
    let ops = server.ops();
    assert_eq!(ask(ops, "GET", "/healthz").await.0, 200);
    assert_eq!(readiness(ops).await, (200, json!({"ready": true})));
    let (status, head, body) = ask(ops, "HEAD", "/readyz").await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("cache-control: no-store") && !head.contains("access-control"), "{head}");
    for path in ["/", "/metrics/x", "/healthz/", "/rooms/dev"] {
        let (status, _, body) = ask(ops, "GET", path).await;
        assert!(status == 404 && body.contains("/healthz, /readyz and /metrics"), "{path}: {body}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let (status, head, body) = ask(ops, method, "/metrics").await;
        assert!(status == 405 && head.contains("allow: get, head") && body.contains("GET or HEAD"), "{method}: {body}");
    }
    assert!(raw(ops, b"\x16\x03\x01 no HTTP").await.starts_with("HTTP/1.1 400 "));
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000));
    assert!(raw(ops, long.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101));
    assert!(raw(ops, many.as_bytes()).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_connects_takes_a_seat_for_seconds_and_the_chat_does_not_mind() {
    let server = TestServer::start();
    let ops = server.ops();
    let mut held = Vec::new();
    for _ in 0..4 * back::ops::CONNECTIONS {
        let mut stream = TcpStream::connect(ops).await.unwrap();
        _ = stream.write_all(b"GET /met").await;
        held.push(stream);
    }
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    assert_eq!(kim.ask(json!({"type": "send", "id": "1", "text": "x"})).await["seq"], 1);
    // Whoever got no seat was let go at once, and the others are in a few seconds.
    for stream in &mut held {
        let mut rest = Vec::new();
        _ = timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("a slow question is ended");
    }
    assert_eq!(ask(ops, "GET", "/healthz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_says_goodbye_it_lives_and_is_not_ready() {
    // Whoever does not answer the Close frame holds the end up for as long as it may.
    let mut back = Back::start(&["--ops", "127.0.0.1:0", "--close-timeout", "20", "--drain", "1"]);
    let ops = back.ops.unwrap();
    assert_eq!(readiness(ops).await.0, 200);
    let _deaf = raw_websocket(back.address, "/").await;
    back.signal("TERM");
    let begun = Instant::now();
    let (status, why) = loop {
        let (status, why) = readiness(ops).await;
        if status != 200 {
            break (status, why);
        }
        assert!(begun.elapsed() < DEADLINE);
    };
    assert_eq!((status, &why["ready"], &why["why"][0]["code"]), (503, &json!(false), &json!("stopping")));
    assert_eq!(ask(ops, "GET", "/healthz").await.0, 200);
    back.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_its_way_is_answered_before_the_goodbye() {
    let data = tempfile::tempdir().unwrap();
    let back = Back::on(data.path(), &["--ops", "127.0.0.1:0"]);
    let ops = back.ops.unwrap();
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    // Whoever holds the file's lock is as good as a disk that is slow.
    let disk = rusqlite::Connection::open(data.path().join("chat.db")).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    kim.send(json!({"type": "send", "id": "1", "text": "x"})).await;
    // It is on its way once what was said after it is answered.
    kim.expect_silence().await;
    back.signal("TERM");
    while readiness(ops).await.0 == 200 {}
    disk.execute_batch("COMMIT").unwrap();
    let (before, _) = kim.end().await;
    let kinds: Vec<&str> = before.iter().filter_map(|message| message["type"].as_str()).collect();
    let place = |kind| kinds.iter().position(|other| *other == kind);
    assert!(place("ok").is_some() && place("ok") < place("bye"), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_goes_without_and_a_named_place_that_is_taken_is_an_error() {
    let first = Back::start(&["--ops", "127.0.0.1:0"]);
    let taken = first.ops.unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let second = Back::command(data.path()).args(["--ops", &taken]).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains(&taken) && said.contains("--ops"), "{said}");
    // By default two of them run beside each other, whoever has the place.
    let (one, other) = (Back::start(&[]), Back::start(&[]));
    for back in [&one, &other] {
        Client::in_room(back.address, "kim", "dev").await;
    }
    assert_eq!(Back::start(&["--ops", "off"]).ops, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_process_takes_of_the_machine_is_told() {
    let back = Back::start(&["--ops", "127.0.0.1:0"]);
    let ops = back.ops.unwrap();
    let before = scrape(ops).await;
    let value = |seen: &Scrape, name: &str| seen.value(name, &[]);
    let [resident, allocated] = ["process_resident_memory_bytes", "madang_back_allocated_bytes"];
    // The program's own pages and what the allocator keeps ready come on top of what was asked for.
    assert!(value(&before, allocated) > 100_000.0, "{}", value(&before, allocated));
    assert!(value(&before, resident) > value(&before, allocated));
    let mut clients = Vec::new();
    for n in 0..50 {
        clients.push(Client::in_room(back.address, &format!("kim-{n}"), "dev").await);
    }
    let with_people = scrape(ops).await;
    assert!(value(&with_people, allocated) > value(&before, allocated) + 50.0 * 500.0);
    assert!(value(&with_people, "process_open_fds") >= value(&before, "process_open_fds") + 50.0);
    assert!(value(&with_people, "process_max_fds") > value(&with_people, "process_open_fds"));
}

const OPERATIONS: &str = include_str!("../../../docs/operations.md");
const DASHBOARD: &str = include_str!("../../../docs/grafana.json");

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_in_the_table_and_nothing_else() {
    let server = TestServer::start();
    let seen = scrape(server.ops()).await;
    let told: BTreeSet<_> = seen.rows().into_iter().filter(|[name, ..]| name.starts_with("madang_")).collect();
    assert_eq!(documented(OPERATIONS, "madang_back_"), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_asks_for_what_there_is() {
    let server = TestServer::start();
    let names = scrape(server.ops()).await.sample_names();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let asked = queried(&dashboard, "madang_back_");
    assert!(asked.len() > 10 && asked.is_subset(&names), "{:?}", asked.difference(&names));
    assert!(queried(&dashboard, "process_").is_subset(&names));
    let others: Vec<_> = queried(&dashboard, "madang_").into_iter().filter(|name| !names.contains(name)).collect();
    assert!(others.iter().all(|name| name.starts_with("madang_front_")), "{others:?}");
}
