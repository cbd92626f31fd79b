//! What is wrong with a text that is no [`ClientMessage`], for whoever wrote it.

use serde_json::Value;

use crate::{
    client::ClientMessage,
    error::{ErrorBody, ErrorCode},
    limits,
    moderation::{ModeratorSecret, Sentence},
    names::{MessageId, Name, NameError, RoomName, SessionToken, UserId},
    position::Epoch,
};

/// The error for a text that was refused with this.
pub(crate) fn diagnose(text: &str, error: &serde_json::Error) -> ErrorBody {
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
