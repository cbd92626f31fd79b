//! Plain mode: a raw line is a message, JSON is a command, `/name kim` is a command too. Pure.

use shared::{
    Ask, ClientMessage, ErrorBody, ErrorCode, MessageId, ModeratorSecret, Name, NameError, RoomName, Sentence,
};

/// What a line means.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Nothing.
    Empty,
    /// The same as this message in JSON.
    Command(ClientMessage),
    /// A list of what can be typed is wanted.
    Help,
    /// It looked like a command and is none.
    Refused(Box<ErrorBody>),
}

/// What can be typed.
pub const HELP: &str = "Whatever you type is a message to the room you are in. \
Commands: /name kim, /join dev, /leave, /who, /history 20, /topic, /help. \
A line that begins with // is a message that begins with /. \
A JSON object with a type is a command of chat.v1, as in {\"type\":\"rooms\",\"id\":\"1\"}.";

/// Reads a line.
pub fn read(line: &str) -> Line {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.trim().is_empty() {
        return Line::Empty;
    }
    // Also when it was pasted with something blank before it, or is not quite JSON: a `hello` with its secret must not become
    // chat.
    let bare = shared::bare(line);
    if bare.starts_with('{') && (is_typed(bare) || bare.contains("moderator")) {
        return match ClientMessage::parse(bare) {
            Ok(message) => Line::Command(message),
            Err(error) => Line::Refused(error),
        };
    }
    if line.starts_with("//") {
        return say(&line[1..]);
    }
    // Also where it is none: a secret must not become chat.
    if let Some(secret) = shared::claimed(line) {
        return match ModeratorSecret::parse(secret) {
            Ok(secret) => command("/moderator", |id| ClientMessage::Moderator { id, secret }),
            Err(error) => refused("/moderator", "secret", &error, "as in /moderator 4fQm1zX8Jw0cK7sYh2LbNg"),
        };
    }
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match word {
        "/name" => named(word, "name", Name::parse(rest), |id, name| ClientMessage::Name { id: Some(id), name }),
        "/join" => named(word, "room", RoomName::parse(rest), |id, room| ClientMessage::Join {
            id: Some(id),
            room,
            ask: Ask::Default,
        }),
        "/leave" => command(word, |id| ClientMessage::Leave { id: Some(id), room: None }),
        "/who" => command(word, |id| ClientMessage::Who { id, room: None, after: None }),
        "/history" => history(word, rest),
        "/topic" if rest.is_empty() => topic(word, None),
        "/topic" => match Sentence::parse(rest) {
            Ok(text) => topic(word, Some(text)),
            Err(error) => refused(word, "text", &error, "as in /topic Plans for May"),
        },
        "/help" => Line::Help,
        _ => say(line),
    }
}

fn say(text: &str) -> Line {
    Line::Command(ClientMessage::Send { id: None, room: None, text: text.to_owned(), reply_to: None })
}

/// Whether it is a JSON object with a string `type`.
fn is_typed(line: &str) -> bool {
    let value = serde_json::from_str::<serde_json::Value>(line);
    value.is_ok_and(|value| value.get("type").is_some_and(serde_json::Value::is_string))
}

/// The answer to a typed command carries the command's word as its `id`.
fn command(word: &str, make: impl FnOnce(MessageId) -> ClientMessage) -> Line {
    match MessageId::parse(word) {
        Ok(id) => Line::Command(make(id)),
        Err(error) => Line::Refused(Box::new(ErrorBody::new(ErrorCode::BadField, error.to_string()))),
    }
}

fn named<T>(
    word: &str,
    field: &str,
    parsed: Result<T, NameError>,
    make: impl FnOnce(MessageId, T) -> ClientMessage,
) -> Line {
    match parsed {
        Ok(value) => command(word, |id| make(id, value)),
        Err(error) => {
            let body = ErrorBody::new(ErrorCode::BadName, format!("{field}: {error}")).field(field);
            let body = body.id(MessageId::parse(word).ok()).hint(format!("as in {word} kim"));
            Line::Refused(Box::new(error.limit().into_iter().fold(body, |body, limit| body.limit(limit as u64))))
        }
    }
}

fn topic(word: &str, text: Option<Sentence>) -> Line {
    command(word, |id| ClientMessage::Topic { id: Some(id), room: None, text })
}

fn refused(word: &str, field: &str, error: &NameError, hint: &str) -> Line {
    let body = ErrorBody::new(ErrorCode::BadField, format!("{field}: {error}")).field(field);
    Line::Refused(Box::new(body.id(MessageId::parse(word).ok()).hint(hint)))
}

fn history(word: &str, rest: &str) -> Line {
    let limit = match rest {
        "" => None,
        number => match number.parse() {
            Ok(limit) => Some(limit),
            Err(_) => {
                let body = ErrorBody::new(ErrorCode::BadField, "how many messages?").field("limit").got(number);
                let body = body.id(MessageId::parse(word).ok()).hint("as in /history 20");
                return Line::Refused(Box::new(body));
            }
        },
    };
    command(word, |id| ClientMessage::History { id, room: None, before: None, after: None, around: None, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        match read(line) {
            Line::Command(ClientMessage::Send { text, id: None, room: None, reply_to: None }) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn json(line: &str) -> String {
        match read(line) {
            Line::Command(message) => serde_json::to_string(&message).unwrap(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_raw_line_is_a_message() {
        assert_eq!(said("Hello"), "Hello");
        assert_eq!(said("안녕하세요\r\n"), "안녕하세요");
        assert_eq!(said("  indented"), "  indented");
        assert_eq!(said("{not json"), "{not json");
        assert_eq!(said(r#"{"no":"type"}"#), r#"{"no":"type"}"#);
        assert_eq!(said(r#"{"type":7}"#), r#"{"type":7}"#);
        assert_eq!(said("//name kim"), "/name kim");
        assert_eq!(said("/etc/hosts"), "/etc/hosts");
        assert_eq!(read(" \n"), Line::Empty);
    }

    #[test]
    fn commands_are_typed_by_hand() {
        assert_eq!(json("/name  kim "), r#"{"type":"name","id":"/name","name":"kim"}"#);
        assert_eq!(json("/join 회의"), r#"{"type":"join","id":"/join","room":"회의"}"#);
        assert_eq!(json("/leave"), r#"{"type":"leave","id":"/leave"}"#);
        assert_eq!(json("/who\n"), r#"{"type":"who","id":"/who"}"#);
        assert_eq!(json("/history 20"), r#"{"type":"history","id":"/history","limit":20}"#);
        assert_eq!(json("/history"), r#"{"type":"history","id":"/history"}"#);
        assert_eq!(read("/help"), Line::Help);
        assert_eq!(json("/topic"), r#"{"type":"topic","id":"/topic"}"#);
        assert_eq!(json("/topic 주간 회의"), r#"{"type":"topic","id":"/topic","text":"주간 회의"}"#);
    }

    #[test]
    fn json_with_a_type_is_a_command() {
        assert_eq!(json(r#"{"type":"rooms","id":"1"}"#), r#"{"type":"rooms","id":"1"}"#);
        assert_eq!(json(r#"  {"type":"rooms","id":"1"}"#), r#"{"type":"rooms","id":"1"}"#);
        assert!(matches!(read(r#"{"type":"nonsense"}"#), Line::Refused(error) if error.code == ErrorCode::UnknownType));
    }

    #[test]
    fn a_moderators_secret_never_becomes_chat() {
        let good = r#"{"type":"moderator","id":"/moderator","secret":"4fQm1zX8Jw0cK7sYh2LbNg"}"#;
        assert_eq!(json("/moderator 4fQm1zX8Jw0cK7sYh2LbNg"), good);
        for line in [" /moderator 4fQm1zX8Jw0cK7sYh2LbNg", "/Moderator 4fQm1zX8Jw0cK7sYh2LbNg"] {
            assert_eq!(json(line), good, "{line}");
        }
        for line in [
            "/moderator",
            "/moderator 4fQm1zX8Jw0cK7sYh2Lb",
            "/moderator 4fQm1zX8Jw0cK7sYh2LbNg now",
            "/moderator=4fQm1zX8Jw0cK7sYh2LbNg",
            "/moderator: 4fQm1zX8Jw0cK7sYh2LbNg",
        ] {
            assert!(matches!(read(line), Line::Refused(error) if error.got.is_none()), "{line}");
        }
        let hello = r#"{"type":"hello","moderator":"4fQm1zX8Jw0cK7sYh2LbNg"}"#;
        assert!(matches!(read(&format!("\u{FEFF} {hello}")), Line::Command(ClientMessage::Hello { .. })));
        // Nearly JSON.
        for line in [&hello.replace('}', ",}"), &format!("{hello}}}"), &hello.replace('"', "'")] {
            assert!(matches!(read(line), Line::Refused(error) if error.code == ErrorCode::BadJson), "{line}");
        }
    }

    #[test]
    fn a_mistyped_command_says_how() {
        for (line, code) in [
            ("/name", ErrorCode::BadName),
            ("/name a\u{202E}b", ErrorCode::BadName),
            ("/join a/b", ErrorCode::BadName),
            ("/history many", ErrorCode::BadField),
        ] {
            assert!(matches!(read(line), Line::Refused(error) if error.code == code && error.hint.is_some()), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(line in ".{0,200}") {
            let _ = read(&line);
        }
    }
}
