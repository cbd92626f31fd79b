//! A message as bytes, made once and read by everybody who reads it here: as an event of SSE, as a line, as JSON.

use bytes::Bytes;
use shared::Epoch;

/// One message, encoded as a server-sent event whose `data` is the JSON of the socket. The other forms are parts of it.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    event: Bytes,
    json: usize,
    seq: u64,
}

impl Encoded {
    /// Encodes a message that back has sent; its JSON has no line ends, because back writes none and no string of JSON
    /// may contain one.
    pub(crate) fn new(epoch: &Epoch, seq: u64, json: &str) -> Self {
        let head = format!("id: {epoch}:{seq}\nevent: message\ndata: ");
        let mut event = Vec::with_capacity(head.len() + json.len() + 2);
        event.extend_from_slice(head.as_bytes());
        event.extend_from_slice(json.as_bytes());
        event.extend_from_slice(b"\n\n");
        Self { event: event.into(), json: head.len(), seq }
    }

    /// Its number.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// As a server-sent event.
    pub(crate) fn event(&self) -> Bytes {
        self.event.clone()
    }

    /// As a line.
    pub(crate) fn line(&self) -> Bytes {
        self.event.slice(self.json..self.event.len() - 1)
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Bytes {
        self.event.slice(self.json..self.event.len() - 2)
    }

    /// What it costs to keep.
    pub(crate) fn cost(&self) -> usize {
        self.event.len() + 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_share_one_encoding() {
        let message = Encoded::new(&Epoch::parse("e1").unwrap(), 7, r#"{"a":1}"#);
        assert_eq!(message.event(), "id: e1:7\nevent: message\ndata: {\"a\":1}\n\n");
        assert_eq!(message.line(), "{\"a\":1}\n");
        assert_eq!(message.json(), r#"{"a":1}"#);
        let within = |part: Bytes| message.event.as_ptr_range().contains(&part.as_ptr());
        assert!(within(message.event()) && within(message.line()) && within(message.json()));
    }
}
