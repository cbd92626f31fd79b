//! Polling.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    house::House,
    http::{Answer, escaped},
    person::Person,
};

fn texts(page: &Value) -> Vec<&str> {
    page["messages"].as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_poll_answers_what_came_after_a_position_and_says_what_to_ask_next() {
    let house = House::open();
    let empty = house.json("/api/rooms/dev/messages").await;
    assert_eq!((empty["room"].as_str(), empty["top"].as_u64(), texts(&empty).len()), (Some("dev"), Some(0), 0));
    let position = empty["position"].as_str().unwrap().to_owned();
    assert_eq!(position, format!("{}:0", empty["epoch"].as_str().unwrap()));
    for text in ["a", "b", "c"] {
        house.say("dev", text).await;
    }
    let page = house.json(&format!("/api/rooms/dev/messages?after={position}&limit=2")).await;
    assert_eq!((texts(&page), page["more"].as_bool()), (vec!["a", "b"], Some(true)));
    assert!(page["messages"][0]["type"] == "message" && page["messages"][0]["seq"] == 1, "{page}");
    let position = page["position"].as_str().unwrap();
    let page = house.json(&format!("/api/rooms/dev/messages?after={position}")).await;
    assert_eq!((texts(&page), page["more"].as_bool()), (vec!["c"], Some(false)));
    let page = house.json("/api/rooms/dev/messages?after=1").await;
    assert_eq!(texts(&page), ["b", "c"], "a number alone means the present history");
    assert_eq!(texts(&house.json("/api/rooms/dev/messages?limit=2").await), ["b", "c"], "the newest");
    let head = house.ask("HEAD", "/api/rooms/dev/messages", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_long_poll_wakes_at_once_and_ends_in_vain_when_nothing_comes() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    kim.say("before").await;
    let page = house.json("/api/rooms/dev/messages").await;
    let path = format!("/api/rooms/dev/messages?after={}", page["position"].as_str().unwrap());
    let begun = Instant::now();
    let waiting = async { house.json(&format!("{path}&wait=25")).await };
    let saying = async {
        // The poll waits when the room is read: only then there is somebody to wake.
        tokio::time::sleep(Duration::from_millis(500)).await;
        kim.say("now").await;
        Instant::now()
    };
    let (page, said) = tokio::join!(waiting, saying);
    assert_eq!(texts(&page), ["now"]);
    assert!(said.elapsed() < Duration::from_secs(5) && begun.elapsed() < Duration::from_secs(20), "it waited on");
    let path = format!("/api/rooms/dev/messages?after={}&wait=1", page["position"].as_str().unwrap());
    let begun = Instant::now();
    let page = house.json(&path).await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "it did not wait");
    assert_eq!(texts(&page), Vec::<&str>::new());
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let house = House::open();
    house.say("dev", "a").await;
    let ask = async |query: &str, tag: &str| -> Answer {
        house.ask("GET", &format!("/api/rooms/dev/messages{query}"), &[("If-None-Match", tag)], "").await
    };
    let first = ask("", "").await;
    let tag = first.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", first.json()["position"].as_str().unwrap()));
    assert_eq!(first.header("cache-control"), "no-cache");
    let again = ask("", &tag).await;
    assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", tag.as_str()));
    assert_eq!(ask("?after=1", &format!("W/{tag}")).await.status, 304);
    let begun = Instant::now();
    assert_eq!(ask("?wait=1", &tag).await.status, 304);
    assert!(begun.elapsed() >= Duration::from_secs(1), "it did not wait");
    house.say("dev", "b").await;
    let new = ask("", &tag).await;
    assert_eq!((new.status, texts(&new.json())), (200, vec!["a", "b"]));
}

#[tokio::test]
async fn a_page_from_the_middle_is_sent_again_when_one_of_its_messages_was_edited() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    for text in ["a", "b", "c"] {
        kim.say(text).await;
    }
    let ask = async |tag: &str| {
        house.ask("GET", "/api/rooms/dev/messages?after=0&limit=2", &[("If-None-Match", tag)], "").await
    };
    let tag = ask("").await.header("etag").to_owned();
    assert_eq!(ask(&tag).await.status, 304);
    kim.ask(serde_json::json!({ "type": "edit", "id": "e", "seq": 1, "text": "A" })).await;
    // Front hears of it at its own pace.
    house.json("/api/rooms/dev/messages?after=3&wait=20").await;
    let again = ask(&tag).await;
    assert_eq!((again.status, texts(&again.json())), (200, vec!["A", "b"]));
}

#[tokio::test]
async fn pages_go_back_and_around() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "회의").await;
    for n in 1..=9 {
        kim.say(&n.to_string()).await;
    }
    let room = format!("/api/rooms/{}", escaped("회의"));
    let page = house.json(&format!("{room}/messages?before=5&limit=3")).await;
    assert_eq!((texts(&page), page["more"].as_bool()), (vec!["2", "3", "4"], Some(true)));
    assert_eq!(texts(&house.json(&format!("{room}/messages?around=5&limit=3")).await), ["4", "5", "6"]);
    // Another spelling of the same name (NFD) is the same room.
    let decomposed = escaped("\u{1112}\u{116c}\u{110b}\u{1174}");
    assert_eq!(house.json(&format!("/api/rooms/{decomposed}/messages")).await["room"], "회의");
}

#[tokio::test]
async fn another_history_and_a_forgotten_past_are_said() {
    let house = House::with(&["--history-messages", "5"], &[]);
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    for n in 1..=20 {
        kim.say(&n.to_string()).await;
    }
    let page = house.json("/api/rooms/dev/messages?after=elsewhere:3").await;
    assert_eq!((page["gap"]["reason"].as_str(), page["gap"]["to"].as_u64()), (Some("epoch"), Some(20)));
    assert_eq!(texts(&page).last(), Some(&"20"));
    let epoch = page["epoch"].as_str().unwrap();
    let page = house.json(&format!("/api/rooms/dev/messages?after={epoch}:999")).await;
    assert_eq!(page["gap"]["reason"], "epoch", "there is no such number");
    let page = house.json(&format!("/api/rooms/dev/messages?after={epoch}:2&limit=200")).await;
    let shown: Vec<u64> = page["messages"].as_array().unwrap().iter().map(|m| m["seq"].as_u64().unwrap()).collect();
    if let Some(to) = page["gap"]["to"].as_u64() {
        assert_eq!((page["gap"]["reason"].as_str(), page["gap"]["from"].as_u64()), (Some("expired"), Some(3)));
        assert_eq!(shown[0], to + 1);
    } else {
        assert_eq!(shown[0], 3);
    }
    assert_eq!(shown.last(), Some(&20));
}

#[tokio::test]
async fn what_was_edited_away_is_not_handed_out_any_more() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    kim.say("secret").await;
    assert_eq!(texts(&house.json("/api/rooms/dev/messages?after=0").await), ["secret"]);
    let edit = serde_json::json!({ "type": "edit", "id": "e", "seq": 1, "text": "public" });
    kim.ask(edit).await;
    let page = house.json("/api/rooms/dev/messages?after=1&wait=20").await;
    assert_eq!((page["messages"][0]["edits"].as_u64(), texts(&page)), (Some(1), vec!["public"]));
    let page = house.json("/api/rooms/dev/messages?after=0").await;
    assert_eq!((page["messages"][0]["edited"].as_u64(), texts(&page)), (Some(2), vec!["public", "public"]));
}
