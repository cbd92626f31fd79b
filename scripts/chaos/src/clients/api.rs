//! The addresses and answers of front's HTTP API, as far as people here use them. It knows no connections.

use std::sync::Arc;

use hyper::{StatusCode, header::RETRY_AFTER};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use shared::{Gap, Message, Position, RoomName};

use super::http::Answer;

/// An address below a room's.
pub fn of_room(room: &RoomName, rest: &str) -> String {
    format!("/api/rooms/{}/{rest}", utf8_percent_encode(room.as_str(), NON_ALPHANUMERIC))
}

/// Messages after a position, or around a number.
#[derive(Debug, Deserialize)]
pub struct Messages {
    /// The oldest number that is kept.
    pub first: u64,
    /// The newest one.
    pub top: u64,
    /// Ascending.
    pub messages: Vec<Arc<Message>>,
    /// What to ask for next; only after a position.
    #[serde(default)]
    pub position: String,
    /// What will not come.
    #[serde(default)]
    pub gap: Option<Gap>,
    /// Whether there are more in the direction that was asked for.
    #[serde(default)]
    pub more: bool,
}

impl Messages {
    /// The position, where the answer has one.
    pub fn position(&self) -> Option<Position> {
        self.position.parse().ok()
    }
}

/// What became of something that was said by POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It is stored, under this number.
    Stored { epoch: String, seq: u64 },
    /// It is certainly not stored. It may be worth another try.
    Refused { code: String, retry: bool },
    /// Nobody knows.
    Unknown,
}

#[derive(Deserialize)]
struct Ok {
    epoch: String,
    seq: u64,
    #[serde(default)]
    duplicate: bool,
}

/// Reads the answer to something that was said.
pub fn said(answer: &Answer) -> Said {
    if let StatusCode::CREATED | StatusCode::OK = answer.status {
        let ok = serde_json::from_slice::<Ok>(&answer.body).ok();
        // 201 says that something new is there; what contradicts itself is not believed.
        let sound = ok.filter(|ok| ok.duplicate == (answer.status == StatusCode::OK));
        return sound.map_or(Said::Unknown, |Ok { epoch, seq, .. }| Said::Stored { epoch, seq });
    }
    match answer.error() {
        // Front itself does not know what back made of it.
        Some(error) if error.code == "unavailable" => Said::Unknown,
        Some(error) => {
            Said::Refused { code: error.code, retry: error.retry || answer.headers.contains_key(RETRY_AFTER) }
        }
        None => Said::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Said {
        let status = StatusCode::from_u16(status).unwrap();
        said(&Answer { status, headers: HeaderMap::new(), body: body.to_owned().into() })
    }

    #[test]
    fn an_answer_is_believed_only_where_it_agrees_with_itself() {
        let stored = Said::Stored { epoch: "e".to_owned(), seq: 7 };
        assert_eq!(answer(201, r#"{"type":"ok","id":"1","room":"a","epoch":"e","seq":7,"at":1}"#), stored);
        assert_eq!(answer(200, r#"{"type":"ok","epoch":"e","seq":7,"duplicate":true}"#), stored);
        assert_eq!(answer(201, r#"{"type":"ok","epoch":"e","seq":7,"duplicate":true}"#), Said::Unknown);
        assert_eq!(answer(200, "{}"), Said::Unknown);
        assert_eq!(answer(502, "<html>"), Said::Unknown);
    }

    #[test]
    fn errors_are_certain_but_for_the_one_that_says_otherwise() {
        let error = |code, retry| format!(r#"{{"type":"error","code":"{code}","text":"x","retry":{retry}}}"#);
        let refused = |code: &str, retry| Said::Refused { code: code.to_owned(), retry };
        assert_eq!(answer(503, &error("storage_unavailable", true)), refused("storage_unavailable", true));
        assert_eq!(answer(413, &error("too_big", false)), refused("too_big", false));
        assert_eq!(answer(503, &error("unavailable", true)), Said::Unknown);
    }

    #[test]
    fn rooms_are_written_as_addresses() {
        assert_eq!(of_room(&RoomName::parse("마당").unwrap(), "hook"), "/api/rooms/%EB%A7%88%EB%8B%B9/hook");
    }
}
