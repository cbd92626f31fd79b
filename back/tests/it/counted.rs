//! Each limit that ends a connection, holds it or sheds something is met by somebody, and counted by its word: the
//! operator's table of limits ([SECURITY.md](../../../docs/SECURITY.md)) is checked against this program.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures_util::SinkExt;
use serde_json::json;
use tokio::{io::AsyncWriteExt, time::timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, DEADLINE, NOTES_REQUEST, client_frame, raw, raw_websocket},
    office::Office,
    openmetrics::Scrape,
    ops::{scrape, scrape_until},
    process::Back,
    server::TestServer,
};

/// Asks for nothing that keeps a seat.
const REFUSED: &str = "GET / HTTP/1.1\r\n\r\n";

/// Waits until this limit was hit.
async fn hit(server: &TestServer, limit: &str) {
    scrape_until(server.ops(), |seen| seen.value("madang_back_limits_hit_total", &[("limit", limit)]) >= 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_message_is_too_long_in_bytes_or_in_time() {
    let server = TestServer::with(&["--message-timeout", "0.3", "--handshake-timeout", "0.3"]);
    let mut long = raw_websocket(server.address, "/").await;
    long.write_all(&client_frame(0x81, &vec![b'x'; 65_537])[..20]).await.unwrap();
    hit(&server, "message_bytes").await;
    let mut endless = raw_websocket(server.address, "/echo").await;
    endless.write_all(&client_frame(0x01, b"a fragment")).await.unwrap();
    hit(&server, "message_timeout").await;
    let mut slow = tokio::net::TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    hit(&server, "handshake_timeout").await;
    let mut wrong = Client::in_room(server.address, "kim", "dev").await;
    for _ in 0..10 {
        wrong.say("not JSON").await;
    }
    hit(&server, "malformed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_dead_or_finds_no_seat() {
    let server = TestServer::with(&["--ping-after", "0.1", "--dead-after", "0.4", "--connections", "1"]);
    let _dead = raw_websocket(server.address, "/").await;
    raw(server.address, NOTES_REQUEST.as_bytes()).await;
    hit(&server, "connections").await;
    hit(&server, "dead_after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_a_close_keeps_no_seat() {
    let server = TestServer::with(&["--connections", "1", "--message-timeout", "0.2", "--close-timeout", "0.2"]);
    let mut stays = raw_websocket(server.address, "/echo").await;
    stays.write_all(&client_frame(0x01, b"a fragment")).await.unwrap();
    hit(&server, "message_timeout").await;
    let begun = Instant::now();
    while !raw(server.address, REFUSED.as_bytes()).await.starts_with("HTTP/1.1 426 ") {
        assert!(begun.elapsed() < DEADLINE, "the seat was not given back");
    }
}

/// Somebody for whom so much waits that not even a goodbye finds a way out, and who then shows a ticket that is none.
async fn turned_away_unread(server: &TestServer) -> Client {
    let mut deaf = Client::with_small_window(server.address, "/", Some("chat.v1")).await;
    let is_stalled = || {
        let outlets = server.hub.people().outlets();
        outlets.iter().any(|outlet| outlet.vitals().ages(Instant::now()).stalled.is_some())
    };
    let begun = Instant::now();
    while !is_stalled() {
        assert!(begun.elapsed() < DEADLINE, "it all went into the socket");
        // A few at a time: if more waited than a client may leave unread, the hello would not be heard.
        for _ in 0..10 {
            deaf.websocket.send(Message::Ping(vec![b'p'; 100].into())).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    deaf.send(json!({"type": "hello", "ticket": "none"})).await;
    deaf
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_turned_away_and_does_not_read_that_is_seen_until_they_are_gone_and_keeps_no_seat() {
    let office = Office::open();
    // The kernel would end it by itself 20 s after it counts as slow.
    let patient = ["--stall-timeout", "60", "--connections", "1"];
    let server = office.server(&[&patient, &["--close-timeout", "60"][..]].concat());
    let _deaf = turned_away_unread(&server).await;
    let ops = server.ops();
    let told =
        |seen: &Scrape| seen.value("madang_back_closes_total", &[("by", "server"), ("code", "unauthorized")]) == 1.0;
    let seen = scrape_until(ops, told).await;
    assert_eq!(seen.value("madang_back_connections", &[("protocol", "chat.v1"), ("transport", "ws")]), 1.0);
    assert_eq!(server.hub.people().count(), 1, "nobody would see to its end");
    let server = office.server(&[&patient, &["--close-timeout", "0.2"][..]].concat());
    let _deaf = turned_away_unread(&server).await;
    let begun = Instant::now();
    while !raw(server.address, REFUSED.as_bytes()).await.starts_with("HTTP/1.1 426 ") {
        assert!(begun.elapsed() < DEADLINE, "the seat was not given back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing() {
    let server = TestServer::with(&["--stall-timeout", "2"]);
    let mut deaf = raw_websocket(server.address, "/echo").await;
    let pings = client_frame(0x89, &[b'p'; 100]).repeat(1_000);
    // Until it is not read any more, because its answers wait.
    while timeout(Duration::from_millis(200), deaf.write_all(&pings)).await.is_ok_and(|written| written.is_ok()) {}
    hit(&server, "unread").await;
    hit(&server, "stall_timeout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_more_than_is_replayed_or_types_all_the_time() {
    let server = TestServer::with(&["--sends-per-second", "0", "--history", "memory", "--requests-per-second", "0"]);
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let mut epoch = json!(null);
    for id in 0..=1_000 {
        epoch = kim.ask(json!({"type": "send", "id": id.to_string(), "text": "x"})).await["epoch"].clone();
    }
    let at = json!({"dev": {"epoch": epoch, "seq": 0}});
    let (mut lee, _) = Client::hello(server.address, "lee", at).await;
    assert_eq!(lee.until("gap").await["reason"], "too_many");
    hit(&server, "replay").await;
    // Each is heard once in three seconds, so it takes many who type in one of them.
    let mut many = Vec::new();
    for n in 0..30 {
        many.push(Client::in_room(server.address, &format!("guest {n}"), "dev").await);
    }
    for guest in &mut many {
        guest.send(json!({"type": "typing"})).await;
    }
    hit(&server, "typing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_more_under_way_than_is_answered() {
    let data = tempfile::tempdir().unwrap();
    let back = Back::on(data.path(), &["--ops", "127.0.0.1:0", "--sends-per-second", "0"]);
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    // Whoever holds the file's lock is as good as a disk that is slow.
    let disk = rusqlite::Connection::open(data.path().join("chat.db")).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    for id in 0..40 {
        kim.send(json!({"type": "send", "id": id.to_string(), "text": "x"})).await;
    }
    let ops = back.ops.unwrap();
    scrape_until(ops, |seen| seen.value("madang_back_limits_hit_total", &[("limit", "unanswered")]) >= 1.0).await;
    disk.execute_batch("COMMIT").unwrap();
    kim.find(|said| said["type"] == "ok" && said["id"] == "39").await;
}

/// A search in memory looks at the clock after each thousand messages: a server that stood still in the middle of one finds
/// that it took too long, however fast it is; and so do those who waited for a place meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn who_searches_for_longer_than_a_search_may_take_or_waits_too_long_for_a_place() {
    let unlimited = ["--sends-per-second", "0", "--requests-per-second", "0"];
    let back = Back::start(&[&["--ops", "127.0.0.1:0", "--history", "memory"], &unlimited[..]].concat());
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    let text = "x ".repeat(400);
    for id in 0..4_000 {
        kim.ask(json!({"type": "send", "id": id.to_string(), "text": text})).await;
    }
    let begun = Instant::now();
    for tried in 0_u64.. {
        kim.send(json!({"type": "search", "id": format!("s{tried}"), "room": "dev", "text": "absent"})).await;
        // Where the middle of it is depends on the machine.
        tokio::time::sleep(Duration::from_millis(10 * tried)).await;
        back.signal("STOP");
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        back.signal("CONT");
        let answer = kim.find(|said| said["id"] == format!("s{tried}")).await;
        if answer["type"] == "error" {
            assert_eq!(answer["code"], "overloaded", "{answer}");
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "no search takes too long");
    }
    let ops = back.ops.unwrap();
    let seen = scrape(ops).await;
    assert_eq!(seen.value("madang_back_limits_hit_total", &[("limit", "search_time")]), 1.0);
    let mut many = Vec::new();
    for n in 0..24 {
        many.push(Client::in_room(back.address, &format!("guest {n}"), "lobby").await);
    }
    let (begun, mut turned_away) = (Instant::now(), 0);
    while turned_away == 0 {
        assert!(begun.elapsed() < DEADLINE, "they wait without an end");
        for guest in &mut many {
            guest.send(json!({"type": "search", "id": "s", "room": "dev", "text": "absent"})).await;
        }
        // On a fast machine all have had their turn before it stands still, and do it again.
        back.signal("STOP");
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        back.signal("CONT");
        for guest in &mut many {
            let answer = guest.find(|said| said["id"] == "s").await;
            if answer["text"] == "too many search at once" {
                assert_eq!((&answer["code"], &answer["retry_after_ms"]), (&json!("overloaded"), &json!(1_000)));
                turned_away += 1;
            }
        }
    }
    let seen = scrape(ops).await;
    assert_eq!(seen.value("madang_back_limits_hit_total", &[("limit", "searchers")]), f64::from(turned_away));
}

/// Rows of the table of limits: the metric's word, and the tests.
fn table() -> Vec<(String, Vec<String>)> {
    let text = include_str!("../../../docs/SECURITY.md");
    let (_, table) = text.split_once("| limit | flag | metric | test |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let [metric, tests] = [words(cells[3]), words(cells[4])];
        assert!(metric.len() <= 1 && !tests.is_empty(), "{row}");
        (metric.into_iter().next().unwrap_or_default(), tests)
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_is_in_the_table_with_tests_that_exist() {
    let server = TestServer::start();
    let seen = scrape(server.ops()).await;
    let counted: BTreeSet<String> = seen.labels("madang_back_limits_hit_total", "limit");
    let rows = table();
    let told: BTreeSet<String> =
        rows.iter().map(|(metric, _)| metric.clone()).filter(|word| !word.is_empty()).collect();
    assert_eq!(told, counted);
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for test in rows.iter().flat_map(|(_, tests)| tests) {
        let (file, name) = test.split_once(':').unwrap_or_else(|| panic!("{test} is no file:test"));
        let file = [format!("back/tests/it/{file}"), file.to_owned()].map(|file| here.join(file));
        let text = file.iter().find_map(|file| std::fs::read_to_string(file).ok()).unwrap_or_else(|| panic!("{test}"));
        assert!(text.contains(&format!("fn {name}(")), "there is no {test}");
    }
}
