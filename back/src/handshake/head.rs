//! The head of an HTTP/1.1 request: found, parsed and asked. It knows nothing of WebSocket.

use super::Reply;

/// Most bytes of a head.
pub const HEAD_BYTES: usize = 16 * 1024;

/// Most headers of a head.
pub const HEADERS: usize = 100;

/// A parsed head.
#[derive(Debug)]
pub struct Head<'a> {
    method: &'a str,
    path: &'a str,
    minor_version: u8,
    headers: &'a [httparse::Header<'a>],
}

/// Where the head ends, looking from `searched` on: after the first empty line. A line may end with LF alone (RFC 9112,
/// section 2.2), as it does when typed into `nc`.
pub fn head_end(bytes: &[u8], searched: usize) -> Option<usize> {
    // An end that was cut in two by a read begins at most two bytes before.
    let from = searched.saturating_sub(2);
    let mut feeds = bytes[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| from + at);
    feeds.find_map(|at| match &bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

impl<'a> Head<'a> {
    /// Space for the headers of one head.
    pub fn space() -> [httparse::Header<'a>; HEADERS] {
        [httparse::EMPTY_HEADER; HEADERS]
    }

    /// Parses a complete head.
    ///
    /// # Errors
    /// The HTTP answer that refuses it.
    pub fn parse(bytes: &'a [u8], space: &'a mut [httparse::Header<'a>; HEADERS]) -> Result<Self, Reply> {
        let mut request = httparse::Request::new(space);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Reply::refuse(400, "The request's head is incomplete.")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Reply::refuse(431, &format!("There are more than {HEADERS} headers.")));
            }
            Err(httparse::Error::Version) => return Err(Reply::refuse(505, "Only HTTP/1.1 is spoken here.")),
            Err(error) => return Err(Reply::refuse(400, &format!("This is not an HTTP request: {error}."))),
        }
        match (request.method, request.path, request.version) {
            (Some(method), Some(path), Some(minor_version)) => {
                Ok(Self { method, path, minor_version, headers: request.headers })
            }
            _ => Err(Reply::refuse(400, "The request line is incomplete.")),
        }
    }

    /// The method, as it was written.
    pub fn method(&self) -> &str {
        self.method
    }

    /// The request target.
    pub fn path(&self) -> &str {
        self.path
    }

    /// 1 for HTTP/1.1.
    pub fn minor_version(&self) -> u8 {
        self.minor_version
    }

    /// The values of this header as they came, in their order.
    pub fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    /// How many lines have this header.
    pub fn count(&self, name: &str) -> usize {
        self.values(name).count()
    }

    /// The first value of this header, if it is UTF-8.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.values(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of this header that are UTF-8, in their order.
    pub fn texts(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.values(name).filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// The members of a comma-separated header, over all its lines (RFC 9110, section 5.3).
    pub fn tokens(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.texts(name)
            .flat_map(|line| line.split(','))
            .map(|token| token.trim_matches([' ', '\t']))
            .filter(|token| !token.is_empty())
    }

    /// Whether a comma-separated header has this member, in any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|other| other.eq_ignore_ascii_case(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_however_it_is_cut() {
        for head in ["GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET / HTTP/1.1\nA: b\n\n", "GET / HTTP/1.1\nA: b\n\r\n"] {
            let bytes = [head.as_bytes(), b"rest"].concat();
            assert_eq!(head_end(&bytes, 0), Some(head.len()));
            let mut found = None;
            for len in 1..=head.len() {
                assert_eq!(found, None);
                found = head_end(&bytes[..len], len - 1);
            }
            assert_eq!(found, Some(head.len()));
        }
        assert_eq!(head_end(b"GET / HTTP/1.1\r\nA: b\r\n", 0), None);
    }

    #[test]
    fn lists_may_stand_in_several_lines() {
        let mut space = Head::space();
        let head = b"GET / HTTP/1.1\r\nConnection: keep-alive ,\r\nconnection:\tUpgrade\r\n\r\n";
        let head = Head::parse(head, &mut space).unwrap();
        assert_eq!(head.tokens("Connection").collect::<Vec<_>>(), ["keep-alive", "Upgrade"]);
        assert!(head.has_token("connection", "upgrade"));
    }

    #[test]
    fn bad_heads_are_refused() {
        let status = |head: &str| Head::parse(head.as_bytes(), &mut Head::space()).map(|_| ()).unwrap_err().status();
        assert_eq!(status("\u{1}\u{2} garbage\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/2.7\r\n\r\n"), 505);
        assert_eq!(status("GET / HTTP/1.1\r\nUpgrade : websocket\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nA: a\0b\r\n\r\n"), 400);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101))), 431);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            let _ = head_end(&bytes, bytes.len() / 2);
            let _ = Head::parse(&bytes, &mut Head::space());
        }
    }
}
