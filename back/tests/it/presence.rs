//! Who is there: comings, goings and names.

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    client::{Client, DEADLINE},
    server::TestServer,
};

const FAST: [&str; 4] = ["--presence-interval", "0.05", "--presence-grace", "0.4"];

fn names(delta: &Value, field: &str) -> Vec<String> {
    let people = delta[field].as_array().cloned().unwrap_or_default();
    people.iter().map(|person| person["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn coming_and_quitting_are_seen_at_once() {
    let server = TestServer::with(&["--presence-interval", "0.05", "--presence-grace", "600"]);
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let mut lee = Client::in_room(server.address, "lee", "dev").await;
    let delta = kim.find(|delta| names(delta, "joined").contains(&"lee".to_owned())).await;
    assert_eq!((&delta["type"], &delta["count"]), (&json!("presence"), &json!(2)));
    lee.send(json!({"type": "quit"})).await;
    let delta = kim.find(|delta| !names(delta, "left").is_empty()).await;
    assert_eq!((names(&delta, "left"), &delta["count"]), (vec!["lee".to_owned()], &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hides_from_presence_reads_and_speaks_and_is_counted_nowhere() {
    let server = TestServer::with(&FAST);
    let (mut kim, welcome) = Client::hello(server.address, "kim", json!({"dev": {}})).await;
    kim.until("synced").await;
    let mut script = Client::chat(server.address).await;
    let session = &welcome["session"];
    script
        .send(json!({"type": "hello", "session": session, "name": "kim-bot", "presence": false, "rooms": {"dev": {}}}))
        .await;
    let greeted = script.next().await;
    assert_eq!((&greeted["user"], &greeted["name"]), (&welcome["user"], &json!("kim-bot")));
    let joined = script.until("joined").await;
    assert_eq!((&joined["count"], &joined["users"][0]["name"]), (&json!(1), &json!("kim")));
    script.until("synced").await;
    script.send(json!({"type": "typing", "room": "dev"})).await;
    let ok = script.ask(json!({"type": "send", "id": "1", "room": "dev", "text": "built"})).await;
    assert_eq!(ok["type"], "ok");
    // The tab of the same session was not replaced, and hears both; of its script it hears nothing else.
    let heard = kim.find(|heard| heard["type"] != "presence" || heard["count"] != 1).await;
    assert_eq!(
        (&heard["type"], &heard["name"], &heard["user"]),
        (&json!("message"), &json!("kim-bot"), &welcome["user"])
    );
    kim.send(json!({"type": "send", "id": "2", "room": "dev", "text": "thanks"})).await;
    assert_eq!(script.find(|heard| heard["text"] == "thanks").await["name"], "kim");
    // Its going takes nobody's seat either; the next delta after it is about somebody else.
    script.send(json!({"type": "quit"})).await;
    script.until("bye").await;
    let _lee = Client::in_room(server.address, "lee", "dev").await;
    let delta = kim.find(|delta| delta["type"] == "presence" && delta["count"] != 1).await;
    assert_eq!((&delta["count"], names(&delta, "left")), (&json!(2), Vec::<String>::new()));
    assert!(names(&delta, "joined").iter().all(|name| name == "kim" || name == "lee"), "{delta}");
    let who = kim.ask(json!({"type": "who", "id": "3", "room": "dev"})).await;
    assert_eq!(who["count"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_gone_after_the_grace_however_it_ended() {
    let server = TestServer::with(&FAST);
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    Client::in_room(server.address, "dropped", "dev").await.vanish();
    let mut closed = Client::in_room(server.address, "closed", "dev").await;
    closed.websocket.close(None).await.unwrap();
    let mut gone = Vec::new();
    while gone.len() < 2 {
        gone.extend(names(&kim.until("presence").await, "left"));
    }
    gone.sort();
    assert_eq!(gone, ["closed", "dropped"]);
    drop((kim, closed));
    let empty = async {
        while server.hub.people().count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, empty).await.expect("the registry still holds a connection that is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_shows_nothing() {
    let server = TestServer::with(&["--presence-interval", "0.05", "--presence-grace", "600"]);
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let (lee, welcome) = Client::hello(server.address, "lee", json!({"dev": {}})).await;
    kim.find(|delta| names(delta, "joined").contains(&"lee".to_owned())).await;
    lee.vanish();
    let mut lee = Client::chat(server.address).await;
    lee.send(json!({"type": "hello", "session": welcome["session"], "rooms": {"dev": {}}})).await;
    assert_eq!(lee.until("joined").await["count"], 2);
    // Somebody else's coming is told after whatever would have been told of the reload.
    let _park = Client::in_room(server.address, "park", "dev").await;
    let delta = kim.until("presence").await;
    assert_eq!((names(&delta, "joined"), names(&delta, "left")), (vec!["park".to_owned()], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_is_seen_by_the_room_and_in_what_is_said() {
    let server = TestServer::with(&FAST);
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let mut lee = Client::in_room(server.address, "lee", "dev").await;
    // Decomposed, as some keyboards write it.
    let ok = lee.ask(json!({"type": "name", "id": "1", "name": " \u{1106}\u{1175}\u{11ab}\u{1109}\u{116e} "})).await;
    assert_eq!(ok["name"], "민수");
    let delta =
        kim.find(|delta| delta["renamed"].is_array() || names(delta, "joined").contains(&"민수".to_owned())).await;
    assert_eq!(delta["count"], 2);
    lee.send(json!({"type": "send", "text": "x"})).await;
    assert_eq!(kim.until("message").await["name"], "민수");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_room_tells_numbers_and_is_read_by_who() {
    let server = TestServer::with(&["--presence-interval", "0.05"]);
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let mut others = Vec::new();
    for number in 0..260 {
        others.push(Client::in_room(server.address, &format!("n{number}"), "dev").await);
    }
    let delta = kim.find(|delta| delta["count"].as_u64().is_some_and(|count| count > 250)).await;
    assert!(names(&delta, "joined").len() <= 50);
    let mut people = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = kim.ask(json!({"type": "who", "id": "1", "after": after})).await;
        people.extend(page["users"].as_array().unwrap().clone());
        if page["more"] == false {
            break;
        }
        after = people.last().unwrap()["user"].clone();
    }
    assert_eq!(people.len(), 261);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fell_behind_is_told_who_is_here() {
    let flags = ["--sends-per-second", "0", "--presence-interval", "0.05", "--stall-timeout", "60"];
    let server = TestServer::with(&flags);
    let mut slow = Client::with_small_window(server.address, "/rooms/dev", None).await;
    slow.until("synced").await;
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    // What its socket takes is taken, so that it is behind when xenia comes.
    for id in 0..100 {
        kim.ask(json!({"type": "send", "id": format!("before {id}"), "text": "x".repeat(16_000)})).await;
    }
    let _xenia = Client::in_room(server.address, "xenia", "dev").await;
    kim.find(|delta| names(delta, "joined").contains(&"xenia".to_owned())).await;
    // More than the room's log holds, so that the news of xenia is not in it any more.
    for id in 0..250 {
        kim.ask(json!({"type": "send", "id": id.to_string(), "text": "x".repeat(16_000)})).await;
    }
    let delta = slow.find(|delta| names(delta, "joined").contains(&"xenia".to_owned())).await;
    assert_eq!(delta["count"], 3);
}
