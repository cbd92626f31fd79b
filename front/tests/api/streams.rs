//! Server-sent events and lines.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{house::House, http::DEADLINE, person::Person};

#[tokio::test]
async fn events_replay_then_say_so_then_go_on() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    for text in ["a", "b", "c"] {
        kim.say(text).await;
    }
    let mut stream = house.stream("/api/rooms/dev/events", &[("Accept-Encoding", "gzip")]).await;
    assert_eq!(stream.status, 200);
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert_eq!((stream.header("cache-control"), stream.header("x-accel-buffering")), ("no-store", "no"));
    assert_eq!(stream.header("content-encoding"), "", "a compressor holds events back");
    assert_eq!(stream.texts(3).await, ["a", "b", "c"]);
    let synced = stream.event().await;
    assert_eq!((synced.kind.as_str(), synced.json()["seq"].as_u64()), ("synced", Some(3)));
    kim.say("d").await;
    let event = stream.event().await;
    let epoch = house.json("/api/rooms/dev/messages").await["epoch"].as_str().unwrap().to_owned();
    assert_eq!((event.id, event.kind), (format!("{epoch}:4"), "message".to_owned()));
    let live = kim.until(|said| said["type"] == "message" && said["text"] == "d").await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&event.data).unwrap(), live, "the JSON of the socket");
}

#[tokio::test]
async fn a_stream_begins_where_it_is_told_to() {
    let house = House::open();
    for text in ["a", "b", "c"] {
        house.say("dev", text).await;
    }
    let epoch = house.json("/api/rooms/dev/messages").await["epoch"].as_str().unwrap().to_owned();
    let begins = async |path: &str, headers: &[(&str, &str)], count| {
        let mut stream = house.stream(&format!("/api/rooms/dev/events{path}"), headers).await;
        let texts = stream.texts(count).await;
        assert_eq!(stream.event().await.kind, "synced");
        texts
    };
    assert_eq!(begins(&format!("?after={epoch}:1"), &[], 2).await, ["b", "c"]);
    assert_eq!(begins("?after=2", &[], 1).await, ["c"]);
    assert_eq!(begins("?last=1", &[], 1).await, ["c"]);
    assert_eq!(begins("?last=0", &[], 0).await, Vec::<String>::new());
    let seen = format!("{epoch}:2");
    assert_eq!(begins("?after=0", &[("Last-Event-ID", &seen)], 1).await, ["c"], "what the browser has seen wins");
}

#[tokio::test]
async fn lines_are_the_same_as_events() {
    let house = House::open();
    house.say("dev", "a").await;
    let mut stream = house.stream("/api/rooms/dev/stream?after=0", &[]).await;
    assert_eq!(stream.header("content-type"), "application/x-ndjson");
    let (message, synced) = (stream.line().await, stream.line().await);
    assert_eq!((message["type"].as_str(), message["text"].as_str()), (Some("message"), Some("a")));
    assert_eq!((synced["type"].as_str(), synced["seq"].as_u64()), (Some("synced"), Some(1)));
    house.say("dev", "b").await;
    assert_eq!(stream.line().await["text"], "b");
}

#[tokio::test]
async fn whoever_is_too_far_behind_is_told_and_gets_the_newest() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    for n in 1..=1_300 {
        kim.send(json!({ "type": "send", "text": n.to_string() })).await;
    }
    kim.say("last").await;
    let mut stream = house.stream("/api/rooms/dev/events?after=1", &[]).await;
    let gap = stream.event().await;
    assert_eq!((gap.kind.as_str(), gap.json()["reason"].as_str()), ("gap", Some("too_many")));
    assert_eq!((gap.json()["from"].as_u64(), gap.json()["to"].as_u64()), (Some(2), Some(1_101)));
    assert!(gap.id.ends_with(":1101"), "{}", gap.id);
    let texts = stream.texts(200).await;
    assert_eq!((texts[0].as_str(), texts[199].as_str()), ("1102", "last"));
    // Less than that is brought whole, from further back than front keeps.
    let mut stream = house.stream("/api/rooms/dev/events?after=400", &[]).await;
    let texts = stream.texts(901).await;
    assert_eq!((texts[0].as_str(), texts[900].as_str()), ("401", "last"));
}

#[tokio::test]
async fn another_history_is_said_and_its_newest_are_shown() {
    let house = House::open();
    for n in 1..=60 {
        house.say("dev", &n.to_string()).await;
    }
    let mut stream = house.stream("/api/rooms/dev/events?after=elsewhere:7", &[]).await;
    let gap = stream.event().await;
    assert_eq!(
        (gap.kind.as_str(), gap.json()["reason"].as_str(), gap.json()["to"].as_u64()),
        ("gap", Some("epoch"), Some(60))
    );
    assert!(gap.id.ends_with(":10"), "whoever is cut off here still gets them: {}", gap.id);
    assert_eq!(stream.texts(50).await[0], "11");
    assert_eq!(stream.event().await.kind, "synced");
}

#[tokio::test]
async fn whoever_speaks_http_1_0_gets_a_stream_without_chunks() {
    let house = House::open();
    house.say("dev", "a").await;
    let mut stream = TcpStream::connect(&house.front_address).await.unwrap();
    stream.write_all(b"GET /api/rooms/dev/events HTTP/1.0\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let whole = async {
        while !answer.ends_with(b"\"seq\":1}\n\n") || !String::from_utf8_lossy(&answer).contains("event: synced") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "it ended: {answer:?}");
        }
    };
    timeout(DEADLINE, whole).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("chunked"), "{head}");
    assert!(body.starts_with("retry: 1000\n\nid: "), "{body}");
}
