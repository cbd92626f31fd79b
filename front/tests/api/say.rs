//! Saying something with one request.

use std::time::Instant;

use serde_json::json;

use crate::{
    house::House,
    http::{Answer, DEADLINE, ask},
    ops::{OPS, scrape_until},
    person::Person,
    signin::{self, Closed},
};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const AT: &str = "/api/rooms/dev/messages";

#[tokio::test]
async fn text_forms_and_json_are_all_understood() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    // What `curl -d 'a=b & c%20+d'` sends.
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = house.ask("POST", &format!("{AT}?name=cron"), &form, "a=b & c%20+d").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let ok = answer.json();
    assert_eq!((ok["type"].as_str(), ok["room"].as_str(), ok["seq"].as_u64()), (Some("ok"), Some("dev"), Some(1)));
    let heard = kim.until(|said| said["type"] == "message").await;
    assert_eq!((heard["text"].as_str(), heard["name"].as_str()), (Some("a=b & c%20+d"), Some("cron")));
    let answer = house.ask("POST", AT, &[("Content-Type", "text/plain; charset=utf-8")], "안녕\n").await;
    assert_eq!(answer.status, 201);
    assert_eq!(kim.until(|said| said["type"] == "message").await["text"], "안녕\n", "verbatim");
    let said = json!({ "text": "x", "name": "ci", "id": "7", "reply_to": 1 }).to_string();
    let answer = house.ask("POST", AT, &[JSON], &said).await;
    assert_eq!((answer.status, answer.json()["id"].as_str()), (201, Some("7")));
    let heard = kim.until(|said| said["type"] == "message").await;
    assert_eq!((heard["name"].as_str(), heard["reply_to"].as_u64()), (Some("ci"), Some(1)));
}

#[tokio::test]
async fn whoever_posts_is_not_counted_among_the_people() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    let _stream = house.stream("/api/rooms/dev/events", &[]).await;
    house.say("dev", "x").await;
    let who = kim.ask(json!({ "type": "who", "id": "w", "room": "dev" })).await;
    assert_eq!(who["count"], 1);
}

#[tokio::test]
async fn one_key_is_stored_once_also_when_front_has_forgotten_it() {
    let mut house = House::open();
    let said = json!({ "text": "once", "name": "ci" }).to_string();
    let headers = [JSON, ("Idempotency-Key", "build-7")];
    let first = house.ask("POST", AT, &headers, &said).await;
    let second = house.ask("POST", AT, &headers, &said).await;
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!((second.json()["duplicate"].as_bool(), &second.json()["seq"]), (Some(true), &first.json()["seq"]));
    house.restart_front();
    assert_eq!(house.ask("POST", AT, &headers, &said).await.status, 200);
    assert_eq!(house.json(AT).await["top"], 1);
}

#[tokio::test]
async fn strangers_with_the_same_key_do_not_swallow_each_others_messages() {
    let house = House::open();
    let say = async |text: &str, name: &str| -> Answer {
        let said = json!({ "text": text, "name": name }).to_string();
        house.ask("POST", AT, &[JSON, ("Idempotency-Key", "1")], &said).await
    };
    assert_eq!(say("a", "kim").await.status, 201);
    assert_eq!(say("b", "kim").await.status, 201);
    assert_eq!(say("a", "lee").await.status, 201);
    assert_eq!(say("a", "kim").await.status, 200);
    assert_eq!(house.json(AT).await["top"], 3);
}

#[tokio::test]
async fn a_session_says_who_speaks() {
    let house = House::open();
    let mut lee = Person::join(&house.back_address, "lee", "dev").await;
    let secret = format!("Bearer {}", "s".repeat(22));
    let headers = [JSON, ("Authorization", secret.as_str()), ("Idempotency-Key", "k")];
    let answer = house.ask("POST", AT, &headers, r#"{"text":"a","name":"kim"}"#).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let one = lee.until(|said| said["type"] == "message").await;
    // The key belongs to the session: another text does not make it another message.
    assert_eq!(house.ask("POST", AT, &headers, r#"{"text":"b"}"#).await.status, 200);
    let headers = [JSON, ("Authorization", secret.as_str())];
    assert_eq!(house.ask("POST", AT, &headers, r#"{"text":"c","name":"kim"}"#).await.status, 201);
    let two = lee.until(|said| said["type"] == "message").await;
    assert_eq!((&one["user"], two["text"].as_str()), (&two["user"], Some("c")));
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_in_the_protocols_words() {
    let house = House::open();
    let refused = async |headers: &[(&str, &str)], body: &str| house.ask("POST", AT, headers, body).await.problem();
    let bad = |code: &str| (400, code.to_owned());
    for (body, code) in [
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ("", "bad_json"),
        ("{}", "bad_field"),
        (r#"{"text":7}"#, "bad_field"),
        (r#"{"text":" "}"#, "bad_field"),
        (r#"{"text":"x","id":""}"#, "bad_field"),
        (r#"{"text":"x","name":"\u0000"}"#, "bad_name"),
        (r#"{"text":"x","name":7}"#, "bad_name"),
        (r#"{"text":"x","reply_to":-1}"#, "bad_field"),
    ] {
        assert_eq!(refused(&[JSON], body).await, bad(code), "{body}");
    }
    assert_eq!(refused(&[("Content-Type", "image/png")], "x").await, bad("bad_field"));
    assert_eq!(refused(&[JSON, ("Idempotency-Key", "a")], r#"{"text":"x","id":"b"}"#).await, bad("bad_field"));
    assert_eq!(refused(&[JSON, ("Idempotency-Key", &"k".repeat(65))], r#"{"text":"x"}"#).await, bad("bad_field"));
    assert_eq!(
        refused(&[JSON, ("Authorization", "Basic x")], r#"{"text":"x"}"#).await,
        (401, "unauthorized".to_owned())
    );
    assert_eq!(refused(&[("Content-Type", "text/plain")], &"x".repeat(20_000)).await, (413, "too_big".to_owned()));
    assert_eq!(refused(&[("Content-Type", "text/plain")], &"x".repeat(70_000)).await, (413, "too_big".to_owned()));
    // As a text it fits; as JSON it is six times as long.
    assert_eq!(refused(&[("Content-Type", "text/plain")], &"\u{1}".repeat(15_000)).await, (413, "too_big".to_owned()));
    let bytes = ask(&house.front_address, "POST", AT, &[("Content-Type", "text/plain")], b"\xff\xfe").await;
    assert_eq!(bytes.problem(), bad("bad_json"));
    assert_eq!(house.json(AT).await["top"], 0, "nothing of it was stored");
}

#[tokio::test]
async fn who_says_too_much_is_told_when_to_come_back() {
    let house = House::with(&["--sends-per-second", "1"], &[]);
    let secret = format!("Bearer {}", "s".repeat(22));
    let headers = [("Authorization", secret.as_str())];
    let mut refused = None;
    for n in 0..20 {
        let answer = house.ask("POST", AT, &headers, &n.to_string()).await;
        if answer.status != 201 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a refusal");
    assert_eq!(refused.problem(), (429, "rate_limited".to_owned()));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
}

/// The chat server lets guests in, and would take what comes without a ticket for a guest's.
#[tokio::test]
async fn who_is_taken_out_while_their_message_waits_says_nothing() {
    let closed = Closed::around(&[], &OPS);
    let cookie = closed.sign_in("kim").await;
    closed.house.hold_back(true);
    let said = closed.ask("POST", "/api/rooms/dev/messages", &cookie, r#"{"text":"from outside"}"#);
    let leave = async {
        scrape_until(&closed.house, |seen| seen.value("madang_front_open", &[("what", "post")]) == 1.0).await;
        assert!(signin::front(closed.folder.path(), &["user", "remove", "kim"], "").status.success());
        let begun = Instant::now();
        while closed.ask("GET", "/api/rooms/dev/users", &cookie, "").await.status != 401 {
            assert!(begun.elapsed() < DEADLINE, "they are still in");
        }
        closed.house.hold_back(false);
    };
    let (answer, ()) = tokio::join!(said, leave);
    // On a slow machine the chat server stood still for too long.
    assert!([401, 503].contains(&answer.status), "{answer:?}");
    let mut guest = Person::join(&closed.house.back_address, "lee", "dev").await;
    let history = guest.ask(json!({ "type": "history", "id": "h", "room": "dev" })).await;
    assert_eq!(history["messages"], json!([]), "{history}");
}
