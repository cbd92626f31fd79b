//! What the server says.

use std::sync::Arc;

use serde_json::Value;
use shared::{
    ErrorBody, ErrorCode, Gap, GapReason, Json, Message, OkBody, Person, Resume, RoomEntry, Sanction, SanctionKind,
    ServerMessage,
    server::{Joined, Limits, Page, Welcome},
};

use crate::{epoch, id, minsu, name, room, sentence, token, user};

#[track_caller]
fn server(text: &str, message: ServerMessage) {
    assert_eq!(message.to_json(), text);
    assert_eq!(serde_json::from_str::<ServerMessage>(text).unwrap(), message);
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
