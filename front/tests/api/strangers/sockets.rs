//! Over WebSocket through this server's own port: in `chat.v1`, in plain lines, and at the echo.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use shared::{Name, RoomName, Ticket, TicketKey, ticket::LIFE_MS};
use tokio::time::timeout;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{AT_ONCE, ROOMS, Yard, whole};
use crate::signin::{KEY, Socket};

/// How one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In `chat.v1`: the ticket stands in the hello.
    Chat,
    /// In plain lines: it stands in the address.
    Plain,
    /// At the echo, likewise.
    Echo,
}

const WAYS: [Way; 3] = [Way::Chat, Way::Plain, Way::Echo];

/// Connects into this room; in `chat.v1` with this hello.
async fn enter(yard: &Yard, way: Way, ticket: Option<&str>, session: Option<&str>, room: &str) -> Socket {
    let path = match way {
        Way::Chat => "/ws".to_owned(),
        Way::Plain => format!("/ws/rooms/{room}"),
        Way::Echo => "/ws/echo".to_owned(),
    };
    let query = ticket.filter(|_| way != Way::Chat).map(|ticket| format!("?ticket={ticket}")).unwrap_or_default();
    let url = format!("ws://{}{path}{query}", yard.closed.house.front_address);
    let mut request = url.into_client_request().unwrap();
    if way == Way::Chat {
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(shared::SUBPROTOCOL));
    }
    // A cookie means nothing here, whoever has it.
    request.headers_mut().insert("cookie", yard.kim.parse().unwrap());
    let (mut socket, _) = timeout(AT_ONCE, connect_async(request)).await.unwrap().unwrap();
    if way == Way::Chat {
        let mut hello = json!({"type": "hello", "rooms": {room: {"last": 50}}});
        let shown = [("ticket", ticket), ("session", session)];
        shown.into_iter().filter_map(|(name, value)| Some((name, value?))).for_each(|(name, value)| {
            hello[name] = value.into();
        });
        socket.send(Message::text(hello.to_string())).await.unwrap();
    }
    socket
}

/// Everything up to the end, and the code and reason of the Close frame, which has to come.
async fn heard(socket: &mut Socket, room: &str) -> (Vec<String>, u16) {
    let mut texts = Vec::new();
    loop {
        let next = timeout(AT_ONCE, socket.next()).await.unwrap_or_else(|_| panic!("let in, or not told: {texts:?}"));
        match next.expect("a Close frame").unwrap() {
            Message::Text(text) => texts.push(text.as_str().replace(room, "ROOM")),
            Message::Close(Some(frame)) => {
                texts.push(frame.reason.to_string());
                return (texts, frame.code.into());
            }
            _ => {}
        }
    }
}

/// A ticket for kim, and all rooms, as this server makes them; changed.
fn ticket(change: impl FnOnce(&mut Ticket)) -> Ticket {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let now = since.as_millis() as u64;
    let mut ticket = Ticket {
        sub: "kim".to_owned(),
        name: Some(Name::parse("kim").unwrap()),
        rooms: vec![RoomName::parse("staff").unwrap()],
        prefixes: vec![String::new()],
        iat: now,
        exp: now + LIFE_MS,
        jti: format!("stranger-{number:08}"),
        sid: None,
        end: false,
        anew: false,
    };
    change(&mut ticket);
    ticket
}

/// How somebody makes what they show, anew for each try.
type Making<'a> = Box<dyn Fn() -> Option<String> + 'a>;

#[tokio::test(flavor = "multi_thread")]
async fn no_bad_ticket_opens_a_socket_or_tells_of_rooms() {
    let yard = Yard::open().await;
    let (own, foreign) = (TicketKey::new(KEY.as_bytes()).unwrap(), TicketKey::new(&[b'x'; 40]).unwrap());
    let used = yard.closed.ticket(&yard.kim).await;
    let (mut kim, _) = (enter(&yard, Way::Chat, Some(&used), None, "lobby").await, ());
    assert!(timeout(AT_ONCE, kim.next()).await.unwrap().unwrap().unwrap().to_text().unwrap().contains("welcome"));
    let out = yard.closed.sign_in("kim").await;
    let mut of_who_left = Vec::new();
    for _ in 0..WAYS.len() * ROOMS.len() {
        of_who_left.push(yard.closed.ticket(&out).await);
    }
    let of_who_left = std::cell::RefCell::new(of_who_left);
    assert_eq!(yard.closed.ask("POST", "/sign-out", &out, "").await.status, 303);
    let (own, foreign) = (&own, &foreign);
    let sealed = move |change: fn(&mut Ticket)| -> Making<'_> { Box::new(move || Some(ticket(change).seal(own))) };
    let table: [(&str, Making<'_>, u16); 11] = [
        ("none", Box::new(|| None), 4001),
        ("an empty one", Box::new(|| Some(String::new())), 4001),
        ("used", Box::new(|| Some(used.clone())), 4203),
        ("over", sealed(|ticket| (ticket.iat, ticket.exp) = (ticket.iat - 31_000, ticket.exp - 31_000)), 4203),
        ("early", sealed(|ticket| (ticket.iat, ticket.exp) = (ticket.iat + 60_000, ticket.exp + 60_000)), 4001),
        ("good for an hour", sealed(|ticket| ticket.exp += 3_600_000), 4001),
        ("of another key", Box::new(|| Some(ticket(|_| {}).seal(foreign))), 4001),
        ("written over", Box::new(|| Some(ticket(|_| {}).seal(own).replacen("t1.ey", "t1.ex", 1))), 4001),
        ("cut short", Box::new(|| ticket(|_| {}).seal(own).get(..40).map(str::to_owned)), 4001),
        ("of who signed out", Box::new(|| of_who_left.borrow_mut().pop()), 4001),
        ("no ticket but a cookie", Box::new(|| Some(yard.kim.replace("sign-in=", ""))), 4001),
    ];
    for (what, make, code) in &table {
        let mut errors = Vec::new();
        for way in WAYS {
            let mut told = Vec::new();
            for room in ROOMS {
                let mut socket = enter(&yard, way, make().as_deref(), None, room).await;
                let heard = heard(&mut socket, room).await;
                assert_eq!(heard.1, *code, "{what} {way:?}: {heard:?}");
                told.push(heard);
            }
            assert_eq!(told[0], told[1], "{what} {way:?}");
            if way != Way::Echo {
                let error: Value = serde_json::from_str(&told[0].0[0]).unwrap();
                assert_eq!((&error["code"], &error["field"]), (&json!("unauthorized"), &json!("ticket")), "{error}");
                assert!(!error["hint"].as_str().unwrap().is_empty() && error.get("got").is_none(), "{error}");
                assert!(!error.to_string().contains("ROOM"), "{error}");
                errors.push(error);
            }
        }
        assert_eq!(errors[0], errors[1], "{what}: by every way the same");
    }
    // A good one, with somebody else's session.
    for room in ROOMS {
        let ticket = yard.closed.ticket(&yard.lee).await;
        let mut socket = enter(&yard, Way::Chat, Some(&ticket), Some(&yard.secret), room).await;
        let (texts, code) = heard(&mut socket, room).await;
        let error: Value = serde_json::from_str(&texts[0]).unwrap();
        assert_eq!((code, &error["field"]), (4001, &json!("session")), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("begin a new one"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_elsewhere_comes_as_far_as_a_socket() {
    let yard = Yard::open().await;
    let own = format!("http://{}", yard.closed.house.front_address);
    let elsewhere: [&[&str]; 6] = [
        &["http://evil.example"],
        &["null"],
        &[""],
        &[&own, "http://evil.example"],
        &[&own, &own],
        &["http://localhost.evil.example"],
    ];
    let handshake = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Cookie", &yard.kim),
    ];
    let mut told = Vec::new();
    for origins in elsewhere {
        let headers: Vec<_> = handshake.into_iter().chain(origins.iter().map(|origin| ("Origin", *origin))).collect();
        for path in ["/ws", "/ws/rooms/staff", "/ws/rooms/ghost", "/ws/echo"] {
            let ticket = yard.closed.ticket(&yard.kim).await;
            let path = format!("{path}?ticket={ticket}");
            let answer = whole(&yard.closed.house.front_address, "GET", &path, &headers, b"").await;
            assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("--allow-origin"), "{origins:?}: {answer}");
            assert!(!answer.contains(&ticket) && !answer.contains("staff"), "{answer}");
            told.push(answer);
        }
    }
    assert!(told.iter().all(|answer| *answer == told[0]), "{told:#?}");
}

/// Everything that can be said about a room.
fn questions(room: &str) -> Vec<Value> {
    let with = |mut question: Value| {
        question["id"] = "q".into();
        question["room"] = room.into();
        question
    };
    let all = [
        json!({"type": "join"}),
        json!({"type": "join", "last": 50}),
        json!({"type": "join", "epoch": "EPOCH", "seq": 0}),
        json!({"type": "leave"}),
        json!({"type": "send", "text": "x"}),
        json!({"type": "edit", "seq": 1, "text": "x"}),
        json!({"type": "delete", "seq": 1}),
        json!({"type": "read", "seq": 1}),
        json!({"type": "history", "before": 9}),
        json!({"type": "history", "after": 0}),
        json!({"type": "history", "around": 1}),
        json!({"type": "search", "text": "secret"}),
        json!({"type": "who"}),
        json!({"type": "kick", "user": "AAAAAAAAAAAAAAAA"}),
        json!({"type": "mute", "user": "AAAAAAAAAAAAAAAA", "seconds": 60}),
        json!({"type": "slow", "seconds": 60}),
        json!({"type": "topic", "text": "x"}),
    ];
    all.into_iter().map(with).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_question_tells_a_room_of_others_from_none() {
    let yard = Yard::open().await;
    let begun = yard.closed.ask("POST", "/api/sessions", &yard.lee, r#"{"rooms":{"lobby":{}}}"#).await;
    let bearer = format!("Bearer {}", begun.json()["session"].as_str().unwrap());
    let at = begun.header("location").to_owned();
    let headers = [("Cookie", yard.lee.as_str()), ("Authorization", &bearer), ("Content-Type", "application/json")];
    let ticket = yard.closed.ticket(&yard.lee).await;
    let mut socket = enter(&yard, Way::Chat, Some(&ticket), None, "lobby").await;
    let mut seen = 1;
    for (staff, ghost) in questions(ROOMS[0]).into_iter().zip(questions(ROOMS[1])) {
        let mut told = Vec::new();
        for (question, room) in [(&staff, ROOMS[0]), (&ghost, ROOMS[1])] {
            let question = question.to_string().replace("EPOCH", &yard.epoch);
            socket.send(Message::text(question.clone())).await.unwrap();
            let by_socket = loop {
                let said = crate::signin::next(&mut socket).await.expect("still open");
                if said["id"] == "q" {
                    break said.to_string().replace(room, "ROOM");
                }
            };
            let passed = yard.closed.house.ask("POST", &format!("{at}/commands"), &headers, &question).await;
            assert_eq!(passed.status, 202, "{passed:?}");
            let by_session = loop {
                let path = format!("{at}/events?wait=5&after={seen}");
                let frames = yard.closed.house.ask("GET", &path, &headers, "").await.json();
                seen = frames["next"].as_u64().unwrap();
                let mut frames = frames["frames"].as_array().unwrap().iter();
                if let Some(said) = frames.find(|said| said["id"] == "q") {
                    break said.to_string().replace(room, "ROOM");
                }
            };
            assert_eq!(by_socket, by_session, "{question}");
            told.push(by_socket);
        }
        assert_eq!(told[0], told[1], "{staff}");
        let answer: Value = serde_json::from_str(&told[0]).unwrap();
        assert_eq!((&answer["type"], answer.get("messages")), (&json!("error"), None), "{staff}: {answer}");
    }
    // What asks for no answer, and the lists.
    for room in ROOMS {
        socket.send(Message::text(json!({"type": "typing", "room": room}).to_string())).await.unwrap();
    }
    socket.send(Message::text(r#"{"type":"rooms","id":"r"}"#)).await.unwrap();
    let mut unanswered = Vec::new();
    let listed = loop {
        let said = crate::signin::next(&mut socket).await.expect("still open");
        match said["type"].as_str() {
            Some("error") => unanswered.push(said.to_string()),
            _ if said["id"] == "r" => break said,
            _ => {}
        }
    };
    let [staff, ghost] = &unanswered[..] else { panic!("{unanswered:?}") };
    assert_eq!(staff.replace(ROOMS[0], "ROOM"), ghost.replace(ROOMS[1], "ROOM"));
    let rooms = listed["rooms"].as_array().unwrap();
    assert!(!rooms.is_empty() && rooms.iter().all(|one| one["room"] == "lobby"), "{listed}");
    // In plain lines the address names the room.
    let mut told = Vec::new();
    for room in ROOMS {
        let ticket = yard.closed.ticket(&yard.lee).await;
        let mut plain = enter(&yard, Way::Plain, Some(&ticket), None, room).await;
        let mut kinds = Vec::new();
        for line in [format!("/join {room}"), "/history 20".to_owned(), "/who".to_owned(), "/quit".to_owned()] {
            plain.send(Message::text(line)).await.unwrap();
        }
        plain.send(Message::text(r#"{"type":"quit"}"#)).await.unwrap();
        while let Some(said) = crate::signin::next(&mut plain).await {
            let mut said = said;
            // What differs between any two connections.
            ["connection", "session", "now"].iter().for_each(|name| _ = said.as_object_mut().unwrap().remove(*name));
            kinds.push(said.to_string().replace(room, "ROOM"));
        }
        assert!(!kinds.iter().any(|said| said.contains("the secret")), "{kinds:?}");
        told.push(kinds);
    }
    assert_eq!(told[0], told[1]);
    assert!(told[0].iter().any(|said| said.contains("no_room")), "{told:?}");
}
