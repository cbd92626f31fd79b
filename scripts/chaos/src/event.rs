//! What happened, as one line of JSON each. The file is the only thing that a verdict is made from.

use serde::{Deserialize, Serialize};

/// Something that happened, with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Seconds on the driver's one monotonic clock.
    pub t: f64,
    /// What it was.
    #[serde(flatten)]
    pub what: What,
}

/// One stored message as a reader saw it: its number, its client's id, and a hash of its text.
pub type Item = (u64, String, String);

/// What can happen. `c` is a client, `cid` a message's id given by its sender, `h` a hash of its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "lowercase")]
pub enum What {
    /// A message is about to be written for the first time.
    Send { c: String, conn: u64, room: String, cid: String, h: String },
    /// It is about to be written again, with the same id. No verdict depends on it.
    Retry { c: String, conn: u64, cid: String, why: String },
    /// The server said: stored, with this number.
    Ack {
        cid: String,
        seq: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<String>,
    },
    /// The server said: certainly not stored. The sender has given up on it.
    Nack { cid: String, code: String },
    /// This client wants everything above `after`, over all its connections.
    Sub { c: String, room: String, after: u64 },
    /// What the application was given.
    Recv { c: String, room: String, seq: u64, cid: String, h: String },
    /// The server said openly: these you will not get.
    Gap {
        c: String,
        room: String,
        from: u64,
        to: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// This client wants no more.
    Unsub { c: String, room: String },
    /// A client met another history, or an end before its own position, where it had been before.
    Epoch { c: String, room: String, from: String, to: String },
    /// Something was broken on purpose.
    Fault { what: String },
    /// It was mended.
    Heal { what: String },
    /// Something that nobody broke ended, or did not come back.
    Died { what: String },
    /// A second server on the same data was let in.
    Admitted { what: String },
    /// A room's whole history, read in one way.
    Hist {
        node: String,
        room: String,
        items: Vec<Item>,
        /// The oldest number that the server says it keeps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<u64>,
    },
    /// The driver came to its end.
    End {},
    /// Anything else, for readers of other versions.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let event = Event {
            t: 1.25,
            what: What::Hist {
                node: "after".into(),
                room: "r".into(),
                items: vec![(1, "p0-1".into(), "ab".into())],
                first: None,
            },
        };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(line, r#"{"t":1.25,"e":"hist","node":"after","room":"r","items":[[1,"p0-1","ab"]]}"#);
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
        assert_eq!(serde_json::from_str::<Event>(r#"{"t":2,"e":"moon","x":1}"#).unwrap().what, What::Other);
        assert_eq!(serde_json::from_str::<Event>(r#"{"t":2,"e":"end"}"#).unwrap().what, What::End {});
    }
}
