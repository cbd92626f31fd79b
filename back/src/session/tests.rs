use shared::{CloseCode, Name, ServerMessage, UserId};

use super::*;
use crate::limits::Sends;

const LIMITS: SessionLimits =
    SessionLimits { text_bytes: 100, rooms: 3, rates: Rates { sends: 10, send_bytes: 0, requests: 0 } };

fn session(rooms: &[&str]) -> Session {
    let person = Person { user: UserId::parse("u7Zk2mQ0aB-_x9Yc").unwrap(), name: Name::parse("kim").unwrap() };
    let mut session = Session::new(person, LIMITS, Pace::new(LIMITS.rates, Sends::new(&LIMITS.rates), None));
    for room in rooms {
        session.joined(&RoomName::parse(room).unwrap());
    }
    session
}

fn code(actions: &[Action]) -> ErrorCode {
    match &actions[0] {
        Action::Say(ServerMessage::Error(error)) | Action::Refuse(_, ServerMessage::Error(error)) => error.code,
        other => panic!("{other:?}"),
    }
}

fn room_of(actions: &[Action]) -> &str {
    match &actions[0] {
        Action::Append(draft) => draft.room.as_str(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_without_a_room_goes_to_the_one_joined_last() {
    let now = Instant::now();
    let mut session = session(&["a", "b"]);
    assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "b");
    assert_eq!(room_of(&session.hear(r#"{"type":"send","room":"a","text":"x"}"#, now)), "a");
    session.joined(&RoomName::parse("a").unwrap());
    assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "a");
    session.hear(r#"{"type":"leave"}"#, now);
    assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "b");
    assert_eq!(code(&session.hear(r#"{"type":"send","room":"a","text":"x"}"#, now)), ErrorCode::NotJoined);
}

#[test]
fn texts_are_neither_empty_nor_too_long() {
    let now = Instant::now();
    let mut session = session(&["a"]);
    assert_eq!(code(&session.hear(r#"{"type":"send","text":" \n"}"#, now)), ErrorCode::BadField);
    let text = "가".repeat(34);
    assert_eq!(code(&session.hear(&format!(r#"{{"type":"send","text":"{text}"}}"#), now)), ErrorCode::TooBig);
    let text = "가".repeat(33);
    assert_eq!(room_of(&session.hear(&format!(r#"{{"type":"send","text":"{text}"}}"#), now)), "a");
}

#[test]
fn too_many_messages_are_refused_with_the_time_to_wait() {
    let now = Instant::now();
    let mut session = session(&["a"]);
    for _ in 0..20 {
        assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "a");
    }
    let actions = session.hear(r#"{"type":"send","id":"7","text":"x"}"#, now);
    let [Action::Refuse(limit, ServerMessage::Error(error))] = actions.as_slice() else { panic!("{actions:?}") };
    assert_eq!(*limit, Limit::SendsPerSecond);
    assert_eq!((error.code, error.retry), (ErrorCode::RateLimited, true));
    assert_eq!(error.id.as_ref().map(MessageId::as_str), Some("7"));
    let wait = Duration::from_millis(error.retry_after_ms.unwrap());
    assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now + wait)), "a");
}

#[test]
fn rooms_are_limited() {
    let now = Instant::now();
    let mut session = session(&["a", "b", "c"]);
    assert_eq!(code(&session.hear(r#"{"type":"join","room":"d"}"#, now)), ErrorCode::RoomLimit);
    assert!(matches!(session.hear(r#"{"type":"join","room":"c"}"#, now)[0], Action::Join(..)));
}

#[test]
fn ten_malformed_messages_in_a_row_are_enough() {
    let now = Instant::now();
    let mut session = session(&["a"]);
    for _ in 0..9 {
        assert_eq!(session.hear("{", now).len(), 1);
    }
    session.hear(r#"{"type":"ping"}"#, now);
    for _ in 0..9 {
        assert_eq!(session.refuse(no_binary()).len(), 1);
    }
    assert_eq!(session.hear("{", now)[1], Action::Close(CloseCode::BadRequest));
}

#[test]
fn typing_is_passed_on_once_in_three_seconds() {
    let now = Instant::now();
    let mut session = session(&["a"]);
    let typing = |session: &mut Session, ms| {
        matches!(session.hear(r#"{"type":"typing"}"#, now + Duration::from_millis(ms)).first(), Some(Action::Typing(_)))
    };
    assert!(typing(&mut session, 0));
    assert!(!typing(&mut session, 2_999));
    assert!(typing(&mut session, 3_000));
}

#[test]
fn who_is_silenced_may_read_and_take_back_but_not_be_heard() {
    let now = Instant::now();
    let mut session = session(&["a"]);
    session.silence(Some(Box::new(ErrorBody::new(ErrorCode::Muted, "quiet"))));
    for text in [
        r#"{"type":"send","text":"x"}"#,
        r#"{"type":"edit","seq":1,"text":"x"}"#,
        r#"{"type":"name","name":"lee"}"#,
        r#"{"type":"typing"}"#,
    ] {
        assert_eq!(code(&session.hear(text, now)), ErrorCode::Muted, "{text}");
    }
    assert_eq!(session.person().name.as_str(), "kim");
    assert_eq!(room_of(&session.hear(r#"{"type":"delete","seq":1}"#, now)), "a");
    assert!(matches!(session.hear(r#"{"type":"history","id":"1"}"#, now)[0], Action::History(..)));
    session.silence(None);
    assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "a");
}

#[test]
fn a_room_that_one_may_not_see_is_not_there_for_any_message() {
    let now = Instant::now();
    let mut session = session(&["open"]);
    session.confine(Sight::parse(["open"]).unwrap(), true);
    // Each type once, so that a new one is thought of.
    for kind in ClientMessage::TYPES {
        let fields = r#""id":"1","room":"board","text":"x","seq":1,"seconds":1,"name":"x""#;
        let fields = format!(r#"{fields},"user":"u7Zk2mQ0aB-_x9Yc","secret":"AAAAAAAAAAAAAAAAAAAAAA""#);
        let told = match *kind {
            // With `seq` alone it is no position.
            "join" => session.hear(r#"{"type":"join","id":"1","room":"board"}"#, now),
            "search" | "who" | "leave" | "topic" | "send" | "edit" | "delete" | "read" | "slow" | "typing"
            | "history" => session.hear(&format!(r#"{{"type":"{kind}",{fields}}}"#), now),
            "hello" | "name" | "rooms" | "moderator" | "kick" | "ban" | "mute" | "pardon" | "sanctions" | "ping"
            | "quit" => {
                continue;
            }
            other => panic!("does {other} name a room?"),
        };
        assert_eq!(code(&told), ErrorCode::NoRoom, "{kind}");
    }
    assert_eq!(code(&session.hear(r#"{"type":"name","id":"1","name":"lee"}"#, now)), ErrorCode::Forbidden);
    assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "open");
}

#[test]
fn times_that_moderators_set_have_bounds() {
    let now = Instant::now();
    let mut session = session(&["a"]);
    let user = "u7Zk2mQ0aB-_x9Yc";
    for seconds in [0, limits::SANCTION_SECONDS + 1, limits::MAX_SAFE_INTEGER] {
        for kind in ["ban", "mute"] {
            let text = format!(r#"{{"type":"{kind}","user":"{user}","seconds":{seconds}}}"#);
            assert_eq!(code(&session.hear(&text, now)), ErrorCode::BadField, "{text}");
        }
    }
    let slow = |seconds: u64| format!(r#"{{"type":"slow","seconds":{seconds}}}"#);
    assert_eq!(code(&session.hear(&slow(limits::SLOW_SECONDS + 1), now)), ErrorCode::BadField);
    assert!(matches!(session.hear(&slow(0), now)[0], Action::Moderate(None, Order::Slow(..))));
    assert_eq!(code(&session.hear(r#"{"type":"slow","room":"b","seconds":1}"#, now)), ErrorCode::NotJoined);
}

#[test]
fn only_hello_comes_first_and_only_once() {
    let mut newcomer = Newcomer::default();
    assert_eq!(code(&newcomer.hear(r#"{"type":"ping"}"#).unwrap_err()), ErrorCode::BadField);
    assert_eq!(newcomer.hear(r#"{"type":"hello","name":"kim"}"#).unwrap().name, Some(Name::parse("kim").unwrap()));
    assert_eq!(code(&session(&[]).hear(r#"{"type":"hello"}"#, Instant::now())), ErrorCode::BadField);
}

#[test]
fn a_page_is_asked_for_in_one_direction() {
    let now = Instant::now();
    let mut session = session(&["a"]);
    let both = r#"{"type":"history","id":"1","before":3,"after":1}"#;
    assert_eq!(code(&session.hear(both, now)), ErrorCode::BadField);
    let many = session.hear(r#"{"type":"history","id":"1","before":3,"limit":9999}"#, now);
    assert!(matches!(many[0], Action::History(_, _, Range::Before(3), 200)));
}
