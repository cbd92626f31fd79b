//! Moderators, and those whom they act on: over real sockets, on both kinds of history.

use std::{net::SocketAddr, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    client::{Client, End},
    process::Back,
    server::TestServer,
};

pub const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// `printf %s AAAAAAAAAAAAAAAAAAAAAA | sha256sum`
pub const FLAG: &str = "mo=8a5bdb4cc15164126c6ef2668de9dd240d299ce6397a42c95a9411b93d080ed8";

/// A server with a moderator.
fn server(flags: &[&str]) -> TestServer {
    TestServer::with(&[&["--history", "memory", "--moderator", FLAG, "--presence-interval", "0"], flags].concat())
}

/// Somebody in a room, who they are, and the secret that says so.
async fn person(address: SocketAddr, name: &str, room: &str) -> (Client, String, String) {
    let (mut client, welcome) = Client::hello(address, name, json!({room: {}})).await;
    client.until("synced").await;
    (client, welcome["user"].as_str().unwrap().to_owned(), welcome["session"].as_str().unwrap().to_owned())
}

async fn moderator(address: SocketAddr, room: &str) -> Client {
    let mut client = Client::in_room(address, "Mona", room).await;
    let ok = client.ask(json!({"type": "moderator", "id": "m", "secret": SECRET})).await;
    assert_eq!((&ok["type"], &ok["name"]), (&json!("ok"), &json!("mo")), "{ok}");
    client
}

async fn knock(address: SocketAddr, there: &str, hello: &Value) -> (Client, Value) {
    let mut client = Client::from_there(address, there, "/", Some("chat.v1")).await;
    client.send(hello.clone()).await;
    let first = client.next().await;
    (client, first)
}

/// How a connection ended: `bye`, and the code of the Close frame.
async fn goodbye(client: &mut Client) -> (Value, u16) {
    let (before, end) = client.end().await;
    let bye = before.into_iter().find(|message| message["type"] == "bye").expect("a bye");
    match end {
        End::Close(code, _) => (bye, code),
        End::Lost => panic!("there was no Close frame"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_knows_the_secret_may_moderate() {
    let server = server(&[]);
    let (mut kim, _, _) = person(server.address, "kim", "dev").await;
    let (_lee, lee, _) = person(server.address, "lee", "dev").await;
    let orders = [
        json!({"type": "kick", "id": "1", "user": lee}),
        json!({"type": "ban", "id": "2", "user": lee, "seconds": 60, "address": true}),
        json!({"type": "mute", "id": "3", "user": lee, "seconds": 60}),
        json!({"type": "pardon", "id": "4", "user": lee}),
        json!({"type": "sanctions", "id": "5"}),
        json!({"type": "slow", "id": "6", "seconds": 60}),
        json!({"type": "topic", "id": "7", "text": "x"}),
    ];
    for order in &orders {
        assert_eq!(kim.ask(order.clone()).await["code"], "forbidden", "{order}");
    }
    let wrong = kim.ask(json!({"type": "moderator", "id": "w", "secret": "B".repeat(22)})).await;
    assert_eq!((&wrong["code"], wrong.get("got")), (&json!("unauthorized"), None));
    assert_eq!(kim.ask(orders[0].clone()).await["code"], "forbidden");
    kim.ask(json!({"type": "moderator", "id": "r", "secret": SECRET})).await;
    assert_eq!(kim.ask(json!({"type": "sanctions", "id": "8"})).await["sanctions"], json!([]));
    kim.expect_silence().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_sent_away() {
    let server = server(&[]);
    let mut client = Client::in_room(server.address, "kim", "dev").await;
    for n in 0..5 {
        let secret = format!("{n:022}");
        client.send(json!({"type": "moderator", "id": n.to_string(), "secret": secret})).await;
    }
    let (before, end) = client.end().await;
    assert_eq!(before.iter().filter(|answer| answer["code"] == "unauthorized").count(), 5);
    assert_eq!(end, End::Close(4007, "abuse".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kicked_are_told_why_and_may_come_back() {
    let server = server(&["--presence-grace", "600"]);
    let mut mo = moderator(server.address, "dev").await;
    let (mut kim, user, session) = person(server.address, "kim", "dev").await;
    // A script of the same person beside them.
    let mut script = Client::chat(server.address).await;
    script.send(json!({"type": "hello", "session": session, "presence": false})).await;
    script.until("welcome").await;
    mo.send(json!({"type": "kick", "id": "1", "user": user, "reason": "그만"})).await;
    // Who is told first is chance: that he left, or that it was done.
    let (mut ok, mut left) = (Value::Null, Value::Null);
    while ok.is_null() || left.is_null() {
        let told = mo.find(|told| told["id"] == "1" || told.get("left").is_some()).await;
        let which = if told["id"] == "1" { &mut ok } else { &mut left };
        *which = told;
    }
    // The grace is for connections that were lost.
    assert_eq!(left["left"][0]["name"], "kim");
    assert_eq!((&ok["type"], &ok["connections"]), (&json!("ok"), &json!(2)), "{ok}");
    for client in [&mut kim, &mut script] {
        let (bye, code) = goodbye(client).await;
        assert_eq!((code, &bye["code"], &bye["reconnect"]), (4004, &json!(4004), &json!(false)));
        assert_eq!((&bye["reason"], &bye["text"], &bye["by"]), (&json!("kicked"), &json!("그만"), &json!("mo")));
    }
    let (_, first) = knock(server.address, "127.0.0.1", &json!({"type": "hello", "session": session})).await;
    assert_eq!(first["type"], "welcome");
    let none = mo.ask(json!({"type": "kick", "id": "2", "user": "AAAAAAAAAAAAAAAA"})).await;
    assert_eq!(none["connections"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_banned_are_kept_out_until_it_ends() {
    let server = server(&[]);
    let mut mo = moderator(server.address, "dev").await;
    let (mut kim, user, session) = person(server.address, "kim", "dev").await;
    let ban = json!({"type": "ban", "id": "1", "user": user, "seconds": 2, "reason": "spam"});
    let ok = mo.ask(ban).await;
    assert_eq!((&ok["connections"], &ok["addresses"]), (&json!(1), &json!(0)), "{ok}");
    let (bye, code) = goodbye(&mut kim).await;
    assert_eq!((code, &bye["text"]), (4003, &json!("spam")));
    assert!((1..=2_000).contains(&bye["retry_after_ms"].as_u64().unwrap()), "{bye}");
    // By another name, and as nobody who is counted.
    for more in [json!({}), json!({"name": "somebody else"}), json!({"presence": false})] {
        let mut hello = json!({"type": "hello", "session": session, "rooms": {"dev": {}}});
        hello.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (mut client, error) = knock(server.address, "127.0.0.1", &hello).await;
        assert_eq!(
            (&error["type"], &error["code"], &error["reason"]),
            (&json!("error"), &json!("banned"), &json!("spam"))
        );
        assert!(error["text"].as_str().unwrap().contains("spam") && error["retry_after_ms"].is_u64(), "{error}");
        assert_eq!(goodbye(&mut client).await.1, 4003);
    }
    let listed = mo.ask(json!({"type": "sanctions", "id": "2"})).await;
    assert_eq!(listed["sanctions"][0]["name"], "kim");
    assert_eq!((&listed["sanctions"][0]["kind"], &listed["sanctions"][0]["user"]), (&json!("ban"), &json!(user)));
    loop {
        let (_, first) = knock(server.address, "127.0.0.1", &json!({"type": "hello", "session": session})).await;
        if first["type"] == "welcome" {
            break;
        }
        assert_eq!(first["code"], "banned");
    }
    assert!(mo.ask(json!({"type": "sanctions", "id": "3"})).await["sanctions"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_shut_for_everybody_but_moderators() {
    let server = server(&[]);
    let mut mo = moderator(server.address, "dev").await;
    let hello = json!({"type": "hello", "rooms": {"dev": {}}});
    let (mut kim, welcome) = knock(server.address, "203.0.113.9", &hello).await;
    let (mut neighbour, _) = knock(server.address, "203.0.113.9", &hello).await;
    let (mut other, _) = knock(server.address, "203.0.113.10", &hello).await;
    other.until("synced").await;
    let (mut near, near_welcome) = knock(server.address, "203.0.113.9", &hello).await;
    assert_eq!(near.ask(json!({"type": "moderator", "id": "m", "secret": SECRET})).await["type"], "ok");
    let ban = json!({"type": "ban", "id": "1", "user": welcome["user"], "seconds": 600, "address": true});
    let ok = mo.ask(ban).await;
    assert_eq!((&ok["connections"], &ok["addresses"]), (&json!(2), &json!(1)), "{ok}");
    assert_eq!((goodbye(&mut kim).await.1, goodbye(&mut neighbour).await.1), (4003, 4003));
    other.expect_silence().await;
    assert_eq!(near.ask(json!({"type": "ping", "id": "p"})).await["type"], "pong");
    drop(near);

    let (_, refused) = knock(server.address, "203.0.113.9", &hello).await;
    assert_eq!(refused["code"], "banned");
    let secret = json!({"type": "hello", "moderator": SECRET, "session": near_welcome["session"]});
    let (_, let_in) = knock(server.address, "203.0.113.9", &secret).await;
    assert_eq!((&let_in["type"], &let_in["moderator"]), (&json!("welcome"), &json!("mo")));
    let mut plain = Client::from_there(server.address, "203.0.113.9", "/rooms/dev", None).await;
    assert_eq!(plain.next().await["code"], "banned");
    assert_eq!(goodbye(&mut plain).await.1, 4003);
    let mut echo = Client::from_there(server.address, "203.0.113.9", "/echo", None).await;
    assert_eq!(echo.close_code().await, 4003);

    let ok = mo.ask(json!({"type": "pardon", "id": "2", "user": welcome["user"]})).await;
    assert_eq!(ok["type"], "ok");
    let (_, let_in) = knock(server.address, "203.0.113.9", &hello).await;
    assert_eq!(let_in["type"], "welcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_network_is_one_address_and_this_machine_none() {
    let server = server(&[]);
    let mut mo = moderator(server.address, "dev").await;
    let hello = json!({"type": "hello"});
    let (_kim, welcome) = knock(server.address, "2001:db8:1:2::1", &hello).await;
    mo.ask(json!({"type": "ban", "id": "1", "user": welcome["user"], "seconds": 600, "address": true})).await;
    assert_eq!(knock(server.address, "2001:db8:1:2:ffff::9", &hello).await.1["code"], "banned");
    assert_eq!(knock(server.address, "2001:db8:1:3::1", &hello).await.1["type"], "welcome");
    let (_lee, lee, _) = person(server.address, "lee", "dev").await;
    let ok = mo.ask(json!({"type": "ban", "id": "2", "user": lee, "seconds": 600, "address": true})).await;
    assert_eq!(ok["addresses"], 0);
    assert_eq!(knock(server.address, "127.0.0.1", &hello).await.1["type"], "welcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_muted_read_and_are_told() {
    let server = server(&[]);
    let mut mo = moderator(server.address, "dev").await;
    let (mut kim, user, session) = person(server.address, "kim", "dev").await;
    kim.ask(json!({"type": "send", "id": "1", "text": "first"})).await;
    let ok = mo.ask(json!({"type": "mute", "id": "1", "user": user, "seconds": 600, "reason": "spam"})).await;
    assert_eq!(ok["connections"], 1);
    let told = kim.until("muted").await;
    assert_eq!((&told["reason"], &told["by"], &told["until"]), (&json!("spam"), &json!("mo"), &ok["until"]));
    for order in [
        json!({"type": "send", "id": "2", "text": "x"}),
        json!({"type": "edit", "id": "3", "seq": 1, "text": "x"}),
        json!({"type": "name", "id": "4", "name": "spammer"}),
    ] {
        let error = kim.ask(order).await;
        assert_eq!((&error["code"], &error["reason"]), (&json!("muted"), &json!("spam")));
        assert!(error["retry_after_ms"].as_u64().unwrap() <= 600_000);
    }
    kim.send(json!({"type": "typing"})).await;
    assert_eq!(kim.until("error").await["code"], "muted");
    mo.ask(json!({"type": "send", "id": "5", "text": "read on"})).await;
    assert_eq!(kim.find(|told| told["text"] == "read on").await["seq"], 2);
    // Neither a reload nor another name changes that, and it is said again.
    let hello = json!({"type": "hello", "session": session, "name": "spammer", "rooms": {"dev": {}}});
    let (mut again, welcome) = knock(server.address, "127.0.0.1", &hello).await;
    assert_eq!(welcome["name"], "kim");
    assert_eq!(again.next().await["type"], "muted");
    assert_eq!(again.ask(json!({"type": "send", "id": "6", "text": "x"})).await["code"], "muted");
    assert_eq!(again.ask(json!({"type": "delete", "id": "7", "seq": 1})).await["type"], "ok");
    mo.ask(json!({"type": "pardon", "id": "8", "user": user})).await;
    assert_eq!(again.until("unmuted").await["by"], "mo");
    assert_eq!(again.ask(json!({"type": "send", "id": "6", "text": "x"})).await["type"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_slowed_room_two_people_take_turns_and_moderators_do_not() {
    let server = server(&[]);
    let mut mo = moderator(server.address, "dev").await;
    let (mut kim, _, session) = person(server.address, "kim", "dev").await;
    let (mut lee, _, _) = person(server.address, "lee", "dev").await;
    let ok = mo.ask(json!({"type": "slow", "id": "1", "seconds": 600})).await;
    assert_eq!((&ok["slow"], &ok["room"]), (&json!(600), &json!("dev")));
    let told = kim.until("room").await;
    assert_eq!((&told["slow"], &told["by"], told.get("topic")), (&json!(600), &json!("mo"), None));
    let say = |id: &str| json!({"type": "send", "id": id, "text": id});
    for client in [&mut kim, &mut lee] {
        assert_eq!(client.ask(say("a")).await["type"], "ok");
        let error = client.ask(say("b")).await;
        assert_eq!((&error["code"], &error["retry"]), (&json!("rate_limited"), &json!(true)));
        assert!((590_000..=600_001).contains(&error["retry_after_ms"].as_u64().unwrap()), "{error}");
        assert_eq!(client.ask(say("a")).await["duplicate"], true, "what was stored is no second turn");
    }
    assert_eq!(mo.ask(say("a")).await["type"], "ok");
    assert_eq!(mo.ask(say("b")).await["type"], "ok");
    // A new connection finds it as it was, and another room is as fast as ever.
    let mut again = Client::chat(server.address).await;
    again.send(json!({"type": "hello", "session": session, "rooms": {"dev": {}}})).await;
    assert_eq!(again.until("joined").await["slow"], 600);
    assert_eq!(again.ask(say("c")).await["code"], "rate_limited");
    again.ask(json!({"type": "join", "id": "j", "room": "other"})).await;
    for id in ["d", "e"] {
        assert_eq!(again.ask(say(id)).await["type"], "ok");
    }
    mo.ask(json!({"type": "slow", "id": "2", "seconds": 0})).await;
    lee.find(|told| told["type"] == "room" && told.get("slow").is_none()).await;
    assert_eq!(lee.ask(say("f")).await["type"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_told_to_those_who_are_here_and_those_who_come() {
    let server = server(&[]);
    let mut mo = moderator(server.address, "dev").await;
    let (mut kim, _, _) = person(server.address, "kim", "dev").await;
    let ok = mo.ask(json!({"type": "topic", "id": "1", "text": " 주간 회의 "})).await;
    assert_eq!(ok["topic"], "주간 회의");
    assert_eq!(kim.until("room").await["topic"], "주간 회의");
    assert_eq!(kim.ask(json!({"type": "topic", "id": "2"})).await["topic"], "주간 회의");
    let mut plain = Client::plain(server.address, "/rooms/dev").await;
    assert_eq!(plain.until("joined").await["topic"], "주간 회의");
    plain.say("/topic").await;
    assert_eq!(plain.find(|told| told["id"] == "/topic").await["topic"], "주간 회의");
    let long = mo.ask(json!({"type": "topic", "id": "3", "text": "x".repeat(201)})).await;
    assert_eq!((&long["code"], &long["field"], &long["limit"]), (&json!("bad_field"), &json!("text"), &json!(200)));
    mo.ask(json!({"type": "topic", "id": "4", "text": ""})).await;
    assert_eq!(kim.until("room").await.get("topic"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn moderators_take_back_anybodys_message() {
    for flags in [["--history", "sqlite"], ["--history", "memory"]] {
        let server = TestServer::with(&[&flags[..], &["--moderator", FLAG]].concat());
        let mut mo = moderator(server.address, "dev").await;
        let (mut kim, _, _) = person(server.address, "kim", "dev").await;
        kim.ask(json!({"type": "send", "id": "1", "text": "spam"})).await;
        kim.ask(json!({"type": "edit", "id": "2", "seq": 1, "text": "more spam"})).await;
        let ok = mo.ask(json!({"type": "delete", "id": "3", "seq": 1})).await;
        assert_eq!((&ok["type"], &ok["seq"]), (&json!("ok"), &json!(3)), "{ok}");
        let event = kim.find(|told| told.get("deletes").is_some()).await;
        assert_eq!((&event["deletes"], &event["name"]), (&json!(1), &json!("Mona")));
        let late = Client::in_room_with_history(server.address, "late", "dev", 3).await;
        assert_eq!((&late[0]["deleted"], &late[0]["text"], &late[1]["text"]), (&json!(3), &json!(""), &json!("")));
        mo.ask(json!({"type": "send", "id": "4", "text": "mine"})).await;
        assert_eq!(kim.ask(json!({"type": "delete", "id": "5", "seq": 4})).await["code"], "forbidden");
        let edit = mo.ask(json!({"type": "edit", "id": "6", "seq": 2, "text": "x"})).await;
        assert_eq!(edit["type"], "error", "an edit is no message");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moderators_say_is_bounded_and_not_about_themselves() {
    let server = server(&[]);
    let (mut mo, me, _) = person(server.address, "Mona", "dev").await;
    mo.ask(json!({"type": "moderator", "id": "m", "secret": SECRET})).await;
    let user = "AAAAAAAAAAAAAAAA";
    for order in [
        json!({"type": "kick", "id": "1", "user": me}),
        json!({"type": "ban", "id": "1", "user": me, "seconds": 9}),
        json!({"type": "kick", "id": "1", "user": user, "reason": "x".repeat(201)}),
        json!({"type": "kick", "id": "1", "user": user, "reason": "a\u{202e}b"}),
        json!({"type": "kick", "id": "1", "user": "kim"}),
        json!({"type": "ban", "id": "1", "user": user, "seconds": 0}),
        json!({"type": "mute", "id": "1", "user": user, "seconds": 9_007_199_254_740_991_u64}),
        json!({"type": "ban", "id": "1", "user": user}),
    ] {
        assert_eq!(mo.ask(order.clone()).await["code"], "bad_field", "{order}");
        mo.ask(json!({"type": "ping", "id": "not in a row"})).await;
    }
    mo.expect_silence().await;
}

fn moderate(data: &Path, arguments: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_back"));
    let output = command.arg("moderator").args(arguments).arg("--data").arg(data).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moderator_is_named_and_removed_while_the_server_runs() {
    let data = tempfile::tempdir().unwrap();
    let (done, _, said) = moderate(data.path(), &["list"]);
    assert!(!done && said.contains("there is no history"), "{said}");
    let back = Back::on(data.path(), &[]);
    let (done, secret, said) = moderate(data.path(), &["add", "mo"]);
    assert!(done && secret.len() == 22 && said.contains("not shown again"), "{said}");
    let (done, _, said) = moderate(data.path(), &["add", "mo"]);
    assert!(!done && said.contains("a moderator mo already"), "{said}");
    let (_, other, _) = moderate(data.path(), &["add", "보라"]);
    assert_eq!(moderate(data.path(), &["list"]).1, "mo\n보라");

    let (mut client, _, _) = person(back.address, "Mona", "dev").await;
    let (_kim, user, _) = person(back.address, "kim", "dev").await;
    assert_eq!(client.ask(json!({"type": "moderator", "id": "1", "secret": secret})).await["name"], "mo");
    assert_eq!(client.ask(json!({"type": "sanctions", "id": "2"})).await["type"], "ok");
    assert!(moderate(data.path(), &["remove", "mo"]).0);
    let order = json!({"type": "ban", "id": "3", "user": user, "seconds": 60});
    assert_eq!(client.ask(order.clone()).await["code"], "forbidden", "at the next act");
    assert_eq!(client.ask(json!({"type": "moderator", "id": "4", "secret": secret})).await["code"], "unauthorized");
    assert_eq!(client.ask(json!({"type": "moderator", "id": "5", "secret": other})).await["name"], "보라");
    assert_eq!(client.ask(order).await["type"], "ok");
    let (done, _, said) = moderate(data.path(), &["remove", "mo"]);
    assert!(!done && said.contains("no moderator mo"), "{said}");
    let file = std::fs::read(data.path().join("chat.db")).unwrap();
    let log = std::fs::read(data.path().join("chat.db-wal")).unwrap_or_default();
    let all = [file, log].concat();
    assert!(!all.windows(22).any(|bytes| bytes == other.as_bytes()), "the secret is nowhere on the disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_bans_topics_and_moderators() {
    let data = tempfile::tempdir().unwrap();
    // Before the server has ever run.
    let (_, secret, _) = moderate(data.path(), &["add", "mo"]);
    let mut back = Back::on(data.path(), &[]);
    let (mut mo, _, _) = person(back.address, "Mona", "dev").await;
    mo.ask(json!({"type": "moderator", "id": "1", "secret": secret})).await;
    let hello = json!({"type": "hello", "rooms": {"dev": {}}});
    let (_kim, kim) = knock(back.address, "203.0.113.9", &hello).await;
    let (_lee, _, lee) = person(back.address, "lee", "dev").await;
    let lee_user = {
        let (_, welcome) = knock(back.address, "127.0.0.1", &json!({"type": "hello", "session": lee})).await;
        welcome["user"].clone()
    };
    for order in [
        json!({"type": "ban", "id": "2", "user": kim["user"], "seconds": 600, "reason": "spam", "address": true}),
        json!({"type": "mute", "id": "3", "user": lee_user, "seconds": 600}),
        json!({"type": "topic", "id": "4", "text": "주간 회의"}),
        json!({"type": "slow", "id": "5", "seconds": 30}),
    ] {
        assert_eq!(mo.ask(order).await["type"], "ok");
    }
    back.kill();
    let back = Back::on(data.path(), &[]);
    let (_, refused) = knock(back.address, "127.0.0.1", &json!({"type": "hello", "session": kim["session"]})).await;
    assert_eq!((&refused["code"], &refused["reason"]), (&json!("banned"), &json!("spam")));
    assert_eq!(knock(back.address, "203.0.113.9", &hello).await.1["code"], "banned");
    let (mut again, _) = knock(back.address, "127.0.0.1", &json!({"type": "hello", "session": lee})).await;
    assert_eq!(again.next().await["type"], "muted");
    let (mut mo, joined) =
        knock(back.address, "127.0.0.1", &json!({"type": "hello", "moderator": secret, "rooms": {"dev": {}}})).await;
    assert_eq!(joined["moderator"], "mo");
    let joined = mo.until("joined").await;
    assert_eq!((&joined["topic"], &joined["slow"]), (&json!("주간 회의"), &json!(30)));
    assert_eq!(mo.ask(json!({"type": "sanctions", "id": "1"})).await["sanctions"].as_array().unwrap().len(), 2);
    let check = Command::new(env!("CARGO_BIN_EXE_back")).arg("check").arg("--data").arg(data.path()).output().unwrap();
    assert!(check.status.success(), "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_the_command_line_names_moderators() {
    let (done, secret, said) = moderate(Path::new("/nowhere"), &["add", "mo", "--print"]);
    assert!(done, "{said}");
    let flag = said.split('\'').nth(1).expect("the flag is quoted");
    let server = TestServer::with(&["--history", "memory", "--moderator", flag]);
    let (mut client, _, _) = person(server.address, "Mona", "dev").await;
    assert_eq!(client.ask(json!({"type": "moderator", "id": "1", "secret": secret})).await["name"], "mo");
}
