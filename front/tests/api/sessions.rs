//! A WebSocket client's life over HTTP.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    house::House,
    http::{Answer, DEADLINE, Stream, ask},
    person::Person,
};

/// Somebody who lives over HTTP.
struct Guest {
    front: String,
    at: String,
    secret: String,
    welcome: Value,
}

impl Guest {
    async fn begin(front: &str, hello: Value) -> Self {
        let answer = ask(front, "POST", "/api/sessions", &[], hello.to_string().as_bytes()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let welcome = answer.json();
        assert_eq!(answer.header("location"), format!("/api/sessions/{}", welcome["user"].as_str().unwrap()));
        let secret = format!("Bearer {}", welcome["session"].as_str().unwrap());
        Self { front: front.to_owned(), at: answer.header("location").to_owned(), secret, welcome }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let headers = [("Authorization", self.secret.as_str())];
        ask(&self.front, method, &format!("{}{path}", self.at), &headers, body.as_bytes()).await
    }

    async fn command(&self, commands: Value) {
        let answer = self.ask("POST", "/commands", &commands.to_string()).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    async fn stream(&self, path: &str) -> Stream {
        let headers = [("Authorization", self.secret.as_str())];
        Stream::open(&self.front, &format!("{}/events{path}", self.at), &headers).await
    }
}

/// The next frame that is like this.
async fn until(stream: &mut Stream, wanted: impl Fn(&Value) -> bool) -> Value {
    loop {
        let event = stream.event().await;
        assert_eq!(event.kind, "", "{event:?}");
        if wanted(&event.json()) {
            return event.json();
        }
    }
}

#[tokio::test]
async fn a_whole_life_over_http() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    let guest = Guest::begin(&house.front_address, json!({ "name": "lee", "rooms": { "dev": {} } })).await;
    assert_eq!(guest.welcome["type"], "welcome");
    // People who speak WebSocket see them come.
    let came = kim.until(|said| said["type"] == "presence" && said["count"] == 2).await;
    // One delta may tell of both.
    assert!(came["joined"].as_array().unwrap().iter().any(|person| person["name"] == "lee"), "{came}");
    let mut stream = guest.stream("").await;
    let first = stream.event().await;
    assert_eq!((first.id.as_str(), &first.json()), ("1", &guest.welcome));
    until(&mut stream, |frame| frame["type"] == "synced").await;
    // While the room is quiet: a busy one sheds it.
    guest.command(json!({ "type": "typing", "room": "dev" })).await;
    assert_eq!(kim.until(|said| said["type"] == "typing").await["name"], "lee");
    // Commands keep their order, and are answered among the frames.
    let commands: Vec<Value> =
        (0..20).map(|n| json!({ "type": "send", "id": n.to_string(), "text": n.to_string() })).collect();
    guest.command(json!(commands)).await;
    for n in 0..20 {
        assert_eq!(kim.until(|said| said["type"] == "message").await["text"], n.to_string());
    }
    until(&mut stream, |frame| frame["type"] == "ok" && frame["id"] == "19").await;
    kim.say("hello lee").await;
    until(&mut stream, |frame| frame["text"] == "hello lee").await;
    guest.command(json!({ "type": "sned", "id": "x" })).await;
    assert_eq!(until(&mut stream, |frame| frame["type"] == "error").await["code"], "unknown_type");
    // Goodbye is heard at once, without the grace of those who are cut off.
    let begun = Instant::now();
    assert_eq!(guest.ask("DELETE", "", "").await.status, 204);
    kim.until(|said| said["type"] == "presence" && said["count"] == 1).await;
    assert!(begun.elapsed() < Duration::from_secs(12), "it was a grace");
    assert_eq!(guest.ask("POST", "/commands", "{}").await.problem(), (404, "no_session".to_owned()));
}

#[tokio::test]
async fn frames_can_be_polled_and_are_forgotten_when_confirmed() {
    let house = House::open();
    let guest = Guest::begin(&house.front_address, json!({ "rooms": { "dev": {} } })).await;
    let mut next = 0;
    let mut frames = Vec::new();
    while !frames.iter().any(|frame: &Value| frame["type"] == "synced") {
        let answer = guest.ask("GET", &format!("/events?after={next}&wait=20"), "").await.json();
        frames.extend(answer["frames"].as_array().unwrap().clone());
        next = answer["next"].as_u64().unwrap();
    }
    assert_eq!((frames[0]["type"].as_str(), frames.len() as u64), (Some("welcome"), next));
    let answer = guest.ask("GET", &format!("/events?after={next}&wait=0"), "").await.json();
    assert_eq!((answer["frames"].as_array().map(Vec::len), answer["next"].as_u64()), (Some(0), Some(next)));
    // A poll that waits is woken.
    let begun = Instant::now();
    let poll = async {
        loop {
            let answer = guest.ask("GET", &format!("/events?after={next}&wait=25"), "").await.json();
            next = answer["next"].as_u64().unwrap();
            // The presence of oneself may come before it.
            if answer["frames"].as_array().unwrap().iter().any(|frame| frame["type"] == "pong") {
                return;
            }
        }
    };
    tokio::join!(poll, async {
        sleep(Duration::from_millis(300)).await;
        guest.command(json!({ "type": "ping", "id": "p" })).await;
    });
    assert!(begun.elapsed() < Duration::from_secs(15));
    let forgotten = guest.ask("GET", "/events?after=0&wait=0", "").await;
    assert_eq!(forgotten.problem(), (404, "no_session".to_owned()));
}

#[tokio::test]
async fn a_second_reader_replaces_the_first_and_goes_on_where_it_was() {
    let house = House::open();
    let guest = Guest::begin(&house.front_address, json!({})).await;
    let mut one = guest.stream("").await;
    assert_eq!(one.event().await.id, "1");
    let mut two = guest.stream("?after=0").await;
    assert_eq!(two.event().await.id, "1", "not confirmed, so not forgotten");
    assert_eq!(one.try_event().await, None, "the first ends");
    guest.command(json!({ "type": "ping" })).await;
    assert_eq!(two.event().await.json()["type"], "pong");
}

#[tokio::test]
async fn another_front_takes_over_with_the_secret_and_the_position() {
    let house = House::open();
    let (_other, other) = house.another_front();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    let guest = Guest::begin(&house.front_address, json!({ "name": "lee", "rooms": { "dev": {} } })).await;
    let mut stream = guest.stream("").await;
    let joined = until(&mut stream, |frame| frame["type"] == "joined").await;
    kim.say("a").await;
    let seen = until(&mut stream, |frame| frame["text"] == "a").await;
    kim.say("b").await;
    let mut hello = json!({ "session": guest.welcome["session"] });
    hello["rooms"]["dev"] = json!({ "epoch": joined["epoch"], "seq": seen["seq"] });
    let again = Guest::begin(&other, hello).await;
    assert_eq!((&again.welcome["user"], &again.welcome["name"]), (&guest.welcome["user"], &json!("lee")));
    let mut moved = again.stream("").await;
    assert_eq!(until(&mut moved, |frame| frame["type"] == "message").await["text"], "b");
    // The first front's reader hears why it ends.
    let end = loop {
        let event = stream.event().await;
        if event.kind == "close" {
            break event.json();
        }
    };
    assert_eq!(end["code"], 4005);
    assert_eq!(stream.try_event().await, None);
    let who = kim.ask(json!({ "type": "who", "id": "w" })).await;
    assert_eq!(who["count"], 2, "nobody is there twice");
}

#[tokio::test]
async fn a_session_that_nobody_reads_ends_with_grace() {
    let house = House::with(&["--presence-grace", "1"], &["--session-idle", "2"]);
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    let guest = Guest::begin(&house.front_address, json!({ "name": "lee", "rooms": { "dev": {} } })).await;
    kim.until(|said| said["type"] == "presence" && said["count"] == 2).await;
    // Who reads is not idle, however long nothing comes.
    let mut stream = guest.stream("").await;
    until(&mut stream, |frame| frame["type"] == "synced").await;
    sleep(Duration::from_secs(4)).await;
    guest.command(json!({ "type": "ping" })).await;
    until(&mut stream, |frame| frame["type"] == "pong").await;
    drop(stream);
    kim.until(|said| said["type"] == "presence" && said["count"] == 1).await;
    let begun = Instant::now();
    while guest.ask("POST", "/commands", r#"{"type":"ping"}"#).await.status != 404 {
        assert!(begun.elapsed() < DEADLINE, "it lives on");
        sleep(Duration::from_millis(100)).await;
    }
    // With the same secret it is the same person again.
    let again = Guest::begin(&house.front_address, json!({ "session": guest.welcome["session"] })).await;
    assert_eq!(again.welcome["user"], guest.welcome["user"]);
}

#[tokio::test]
async fn the_end_of_back_is_told_with_its_code() {
    let mut house = House::open();
    let guest = Guest::begin(&house.front_address, json!({})).await;
    let mut stream = guest.stream("").await;
    assert_eq!(stream.event().await.id, "1");
    house.kill_back();
    let event = stream.event().await;
    assert_eq!((event.kind.as_str(), event.json()["code"].as_u64()), ("close", Some(1006)));
    let polled = guest.ask("GET", "/events?after=1&wait=25", "").await.json();
    assert_eq!(polled["closed"]["code"], 1006);
    assert_eq!(guest.ask("POST", "/commands", "{}").await.problem(), (404, "no_session".to_owned()));
}

#[tokio::test]
async fn an_end_that_was_told_makes_place_for_a_new_beginning() {
    let mut house = House::with(&[], &["--sessions", "2"]);
    let polling = Guest::begin(&house.front_address, json!({})).await;
    let streaming = Guest::begin(&house.front_address, json!({})).await;
    let mut stream = streaming.stream("?after=1").await;
    house.restart_back(&[]);
    while stream.event().await.kind != "close" {}
    while polling.ask("GET", "/events?after=0&wait=20", "").await.json()["closed"].is_null() {}
    // Both come back at once: those who have ended do not keep them out.
    let begun = Instant::now();
    for guest in [&polling, &streaming] {
        let hello = json!({ "session": guest.welcome["session"] }).to_string();
        while ask(&house.front_address, "POST", "/api/sessions", &[], hello.as_bytes()).await.status != 201 {
            assert!(begun.elapsed() < Duration::from_secs(15), "the place stays taken");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn only_the_holder_of_the_secret_is_answered() {
    let house = House::open();
    let guest = Guest::begin(&house.front_address, json!({})).await;
    let other = Guest::begin(&house.front_address, json!({})).await;
    for (method, path) in [("GET", "/events"), ("POST", "/commands"), ("DELETE", "")] {
        let path = format!("{}{path}", guest.at);
        let without = house.ask(method, &path, &[], "").await;
        assert_eq!(without.problem(), (401, "unauthorized".to_owned()));
        assert_eq!(without.header("www-authenticate"), "Bearer");
        let odd = house.ask(method, &path, &[("Authorization", "Bearer x")], "").await;
        assert_eq!(odd.problem(), (401, "unauthorized".to_owned()));
        let foreign = house.ask(method, &path, &[("Authorization", &other.secret)], "").await;
        assert_eq!(foreign.problem(), (404, "no_session".to_owned()), "{method} {path}");
    }
    assert_eq!(guest.ask("POST", "/commands", r#"{"type":"ping"}"#).await.status, 202);
}

#[tokio::test]
async fn a_hello_that_makes_no_sense_is_refused() {
    let house = House::open();
    for (hello, code) in [
        ("{", "bad_json"),
        ("[]", "bad_json"),
        (r#"{"type":"send"}"#, "bad_field"),
        (r#"{"session":"short"}"#, "bad_field"),
        (r#"{"name":""}"#, "bad_name"),
        (r#"{"rooms":{"a/b":{}}}"#, "bad_name"),
    ] {
        assert_eq!(house.ask("POST", "/api/sessions", &[], hello).await.problem(), (400, code.to_owned()), "{hello}");
    }
    let guest = Guest::begin(&house.front_address, json!({ "type": "hello" })).await;
    let many = json!(vec![json!({ "type": "ping" }); 33]).to_string();
    assert_eq!(guest.ask("POST", "/commands", &many).await.problem(), (413, "too_big".to_owned()));
    for bad in ["", "1", "[1]", "{"] {
        assert_eq!(guest.ask("POST", "/commands", bad).await.problem(), (400, "bad_json".to_owned()), "{bad}");
    }
}
