//! Who may come in: strangers and people with tickets, over real sockets, in `chat.v1` and in plain lines.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use back::history::unix_ms;
use serde_json::{Value, json};
use shared::{Ticket, TicketKey};

use crate::{
    client::{Client, End, texts},
    office::{Office, SECRET, assert_refused, enter, knock, ticket},
    server::TestServer,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_stays_outside_and_learns_nothing() {
    let office = Office::open();
    let server = office.closed();
    let (mut kim, _) = enter(server.address, &office.ticket("kim", &["*"]), &["board"]).await;
    kim.ask(json!({"type": "send", "id": "1", "text": "secret"})).await;
    kim.messages(1).await;
    let mut told = Vec::new();
    // Whether the room is there or not, the answer is the same to the letter.
    for room in ["board", "nothing"] {
        let hello = json!({"type": "hello", "name": "x", "rooms": {room: {}}, "session": "A".repeat(22)});
        let (mut stranger, first) = knock(server.address, hello).await;
        told.push(assert_refused(&mut stranger, Some(first), "ticket", 4001).await);
        let mut stranger = Client::plain(server.address, &format!("/rooms/{room}")).await;
        told.push(assert_refused(&mut stranger, None, "ticket", 4001).await);
    }
    assert!(told.iter().all(|error| *error == told[0]), "{told:?}");
    // Who says anything else first is told to say hello, and no more.
    let (_, first) = knock(server.address, json!({"type": "history", "id": "1", "room": "board"})).await;
    assert_eq!((&first["type"], &first["code"]), (&json!("error"), &json!("bad_field")));
    let mut echo = Client::plain(server.address, "/echo").await;
    assert_eq!(echo.close_code().await, 4001);
    kim.expect_silence().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_once_in_its_time_and_with_this_key() {
    let office = Office::open();
    let server = office.closed();
    let good = office.ticket("kim", &["*"]);
    let (_kim, welcome) = enter(server.address, &good, &["dev"]).await;
    assert_eq!(welcome["name"], "kim");
    let now = unix_ms();
    let expired = office.seal(&Ticket { iat: now - 31_000, exp: now - 1_000, ..ticket("kim", &["*"]) });
    let earlier = office.seal(&Ticket { iat: now - 20_000, ..ticket("kim", &["*"]) });
    let long = office.seal(&Ticket { exp: now + 3_600_000, ..ticket("kim", &["*"]) });
    let foreign = ticket("kim", &["*"]).seal(&TicketKey::new(&[b'x'; 40]).unwrap());
    let (said, signature) = good.rsplit_once('.').unwrap();
    let changed = format!("{}.{signature}", said.replace("t1.ey", "t1.ex"));
    for (what, ticket, code) in [
        ("used", good.as_str(), 4203),
        ("expired", &expired, 4203),
        ("made before the server began, and so perhaps used", &earlier, 4203),
        ("good for an hour", &long, 4001),
        ("signed by somebody else", &foreign, 4001),
        ("changed", &changed, 4001),
        ("not signed", said, 4001),
        ("empty", "", 4001),
        ("huge", &"t1.".repeat(20_000), 4001),
    ] {
        let (mut client, first) = knock(server.address, json!({"type": "hello", "ticket": ticket})).await;
        let error = assert_refused(&mut client, Some(first), "ticket", code).await;
        assert_eq!(error.get("got"), None, "{what}: a secret is not repeated");
        if ticket.len() < 8_000 {
            let mut plain = Client::plain(server.address, &format!("/?ticket={ticket}")).await;
            assert_refused(&mut plain, None, "ticket", code).await;
        }
    }
    // What is no text is no ticket, and the connection may try again.
    let (mut client, first) = knock(server.address, json!({"type": "hello", "ticket": 7})).await;
    assert_eq!(first["code"], "bad_field");
    client.send(json!({"type": "hello", "ticket": office.ticket("kim", &["*"])})).await;
    assert_eq!(client.next().await["type"], "welcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_who_use_a_ticket_at_once_comes_in() {
    let office = Office::open();
    let server = office.closed();
    let ticket = office.ticket("kim", &["*"]);
    let tries = (0..16).map(|_| {
        let hello = json!({"type": "hello", "ticket": ticket});
        tokio::spawn(knock(server.address, hello))
    });
    let mut welcomed = 0;
    for each in tries.collect::<Vec<_>>() {
        welcomed += usize::from(each.await.unwrap().1["type"] == "welcome");
    }
    assert_eq!(welcomed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_lines_come_in_by_a_ticket_in_the_address() {
    let office = Office::open();
    let server = office.closed();
    let path = |rooms: &[&str]| format!("/rooms/dev?ticket={}", office.ticket("kim", rooms));
    let mut kim = Client::plain(server.address, &path(&["dev"])).await;
    assert_eq!(kim.next().await["name"], "kim");
    kim.until("synced").await;
    kim.say("hello").await;
    assert_eq!(texts(&kim.messages(1).await), ["hello"]);
    for line in ["/join board", r#"{"type":"history","id":"1","room":"board"}"#] {
        kim.say(line).await;
        assert_eq!(kim.until("error").await["code"], "no_room", "{line}");
    }
    // Into another room than theirs: welcome, and no such room.
    let mut lee = Client::plain(server.address, &path(&["other"])).await;
    lee.until("welcome").await;
    assert_eq!(lee.next().await["code"], "no_room");
    lee.say("is anybody there?").await;
    assert_eq!(lee.next().await["code"], "not_joined");
    let mut echo = Client::plain(server.address, &format!("/echo?ticket={}", office.ticket("kim", &[]))).await;
    echo.say("echo").await;
    assert_eq!(echo.next_text().await, "echo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_gone_on_with_by_its_own_person_alone() {
    let office = Office::open();
    let server = office.server(&[]);
    let (_kim, welcome) = enter(server.address, &office.ticket("kim", &["*"]), &["dev"]).await;
    let session = welcome["session"].clone();
    let guest = Client::hello(server.address, "guest", json!({})).await.1["session"].clone();
    let hello =
        |ticket: Option<String>, session: &Value| json!({"type": "hello", "ticket": ticket, "session": session});
    for (what, hello) in [
        ("another's", hello(Some(office.ticket("lee", &["*"])), &session)),
        ("without a ticket", hello(None, &session)),
        ("a guest's", hello(Some(office.ticket("kim", &["*"])), &guest)),
    ] {
        let (mut client, first) = knock(server.address, hello).await;
        let error = assert_refused(&mut client, Some(first), "session", 4001).await;
        assert!(!error.to_string().contains(session.as_str().unwrap()), "{what}");
    }
    let (_again, first) = knock(server.address, hello(Some(office.ticket("kim", &["*"])), &session)).await;
    assert_eq!((&first["type"], &first["user"], &first["session"]), (&json!("welcome"), &welcome["user"], &session));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_one_person_on_two_devices_and_one_connection_in_each_tab() {
    let office = Office::open();
    let server = office.server(&["--presence-grace", "0"]);
    let mut watcher = Client::in_room(server.address, "watcher", "dev").await;
    let (mut phone, one) = enter(server.address, &office.ticket("kim", &["*"]), &["dev"]).await;
    let (laptop, two) = enter(server.address, &office.ticket("kim", &["*"]), &["dev"]).await;
    assert_eq!((&one["user"], one["session"] == two["session"]), (&two["user"], false));
    let count = watcher.ask(json!({"type": "who", "id": "1"})).await["count"].clone();
    assert_eq!(count, 2);
    drop(laptop);
    phone.ask(json!({"type": "send", "id": "1", "text": "still here"})).await;
    watcher.messages(1).await;
    assert_eq!(watcher.ask(json!({"type": "who", "id": "2"})).await["count"], 2);
    // The same tab again: the newest wins.
    let hello = json!({"type": "hello", "ticket": office.ticket("kim", &["*"]), "session": one["session"]});
    let (_phone, first) = knock(server.address, hello).await;
    assert_eq!(first["type"], "welcome");
    assert_eq!(phone.close_code().await, 4005);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_ticket_gives_is_kept() {
    let office = Office::open();
    let server = office.closed();
    let hello = json!({"type": "hello", "name": "boss", "ticket": office.ticket("kim", &["*"])});
    let (mut kim, welcome) = knock(server.address, hello).await;
    assert_eq!(welcome["name"], "kim");
    assert_eq!(kim.ask(json!({"type": "name", "id": "1", "name": "boss"})).await["code"], "forbidden");
    let nameless = office.seal(&Ticket { name: None, ..ticket("lee", &["*"]) });
    let (mut lee, welcome) = knock(server.address, json!({"type": "hello", "name": "Lee", "ticket": nameless})).await;
    assert_eq!(welcome["name"], "Lee");
    assert_eq!(lee.ask(json!({"type": "name", "id": "1", "name": "Lea"})).await["name"], "Lea");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_chosen_in_one_tab_is_that_of_the_others() {
    let office = Office::open();
    let server = office.closed();
    let nameless = || office.seal(&Ticket { name: None, ..ticket("lee", &["*"]) });
    let (mut park, _) = enter(server.address, &office.ticket("park", &["*"]), &["dev", "ops"]).await;
    let hello = json!({"type": "hello", "name": "Lee", "ticket": nameless(), "rooms": {"dev": {}}});
    let (mut first, _) = knock(server.address, hello).await;
    first.until("synced").await;
    let (mut second, welcome) = enter(server.address, &nameless(), &["dev", "ops"]).await;
    assert_eq!(welcome["name"], "Lee");
    // The ticket of one tab has a name, and holds.
    let (mut named, welcome) = enter(server.address, &office.ticket("lee", &["*"]), &["office"]).await;
    assert_eq!(welcome["name"], "lee");
    let user = welcome["user"].clone();
    assert_eq!(first.ask(json!({"type": "name", "id": "1", "name": "Anna"})).await["name"], "Anna");
    let said = named.ask(json!({"type": "send", "id": "1", "text": "x"})).await;
    assert_eq!((&said["type"], &named.messages(1).await[0]["name"]), (&json!("ok"), &json!("lee")));
    second.send(json!({"type": "send", "room": "dev", "text": "from the other tab"})).await;
    assert_eq!(park.messages(1).await[0]["name"], "Anna");
    second.send(json!({"type": "typing", "room": "ops"})).await;
    assert_eq!(park.until("typing").await["name"], "Anna");
    // Nor does the old name come back with who comes in, by that tab or by another.
    let (mut third, welcome) = enter(server.address, &nameless(), &["dev"]).await;
    assert_eq!(welcome["name"], "Anna");
    for tab in [&mut second, &mut third] {
        for room in ["dev", "ops", "new"] {
            tab.ask(json!({"type": "join", "id": "j", "room": room})).await;
            tab.until("synced").await;
            let people = tab.ask(json!({"type": "who", "id": "w", "room": room})).await;
            let lee = people["users"].as_array().unwrap().iter().find(|person| person["user"] == user);
            assert_eq!(lee.unwrap()["name"], "Anna", "{room}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_connections_of_that_sign_in_at_once() {
    let office = Office::open();
    let server = office.closed();
    let by = |sid: &str| Ticket { sid: Some(sid.to_owned()), ..ticket("kim", &["*"]) };
    let (mut phone, _) = enter(server.address, &office.seal(&by("phone")), &["dev"]).await;
    let (mut laptop, _) = enter(server.address, &office.seal(&by("laptop")), &["dev"]).await;
    let (mut lee, _) = enter(server.address, &office.ticket("lee", &["*"]), &["dev"]).await;
    // Made before, and not used yet.
    let unused = office.seal(&by("phone"));
    let order = office.seal(&Ticket { end: true, rooms: vec![], prefixes: vec![], ..by("phone") });
    let (mut desk, first) = knock(server.address, json!({"type": "hello", "ticket": order})).await;
    assert_eq!((&first["type"], &first["code"]), (&json!("bye"), &json!(1000)), "nobody comes in by it");
    assert_eq!(desk.close_code().await, 1000);
    let (told, end) = phone.end().await;
    assert!(matches!(end, End::Close(4001, _)), "{end:?}");
    assert!(told.iter().any(|error| error["code"] == "unauthorized" && error["text"] == "this sign-in is over"));
    let (mut late, first) = knock(server.address, json!({"type": "hello", "ticket": unused})).await;
    assert_refused(&mut late, Some(first), "ticket", 4001).await;
    laptop.ask(json!({"type": "ping", "id": "1"})).await;
    // Without a sign-in: everything of the account, and nothing of others.
    let order = office.seal(&Ticket { end: true, sid: None, ..ticket("kim", &[]) });
    knock(server.address, json!({"type": "hello", "ticket": order})).await;
    assert_eq!(laptop.close_code().await, 4001);
    lee.ask(json!({"type": "ping", "id": "1"})).await;
}

/// An order to end something is a ticket: it needs the key, and works once.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_the_key_signs_somebody_out() {
    let office = Office::open();
    let server = office.closed();
    let (mut kim, _) = enter(server.address, &office.ticket("kim", &["*"]), &["dev"]).await;
    let forged = Ticket { end: true, ..ticket("kim", &[]) }.seal(&TicketKey::new(&[b'x'; 40]).unwrap());
    let (mut stranger, first) = knock(server.address, json!({"type": "hello", "ticket": forged})).await;
    assert_refused(&mut stranger, Some(first), "ticket", 4001).await;
    kim.ask(json!({"type": "ping", "id": "1"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_keeps_an_account_out_whatever_its_ticket() {
    let office = Office::open();
    let server = office.server(&["--moderator", crate::moderation::FLAG]);
    let mut mo = Client::in_room(server.address, "Mona", "dev").await;
    mo.ask(json!({"type": "moderator", "id": "m", "secret": crate::moderation::SECRET})).await;
    let (mut kim, welcome) = enter(server.address, &office.ticket("kim", &["*"]), &["dev"]).await;
    mo.ask(json!({"type": "ban", "id": "b", "user": welcome["user"], "seconds": 600})).await;
    assert_eq!(kim.close_code().await, 4003);
    let (mut again, first) =
        knock(server.address, json!({"type": "hello", "ticket": office.ticket("kim", &["*"])})).await;
    assert_eq!(first["code"], "banned");
    assert_eq!(again.close_code().await, 4003);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_flags_a_ticket_changes_nothing() {
    let server = TestServer::with(&["--history", "memory"]);
    let (_kim, first) = knock(server.address, json!({"type": "hello", "name": "kim", "ticket": "whatever"})).await;
    assert_eq!((&first["type"], &first["name"]), (&json!("welcome"), &json!("kim")));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_language_makes_tickets_as_the_protocol_shows() {
    let office = Office::open();
    let server = office.closed();
    let page = include_str!("../../../docs/protocol.md");
    let program = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    std::fs::rename(office.file(), office.file().with_file_name("ticket.key")).unwrap();
    let made = match Command::new("python3").args(["-c", program]).current_dir(office.file().parent().unwrap()).output()
    {
        Ok(made) => made,
        Err(error) => {
            println!("nobody looked at the example: python3: {error}");
            return;
        }
    };
    assert!(made.status.success(), "{made:?}");
    let made = String::from_utf8(made.stdout).unwrap();
    let (mut kim, welcome) = enter(server.address, made.trim(), &["dev"]).await;
    assert_eq!(welcome["name"], "Kim");
    assert_eq!(kim.ask(json!({"type": "join", "id": "1", "room": "lobby"})).await["code"], "no_room");
}

#[test]
fn keys_and_tickets_are_made_on_the_command_line() {
    let back = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_back")).args(args).output().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ticket.key");
    let file = file.to_str().unwrap();
    assert!(back(&["ticket", "key", file]).status.success());
    assert!(!back(&["ticket", "key", file]).status.success(), "a key that is in use is not overwritten");
    let made = back(&["ticket", "make", "42", "--name", "지민", "--rooms", "dev,반-*", "--ticket-key", file]);
    assert!(made.status.success(), "{made:?}");
    let key = TicketKey::new(std::fs::read_to_string(file).unwrap().trim().as_bytes()).unwrap();
    let ticket = Ticket::open(String::from_utf8(made.stdout).unwrap().trim(), &key, unix_ms()).unwrap();
    assert_eq!((ticket.sub.as_str(), ticket.prefixes.as_slice()), ("42", ["반-".to_owned()].as_slice()));
    assert!(!back(&["ticket", "make", "42"]).status.success(), "there is no key");
}

#[test]
fn a_server_without_a_good_key_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let start = |flags: &[&str]| {
        let all = [&["--listen", "127.0.0.1:0", "--ops", "off", "--history", "memory"], flags].concat();
        let out = Command::new(env!("CARGO_BIN_EXE_back")).args(all).output().unwrap();
        assert!(!out.status.success());
        String::from_utf8(out.stderr).unwrap()
    };
    let file = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let file: PathBuf = Path::join(folder.path(), name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        file.to_str().unwrap().to_owned()
    };
    assert!(start(&["--guests", "no"]).contains("--ticket-key <FILE>"));
    assert!(start(&["--ticket-key", &file("open", SECRET, 0o644)]).contains("chmod 600"));
    assert!(start(&["--ticket-key", &file("short", "short", 0o600)]).contains("shorter than 32"));
    assert!(start(&["--ticket-key", "/nowhere/key"]).contains("/nowhere/key"));
    assert!(start(&["--guest-rooms", "a/b"]).contains("--guest-rooms"));
}
