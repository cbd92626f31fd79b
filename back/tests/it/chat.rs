//! `chat.v1`: requests, answers and what the others see.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    client::{Client, seqs, texts},
    server::TestServer,
};

#[tokio::test(flavor = "multi_thread")]
async fn ok_comes_before_the_senders_own_copy_and_says_where_it_is() {
    let server = TestServer::start();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    kim.send(json!({"type": "send", "id": "a1", "text": "Hello", "reply_to": 7})).await;
    let ok = kim.find(|message| message["type"] != "presence").await;
    assert_eq!(
        (&ok["type"], &ok["id"], &ok["room"], &ok["seq"]),
        (&json!("ok"), &json!("a1"), &json!("dev"), &json!(1))
    );
    let message = kim.until("message").await;
    assert_eq!((&message["seq"], &message["at"], &message["reply_to"]), (&ok["seq"], &ok["at"], &json!(7)));
    assert_eq!((&message["name"], &message["text"]), (&json!("kim"), &json!("Hello")));
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_the_same_order_and_the_same_bytes_live_and_replayed() {
    let server = TestServer::with(&["--sends-per-second", "0"]);
    let mut clients = Vec::new();
    for name in ["kim", "lee", "park", "choi"] {
        clients.push(Client::in_room(server.address, name, "dev").await);
    }
    for round in 0..25 {
        for (sender, client) in clients.iter_mut().enumerate() {
            client.send(json!({"type": "send", "text": format!("{sender}:{round}")})).await;
        }
    }
    let mut transcripts = Vec::new();
    clients.push(Client::hello(server.address, "late", json!({"dev": {"last": 100}})).await.0);
    for client in &mut clients {
        let mut transcript = Vec::new();
        while transcript.len() < 100 {
            let text = client.next_text().await;
            if text.starts_with(r#"{"type":"message""#) {
                transcript.push(text);
            }
        }
        transcripts.push(transcript);
    }
    let messages: Vec<Value> = transcripts[0].iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(seqs(&messages), (1..=100).collect::<Vec<_>>());
    assert!(transcripts.windows(2).all(|pair| pair[0] == pair[1]));
    for sender in 0..4 {
        let own: Vec<&str> =
            texts(&messages).into_iter().filter(|text| text.starts_with(&format!("{sender}:"))).collect();
        let sent: Vec<String> = (0..25).map(|round| format!("{sender}:{round}")).collect();
        assert_eq!(own, sent, "a sender's own order is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_id_is_stored_once_on_any_connection() {
    let server = TestServer::start();
    let (mut kim, welcome) = Client::hello(server.address, "kim", json!({"dev": {}})).await;
    let first = kim.ask(json!({"type": "send", "id": "a1", "text": "once"})).await;
    let again = kim.ask(json!({"type": "send", "id": "a1", "text": "once"})).await;
    assert_eq!((&again["seq"], &again["at"], &again["duplicate"]), (&first["seq"], &first["at"], &json!(true)));
    drop(kim);
    let mut kim = Client::chat(server.address).await;
    kim.send(json!({"type": "hello", "session": welcome["session"], "rooms": {"dev": {"last": 0}}})).await;
    let back = kim.until("welcome").await;
    assert_eq!((&back["resumed"], &back["user"], &back["name"]), (&json!(true), &welcome["user"], &json!("kim")));
    kim.until("synced").await;
    let again = kim.ask(json!({"type": "send", "id": "a1", "text": "once"})).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&first["seq"], &json!(true)));
    kim.expect_silence().await;
    let mut lee = Client::in_room(server.address, "lee", "dev").await;
    let other = lee.ask(json!({"type": "send", "id": "a1", "text": "mine"})).await;
    assert_eq!((&other["seq"], other.get("duplicate")), (&json!(2), None), "ids belong to a session");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_was_wrong_and_leave_the_connection_open() {
    let server = TestServer::start();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    for (message, code, field) in [
        (json!({"type": "send", "id": "1", "text": "x".repeat(16_385)}), "too_big", Some("text")),
        (json!({"type": "send", "id": "1", "text": "  "}), "bad_field", Some("text")),
        (json!({"type": "send", "id": "1", "room": "elsewhere", "text": "x"}), "not_joined", Some("room")),
        (json!({"type": "sned", "id": "1"}), "unknown_type", Some("type")),
        (json!({"type": "name", "id": "1", "name": "a\u{200B}b"}), "bad_name", Some("name")),
        (json!({"type": "join", "id": "1", "room": ".."}), "bad_name", Some("room")),
        (json!({"type": "history", "id": "1", "before": 1, "after": 1}), "bad_field", None),
        (json!({"type": "search", "id": "1", "text": "!?"}), "bad_field", Some("text")),
        (json!({"type": "edit", "id": "1", "seq": 1, "text": " "}), "bad_field", Some("text")),
        (json!({"type": "edit", "id": "1", "seq": 0, "text": "x"}), "bad_field", Some("seq")),
        (json!({"type": "edit", "id": "1", "room": "elsewhere", "seq": 1, "text": "x"}), "not_joined", Some("room")),
        (json!({"type": "delete", "id": "1", "seq": 7}), "no_such_seq", None),
        (json!({"type": "read", "id": "1", "seq": 7}), "no_such_seq", None),
    ] {
        let error = kim.ask(message).await;
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{error}");
        assert_eq!(error.get("field").and_then(Value::as_str), field, "{error}");
        assert_eq!(error["retry"], false, "{error}");
    }
    kim.say("{").await;
    assert_eq!(kim.until("error").await["code"], "bad_json");
    let longest = "x".repeat(16_384);
    assert_eq!(kim.ask(json!({"type": "send", "id": "2", "text": longest})).await["seq"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_malformed_messages_end_the_connection() {
    let server = TestServer::start();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    for _ in 0..10 {
        kim.say("not JSON").await;
    }
    let (before, end) = kim.end().await;
    assert_eq!(before.iter().filter(|message| message["code"] == "bad_json").count(), 10);
    let bye = before.last().unwrap();
    assert_eq!((&bye["type"], &bye["code"], &bye["reconnect"]), (&json!("bye"), &json!(4000), &json!(false)));
    assert_eq!(end, crate::client::End::Close(4000, "bad_request".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_too_much_is_told_when_to_go_on() {
    let server = TestServer::with(&["--sends-per-second", "5"]);
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let mut error = Value::Null;
    for id in 0..50 {
        error = kim.ask(json!({"type": "send", "id": id.to_string(), "text": "x"})).await;
        if error["type"] == "error" {
            assert!(id >= 10, "a burst of twice the rate is let through");
            break;
        }
    }
    assert_eq!((&error["code"], &error["retry"]), (&json!("rate_limited"), &json!(true)));
    tokio::time::sleep(Duration::from_millis(error["retry_after_ms"].as_u64().unwrap())).await;
    assert_eq!(kim.ask(json!({"type": "send", "id": "later", "text": "x"})).await["type"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_is_no_new_allowance() {
    let server = TestServer::with(&["--sends-per-second", "1"]);
    let (mut kim, welcome) = Client::hello(server.address, "kim", json!({"dev": {}})).await;
    let mut stored = 0;
    for round in 0..10 {
        let ok = kim.ask(json!({"type": "send", "id": round.to_string(), "text": "x"})).await;
        stored += u32::from(ok["type"] == "ok");
        drop(kim);
        kim = Client::chat(server.address).await;
        kim.send(json!({"type": "hello", "session": welcome["session"], "rooms": {"dev": {"last": 0}}})).await;
        kim.until("synced").await;
    }
    assert!(stored < 10, "ten connections sent {stored} messages in a moment");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_with_thousands_of_rooms_is_refused_once() {
    let server = TestServer::start();
    let rooms: serde_json::Map<String, Value> = (0..3000).map(|room| (format!("r{room}"), json!({}))).collect();
    let (mut kim, _) = Client::hello(server.address, "kim", Value::Object(rooms)).await;
    kim.send(json!({"type": "ping", "id": "end"})).await;
    let mut errors = 0;
    loop {
        let message = kim.next().await;
        errors += u32::from(message["type"] == "error");
        if message["type"] == "pong" {
            break;
        }
    }
    assert_eq!(errors, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_in_as_many_rooms_as_allowed() {
    let server = TestServer::with(&["--rooms-per-connection", "3"]);
    let (mut kim, _) = Client::hello(server.address, "kim", json!({"a": {}, "b": {}, "c": {}, "d": {}})).await;
    let error = kim.until("error").await;
    assert_eq!((&error["code"], &error["limit"]), (&json!("room_limit"), &json!(3)));
    kim.ask(json!({"type": "leave", "id": "1", "room": "a"})).await;
    assert_eq!(kim.ask(json!({"type": "join", "id": "2", "room": "d"})).await["type"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_holds_as_many_rooms_as_allowed() {
    let server = TestServer::with(&["--rooms", "2", "--presence-grace", "0"]);
    let (mut kim, _) = Client::hello(server.address, "kim", json!({"a": {}, "b": {}, "c": {}})).await;
    assert_eq!(kim.until("error").await["code"], "room_limit");
    // A room that was never spoken in and that nobody is in makes place for another.
    kim.ask(json!({"type": "leave", "id": "1", "room": "a"})).await;
    let mut answer = Value::Null;
    while answer["type"] != "ok" {
        answer = kim.ask(json!({"type": "join", "id": "2", "room": "c"})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_to_the_room_joined_last_and_stop_with_leave() {
    let server = TestServer::start();
    let mut kim = Client::in_room(server.address, "kim", "a").await;
    let mut lee = Client::in_room(server.address, "lee", "a").await;
    kim.send(json!({"type": "join", "id": "1", "room": "b"})).await;
    let answers: Vec<Value> = vec![
        kim.find(|message| message["type"] != "presence").await,
        kim.find(|message| message["type"] != "presence").await,
        kim.find(|message| message["type"] != "presence").await,
    ];
    let kinds: Vec<&str> = answers.iter().map(|answer| answer["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ok", "joined", "synced"]);
    assert_eq!(kim.ask(json!({"type": "send", "id": "2", "text": "x"})).await["room"], "b");
    assert_eq!(texts(&kim.messages(1).await), ["x"]);
    assert_eq!(kim.ask(json!({"type": "leave", "id": "3", "room": "a"})).await["type"], "ok");
    lee.ask(json!({"type": "send", "id": "1", "text": "unheard"})).await;
    // What would have come from the other room would have come before this.
    kim.send(json!({"type": "send", "text": "marker"})).await;
    assert_eq!(texts(&kim.messages(1).await), ["marker"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_read_in_pages_in_every_direction() {
    let server = TestServer::with(&["--sends-per-second", "0"]);
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    for number in 1..=30 {
        kim.send(json!({"type": "send", "text": number.to_string()})).await;
    }
    kim.messages(30).await;
    let mut page = async |fields: Value| {
        let mut request = json!({"type": "history", "id": "p", "room": "dev"});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let page = kim.ask(request).await;
        assert_eq!((&page["type"], &page["first"], &page["top"]), (&json!("page"), &json!(1), &json!(30)));
        (seqs(page["messages"].as_array().unwrap()), page["more"].as_bool().unwrap())
    };
    assert_eq!(page(json!({"before": 11, "limit": 3})).await, (vec![8, 9, 10], true));
    assert_eq!(page(json!({"before": 3, "limit": 5})).await, (vec![1, 2], false));
    assert_eq!(page(json!({"after": 10, "limit": 3})).await, (vec![11, 12, 13], true));
    assert_eq!(page(json!({"after": 28, "limit": 5})).await, (vec![29, 30], false));
    assert_eq!(page(json!({"around": 10, "limit": 5})).await.0, [8, 9, 10, 11, 12]);
    assert_eq!(page(json!({"limit": 2})).await, (vec![29, 30], true));
    assert_eq!(page(json!({"after": 30})).await, (vec![], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_long_messages_is_cut_where_it_would_be_too_long() {
    let server = TestServer::with(&["--sends-per-second", "0"]);
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    for id in 0..40 {
        kim.ask(json!({"type": "send", "id": id.to_string(), "text": "x".repeat(16_000)})).await;
    }
    let page = kim.ask(json!({"type": "history", "id": "p", "before": 41, "limit": 40})).await;
    let seqs = seqs(page["messages"].as_array().unwrap());
    assert_eq!((seqs.last(), page["more"].as_bool()), (Some(&40), Some(true)));
    assert!(seqs.len() >= 10 && seqs.len() * 16_000 <= 256 * 1024, "{}", seqs.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_around_a_message_is_cut_where_that_is_far() {
    let server = TestServer::with(&["--sends-per-second", "0", "--requests-per-second", "0"]);
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    for id in 1..=60 {
        kim.ask(json!({"type": "send", "id": id.to_string(), "text": "x".repeat(16_000)})).await;
    }
    // 16 of them fit. The middle, both ends, and one that is not there yet.
    for (around, pages) in [(30, 22..=38), (1, 1..=16), (3, 1..=16), (60, 45..=60), (70, 45..=60)] {
        for limit in [20, 50, 200] {
            let page = kim.ask(json!({"type": "history", "id": "p", "around": around, "limit": limit})).await;
            let seqs = seqs(page["messages"].as_array().unwrap());
            assert!(seqs.iter().all(|seq| pages.contains(seq)), "{limit} around {around}: {seqs:?}");
            assert!(around > 60 || seqs.contains(&around), "{limit} around {around}: {seqs:?}");
            // Fewer were asked for where half of them lie beyond an end.
            assert!(seqs.len() == 16 || (limit == 20 && seqs.len() >= 10), "{limit} around {around}: {seqs:?}");
            assert!(page["more"].as_bool().unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_and_people_are_listed() {
    let server = TestServer::start();
    let mut kim = Client::in_room(server.address, "kim", "busy").await;
    let _lee = Client::in_room(server.address, "lee", "busy").await;
    let mut park = Client::in_room(server.address, "park", "quiet").await;
    park.ask(json!({"type": "send", "id": "1", "text": "x"})).await;
    let rooms = kim.ask(json!({"type": "rooms", "id": "1"})).await;
    assert_eq!(
        rooms["rooms"],
        json!([{"room": "busy", "count": 2, "top": 0}, {"room": "quiet", "count": 1, "top": 1}])
    );
    let who = kim.ask(json!({"type": "who", "id": "2"})).await;
    let mut names: Vec<&str> =
        who["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!((names, &who["count"], &who["more"]), (vec!["kim", "lee"], &json!(2), &json!(false)));
    let who = kim.ask(json!({"type": "who", "id": "3", "room": "nobody"})).await;
    assert_eq!(who["count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_is_passed_on_and_not_kept() {
    let server = TestServer::start();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let mut lee = Client::in_room(server.address, "lee", "dev").await;
    kim.send(json!({"type": "typing"})).await;
    kim.send(json!({"type": "typing"})).await;
    let typing = lee.until("typing").await;
    assert_eq!((&typing["name"], &typing["room"]), (&json!("kim"), &json!("dev")));
    kim.ask(json!({"type": "send", "id": "1", "text": "x"})).await;
    assert_eq!(lee.find(|message| message["type"] != "presence").await["type"], "message");
    let mut late = Client::hello(server.address, "late", json!({"dev": {}})).await.0;
    late.until("message").await;
    assert_eq!(late.next().await["type"], "synced");
}

#[tokio::test(flavor = "multi_thread")]
async fn quit_is_answered_by_bye_and_an_ordinary_close() {
    let server = TestServer::start();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    kim.send(json!({"type": "quit"})).await;
    let (before, end) = kim.end().await;
    let bye = before.last().unwrap();
    assert_eq!((&bye["type"], &bye["code"], &bye["reason"]), (&json!("bye"), &json!(1000), &json!("normal")));
    assert_eq!(end, crate::client::End::Close(1000, "normal".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_comes_first_and_once() {
    let server = TestServer::start();
    let mut client = Client::chat(server.address).await;
    let error = client.ask(json!({"type": "send", "id": "1", "text": "x"})).await;
    assert!(error["hint"].as_str().unwrap().contains("hello"));
    client.send(json!({"type": "hello"})).await;
    let welcome = client.next().await;
    assert!(welcome["name"].as_str().unwrap().starts_with("guest-"));
    client.send(json!({"type": "hello"})).await;
    assert_eq!(client.until("error").await["code"], "bad_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_connection_of_a_session_wins() {
    let server = TestServer::start();
    let (mut old, welcome) = Client::hello(server.address, "kim", json!({"dev": {}})).await;
    let mut new = Client::chat(server.address).await;
    new.send(json!({"type": "hello", "session": welcome["session"], "rooms": {"dev": {}}})).await;
    new.until("synced").await;
    assert_eq!(old.close_code().await, 4005);
    let who = new.ask(json!({"type": "who", "id": "1"})).await;
    assert_eq!(who["count"], 1);
    assert_eq!(new.ask(json!({"type": "send", "id": "2", "text": "x"})).await["type"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_connection_cannot_take_the_seat_back() {
    let server =
        TestServer::with(&["--sends-per-second", "0", "--presence-grace", "0.2", "--presence-interval", "0.05"]);
    let mut old = Client::with_small_window(server.address, "/", Some("chat.v1")).await;
    old.send(json!({"type": "hello", "name": "ghosty", "rooms": {"dev": {}}})).await;
    let session = old.until("welcome").await["session"].clone();
    // It reads nothing more, so its end takes a while, in which it is still heard.
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    for id in 0..200 {
        kim.ask(json!({"type": "send", "id": id.to_string(), "text": "x".repeat(16_000)})).await;
    }
    let mut new = Client::chat(server.address).await;
    new.send(json!({"type": "hello", "session": session, "rooms": {"dev": {"last": 0}}})).await;
    new.until("synced").await;
    old.send(json!({"type": "join", "room": "dev"})).await;
    old.send(json!({"type": "send", "id": "ghost", "text": "from the grave"})).await;
    let ended = async {
        while server.hub.people().count() > 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::client::DEADLINE, ended).await.unwrap();
    // Somebody else's grace ends after the old connection's would have.
    Client::in_room(server.address, "passer-by", "dev").await.vanish();
    new.find(|message| message["left"][0]["name"] == "passer-by").await;
    let who = new.ask(json!({"type": "who", "id": "1"})).await;
    let names: Vec<&str> = who["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"ghosty"), "{names:?}");
    let page = new.ask(json!({"type": "history", "id": "2", "limit": 1})).await;
    assert_ne!(page["messages"][0]["text"], "from the grave");
}
