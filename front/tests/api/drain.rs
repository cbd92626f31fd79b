//! A front that is told to stop: those who listen go one after the other, and what is under way is finished.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::{
    house::House,
    http::{self, DEADLINE},
    ops::scrape_until,
};

#[tokio::test]
async fn streams_end_at_a_pace_each_with_its_own_time_to_come_back() {
    let mut house = House::open();
    house.say("dev", "a").await;
    let mut streams = Vec::new();
    for _ in 0..400 {
        let mut stream = house.stream("/api/rooms/dev/events", &[]).await;
        while stream.event().await.kind != "synced" {}
        streams.push(stream);
    }
    house.stop_front();
    let began = Instant::now();
    let ended = join_all(streams.into_iter().map(async |mut stream| {
        while stream.try_event().await.is_some() {}
        (began.elapsed(), stream.retry.unwrap())
    }));
    let ended = ended.await;
    assert_eq!(house.front_code().await, Some(0));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let (first, last) =
        (ended.iter().map(|(at, _)| *at).min().unwrap(), ended.iter().map(|(at, _)| *at).max().unwrap());
    assert!(last - first > Duration::from_millis(100), "{first:?} to {last:?}");
    let retries: Vec<u64> = ended.iter().map(|(_, retry)| *retry).collect();
    assert!(!retries.is_sorted() && !retries.is_sorted_by(|one, other| one >= other), "{retries:?}");
    let (soonest, latest) = (retries.iter().min().unwrap(), retries.iter().max().unwrap());
    assert!(*soonest >= 500 && latest - soonest > 150, "{soonest} to {latest}");
}

/// As on Ctrl-C, which stops both.
#[tokio::test]
async fn that_back_stops_as_well_is_no_news() {
    let mut house = House::open();
    house.say("dev", "a").await;
    let mut stream = house.stream("/api/rooms/dev/events", &[]).await;
    while stream.event().await.kind != "synced" {}
    house.stop_front();
    house.front_says("shutting down").await;
    house.kill_back();
    assert_eq!(house.front_code().await, Some(0));
    let log = house.front_log();
    assert!(!log.contains("connection to back ended") && !log.contains("back cannot be reached"), "{log}");
}

#[tokio::test]
async fn sessions_are_told_that_the_server_stops_and_when_to_come_back() {
    let mut house = House::with(&[], &["--ops", "127.0.0.1:0"]);
    let begin = async || {
        let answer = house.ask("POST", "/api/sessions", &[], &json!({}).to_string()).await;
        let secret = format!("Bearer {}", answer.json()["session"].as_str().unwrap());
        (answer.header("location").to_owned(), secret)
    };
    let (at, secret) = begin().await;
    let mut stream = house.stream(&format!("{at}/events?after=1"), &[("Authorization", &secret)]).await;
    let (at, secret) = begin().await;
    let address = house.front_address.clone();
    let poll = tokio::spawn(async move {
        let path = format!("{at}/events?after=1&wait=25");
        http::ask(&address, "GET", &path, &[("Authorization", &secret)], b"").await
    });
    // It waits when the numbers say so.
    scrape_until(&house, |seen| seen.value("madang_front_open", &[("what", "session_poll")]) == 1.0).await;
    house.stop_front();
    let began = Instant::now();
    let event = stream.event().await;
    assert_eq!((event.kind.as_str(), event.json()["code"].as_u64()), ("close", Some(4200)));
    assert!(event.json()["reason"].as_str().unwrap().starts_with("shutdown;retry="), "{event:?}");
    assert!(stream.try_event().await.is_none());
    let closed = timeout(DEADLINE, poll).await.unwrap().unwrap().json()["closed"].clone();
    assert_eq!(closed["code"], 4200, "{closed}");
    assert!(closed["reason"].as_str().unwrap().starts_with("shutdown;retry="), "{closed}");
    assert_eq!(house.front_code().await, Some(0));
    assert!(began.elapsed() < Duration::from_secs(2), "a few are let go at once: {:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_being_said_is_stored_and_answered() {
    let mut house = House::with(&[], &["--ops", "127.0.0.1:0"]);
    house.say("dev", "a").await;
    house.hold_back(true);
    let address = house.front_address.clone();
    let said =
        tokio::spawn(async move { http::ask(&address, "POST", "/api/rooms/dev/messages", &[], b"the last one").await });
    scrape_until(&house, |seen| seen.value("madang_front_open", &[("what", "post")]) == 1.0).await;
    house.stop_front();
    // It is over the beginning of its end when it is not ready any more.
    while http::ask(&house.front_ops(), "GET", "/readyz", &[], b"").await.json()["why"][0]["code"] != "stopping" {
        sleep(Duration::from_millis(10)).await;
    }
    house.hold_back(false);
    let answer = timeout(DEADLINE, said).await.unwrap().unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(house.front_code().await, Some(0));
}
