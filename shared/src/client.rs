//! What a client says, and how a text that says nothing understandable is refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    limits,
    moderation::{ModeratorSecret, Sentence},
    names::{MessageId, Name, NameError, RoomName, SessionToken, UserId},
    position::{Epoch, Position},
    server::{ErrorBody, ErrorCode},
};

/// One message from a client. `room` defaults to the room joined last; `id` asks for exactly one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// The first message of a `chat.v1` connection: who I am, and the rooms with the positions I have reached.
    Hello {
        /// The name to show; the session's last name, or a guest's, when it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Name>,
        /// The secret of an earlier `welcome`, to be the same person again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionToken>,
        /// A signed ticket, where back asks for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<String>,
        /// The secret of a moderator, to be one from the beginning.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moderator: Option<ModeratorSecret>,
        /// Whether to be one of the people of a room. Who is not is counted and listed nowhere, and neither replaces
        /// nor is replaced by another connection of the same session: a page's reader or a script beside a person.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        presence: bool,
        /// Rooms to join at once; at most [`limits::ROOMS_PER_CONNECTION`].
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        rooms: BTreeMap<RoomName, Ask>,
    },
    /// Come into a room, or resume in it.
    Join {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        room: RoomName,
        /// What to show of its past.
        #[serde(flatten)]
        ask: Ask,
    },
    /// Go out of a room.
    Leave {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
    },
    /// Say something to a room.
    Send {
        /// Answered by `ok` once the message is stored; also the idempotency key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// What is said, as plain text.
        text: String,
        /// The `seq` that this answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<u64>,
    },
    /// Replace the text of one's own message.
    Edit {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// Which message.
        seq: u64,
        /// Its new text.
        text: String,
    },
    /// Take back one's own message; a moderator takes back anybody's.
    Delete {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// Which message.
        seq: u64,
    },
    /// Be called something else.
    Name {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// The new name.
        name: Name,
    },
    /// I am typing; passed on at most once in three seconds and never queued.
    Typing {
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
    },
    /// I have read up to here; the marker only moves forward.
    Read {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// The newest message read.
        seq: u64,
    },
    /// A page of the past; exactly one of `before`, `after` and `around`, or none for the newest.
    History {
        /// Answered by `page`.
        id: MessageId,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// Messages with a smaller `seq`, the nearest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// Messages with a larger `seq`, the nearest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// Messages on both sides of this `seq`, and itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        around: Option<u64>,
        /// Most messages wanted; at most [`limits::PAGE_MESSAGES`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Messages that contain all the words of `text`, newest first.
    Search {
        /// Answered by `page`.
        id: MessageId,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// The words.
        text: String,
        /// Only messages with a smaller `seq`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// Most messages wanted; at most [`limits::PAGE_MESSAGES`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Who is in a room, a page at a time.
    Who {
        /// Answered by `ok`.
        id: MessageId,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// The last user of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<UserId>,
    },
    /// Which rooms there are.
    Rooms {
        /// Answered by `ok`.
        id: MessageId,
    },
    /// Prove to be a moderator. It holds for this connection.
    Moderator {
        /// Answered by `ok`.
        id: MessageId,
        /// What `back moderator add` printed.
        secret: ModeratorSecret,
    },
    /// End all connections of somebody, who may come back. For moderators, as all up to `Slow`.
    Kick {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Whose.
        user: UserId,
        /// Told to them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Sentence>,
    },
    /// Shut somebody out for a time.
    Ban {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Whom.
        user: UserId,
        /// For how long; 1 to [`limits::SANCTION_SECONDS`].
        seconds: u64,
        /// Told to them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Sentence>,
        /// Whether everybody is shut out who comes from an address of theirs.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        address: bool,
    },
    /// Let somebody read and not speak for a time.
    Mute {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Whom.
        user: UserId,
        /// For how long; 1 to [`limits::SANCTION_SECONDS`].
        seconds: u64,
        /// Told to them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Sentence>,
    },
    /// Lift what is in force against somebody.
    Pardon {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Whom.
        user: UserId,
    },
    /// What is in force.
    Sanctions {
        /// Answered by `ok`.
        id: MessageId,
    },
    /// Let everybody in a room speak once in so long.
    Slow {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// Seconds between two messages of one person; 0 for off, at most [`limits::SLOW_SECONDS`].
        seconds: u64,
    },
    /// What a room is about; only moderators say it.
    Topic {
        /// Answered by `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
        /// Which room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// The topic; empty for none. Without it the request asks for the present one, which everybody may.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<Sentence>,
    },
    /// Are you there?
    Ping {
        /// Repeated in `pong`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<MessageId>,
    },
    /// I go, and shall not be back: presence leaves at once.
    Quit {},
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

/// What a join wants to see of a room's past.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawAsk", into = "RawAsk")]
pub enum Ask {
    /// The newest [`limits::DEFAULT_LAST`].
    #[default]
    Default,
    /// The newest so many; at most [`limits::PAGE_MESSAGES`].
    Last(u32),
    /// Everything after this position.
    Resume(Position),
}

#[derive(Serialize, Deserialize)]
struct RawAsk {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<u32>,
}

impl TryFrom<RawAsk> for Ask {
    type Error = &'static str;

    fn try_from(raw: RawAsk) -> Result<Self, Self::Error> {
        match (raw.epoch, raw.seq, raw.last) {
            (Some(epoch), Some(seq), _) => Ok(Self::Resume(Position { epoch, seq })),
            (None, None, Some(last)) => Ok(Self::Last(last)),
            (None, None, None) => Ok(Self::Default),
            (Some(_), None, _) => Err("epoch goes with seq"),
            (None, Some(_), _) => Err("seq goes with epoch"),
        }
    }
}

impl From<Ask> for RawAsk {
    fn from(ask: Ask) -> Self {
        match ask {
            Ask::Default => Self { epoch: None, seq: None, last: None },
            Ask::Last(last) => Self { epoch: None, seq: None, last: Some(last) },
            Ask::Resume(at) => Self { epoch: Some(at.epoch), seq: Some(at.seq), last: None },
        }
    }
}

/// A text that is no [`ClientMessage`]: the `error` to send, with the `id` where one could be read.
pub type Refusal = Box<ErrorBody>;

impl ClientMessage {
    /// Every `type` that a client may send, for hints.
    pub const TYPES: &'static [&'static str] = &[
        "hello",
        "join",
        "leave",
        "send",
        "edit",
        "delete",
        "name",
        "typing",
        "read",
        "history",
        "search",
        "who",
        "rooms",
        "moderator",
        "kick",
        "ban",
        "mute",
        "pardon",
        "sanctions",
        "slow",
        "topic",
        "ping",
        "quit",
    ];

    /// Reads one message.
    ///
    /// # Errors
    /// `bad_json`, `unknown_type`, `bad_name` or `bad_field`, with the field, what it was and what it may be.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        // The common case pays for one pass; only a refusal is looked at twice, to say what was wrong.
        serde_json::from_str(text).map_err(|error| Box::new(diagnose(text, &error)))
    }

    /// The request's `id`.
    pub fn id(&self) -> Option<&MessageId> {
        match self {
            Self::Join { id, .. }
            | Self::Leave { id, .. }
            | Self::Send { id, .. }
            | Self::Edit { id, .. }
            | Self::Delete { id, .. }
            | Self::Name { id, .. }
            | Self::Read { id, .. }
            | Self::Kick { id, .. }
            | Self::Ban { id, .. }
            | Self::Mute { id, .. }
            | Self::Pardon { id, .. }
            | Self::Slow { id, .. }
            | Self::Topic { id, .. }
            | Self::Ping { id } => id.as_ref(),
            Self::History { id, .. }
            | Self::Search { id, .. }
            | Self::Who { id, .. }
            | Self::Rooms { id }
            | Self::Moderator { id, .. }
            | Self::Sanctions { id } => Some(id),
            Self::Hello { .. } | Self::Typing { .. } | Self::Quit {} => None,
        }
    }
}

fn diagnose(text: &str, error: &serde_json::Error) -> ErrorBody {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return ErrorBody::new(ErrorCode::BadJson, format!("this is not JSON: {error}"))
            .hint(r#"a message is one JSON object, as in {"type":"send","text":"Hello"}"#);
    };
    let Value::Object(fields) = value else {
        return ErrorBody::new(ErrorCode::BadJson, "a message is one JSON object".to_owned())
            .hint(r#"as in {"type":"send","text":"Hello"}"#);
    };
    let id = fields.get("id").and_then(Value::as_str).and_then(|id| MessageId::parse(id).ok());
    let body = match fields.get("type") {
        Some(Value::String(kind)) if !ClientMessage::TYPES.contains(&kind.as_str()) => {
            ErrorBody::new(ErrorCode::UnknownType, "there is no message of this type".to_owned())
                .field("type")
                .got(kind)
                .hint(format!("the types are {}", ClientMessage::TYPES.join(" ")))
        }
        Some(Value::String(_)) => bad_field(&fields, error),
        _ => ErrorBody::new(ErrorCode::BadField, "type must be a string".to_owned())
            .field("type")
            .hint(format!("the types are {}", ClientMessage::TYPES.join(" "))),
    };
    body.id(id)
}

/// Finds the field that a well-formed object of a known type was refused for.
fn bad_field(fields: &serde_json::Map<String, Value>, error: &serde_json::Error) -> ErrorBody {
    fn name_error(code: ErrorCode, field: &str, got: &str, error: &NameError) -> ErrorBody {
        let body = ErrorBody::new(code, format!("{field}: {error}")).field(field).got(got);
        match error.limit() {
            Some(limit) => body.limit(limit as u64),
            None => body,
        }
    }
    type Check = fn(&str) -> Option<NameError>;
    let strings: [(&str, ErrorCode, Check); 9] = [
        ("id", ErrorCode::BadField, |text| MessageId::parse(text).err()),
        ("room", ErrorCode::BadName, |text| RoomName::parse(text).err()),
        ("name", ErrorCode::BadName, |text| Name::parse(text).err()),
        ("session", ErrorCode::BadField, |text| SessionToken::parse(text).err()),
        ("epoch", ErrorCode::BadField, |text| Epoch::parse(text).err()),
        ("secret", ErrorCode::BadField, |text| ModeratorSecret::parse(text).err()),
        ("moderator", ErrorCode::BadField, |text| ModeratorSecret::parse(text).err()),
        ("user", ErrorCode::BadField, |text| UserId::parse(text).err()),
        ("reason", ErrorCode::BadField, |text| Sentence::parse(text).err()),
    ];
    for (field, code, check) in strings {
        match fields.get(field) {
            Some(Value::String(text)) => {
                if let Some(error) = check(text) {
                    // A secret is not repeated, not even to the one who sent it.
                    let is_secret = matches!(field, "session" | "secret" | "moderator");
                    let got = if is_secret { "" } else { text.as_str() };
                    return name_error(code, field, got, &error);
                }
            }
            None | Some(Value::Null) => {}
            Some(other) => {
                return ErrorBody::new(code, format!("{field} must be a string")).field(field).got(&other.to_string());
            }
        }
    }
    // Elsewhere a text has no rule that is known here.
    if fields.get("type").and_then(Value::as_str) == Some("topic")
        && let Some(Err(error)) = fields.get("text").and_then(Value::as_str).map(Sentence::parse)
    {
        return name_error(ErrorCode::BadField, "text", "", &error);
    }
    if let Some(Value::Object(rooms)) = fields.get("rooms") {
        for name in rooms.keys() {
            if let Err(error) = RoomName::parse(name) {
                return name_error(ErrorCode::BadName, "rooms", name, &error);
            }
        }
    }
    for field in ["seq", "reply_to", "before", "after", "around", "limit", "last", "seconds"] {
        if let Some(value) = fields.get(field)
            && !value.is_null()
            && value.as_u64().is_none_or(|n| n > limits::MAX_SAFE_INTEGER)
            // `who` takes a user id there.
            && !(field == "after" && value.is_string())
        {
            return ErrorBody::new(ErrorCode::BadField, format!("{field} must be a whole number from 0 up"))
                .field(field)
                .got(&value.to_string())
                .limit(limits::MAX_SAFE_INTEGER);
        }
    }
    // serde names the field that is missing or of another type; its position in the text helps nobody.
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    ErrorBody::new(ErrorCode::BadField, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> ErrorBody {
        *ClientMessage::parse(text).unwrap_err()
    }

    #[test]
    fn what_is_no_object_is_bad_json() {
        for bad in ["", "Hello", "{", "[1]", "\"a\"", "null", "{\"type\":\"ping\"} x"] {
            assert_eq!(refusal(bad).code, ErrorCode::BadJson, "{bad}");
        }
    }

    #[test]
    fn an_unknown_type_gets_the_list_of_known_ones() {
        let error = refusal(r#"{"type":"sned","id":"7","text":"x"}"#);
        assert_eq!(
            (error.code, error.field.as_deref(), error.got.as_deref()),
            (ErrorCode::UnknownType, Some("type"), Some("sned"))
        );
        assert!(error.hint.unwrap().contains("send"));
        assert_eq!(error.id, Some(MessageId::parse("7").unwrap()));
    }

    #[test]
    fn a_bad_field_is_named_with_its_limit() {
        let long = "x".repeat(33);
        let error = refusal(&format!(r#"{{"type":"name","id":"1","name":"{long}"}}"#));
        assert_eq!((error.code, error.field.as_deref(), error.limit), (ErrorCode::BadName, Some("name"), Some(32)));
        assert_eq!(refusal(r#"{"type":"join","room":"a/b"}"#).code, ErrorCode::BadName);
        assert_eq!(refusal(r#"{"type":"join"}"#).code, ErrorCode::BadField);
        assert_eq!(refusal(r#"{"type":"join","room":7}"#).field.as_deref(), Some("room"));
        assert_eq!(refusal(r#"{"type":"history","id":"1","before":-1}"#).field.as_deref(), Some("before"));
        assert_eq!(refusal(r#"{"type":"join","room":"a","seq":4}"#).code, ErrorCode::BadField);
        assert_eq!(refusal(r#"{"type":"hello","rooms":{"a\u202eb":{}}}"#).field.as_deref(), Some("rooms"));
        assert_eq!(
            refusal(&format!(r#"{{"type":"send","id":"{}","text":"x"}}"#, "i".repeat(65))).field.as_deref(),
            Some("id")
        );
        assert_eq!(refusal(r#"{"type":7}"#).field.as_deref(), Some("type"));
    }

    #[test]
    fn a_long_value_is_not_sent_back_whole() {
        let error = refusal(&format!(r#"{{"type":"{}"}}"#, "가".repeat(10_000)));
        assert!(error.got.unwrap().len() < 200);
    }

    #[test]
    fn a_refused_secret_is_not_repeated() {
        for bad in [
            r#"{"type":"hello","session":"hunter2"}"#,
            r#"{"type":"hello","moderator":"hunter2"}"#,
            r#"{"type":"moderator","id":"1","secret":"hunter2"}"#,
        ] {
            assert!(!serde_json::to_string(&refusal(bad)).unwrap().contains("hunter2"));
        }
    }

    #[test]
    fn what_moderators_say_has_its_bounds() {
        let long = "x".repeat(limits::SENTENCE_CHARS + 1);
        let user = "u7Zk2mQ0aB-_x9Yc";
        for (bad, field) in [
            (format!(r#"{{"type":"kick","id":"1","user":"{user}","reason":"{long}"}}"#), "reason"),
            (format!(r#"{{"type":"kick","id":"1","user":"{user}","reason":"a\nb"}}"#), "reason"),
            (r#"{"type":"kick","id":"1","user":"kim"}"#.to_owned(), "user"),
            (format!(r#"{{"type":"ban","id":"1","user":"{user}","seconds":-1}}"#), "seconds"),
            (format!(r#"{{"type":"ban","id":"1","user":"{user}","seconds":"1"}}"#), "seconds"),
            (format!(r#"{{"type":"topic","id":"1","text":"{long}"}}"#), "text"),
        ] {
            let error = refusal(&bad);
            assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadField, Some(field)), "{bad}");
            assert_eq!(error.id, Some(MessageId::parse("1").unwrap()));
        }
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let message = ClientMessage::parse(r#"{"type":"ping","id":"1","colour":"red"}"#).unwrap();
        assert_eq!(message, ClientMessage::Ping { id: Some(MessageId::parse("1").unwrap()) });
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = ClientMessage::parse(&text);
        }

        #[test]
        fn no_value_in_any_field_makes_the_parser_panic(
            field in "[a-z_]{1,8}",
            value in r#"(-?[0-9]{1,30}|"[^"\\]{0,80}"|null|\[\]|\{\})"#,
        ) {
            for kind in ClientMessage::TYPES {
                let _ = ClientMessage::parse(&format!(r#"{{"type":"{kind}","{field}":{value}}}"#));
            }
        }
    }
}
