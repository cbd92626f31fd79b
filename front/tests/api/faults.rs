//! What readers notice when something dies: nothing lost, nothing twice, the right order, and an open word where that
//! cannot be.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    counter::Counter,
    house::{House, start_back},
    http::{DEADLINE, Stream},
    person::Person,
};

/// Asks until this is the answer.
async fn until(house: &House, path: &str, status: u16) {
    let begun = Instant::now();
    loop {
        let answer = house.get(path).await;
        if answer.status == status {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "{path} never answered {status}, but {answer:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_stream_goes_on_after_front_was_killed() {
    let mut house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    let mut stream = house.stream("/api/rooms/dev/events?last=0", &[]).await;
    assert_eq!(stream.event().await.kind, "synced");
    let mut seen = Vec::new();
    for round in 0..3 {
        for n in 0..5 {
            kim.say(&format!("{round}.{n}")).await;
        }
        // It has seen some of them when front dies.
        let mut last = String::new();
        for _ in 0..3 {
            let event = stream.event().await;
            last = event.id.clone();
            seen.push(event.json()["text"].as_str().unwrap().to_owned());
        }
        house.restart_front();
        kim.say(&format!("{round}.meanwhile")).await;
        stream = house.stream("/api/rooms/dev/events", &[("Last-Event-ID", &last)]).await;
        seen.extend(stream.texts(3).await);
        assert_eq!(stream.event().await.kind, "synced");
    }
    let said: Vec<String> = (0..3)
        .flat_map(|round| (0..5).map(move |n| format!("{round}.{n}")).chain([format!("{round}.meanwhile")]))
        .collect();
    assert_eq!(seen, said);
}

#[tokio::test]
async fn waiting_readers_live_on_while_back_is_away() {
    let mut house = House::open();
    house.say("dev", "before").await;
    let mut stream = house.stream("/api/rooms/dev/events?after=0", &[]).await;
    assert_eq!(stream.texts(1).await, ["before"]);
    assert_eq!(stream.event().await.kind, "synced");
    house.kill_back();
    until(&house, "/api/rooms/dev/messages?after=0", 503).await;
    let answer = house.get("/api/rooms/dev/messages?after=0").await;
    assert_eq!(answer.problem(), (503, "unavailable".to_owned()));
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    for path in ["/api/rooms", "/api/rooms/other/messages", "/api/rooms/dev/events", "/api/rooms/dev/users"] {
        assert_eq!(house.get(path).await.problem(), (503, "unavailable".to_owned()), "{path}");
    }
    let answer = house.ask("POST", "/api/rooms/dev/messages", &[], "x").await;
    assert_eq!(answer.problem(), (503, "unavailable".to_owned()));
    assert_eq!(house.ask("POST", "/api/sessions", &[], "").await.problem(), (503, "unavailable".to_owned()));
    house.restart_back(&[]);
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    kim.say("after").await;
    // The same stream goes on, without a word lost or repeated.
    assert_eq!(stream.texts(1).await, ["after"]);
    until(&house, "/api/rooms/dev/messages?after=0", 200).await;
}

#[tokio::test]
async fn readers_follow_back_through_deaths_without_loss() {
    let mut house = House::open();
    let mut stream = house.stream("/api/rooms/dev/events?last=0", &[]).await;
    assert_eq!(stream.event().await.kind, "synced");
    for round in 0..3 {
        let mut kim = Person::join(&house.back_address, "kim", "dev").await;
        let texts: Vec<String> = (0..20).map(|n| format!("{round}.{n}")).collect();
        for text in &texts {
            kim.say(text).await;
        }
        house.restart_back(&[]);
        assert_eq!(stream.texts(20).await, texts);
    }
}

#[tokio::test]
async fn a_stream_is_told_when_history_is_another() {
    let mut house = House::open();
    house.say("dev", "old").await;
    let mut stream = house.stream("/api/rooms/dev/events?after=0", &[]).await;
    assert_eq!(stream.texts(1).await, ["old"]);
    assert_eq!(stream.event().await.kind, "synced");
    house.forget_history();
    let gap = stream.event().await;
    assert_eq!((gap.kind.as_str(), gap.json()["reason"].as_str()), ("gap", Some("epoch")));
    assert_eq!(stream.event().await.kind, "synced");
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    kim.say("new").await;
    assert_eq!(stream.texts(1).await, ["new"]);
}

#[tokio::test]
async fn a_thousand_readers_of_a_room_are_one_connection_to_back() {
    let data = tempfile::tempdir().unwrap();
    let back = start_back(&data, "127.0.0.1:0", &[]);
    let back_address = back.said.trim_start_matches("ws://").to_owned();
    let counter = Counter::to(&back_address).await;
    let house = House::before(counter.address.clone(), &[], Some(back), back_address, data);
    let mut readers: Vec<Stream> = Vec::new();
    for _ in 0..1_000 {
        readers.push(house.stream("/api/rooms/dev/events", &[]).await);
    }
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    for n in 0..10 {
        kim.say(&n.to_string()).await;
    }
    for reader in &mut readers {
        assert_eq!(reader.event().await.kind, "synced");
        assert_eq!(reader.texts(10).await, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    }
    assert_eq!(counter.count(), 1);
}

#[tokio::test]
async fn a_room_that_nobody_reads_is_left_and_may_be_read_again() {
    let house = House::with(&[], &["--room-idle", "0.2"]);
    for round in 0..3 {
        let text = format!("{round}");
        let mut stream = house.stream("/api/rooms/dev/events?last=0", &[]).await;
        assert_eq!(stream.event().await.kind, "synced");
        house.say("dev", &text).await;
        assert_eq!(stream.texts(1).await, [text]);
        drop(stream);
        // Long enough for it to be left; whether it was, the next round does not notice.
        sleep(Duration::from_millis(600)).await;
    }
}
