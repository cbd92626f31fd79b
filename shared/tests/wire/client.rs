//! What clients say.

use std::collections::BTreeMap;

use shared::{Ask, ClientMessage, ErrorCode, Position, RoomName};

use crate::{epoch, id, name, room, secret, sentence, token, user};

/// The text is read as the message, and the message is written as exactly the text.
#[track_caller]
fn client(text: &str, message: ClientMessage) {
    assert_eq!(ClientMessage::parse(text).unwrap(), message);
    assert_eq!(serde_json::to_string(&message).unwrap(), text);
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
