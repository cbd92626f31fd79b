//! Edits, deletions, read markers and search, on both kinds of history.

use serde_json::{Value, json};

use crate::{
    client::{Client, seqs, texts},
    server::TestServer,
};

const KINDS: [&[&str]; 2] = [&["--history", "sqlite"], &["--history", "memory"]];

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_reaches_everybody_in_order_and_those_who_come_later() {
    for flags in KINDS {
        let server = TestServer::with(flags);
        let mut kim = Client::in_room(server.address, "kim", "dev").await;
        let mut lee = Client::in_room(server.address, "lee", "dev").await;
        kim.ask(json!({"type": "send", "id": "1", "text": "helo"})).await;
        kim.ask(json!({"type": "send", "id": "2", "text": "next"})).await;
        let ok = kim.ask(json!({"type": "edit", "id": "3", "seq": 1, "text": "hello"})).await;
        assert_eq!((&ok["seq"], &ok["room"]), (&json!(3), &json!("dev")));
        let heard = lee.messages(3).await;
        assert_eq!(texts(&heard), ["helo", "next", "hello"]);
        assert_eq!((&heard[2]["edits"], heard[0].get("edited")), (&json!(1), None));
        let again = kim.ask(json!({"type": "edit", "id": "3", "seq": 1, "text": "hello"})).await;
        assert_eq!((&again["seq"], &again["duplicate"]), (&json!(3), &json!(true)));

        let mut late = Client::in_room_with_history(server.address, "late", "dev", 3).await;
        assert_eq!(texts(&late), ["hello", "next", "hello"]);
        assert_eq!(late.remove(0)["edited"], 3);
        let theirs = lee.ask(json!({"type": "edit", "id": "4", "seq": 1, "text": "mine"})).await;
        assert_eq!((&theirs["code"], &theirs["retry"]), (&json!("forbidden"), &json!(false)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_is_sent_to_nobody_any_more() {
    for flags in KINDS {
        let server = TestServer::with(flags);
        let mut kim = Client::in_room(server.address, "kim", "dev").await;
        kim.ask(json!({"type": "send", "id": "1", "text": "secret"})).await;
        kim.ask(json!({"type": "edit", "id": "2", "seq": 1, "text": "secret two"})).await;
        let ok = kim.ask(json!({"type": "delete", "id": "3", "seq": 1})).await;
        assert_eq!(ok["seq"], 3);
        let late = Client::in_room_with_history(server.address, "late", "dev", 3).await;
        assert_eq!(texts(&late), ["", "", ""]);
        assert_eq!((&late[0]["deleted"], &late[1]["deleted"], &late[2]["deletes"]), (&json!(3), &json!(3), &json!(1)));
        let page = kim.ask(json!({"type": "history", "id": "4", "after": 0})).await;
        assert_eq!(page["messages"], Value::Array(late), "a page reads like a replay");
        let found = kim.ask(json!({"type": "search", "id": "5", "text": "secret"})).await;
        assert_eq!(found["messages"], json!([]));
        let again = kim.ask(json!({"type": "delete", "id": "6", "seq": 1})).await;
        assert_eq!(again["code"], "no_such_seq");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_newest_first() {
    for flags in KINDS {
        let server = TestServer::with(&[flags, &["--sends-per-second", "0"]].concat());
        let mut kim = Client::in_room(server.address, "kim", "dev").await;
        for (n, text) in ["주간회의록을 올렸어요", "Hello world", "내일 회의 있어요", "hell"].iter().enumerate()
        {
            kim.ask(json!({"type": "send", "id": format!("s{n}"), "text": text})).await;
        }
        let mut search = async |text: &str, more: Value| {
            let mut request = json!({"type": "search", "id": "f", "text": text});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let page = kim.ask(request).await;
            assert_eq!((&page["type"], &page["top"]), (&json!("page"), &json!(4)));
            (seqs(page["messages"].as_array().unwrap()), page["more"] == true)
        };
        assert_eq!(search("회의", json!({})).await, (vec![3, 1], false));
        assert_eq!(search("회의", json!({"limit": 1})).await, (vec![3], true));
        assert_eq!(search("회의", json!({"limit": 1, "before": 3})).await, (vec![1], false));
        assert_eq!(search("HELL", json!({})).await, (vec![4, 2], false));
        assert_eq!(search("회의 올렸", json!({})).await, (vec![1], false));
        assert_eq!(search("없는말", json!({})).await, (vec![], false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_is_there_after_a_reload() {
    for flags in KINDS {
        let server = TestServer::with(flags);
        let (mut kim, welcome) = Client::hello(server.address, "kim", json!({"dev": {}})).await;
        assert_eq!(kim.until("joined").await.get("read"), None);
        for id in ["1", "2", "3"] {
            kim.ask(json!({"type": "send", "id": id, "text": "x"})).await;
        }
        for seq in [2, 1] {
            let ok = kim.ask(json!({"type": "read", "id": format!("r{seq}"), "seq": seq})).await;
            assert_eq!(ok["type"], "ok", "{ok}");
        }
        let mut again = Client::chat(server.address).await;
        again.send(json!({"type": "hello", "session": welcome["session"], "rooms": {"dev": {}}})).await;
        assert_eq!(again.until("joined").await["read"], 2, "it does not move back");
    }
}
