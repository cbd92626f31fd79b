//! The wire, pinned as literal JSON: what changes here breaks other people's programs.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use shared::{
    Ask, ClientMessage, Epoch, ErrorBody, ErrorCode, Gap, GapReason, Json, Message, MessageId, ModeratorSecret, Name,
    OkBody, Person, Position, Resume, RoomEntry, RoomName, Sanction, SanctionKind, Sentence, ServerMessage,
    SessionToken, UserId,
    server::{Joined, Limits, Page, Welcome},
};

fn room() -> RoomName {
    RoomName::parse("lobby").unwrap()
}
fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}
fn id(text: &str) -> MessageId {
    MessageId::parse(text).unwrap()
}
fn user() -> UserId {
    UserId::parse("u7Zk2mQ0aB-_x9Yc").unwrap()
}
fn epoch() -> Epoch {
    Epoch::parse("k3J9xQ2a").unwrap()
}
fn minsu() -> Person {
    Person { user: user(), name: name("민수") }
}
fn token() -> SessionToken {
    SessionToken::parse("4fQm1zX8Jw0cK7sYh2LbNg").unwrap()
}
fn secret() -> ModeratorSecret {
    ModeratorSecret::parse("Zr1kPp0mQeWv8sUy3aTbXg").unwrap()
}
fn sentence(text: &str) -> Sentence {
    Sentence::parse(text).unwrap()
}

/// The text is read as the message, and the message is written as exactly the text.
#[track_caller]
fn client(text: &str, message: ClientMessage) {
    assert_eq!(ClientMessage::parse(text).unwrap(), message);
    assert_eq!(serde_json::to_string(&message).unwrap(), text);
}

#[track_caller]
fn server(text: &str, message: ServerMessage) {
    assert_eq!(message.to_json(), text);
    assert_eq!(serde_json::from_str::<ServerMessage>(text).unwrap(), message);
}

#[test]
fn hello_says_who_and_where() {
    client(
        r#"{"type":"hello","name":"민수","session":"4fQm1zX8Jw0cK7sYh2LbNg","ticket":"t","moderator":"Zr1kPp0mQeWv8sUy3aTbXg","presence":false,"rooms":{"dev":{"last":10},"lobby":{"epoch":"k3J9xQ2a","seq":41},"회의":{}}}"#,
        ClientMessage::Hello {
            name: Some(name("민수")),
            session: Some(token()),
            ticket: Some("t".to_owned()),
            moderator: Some(secret()),
            presence: false,
            rooms: BTreeMap::from([
                (RoomName::parse("dev").unwrap(), Ask::Last(10)),
                (room(), Ask::Resume(Position { epoch: epoch(), seq: 41 })),
                (RoomName::parse("회의").unwrap(), Ask::Default),
            ]),
        },
    );
    client(
        r#"{"type":"hello"}"#,
        ClientMessage::Hello {
            name: None,
            session: None,
            ticket: None,
            moderator: None,
            presence: true,
            rooms: BTreeMap::new(),
        },
    );
}

#[test]
fn join_and_leave() {
    client(
        r#"{"type":"join","id":"1","room":"lobby"}"#,
        ClientMessage::Join { id: Some(id("1")), room: room(), ask: Ask::Default },
    );
    client(
        r#"{"type":"join","room":"lobby","epoch":"k3J9xQ2a","seq":41}"#,
        ClientMessage::Join { id: None, room: room(), ask: Ask::Resume(Position { epoch: epoch(), seq: 41 }) },
    );
    client(
        r#"{"type":"join","room":"lobby","last":0}"#,
        ClientMessage::Join { id: None, room: room(), ask: Ask::Last(0) },
    );
    client(
        r#"{"type":"leave","id":"2","room":"lobby"}"#,
        ClientMessage::Leave { id: Some(id("2")), room: Some(room()) },
    );
}

#[test]
fn send_edit_and_delete() {
    client(
        r#"{"type":"send","id":"a1","room":"lobby","text":"안녕","reply_to":3}"#,
        ClientMessage::Send { id: Some(id("a1")), room: Some(room()), text: "안녕".to_owned(), reply_to: Some(3) },
    );
    client(
        r#"{"type":"send","text":"Hello"}"#,
        ClientMessage::Send { id: None, room: None, text: "Hello".to_owned(), reply_to: None },
    );
    client(
        r#"{"type":"edit","id":"a2","room":"lobby","seq":3,"text":"x"}"#,
        ClientMessage::Edit { id: Some(id("a2")), room: Some(room()), seq: 3, text: "x".to_owned() },
    );
    client(
        r#"{"type":"delete","id":"a3","room":"lobby","seq":3}"#,
        ClientMessage::Delete { id: Some(id("a3")), room: Some(room()), seq: 3 },
    );
}

#[test]
fn the_smaller_requests() {
    client(r#"{"type":"name","id":"1","name":"kim"}"#, ClientMessage::Name { id: Some(id("1")), name: name("kim") });
    client(r#"{"type":"typing","room":"lobby"}"#, ClientMessage::Typing { room: Some(room()) });
    client(
        r#"{"type":"read","id":"1","room":"lobby","seq":9}"#,
        ClientMessage::Read { id: Some(id("1")), room: Some(room()), seq: 9 },
    );
    client(
        r#"{"type":"history","id":"1","room":"lobby","before":9,"limit":50}"#,
        ClientMessage::History {
            id: id("1"),
            room: Some(room()),
            before: Some(9),
            after: None,
            around: None,
            limit: Some(50),
        },
    );
    client(
        r#"{"type":"search","id":"1","room":"lobby","text":"회의","before":9,"limit":5}"#,
        ClientMessage::Search {
            id: id("1"),
            room: Some(room()),
            text: "회의".to_owned(),
            before: Some(9),
            limit: Some(5),
        },
    );
    client(
        r#"{"type":"who","id":"1","room":"lobby","after":"u7Zk2mQ0aB-_x9Yc"}"#,
        ClientMessage::Who { id: id("1"), room: Some(room()), after: Some(user()) },
    );
    client(r#"{"type":"rooms","id":"1"}"#, ClientMessage::Rooms { id: id("1") });
    client(r#"{"type":"ping","id":"1"}"#, ClientMessage::Ping { id: Some(id("1")) });
    client(r#"{"type":"quit"}"#, ClientMessage::Quit {});
}

#[test]
fn what_moderators_do() {
    client(
        r#"{"type":"moderator","id":"1","secret":"Zr1kPp0mQeWv8sUy3aTbXg"}"#,
        ClientMessage::Moderator { id: id("1"), secret: secret() },
    );
    client(
        r#"{"type":"kick","id":"1","user":"u7Zk2mQ0aB-_x9Yc","reason":"그만"}"#,
        ClientMessage::Kick { id: Some(id("1")), user: user(), reason: Some(sentence("그만")) },
    );
    client(
        r#"{"type":"ban","id":"1","user":"u7Zk2mQ0aB-_x9Yc","seconds":3600,"reason":"spam","address":true}"#,
        ClientMessage::Ban {
            id: Some(id("1")),
            user: user(),
            seconds: 3_600,
            reason: Some(sentence("spam")),
            address: true,
        },
    );
    client(
        r#"{"type":"ban","user":"u7Zk2mQ0aB-_x9Yc","seconds":60}"#,
        ClientMessage::Ban { id: None, user: user(), seconds: 60, reason: None, address: false },
    );
    client(
        r#"{"type":"mute","id":"1","user":"u7Zk2mQ0aB-_x9Yc","seconds":60,"reason":"spam"}"#,
        ClientMessage::Mute { id: Some(id("1")), user: user(), seconds: 60, reason: Some(sentence("spam")) },
    );
    client(
        r#"{"type":"pardon","id":"1","user":"u7Zk2mQ0aB-_x9Yc"}"#,
        ClientMessage::Pardon { id: Some(id("1")), user: user() },
    );
    client(r#"{"type":"sanctions","id":"1"}"#, ClientMessage::Sanctions { id: id("1") });
    client(
        r#"{"type":"slow","id":"1","room":"lobby","seconds":30}"#,
        ClientMessage::Slow { id: Some(id("1")), room: Some(room()), seconds: 30 },
    );
    client(
        r#"{"type":"topic","id":"1","room":"lobby","text":"주간 회의"}"#,
        ClientMessage::Topic { id: Some(id("1")), room: Some(room()), text: Some(sentence("주간 회의")) },
    );
    client(r#"{"type":"topic","id":"1"}"#, ClientMessage::Topic { id: Some(id("1")), room: None, text: None });
}

#[test]
fn every_client_type_is_in_the_list_that_hints_show() {
    for kind in ClientMessage::TYPES {
        let error = ClientMessage::parse(&format!(r#"{{"type":"{kind}"}}"#)).err();
        assert!(error.is_none_or(|error| error.code != ErrorCode::UnknownType), "{kind}");
    }
}

#[test]
fn welcome_is_the_first_frame() {
    server(
        r#"{"type":"welcome","server":"madang/0.1.0","protocol":"chat.v1","connection":7,"session":"4fQm1zX8Jw0cK7sYh2LbNg","user":"u7Zk2mQ0aB-_x9Yc","name":"민수","resumed":false,"now":1763700000000,"ping_ms":25000,"history":"memory","limits":{"text_bytes":16384,"name_chars":32,"rooms":64,"sends_per_second":10}}"#,
        ServerMessage::Welcome(Box::new(Welcome {
            server: "madang/0.1.0".to_owned(),
            protocol: "chat.v1".to_owned(),
            connection: 7,
            session: token(),
            user: user(),
            name: name("민수"),
            resumed: false,
            now: 1_763_700_000_000,
            ping_ms: 25_000,
            history: "memory".to_owned(),
            limits: Limits { text_bytes: 16_384, name_chars: 32, rooms: 64, sends_per_second: 10 },
            moderator: None,
        })),
    );
}

#[test]
fn joined_is_the_same_with_a_page_that_is_json_already() {
    for (people, read, topic, slow) in
        [(vec![minsu(), minsu()], Some(41), Some(sentence("주간 회의")), Some(30)), (vec![], None, None, None)]
    {
        let (room, epoch, users) = (room(), epoch(), Person::page(&people));
        let (first, top, resume, count) = (1, 42, Resume::Gap, 7);
        let with_page = Joined {
            room: &room,
            epoch: &epoch,
            first,
            top,
            resume,
            count,
            users: &users,
            read,
            topic: topic.clone(),
            slow,
        };
        let (mut written, mut expected) = (Vec::new(), Vec::new());
        with_page.write_json(&mut written);
        let joined = ServerMessage::Joined { room, epoch, first, top, resume, count, users: people, read, topic, slow };
        joined.write_json(&mut expected);
        assert_eq!(String::from_utf8(written).unwrap(), joined.to_json());
        assert_eq!(String::from_utf8(expected).unwrap(), joined.to_json());
    }
}

#[test]
fn joined_replay_and_synced() {
    server(
        r#"{"type":"joined","room":"lobby","epoch":"k3J9xQ2a","first":1,"top":42,"resume":"ok","count":1,"users":[{"user":"u7Zk2mQ0aB-_x9Yc","name":"민수"}]}"#,
        ServerMessage::Joined {
            room: room(),
            epoch: epoch(),
            first: 1,
            top: 42,
            resume: Resume::Ok,
            count: 1,
            users: vec![minsu()],
            read: None,
            topic: None,
            slow: None,
        },
    );
    server(
        r#"{"type":"joined","room":"lobby","epoch":"k3J9xQ2a","first":1,"top":42,"resume":"fresh","count":0,"users":[],"read":41,"topic":"주간 회의","slow":30}"#,
        ServerMessage::Joined {
            room: room(),
            epoch: epoch(),
            first: 1,
            top: 42,
            resume: Resume::Fresh,
            count: 0,
            users: vec![],
            read: Some(41),
            topic: Some(sentence("주간 회의")),
            slow: Some(30),
        },
    );
    server(r#"{"type":"synced","room":"lobby","seq":42}"#, ServerMessage::Synced { room: room(), seq: 42 });
    for (reason, word) in [
        (GapReason::Slow, "slow"),
        (GapReason::Expired, "expired"),
        (GapReason::TooMany, "too_many"),
        (GapReason::Epoch, "epoch"),
        (GapReason::Lost, "lost"),
    ] {
        server(
            &format!(r#"{{"type":"gap","room":"lobby","from":1,"to":9,"reason":"{word}"}}"#),
            ServerMessage::Gap(Gap { room: room(), from: 1, to: 9, reason }),
        );
    }
}

fn hello_message() -> Message {
    Message {
        room: room(),
        seq: 42,
        user: user(),
        name: name("민수"),
        text: "Hello".to_owned(),
        at: 1_763_700_000_000,
        reply_to: None,
        edits: None,
        deletes: None,
        edited: None,
        deleted: None,
    }
}

const HELLO: &str = r#"{"type":"message","room":"lobby","seq":42,"user":"u7Zk2mQ0aB-_x9Yc","name":"민수","text":"Hello","at":1763700000000}"#;

#[test]
fn a_message_is_the_same_live_and_on_a_page() {
    server(HELLO, ServerMessage::Message(hello_message()));
    assert_eq!(hello_message().to_json(), HELLO);
    server(
        &format!(
            r#"{{"type":"page","id":"1","room":"lobby","epoch":"k3J9xQ2a","first":1,"top":42,"messages":[{HELLO}],"more":true}}"#
        ),
        ServerMessage::Page(Box::new(Page {
            id: id("1"),
            room: room(),
            epoch: epoch(),
            first: 1,
            top: 42,
            messages: vec![Arc::new(hello_message())],
            more: true,
        })),
    );
}

#[test]
fn replies_edits_and_deletions_point_at_a_seq() {
    let text = HELLO.replace("}", r#","reply_to":1,"edits":2,"deletes":3}"#);
    server(
        &text,
        ServerMessage::Message(Message { reply_to: Some(1), edits: Some(2), deletes: Some(3), ..hello_message() }),
    );
    let text = HELLO.replace("}", r#","edited":50,"deleted":51}"#);
    server(&text, ServerMessage::Message(Message { edited: Some(50), deleted: Some(51), ..hello_message() }));
}

#[test]
fn presence_and_typing() {
    server(
        r#"{"type":"presence","room":"lobby","count":3,"joined":[{"user":"u7Zk2mQ0aB-_x9Yc","name":"민수"}]}"#,
        ServerMessage::Presence { room: room(), count: 3, joined: vec![minsu()], left: vec![], renamed: vec![] },
    );
    server(
        r#"{"type":"typing","room":"lobby","user":"u7Zk2mQ0aB-_x9Yc","name":"민수"}"#,
        ServerMessage::Typing { room: room(), user: user(), name: name("민수") },
    );
}

#[test]
fn ok_says_what_was_asked_for() {
    let stored = |duplicate| ServerMessage::Ok {
        id: id("a1"),
        body: OkBody::Stored { room: room(), epoch: epoch(), seq: 42, at: 1_763_700_000_000, duplicate },
    };
    server(r#"{"type":"ok","id":"a1","room":"lobby","epoch":"k3J9xQ2a","seq":42,"at":1763700000000}"#, stored(false));
    server(
        r#"{"type":"ok","id":"a1","room":"lobby","epoch":"k3J9xQ2a","seq":42,"at":1763700000000,"duplicate":true}"#,
        stored(true),
    );
    server(
        r#"{"type":"ok","id":"1","name":"kim"}"#,
        ServerMessage::Ok { id: id("1"), body: OkBody::Named { name: name("kim") } },
    );
    server(
        r#"{"type":"ok","id":"1","count":9,"users":[{"user":"u7Zk2mQ0aB-_x9Yc","name":"민수"}],"more":true}"#,
        ServerMessage::Ok { id: id("1"), body: OkBody::Who { count: 9, users: vec![minsu()], more: true } },
    );
    server(
        r#"{"type":"ok","id":"1","rooms":[{"room":"lobby","count":2,"top":42}]}"#,
        ServerMessage::Ok {
            id: id("1"),
            body: OkBody::Rooms { rooms: vec![RoomEntry { room: room(), count: 2, top: 42 }] },
        },
    );
    server(r#"{"type":"ok","id":"1"}"#, ServerMessage::Ok { id: id("1"), body: OkBody::Done {} });
}

#[test]
fn pong_notice_and_bye() {
    server(r#"{"type":"pong","id":"1","now":5}"#, ServerMessage::Pong { id: Some(id("1")), now: 5 });
    server(r#"{"type":"notice","text":"hi"}"#, ServerMessage::Notice { text: "hi".to_owned() });
    server(
        r#"{"type":"bye","code":4200,"reason":"shutdown","reconnect":true,"retry_after_ms":800}"#,
        ServerMessage::Bye {
            code: 4200,
            reason: "shutdown".to_owned(),
            reconnect: true,
            retry_after_ms: Some(800),
            text: None,
            by: None,
        },
    );
    server(
        r#"{"type":"bye","code":4003,"reason":"forbidden","reconnect":false,"retry_after_ms":60000,"text":"spam","by":"mo"}"#,
        ServerMessage::Bye {
            code: 4003,
            reason: "forbidden".to_owned(),
            reconnect: false,
            retry_after_ms: Some(60_000),
            text: Some(sentence("spam")),
            by: Some(name("mo")),
        },
    );
}

#[test]
fn what_moderation_looks_like() {
    server(
        r#"{"type":"room","room":"lobby","topic":"주간 회의","slow":30,"by":"mo"}"#,
        ServerMessage::Room {
            room: room(), topic: Some(sentence("주간 회의")), slow: Some(30), by: Some(name("mo"))
        },
    );
    server(
        r#"{"type":"room","room":"lobby"}"#,
        ServerMessage::Room { room: room(), topic: None, slow: None, by: None },
    );
    server(
        r#"{"type":"muted","until":1763700060000,"retry_after_ms":60000,"reason":"spam","by":"mo"}"#,
        ServerMessage::Muted {
            until: 1_763_700_060_000,
            retry_after_ms: 60_000,
            reason: Some(sentence("spam")),
            by: name("mo"),
        },
    );
    server(r#"{"type":"unmuted","by":"mo"}"#, ServerMessage::Unmuted { by: name("mo") });
    server(
        r#"{"type":"error","code":"banned","text":"banned","retry":true,"retry_after_ms":60000,"reason":"spam"}"#,
        ServerMessage::Error(Box::new(
            ErrorBody::new(ErrorCode::Banned, "banned").retry_after_ms(60_000).reason(Some(sentence("spam"))),
        )),
    );
    let ok = |body| ServerMessage::Ok { id: id("1"), body };
    server(
        r#"{"type":"ok","id":"1","connections":2,"until":1763700060000,"addresses":1}"#,
        ok(OkBody::Sanctioned { connections: 2, until: Some(1_763_700_060_000), addresses: Some(1) }),
    );
    server(
        r#"{"type":"ok","id":"1","room":"lobby","topic":"주간 회의","slow":30}"#,
        ok(OkBody::Room { room: room(), topic: Some(sentence("주간 회의")), slow: Some(30) }),
    );
    server(
        r#"{"type":"ok","id":"1","sanctions":[{"kind":"ban","user":"u7Zk2mQ0aB-_x9Yc","name":"민수","until":1763700060000,"reason":"spam","by":"mo","addresses":1},{"kind":"mute","user":"u7Zk2mQ0aB-_x9Yc","name":"민수","until":1763700060000,"by":"mo"}]}"#,
        ok(OkBody::Sanctions {
            sanctions: vec![
                Sanction {
                    kind: SanctionKind::Ban,
                    user: user(),
                    name: name("민수"),
                    until: 1_763_700_060_000,
                    reason: Some(sentence("spam")),
                    by: name("mo"),
                    addresses: 1,
                },
                Sanction {
                    kind: SanctionKind::Mute,
                    user: user(),
                    name: name("민수"),
                    until: 1_763_700_060_000,
                    reason: None,
                    by: name("mo"),
                    addresses: 0,
                },
            ],
        }),
    );
}

#[test]
fn an_error_says_what_to_do() {
    server(
        r#"{"type":"error","id":"1","code":"bad_name","text":"too long","retry":false,"field":"name","got":"x","limit":32,"hint":"shorten it"}"#,
        ServerMessage::Error(Box::new(
            ErrorBody::new(ErrorCode::BadName, "too long")
                .id(Some(id("1")))
                .field("name")
                .got("x")
                .limit(32)
                .hint("shorten it"),
        )),
    );
    server(
        r#"{"type":"error","code":"rate_limited","text":"slower","retry":true,"retry_after_ms":300}"#,
        ServerMessage::Error(Box::new(ErrorBody::new(ErrorCode::RateLimited, "slower").retry_after_ms(300))),
    );
}

#[test]
fn error_codes_are_these() {
    use ErrorCode::*;
    let all = [
        BadJson,
        BadField,
        UnknownType,
        TooBig,
        RateLimited,
        Unauthorized,
        Forbidden,
        Banned,
        Muted,
        NoRoom,
        RoomLimit,
        NotJoined,
        BadName,
        NoSuchSeq,
        Expired,
        NoBinary,
        Overloaded,
        StorageUnavailable,
        Internal,
        Unavailable,
        NoSession,
        NotFound,
        WrongMethod,
    ];
    let words: Vec<Value> = all.iter().map(|code| serde_json::to_value(code).unwrap()).collect();
    let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    assert_eq!(
        words.join(" "),
        "bad_json bad_field unknown_type too_big rate_limited unauthorized forbidden banned muted no_room room_limit \
         not_joined bad_name no_such_seq expired no_binary overloaded storage_unavailable internal \
         unavailable no_session not_found wrong_method"
    );
}
