//! What front tells of itself: whether it lives, whether it is ready, and its numbers.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::{
    house::House,
    http::{self, DEADLINE, Stream},
    openmetrics::{Scrape, documented, queried},
    person::Person,
};

pub(crate) const OPS: [&str; 2] = ["--ops", "127.0.0.1:0"];

pub(crate) async fn scrape(house: &House) -> Scrape {
    let answer = http::ask(&house.front_ops(), "GET", "/metrics", &[], b"").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    Scrape::parse(&answer.body)
}

pub(crate) async fn scrape_until(house: &House, wanted: impl Fn(&Scrape) -> bool) -> Scrape {
    let begun = Instant::now();
    loop {
        let seen = scrape(house).await;
        if wanted(&seen) {
            return seen;
        }
        assert!(begun.elapsed() < DEADLINE, "{seen:#?}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn readiness(house: &House) -> (u16, Value) {
    let answer = http::ask(&house.front_ops(), "GET", "/readyz", &[], b"").await;
    (answer.status, answer.json())
}

/// Asks until readiness is told so.
async fn becomes(house: &House, status: u16, code: Option<&str>) {
    let begun = Instant::now();
    loop {
        let (now, why) = readiness(house).await;
        if now == status && why["why"][0]["code"].as_str() == code {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "{now} {why}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn it_is_ready_while_back_is_there() {
    let mut house = House::with(&[], &OPS);
    assert_eq!(readiness(&house).await, (200, json!({"ready": true})));
    house.kill_back();
    becomes(&house, 503, Some("back_lost")).await;
    assert_eq!(http::ask(&house.front_ops(), "GET", "/healthz", &[], b"").await.status, 200, "the process lives");
    house.restart_back(&[]);
    becomes(&house, 200, None).await;
}

#[tokio::test]
async fn a_front_that_never_reached_back_is_not_ready() {
    let mut house = House::with(&[], &OPS);
    house.kill_back();
    becomes(&house, 503, Some("back_not_reached")).await;
    house.restart_back(&[]);
    becomes(&house, 200, None).await;
}

#[tokio::test]
async fn what_is_open_is_counted_by_its_way() {
    let house = House::with(&[], &OPS);
    let room = "/api/rooms/dev";
    let events = house.stream(&format!("{room}/events"), &[]).await;
    let lines = house.stream(&format!("{room}/stream"), &[]).await;
    let poll = Stream::open(&house.front_address, "/r/dev", &[]).await;
    assert_eq!((events.status, lines.status, poll.status), (200, 200, 200));
    let polled = format!("{room}/messages?after=0&wait=20");
    let waiting = house.get(&polled);
    let watching = async {
        let seen = scrape_until(&house, |seen| seen.value("madang_front_open", &[("what", "poll")]) == 1.0).await;
        house.say("dev", "Hello").await;
        seen
    };
    let (waited, seen) = tokio::join!(waiting, watching);
    assert_eq!(waited.status, 200);
    let open = |seen: &Scrape, what| seen.value("madang_front_open", &[("what", what)]);
    for (what, count) in [("events", 1.0), ("lines", 1.0), ("room", 1.0), ("session", 0.0), ("relay", 0.0)] {
        assert_eq!(open(&seen, what), count, "{what}");
    }
    let hello = json!({"type": "hello", "name": "kim"}).to_string();
    let answer = house.ask("POST", "/api/sessions", &[("Content-Type", "application/json")], &hello).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(house.get("/nowhere").await.status, 404);
    assert_eq!(house.get("/api/rooms/dev/search").await.problem().1, "bad_field");
    let seen = scrape(&house).await;
    assert_eq!((open(&seen, "session"), open(&seen, "poll"), open(&seen, "post")), (1.0, 0.0, 0.0));
    assert_eq!(seen.value("madang_front_opened_total", &[("what", "poll")]), 1.0);
    assert_eq!(seen.value("madang_front_messages_total", &[]), 1.0);
    assert_eq!(seen.value("madang_front_errors_total", &[("code", "bad_field")]), 1.0);
    let answers = |kind, status| seen.value("madang_front_answers_total", &[("kind", kind), ("status", status)]);
    assert_eq!((answers("page", "2xx"), answers("nothing", "4xx")), (1.0, 1.0));
    // Two streams, the poll, the message and the session; and the question without a word to look for.
    assert_eq!((answers("api", "2xx"), answers("api", "4xx")), (5.0, 1.0));
    assert!(seen.value("madang_front_dials_total", &[("result", "ok")]) >= 2.0);
    assert_eq!(seen.value("madang_front_dials_total", &[("result", "failed")]), 0.0);
}

#[tokio::test]
async fn limits_are_counted_by_their_flags() {
    let house = House::with(&[], &[&OPS[..], &["--readers", "1", "--rooms", "1", "--sessions", "0"]].concat());
    let _events = house.stream("/api/rooms/dev/events", &[]).await;
    assert_eq!(house.get("/api/rooms/dev/events").await.status, 503);
    assert_eq!(house.get("/api/rooms/other/messages?after=0").await.status, 503);
    let headers = [("Content-Type", "application/json")];
    assert_eq!(house.ask("POST", "/api/sessions", &headers, r#"{"type":"hello"}"#).await.status, 503);
    let seen = scrape(&house).await;
    for limit in ["readers", "rooms", "sessions"] {
        assert_eq!(seen.value("madang_front_limits_hit_total", &[("limit", limit)]), 1.0, "{limit}");
    }
    assert_eq!(seen.value("madang_front_errors_total", &[("code", "overloaded")]), 3.0);
}

#[tokio::test]
async fn it_answers_three_addresses_and_reads_only() {
    let house = House::with(&[], &OPS);
    let ops = house.front_ops();
    let ask = async |method, path| http::ask(&ops, method, path, &[], b"").await;
    for path in ["/", "/metrics/x", "/api/rooms", "/r/dev"] {
        let answer = ask("GET", path).await;
        assert!(answer.status == 404 && answer.body.contains("/readyz"), "{path}: {answer:?}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = ask(method, "/metrics").await;
        assert!(answer.status == 405 && answer.body.contains("GET or HEAD"), "{method}: {answer:?}");
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
    let answer = ask("HEAD", "/metrics").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!((answer.header("cache-control"), answer.header("access-control-allow-origin")), ("no-store", ""));
    assert_eq!(house.get("/metrics").await.status, 404, "not among the pages");
}

#[tokio::test]
async fn no_label_comes_from_a_browser() {
    let house = House::with(&[], &OPS);
    house.say("canary", "canary").await;
    let before: BTreeSet<String> = scrape(&house).await.label_values().into_iter().map(str::to_owned).collect();
    for path in ["/canary", "/r/canary", "/api/rooms/canary2/messages", "/api/canary"] {
        house.get(path).await;
    }
    let mut kim = Person::join(&house.back_address, "canary", "canary").await;
    kim.send(json!({"type": "send", "text": "canary"})).await;
    let seen = scrape(&house).await;
    assert_eq!(seen.label_values().into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), before);
    assert!(before.iter().all(|word| !word.contains("canary")), "{before:?}");
}

const OPERATIONS: &str = include_str!("../../../docs/operations.md");
const DASHBOARD: &str = include_str!("../../../docs/grafana.json");

#[tokio::test]
async fn every_metric_is_in_the_table_and_on_the_dashboard_is_nothing_else() {
    let seen = scrape(&House::with(&[], &OPS)).await;
    let told: BTreeSet<_> = seen.rows().into_iter().filter(|[name, ..]| name.starts_with("madang_")).collect();
    assert_eq!(documented(OPERATIONS, "madang_front_"), told);
    let process = documented(OPERATIONS, "process_");
    assert!(!process.is_empty() && process.is_subset(&seen.rows()), "{process:?}");
    let asked = queried(&serde_json::from_str(DASHBOARD).unwrap(), "madang_front_");
    assert!(asked.len() > 4 && asked.is_subset(&seen.sample_names()), "{asked:?}");
}

/// Whatever a browser says here must stay out of both logs.
const CANARY: &str = "canary";

#[tokio::test]
async fn nothing_that_was_said_and_nobody_stands_in_the_logs() {
    let flags = ["--log", "info,actix_http::h1::dispatcher=off", "--same-port"];
    let mut house = House::with(&["--log", "info"], &flags);
    let room = "/api/rooms/canary-room";
    let json = ("Content-Type", "application/json");
    let said = r#"{"text":"canary over http","name":"canary-kim"}"#;
    assert_eq!(house.ask("POST", &format!("{room}/messages"), &[json], said).await.status, 201);
    assert_eq!(house.ask("POST", &format!("{room}/hook"), &[json], r#"{"text":"canary hook"}"#).await.status, 200);
    let mut events = house.stream(&format!("{room}/events"), &[]).await;
    events.texts(2).await;
    house.stream(&format!("{room}/stream"), &[]).await.line().await;
    house.get(&format!("{room}/messages?after=0&wait=1")).await;
    house.get(&format!("{room}/search?q=canary")).await;
    let hello = json!({"type": "hello", "name": "canary-lee", "rooms": {"canary-room": {}}}).to_string();
    let welcome = house.ask("POST", "/api/sessions", &[json], &hello).await.json();
    let (secret, user) = (welcome["session"].as_str().unwrap().to_owned(), welcome["user"].as_str().unwrap());
    let bearer = format!("Bearer {secret}");
    let session = format!("/api/sessions/{user}");
    let command = r#"{"type":"send","id":"canary-1","text":"canary by command"}"#;
    let asked = [("Authorization", bearer.as_str())];
    assert_eq!(house.ask("POST", &format!("{session}/commands"), &asked, command).await.status, 202);
    house.ask("GET", &format!("{session}/events?wait=1"), &asked, "").await;
    let mut relayed = Person::join(&format!("{}/ws", house.front_address), "canary-min", "canary-room").await;
    relayed.send(json!({"type": "send", "text": "canary by relay"})).await;
    // What makes no sense, too.
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    house.ask("POST", "/r/canary-room", &form, "once=canary&name=canary&text=canary").await;
    house.ask("POST", &format!("{room}/messages"), &[json], "{canary").await;
    house.ask("POST", "/api/sessions/canary/commands", &[("Authorization", "Bearer canary")], "canary").await;
    for path in ["/canary", "/r/canary%FF", "/join?name=canary%00&room=canary", "/api/rooms/canary%2F/messages"] {
        house.get(path).await;
    }
    let before = house.back_log();
    house.kill_back();
    house.ask("POST", &format!("{room}/messages"), &[json], said).await;
    let begun = Instant::now();
    while !house.front_log().contains("WARN") {
        assert!(begun.elapsed() < DEADLINE, "that back is gone is said");
        sleep(Duration::from_millis(20)).await;
    }
    let client = "127.0.0.1";
    let log = before + &house.front_log();
    // Its own places a program may tell.
    for line in log.lines().filter(|line| !line.contains("health and metrics") && !line.contains("actix_server")) {
        // Where back is, and that it is gone, may be said; it is no client.
        let is_clean = !line.contains(CANARY) && !line.contains(&secret);
        assert!(is_clean && (!line.contains(client) || line.contains("chat server")), "{line}");
    }
}
