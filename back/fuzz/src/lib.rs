//! What must hold of whatever anybody sends, as functions of bytes that fail by panicking.

use std::net::{IpAddr, Ipv4Addr};

use back::{
    handshake::{self, Head, head_end},
    plain::{self, Line},
    scanner::Scanner,
};
use shared::{
    ClientMessage, MessageId, Name, Position, RoomName, SessionToken, UserId,
    forwarded::{LOOPBACK, TrustedProxies},
    limits,
};

/// A request's head ends where it ends, however it arrives, and gets an answer that is one.
pub fn head(data: &[u8]) {
    let whole = head_end(data, 0);
    let in_pieces = (1..=data.len()).find_map(|have| head_end(&data[..have], have.saturating_sub(1)));
    assert_eq!(in_pieces, whole, "an end does not depend on how it arrives");
    let Some(end) = whole else { return };
    let mut space = Head::space();
    let answer = Head::parse(&data[..end], &mut space).and_then(|head| {
        let trusted: TrustedProxies = LOOPBACK.parse().expect("a list of networks");
        handshake::client(&head, IpAddr::V4(Ipv4Addr::LOCALHOST), &trusted);
        let allowed = ["https://chat.example.org".parse().expect("an origin")];
        handshake::decide(&head, &allowed).map(|(_, reply)| reply)
    });
    let answer = answer.unwrap_or_else(|refusal| refusal);
    let bytes = answer.to_bytes(false);
    let text = std::str::from_utf8(&bytes).expect("an answer is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    assert_eq!(length.map_or(0, |length| length.parse().expect("a length")), body.len(), "{text}");
    assert!(
        head.split("\r\n").all(|line| line.chars().all(|c| !c.is_control())),
        "what was asked writes no header: {text}"
    );
}

/// What a stream of frames comes to does not depend on how it is cut.
pub fn frames(data: &[u8]) {
    let follow = |cut: usize| {
        let mut scanner = Scanner::default();
        let fate = data.chunks(cut.max(1)).try_for_each(|bytes| scanner.feed(bytes));
        (fate, scanner.ended(), scanner.is_inside(), scanner.unfinished())
    };
    let whole = follow(data.len());
    let first = usize::from(data.first().copied().unwrap_or_default());
    for cut in [1, 2, 3, first] {
        let (fate, ended, inside, unfinished) = follow(cut);
        assert_eq!((fate, ended), (whole.0, whole.1), "cut {cut}");
        if fate.is_ok() {
            assert_eq!((inside, unfinished), (whole.2, whole.3), "cut {cut}");
        }
    }
    assert!(whole.3 <= data.len());
}

/// A typed line is a message, a command that can be written as one, or a refusal that can be told.
pub fn line(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match plain::read(text) {
        Line::Command(message) => same(&message),
        Line::Refused(error) => _ = serde_json::to_string(&error).expect("an error can be told"),
        Line::Empty => assert!(text.trim().is_empty(), "{text:?} says something"),
        Line::Help => {}
    }
}

/// A client's message is understood as it is written, or refused in words.
pub fn message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match ClientMessage::parse(text) {
        Ok(message) => same(&message),
        Err(error) => {
            let told = serde_json::to_string(&error).expect("an error can be told");
            assert!(told.len() < 4096, "what was sent comes back at length: {} bytes", told.len());
        }
    }
}

fn same(message: &ClientMessage) {
    let written = serde_json::to_string(message).expect("a message can be written");
    let again = ClientMessage::parse(&written).unwrap_or_else(|error| panic!("{written}: {error:?}"));
    assert_eq!(&again, message, "{written}");
}

/// A position is one text and no other.
pub fn position(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string().parse(), Ok(position.clone()));
        assert!(position.seq <= limits::MAX_SAFE_INTEGER);
    }
}

/// A name that was taken is taken again as it is, and keeps its limit.
pub fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = Name::parse(text) {
        assert_eq!(Name::parse(name.as_str()).as_ref(), Ok(&name));
        assert!(name.as_str().chars().count() <= limits::NAME_CHARS);
        assert!(!name.as_str().chars().any(char::is_control));
    }
    if let Ok(room) = RoomName::parse(text) {
        assert_eq!(RoomName::parse(room.as_str()).as_ref(), Ok(&room));
        assert!(room.as_str().chars().count() <= limits::ROOM_CHARS);
        assert!(!room.as_str().contains(['/', '\\', '\n']));
    }
    if let Ok(id) = MessageId::parse(text) {
        assert!(id.as_str().len() <= limits::MESSAGE_ID_BYTES);
    }
    for token in [
        UserId::parse(text).map(|id| id.as_str().to_owned()),
        SessionToken::parse(text).map(|it| it.as_str().to_owned()),
    ] {
        assert!(token.is_err() || token == Ok(text.to_owned()));
    }
}
