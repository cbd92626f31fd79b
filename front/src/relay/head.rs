//! The two heads of a handshake: the browser's as the chat server gets it, and the chat server's answer. Pure.

use actix_web::{
    HttpRequest,
    http::{
        Version,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};

use crate::visitor::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, Visitor};

/// Most bytes of a head, in both directions: what the chat server takes.
pub(super) const HEAD_BYTES: usize = 16 * 1024;

/// Most headers of the chat server's answer; it sends five.
const ANSWER_HEADERS: usize = 32;

/// What is said anew on each stretch of the way: what concerns one connection (RFC 9110, 7.6.1), what this server tells
/// about the one before it, and a body's announcement, which actix has dealt with.
const OURS: [&str; 12] = [
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "expect",
    "forwarded",
    "x-real-ip",
    FORWARDED_FOR,
    FORWARDED_PROTO,
    FORWARDED_HOST,
];

/// Whether actix hands over everything behind the head as it comes. It does where one line of `Upgrade` says just that,
/// and no body is announced; in any other request, what comes behind the head is the next request.
pub(super) fn switches(headers: &HeaderMap) -> bool {
    let websocket = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket");
    headers.get_all(header::UPGRADE).any(websocket)
        && connection_upgrades(headers)
        && !headers.contains_key(header::TRANSFER_ENCODING)
}

fn connection_upgrades(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CONNECTION).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
}

/// The request as the chat server gets it: at `target`, from `visitor`.
pub(super) fn request(request: &HttpRequest, target: &str, visitor: &Visitor) -> Vec<u8> {
    let mut head = Vec::with_capacity(1024);
    let mut put = |parts: &[&[u8]]| {
        parts.iter().for_each(|part| head.extend_from_slice(part));
        head.extend_from_slice(b"\r\n");
    };
    let version: &[u8] = if request.version() == Version::HTTP_11 { b" HTTP/1.1" } else { b" HTTP/1.0" };
    put(&[request.method().as_str().as_bytes(), b" ", target.as_bytes(), version]);
    put(&[b"Host: ", visitor.host.to_string().as_bytes()]);
    put(&[b"Connection: ", if switches(request.headers()) { b"Upgrade" } else { b"close" }]);
    for (name, value) in request.headers().iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
        put(&[name.as_str().as_bytes(), b": ", value.as_bytes()]);
    }
    put(&[b"X-Forwarded-For: ", visitor.address.to_string().as_bytes()]);
    put(&[b"X-Forwarded-Proto: ", if visitor.secure { b"https" } else { b"http" }]);
    put(&[]);
    head
}

/// The chat server's answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// 101, or why not.
    pub(super) status: u16,
    /// What is for the browser.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Bytes of the sentence behind the head; none where it did not say.
    pub(super) body: usize,
}

/// The bytes are no answer of a chat server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoAnswer;

/// Reads an answer; says where its head ends, or nothing when more has to come.
pub(super) fn answer(bytes: &[u8]) -> Result<Option<(Answer, usize)>, NoAnswer> {
    let mut space = [httparse::EMPTY_HEADER; ANSWER_HEADERS];
    let mut parsed = httparse::Response::new(&mut space);
    let end = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES => return Ok(None),
        _ => return Err(NoAnswer),
    };
    let mut answer = Answer { status: parsed.code.ok_or(NoAnswer)?, headers: Vec::new(), body: 0 };
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| NoAnswer)?;
        match name.as_str() {
            "content-length" => {
                let length = std::str::from_utf8(line.value).ok().and_then(|length| length.trim().parse().ok());
                answer.body = length.ok_or(NoAnswer)?;
            }
            // What concerns the connection to the chat server, and what this server says itself.
            "connection" | "keep-alive" | "transfer-encoding" | "date" => {}
            _ => answer.headers.push((name, HeaderValue::from_bytes(line.value).map_err(|_| NoAnswer)?)),
        }
    }
    Ok(Some((answer, end)))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::host::Host;

    fn visitor() -> Visitor {
        Visitor {
            address: "203.0.113.9".parse().unwrap(),
            secure: true,
            host: Host::parse("chat.example.org").unwrap(),
            expected: true,
        }
    }

    #[test]
    fn what_a_stranger_says_about_the_way_is_replaced() {
        let asked = TestRequest::get()
            .uri("/ws/echo")
            .insert_header(("host", "front:8080"))
            .insert_header(("connection", "keep-alive, Upgrade"))
            .insert_header(("upgrade", "websocket"))
            .insert_header(("x-forwarded-for", "192.0.2.1"))
            .insert_header(("x-forwarded-proto", "gopher"))
            .insert_header(("x-forwarded-host", "evil.example"))
            .insert_header(("x-real-ip", "192.0.2.1"))
            .insert_header(("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="))
            .to_http_request();
        let head = String::from_utf8(request(&asked, "/echo?x=1", &visitor())).unwrap();
        let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
        assert_eq!(lines.remove(0), "GET /echo?x=1 HTTP/1.1");
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "Connection: Upgrade",
                "Host: chat.example.org",
                "X-Forwarded-For: 203.0.113.9",
                "X-Forwarded-Proto: https",
                "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
                "upgrade: websocket",
            ]
        );
        assert!(head.ends_with("\r\n\r\n"));
    }

    #[test]
    fn only_what_actix_takes_for_an_upgrade_is_one() {
        let upgrade = |fields: &[(&'static str, &'static str)]| {
            let request = fields.iter().fold(TestRequest::get(), |request, field| request.append_header(*field));
            switches(request.to_http_request().headers())
        };
        assert!(upgrade(&[("upgrade", "WebSocket"), ("connection", "keep-alive"), ("connection", "Upgrade")]));
        assert!(!upgrade(&[("upgrade", "h2c, websocket"), ("connection", "Upgrade")]));
        assert!(!upgrade(&[("upgrade", "websocket"), ("connection", "close")]));
        assert!(!upgrade(&[("upgrade", "websocket"), ("connection", "Upgrade"), ("transfer-encoding", "chunked")]));
    }

    #[test]
    fn an_answer_is_read_from_its_pieces() {
        let bytes = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 4\r\n\r\nNo.\n";
        for cut in 0..bytes.len() - 4 {
            assert!(matches!(answer(&bytes[..cut]), Ok(None)), "{cut}");
        }
        let (answer, end) = answer(bytes).unwrap().unwrap();
        assert_eq!((answer.status, answer.body, &bytes[end..]), (403, 4, &b"No.\n"[..]));
        assert_eq!(answer.headers.len(), 1);
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for bad in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 2\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "\u{16}\u{3}\u{1}",
        ] {
            assert!(answer(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(answer(&[b'H'; HEAD_BYTES]).is_err());
        let endless = format!("HTTP/1.1 101 X\r\nA: {}", "b".repeat(HEAD_BYTES));
        assert!(answer(endless.as_bytes()).is_err());
    }
}
