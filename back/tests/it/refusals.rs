//! Every ticket that is none, over every transport: refused in the same words whether a room is there or not, and counted.

use back::history::unix_ms;
use serde_json::{Value, json};
use shared::{Ticket, TicketKey};

use crate::{
    client::{Client, NOTES_REQUEST, raw},
    office::{Office, assert_refused, enter, knock, ticket},
    ops::scrape,
};

/// What a stranger may show: by which word it is counted, how it is made anew for each try, and the close code.
type Bad<'a> = (&'static str, Box<dyn Fn() -> Option<String> + 'a>, u16);

#[tokio::test(flavor = "multi_thread")]
async fn no_bad_ticket_opens_anything_by_any_way_or_says_what_there_is() {
    let office = Office::open();
    let server = office.server(&["--guests", "no", "--connects-per-second-per-address", "0"]);
    let used = office.ticket("kim", &["*"]);
    let (mut kim, _) = enter(server.address, &used, &["board"]).await;
    kim.ask(json!({"type": "send", "id": "1", "text": "the secret"})).await;
    kim.messages(1).await;
    let now = unix_ms();
    let seal = |change: Ticket| office.seal(&change);
    let good = || ticket("kim", &["*"]);
    let table: Vec<Bad<'_>> = vec![
        ("missing", Box::new(|| None), 4001),
        ("used", Box::new(|| Some(used.clone())), 4203),
        ("expired", Box::new(|| Some(seal(Ticket { iat: now - 31_000, exp: now - 1_000, ..good() }))), 4203),
        ("restarted", Box::new(|| Some(seal(Ticket { iat: now - 20_000, ..good() }))), 4203),
        ("early", Box::new(|| Some(seal(Ticket { iat: now + 60_000, exp: now + 90_000, ..good() }))), 4001),
        ("malformed", Box::new(|| Some(seal(Ticket { exp: now + 3_600_000, ..good() }))), 4001),
        ("foreign", Box::new(|| Some(good().seal(&TicketKey::new(&[b'x'; 40]).unwrap()))), 4001),
        ("foreign", Box::new(|| Some(seal(good()).replacen("t1.ey", "t1.ex", 1))), 4001),
        ("foreign", Box::new(|| Some(format!("{}x", seal(good())))), 4001),
        ("foreign", Box::new(|| Some(String::new())), 4001),
    ];
    let mut wanted = std::collections::BTreeMap::from([("accepted", 1.0)]);
    for (word, make, code) in &table {
        let mut told: Vec<Value> = Vec::new();
        for room in ["board", "nowhere"] {
            let mut hello = json!({"type": "hello", "rooms": {room: {"last": 50}}});
            if let Some(ticket) = make() {
                hello["ticket"] = ticket.into();
            }
            let (mut client, first) = knock(server.address, hello).await;
            told.push(assert_refused(&mut client, Some(first), "ticket", *code).await);
            let at = |path: &str| make().map_or(path.to_owned(), |ticket| format!("{path}?ticket={ticket}"));
            let mut plain = Client::plain(server.address, &at(&format!("/rooms/{room}"))).await;
            told.push(assert_refused(&mut plain, None, "ticket", *code).await);
            let mut echo = Client::plain(server.address, &at("/echo")).await;
            assert_eq!(echo.close_code().await, *code, "{word}");
            *wanted.entry(word).or_default() += 3.0;
        }
        assert!(told.iter().all(|error| *error == told[0]), "{word}: {told:?}");
        assert!(!told[0].to_string().contains("board") && told[0].get("got").is_none(), "{word}: {told:?}");
    }
    // A good one with somebody else's session.
    let other = enter(server.address, &office.ticket("lee", &["*"]), &[]).await.1["session"].clone();
    let hello = json!({"type": "hello", "ticket": office.ticket("kim", &["*"]), "session": other});
    let (mut client, first) = knock(server.address, hello).await;
    assert_refused(&mut client, Some(first), "session", 4001).await;
    wanted.insert("session", 1.0);
    wanted.insert("accepted", 2.0);
    let seen = scrape(server.ops()).await;
    for (word, count) in wanted {
        assert_eq!(seen.value("madang_back_tickets_total", &[("result", word)]), count, "{word}");
    }
    kim.expect_silence().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_learns_nothing_whatever_ticket_it_has() {
    let office = Office::open();
    let server = office.closed();
    let (_kim, _) = enter(server.address, &office.ticket("kim", &["*"]), &["board"]).await;
    let mut told = Vec::new();
    for path in ["/", "/rooms/board", "/rooms/nowhere", "/echo"] {
        let ticket = office.ticket("kim", &["*"]);
        let request = NOTES_REQUEST.replacen("GET / ", &format!("GET {path}?ticket={ticket} "), 1);
        let request = request.replace("Upgrade\r\n", "Upgrade\r\nOrigin: http://evil.example\r\n");
        let answer = raw(server.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains(&ticket), "{path}: {answer}");
        told.push(answer);
        // It was not used up by that: who has it may still come in by it.
        enter(server.address, &ticket, &["board"]).await;
    }
    assert!(told.iter().all(|answer| *answer == told[0]), "{told:?}");
}

/// An order to end something is for `hello`: at `/echo`, where nobody can be told, it lets nobody in either.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_to_end_something_lets_nobody_in_at_the_echo() {
    let office = Office::open();
    let server = office.closed();
    let order = office.seal(&Ticket { end: true, ..ticket("kim", &[]) });
    let mut echo = Client::plain(server.address, &format!("/echo?ticket={order}")).await;
    assert_eq!(echo.close_code().await, 4001);
}

/// Whoever signed out has left nothing behind that still opens a door, the echo's included.
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_of_who_signed_out_since_opens_no_echo() {
    let office = Office::open();
    let server = office.closed();
    let by = |sid: &str, end: bool| office.seal(&Ticket { sid: Some(sid.to_owned()), end, ..ticket("kim", &["*"]) });
    let (unused, other) = (by("phone", false), by("desk", false));
    knock(server.address, json!({"type": "hello", "ticket": by("phone", true)})).await;
    let mut echo = Client::plain(server.address, &format!("/echo?ticket={unused}")).await;
    assert_eq!(echo.close_code().await, 4001);
    let mut echo = Client::plain(server.address, &format!("/echo?ticket={other}")).await;
    echo.say("x").await;
    assert_eq!(echo.next_text().await, "x");
}

/// Nor does it go on: the code says why, and there is nothing else to be read.
#[tokio::test(flavor = "multi_thread")]
async fn an_echo_ends_with_the_sign_in_that_opened_it() {
    let office = Office::open();
    let server = office.closed();
    let by = |sid: &str, end: bool| office.seal(&Ticket { sid: Some(sid.to_owned()), end, ..ticket("kim", &["*"]) });
    let mut echoes = Vec::new();
    for sid in ["phone", "desk"] {
        let mut echo = Client::plain(server.address, &format!("/echo?ticket={}", by(sid, false))).await;
        echo.say(sid).await;
        assert_eq!(echo.next_text().await, sid);
        echoes.push(echo);
    }
    knock(server.address, json!({"type": "hello", "ticket": by("phone", true)})).await;
    let [phone, desk] = &mut echoes[..] else { panic!("two came") };
    assert_eq!(phone.close_code().await, 4001);
    desk.say("still").await;
    assert_eq!(desk.next_text().await, "still");
}
