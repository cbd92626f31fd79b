//! An HTTP/1.1 answer as bytes.

/// The answer to a request for a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    content_type: &'static str,
    body: String,
}

impl Reply {
    /// A refusal with a sentence that helps; the connection ends with it.
    pub fn refuse(status: u16, sentence: &str) -> Self {
        Self::last(status, "text/plain; charset=utf-8", format!("{sentence}\n"))
    }

    /// An answer with which the connection ends.
    pub fn last(status: u16, content_type: &'static str, body: String) -> Self {
        Self { status, headers: vec![("Connection", "close".to_owned())], content_type, body }
    }

    /// 101, with the accept value and the subprotocol that was chosen.
    pub(super) fn switching_protocols(accept: &str, subprotocol: Option<&str>) -> Self {
        let mut headers = vec![
            ("Upgrade", "websocket".to_owned()),
            ("Connection", "Upgrade".to_owned()),
            ("Sec-WebSocket-Accept", accept.to_owned()),
        ];
        headers.extend(subprotocol.map(|name| ("Sec-WebSocket-Protocol", name.to_owned())));
        Self { status: 101, headers, content_type: "", body: String::new() }
    }

    /// Adds a header. `Upgrade` is named in `Connection` too, as RFC 9110, section 7.8, wants it.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if name == "Upgrade"
            && let Some((_, connection)) = self.headers.iter_mut().find(|(name, _)| *name == "Connection")
        {
            *connection = "Upgrade, close".to_owned();
        }
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The bytes to send; the answer to HEAD has no body.
    pub fn to_bytes(&self, to_head: bool) -> Vec<u8> {
        let Self { status, headers, content_type, body } = self;
        let mut out = Vec::with_capacity(256 + body.len());
        let mut write = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        write(&["HTTP/1.1 ", &status.to_string(), " ", reason(*status), "\r\n"]);
        for (name, value) in headers {
            write(&[name, ": ", value, "\r\n"]);
        }
        if *status != 101 {
            write(&["Content-Type: ", content_type, "\r\nContent-Length: ", &body.len().to_string(), "\r\n"]);
        }
        write(&["\r\n"]);
        if !to_head {
            write(&[body]);
        }
        out
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_a_sentence_and_its_length() {
        let reply = Reply::refuse(426, "Speak.").header("Upgrade", "websocket");
        let text = String::from_utf8(reply.to_bytes(false)).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Length: 7\r\n\r\nSpeak.\n"
        );
        assert!(String::from_utf8(reply.to_bytes(true)).unwrap().ends_with("Content-Length: 7\r\n\r\n"));
    }
}
