//! The opening handshake (RFC 6455, section 4.2): a request head comes in, a way in or an HTTP answer comes out. Pure;
//! [`crate::listener`] reads and writes.
//!
//! tungstenite's own handshake answers nothing to a bad request and has no limits, so the head is read here and only
//! the frames are left to it.

mod head;
mod origin;
mod reply;

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use shared::{RoomName, SUBPROTOCOL, TrustedProxies, origin::AllowedOrigin};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub use head::{HEAD_BYTES, HEADERS, Head, head_end};
pub use reply::Reply;

/// Where a handshake leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// `/echo`.
    Echo,
    /// A room, spoken with in plain lines or in `chat.v1`.
    Chat {
        /// The path's room.
        room: RoomName,
        /// Whether the client offered [`SUBPROTOCOL`].
        negotiated: bool,
    },
}

/// How to connect, for whoever came with something else.
const HOW: &str = "This is a WebSocket server. Connect with ws://HOST:PORT/ (under TLS wss://) for the room lobby, \
/rooms/NAME for another room, or /echo. In a browser's console: new WebSocket('ws://localhost:3000/').onmessage = e => \
console.log(e.data). People open the page instead, which front serves, at port 8080 unless it was told otherwise.";

/// Decides about a request.
///
/// # Errors
/// The HTTP answer that refuses it: 400, 403, 404, 405, 426 or 505, with a sentence.
pub fn decide(head: &Head<'_>, allowed: &[AllowedOrigin]) -> Result<(Way, Reply), Reply> {
    if head.minor_version() != 1 {
        return Err(Reply::refuse(505, "Only HTTP/1.1 is spoken here."));
    }
    if head.count("host") > 1 {
        return Err(Reply::refuse(400, "There is more than one Host header."));
    }
    if head.count("transfer-encoding") > 0 || head.value("content-length").is_some_and(|length| length.trim() != "0") {
        if head.method() != "GET" {
            return Err(no_get());
        }
        return Err(Reply::refuse(400, "A handshake has no body."));
    }
    let way = path(head.path())?;
    if !head.has_token("upgrade", "websocket") || !head.has_token("connection", "upgrade") {
        return Err(Reply::refuse(426, HOW).header("Upgrade", "websocket"));
    }
    if head.method() != "GET" {
        return Err(no_get());
    }
    if head.count("sec-websocket-version") != 1 || head.value("sec-websocket-version").map(str::trim) != Some("13") {
        let reply = Reply::refuse(426, "Only version 13 of the WebSocket protocol is spoken here.");
        return Err(reply.header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13"));
    }
    let key = head.value("sec-websocket-key").map(str::trim).unwrap_or_default();
    let is_key = STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16);
    if head.count("sec-websocket-key") != 1 || !is_key {
        return Err(Reply::refuse(400, "Sec-WebSocket-Key must be given once, as 16 bytes in base64 (24 characters)."));
    }
    origin::check(head, allowed)?;
    let negotiated = subprotocol(head)?;
    let reply = Reply::switching_protocols(&derive_accept_key(key.as_bytes()), negotiated.then_some(SUBPROTOCOL));
    let way = match way {
        Way::Chat { room, .. } => Way::Chat { room, negotiated },
        Way::Echo => Way::Echo,
    };
    Ok((way, reply))
}

/// Whoever posts has mostly taken this port for that of the page server.
fn no_get() -> Reply {
    let sentence = "A WebSocket handshake is a GET request. To say something over HTTP, POST to /api/rooms/NAME/messages of \
                    front, at port 8080 unless it was told otherwise.";
    Reply::refuse(405, sentence).header("Allow", "GET")
}

/// Whose connection it is: the peer's, or what a trusted proxy says.
pub fn client(head: &Head<'_>, peer: IpAddr, trusted: &TrustedProxies) -> IpAddr {
    trusted.client(peer, head.values("x-forwarded-for"))
}

/// The ticket in the address of a head that was decided about, for who has no hello to put it into.
pub fn ticket(head: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\n').next()?).ok()?;
    let (_, query) = line.split(' ').nth(1)?.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("ticket="))
}

fn path(path: &str) -> Result<Way, Reply> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let chat = |room| Ok(Way::Chat { room, negotiated: false });
    match path {
        "/" => chat(RoomName::lobby()),
        "/echo" => Ok(Way::Echo),
        _ => {
            let Some(name) = path.strip_prefix("/rooms/") else {
                return Err(Reply::refuse(404, &format!("There is nothing at this path. {HOW}")));
            };
            let name = percent_encoding::percent_decode_str(name).decode_utf8();
            let name = name.map_err(|_| Reply::refuse(400, "The room's name is not UTF-8."))?;
            let room = RoomName::parse(&name)
                .map_err(|error| Reply::refuse(400, &format!("This cannot be the name of a room: {error}.")))?;
            chat(room)
        }
    }
}

/// Whether `chat.v1` was chosen. The client's order would decide if there were more to choose from.
fn subprotocol(head: &Head<'_>) -> Result<bool, Reply> {
    let mut offered = head.tokens("sec-websocket-protocol").peekable();
    if offered.peek().is_none() {
        return Ok(false);
    }
    if offered.any(|name| name == SUBPROTOCOL) {
        return Ok(true);
    }
    let sentence = format!(
        "None of the offered subprotocols is spoken here. The known ones: {SUBPROTOCOL}. Offer none for plain lines."
    );
    Err(Reply::refuse(400, &sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A good handshake with one thing changed.
    fn request(path: &str, change: &[(&str, Option<&str>)]) -> String {
        let mut headers = vec![
            ("Host", "localhost:3000"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
        ];
        for (name, value) in change {
            headers.retain(|(other, _)| other != name);
            headers.extend(value.map(|value| (*name, value)));
        }
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("GET {path} HTTP/1.1\r\n{headers}\r\n")
    }

    fn answer(request: &str) -> Result<(Way, Reply), u16> {
        let mut space = Head::space();
        let head = Head::parse(request.as_bytes(), &mut space).map_err(|reply| reply.status())?;
        decide(&head, &[]).map_err(|reply| reply.status())
    }

    fn status(path: &str, change: &[(&str, Option<&str>)]) -> u16 {
        answer(&request(path, change)).map_or_else(|status| status, |(_, reply)| reply.status())
    }

    #[test]
    fn the_study_notes_request_is_answered_with_its_accept_value() {
        let (way, reply) = answer(&request("/", &[("Host", None)])).unwrap();
        assert_eq!(way, Way::Chat { room: RoomName::lobby(), negotiated: false });
        let text = String::from_utf8(reply.to_bytes(false)).unwrap();
        assert!(text.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{text}");
        assert!(text.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{text}");
        assert!(!text.contains("Sec-WebSocket-Protocol") && !text.contains("Content-Length"), "{text}");
    }

    #[test]
    fn paths_lead_to_rooms() {
        let way = |path| answer(&request(path, &[])).map(|(way, _)| way);
        let room = |name| Ok(Way::Chat { room: RoomName::parse(name).unwrap(), negotiated: false });
        assert_eq!(way("/rooms/dev"), room("dev"));
        assert_eq!(way("/rooms/%ED%9A%8C%EC%9D%98?x=1"), room("회의"));
        assert_eq!(way("/?token=1"), room("lobby"));
        assert_eq!(way("/echo"), Ok(Way::Echo));
        assert_eq!(way("/nowhere"), Err(404));
        assert_eq!(way("/rooms"), Err(404));
        assert_eq!(way("/rooms/"), Err(400));
        assert_eq!(way("/rooms/%FF"), Err(400));
        assert_eq!(way("/rooms/a%2Fb"), Err(400));
        assert_eq!(way("/rooms/a%0D%0AX"), Err(400));
    }

    #[test]
    fn whoever_posts_is_told_where_that_is_done() {
        let post = "POST / HTTP/1.1\r\nHost: localhost:3000\r\nContent-Length: 5\r\n\r\n";
        let mut space = Head::space();
        let reply = decide(&Head::parse(post.as_bytes(), &mut space).unwrap(), &[]).unwrap_err();
        let told = String::from_utf8(reply.to_bytes(false)).unwrap();
        assert!(
            reply.status() == 405 && told.contains("Allow: GET") && told.contains("/api/rooms/NAME/messages"),
            "{told}"
        );
        assert_eq!(status("/", &[("Content-Length", Some("5"))]), 400);
    }

    #[test]
    fn a_ticket_stands_in_the_address() {
        let of = |path: &str| ticket(request(path, &[]).as_bytes()).map(str::to_owned);
        assert_eq!(of("/rooms/dev?ticket=t1.a-_.b"), Some("t1.a-_.b".to_owned()));
        assert_eq!(of("/?x=1&ticket=t1&ticket=t2"), Some("t1".to_owned()));
        for none in ["/", "/ticket=1", "/?tickets=1", "/?aticket=1"] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(ticket(b"\xFF\n"), None);
    }

    #[test]
    fn what_is_no_handshake_is_told_how() {
        assert_eq!(status("/", &[("Upgrade", None)]), 426);
        assert_eq!(status("/", &[("Upgrade", Some("h2c"))]), 426);
        assert_eq!(status("/", &[("Connection", Some("close"))]), 426);
        assert_eq!(status("/", &[("Connection", Some("keep-alive,\tUpgrade"))]), 101);
        assert_eq!(status("/", &[("Sec-WebSocket-Version", Some("8"))]), 426);
        assert_eq!(status("/", &[("Sec-WebSocket-Version", None)]), 426);
        assert_eq!(status("/", &[("Sec-WebSocket-Key", None)]), 400);
        assert_eq!(status("/", &[("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZQ"))]), 400);
        assert_eq!(status("/", &[("Sec-WebSocket-Key", Some("AAAA"))]), 400);
        assert_eq!(status("/", &[("Content-Length", Some("5"))]), 400);
        assert_eq!(answer(&request("/", &[]).replace("GET", "POST")).unwrap_err(), 405);
        assert_eq!(answer(&request("/", &[]).replace("HTTP/1.1", "HTTP/1.0")).unwrap_err(), 505);
        let twice = request("/", &[]).replace("\r\nUpgrade", "\r\nHost: other\r\nUpgrade");
        assert_eq!(answer(&twice).unwrap_err(), 400);
    }

    #[test]
    fn the_subprotocol_is_negotiated() {
        let with = |value| answer(&request("/", &[("Sec-WebSocket-Protocol", Some(value))]));
        let (way, reply) = with("chat.v9, chat.v1").unwrap();
        assert_eq!(way, Way::Chat { room: RoomName::lobby(), negotiated: true });
        assert!(String::from_utf8(reply.to_bytes(false)).unwrap().contains("\r\nSec-WebSocket-Protocol: chat.v1\r\n"));
        assert_eq!(with("soap").unwrap_err(), 400);
    }
}
