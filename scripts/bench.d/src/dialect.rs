//! How a server is spoken to: what is asked for, what is said before it is one's turn, how a text is wrapped and how a
//! message is told from everything else. Pure.

use memchr::{memchr, memmem};

use crate::stamp;

/// A server's way to talk over its WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// A text comes back to everybody as it is.
    Bare,
    /// Madang's `chat.v1`: JSON, a `hello` first, an answer to every `send`.
    Chat,
    /// The same through front.
    ChatRelayed,
    /// Engine.IO 4 and Socket.IO 5 over a WebSocket from the start.
    SocketIo,
}

/// Where somebody who was there before wants to go on.
#[derive(Debug, Clone, Copy)]
pub struct Position<'a> {
    /// Who they are.
    pub session: &'a str,
    /// Which history the number is of.
    pub epoch: &'a str,
    /// The number of the last message that they have.
    pub seq: u64,
}

/// What a text frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'a> {
    /// The server opened the conversation: say this.
    Answer(&'static [u8]),
    /// The secret that says who one is.
    Welcome(&'a [u8]),
    /// One is in the room, whose history this is.
    Joined(&'a [u8]),
    /// From now on messages come, and may be sent.
    Ready,
    /// A message that carries a stamp; with its number in the room where the server gives one.
    Message(Option<u64>),
    /// Messages with these numbers will not come, and the server says so.
    Gap(u64, u64),
    /// The server says that something is wrong.
    Refused,
    /// Something else.
    Other,
}

/// The header that asks for Madang's protocol.
const CHAT: &str = "Sec-WebSocket-Protocol: chat.v1\r\n";

/// Where the number of a message stands for the room names that runs use: all are as long.
const SEQ: &[u8] = b"\"seq\":";

impl Dialect {
    /// The request's head for a room.
    pub fn request(self, room: u32) -> String {
        let (path, more) = match self {
            Self::Bare => (format!("/{}", room_name(room)), ""),
            Self::Chat => ("/".to_owned(), CHAT),
            Self::ChatRelayed => ("/ws".to_owned(), CHAT),
            Self::SocketIo => ("/socket.io/?EIO=4&transport=websocket".to_owned(), ""),
        };
        format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
        )
    }

    /// What is said right after the handshake, if the client begins; with what was there before, it asks for the rest.
    pub fn hello(self, room: u32, position: Option<Position<'_>>) -> Option<String> {
        let name = room_name(room);
        matches!(self, Self::Chat | Self::ChatRelayed).then(|| match position {
            None => format!(r#"{{"type":"hello","rooms":{{"{name}":{{"last":1}}}}}}"#),
            Some(Position { session, epoch, seq }) => format!(
                r#"{{"type":"hello","session":"{session}","rooms":{{"{name}":{{"epoch":"{epoch}","seq":{seq}}}}}}}"#
            ),
        })
    }

    /// Whether the handshake's answer is all there is to wait for.
    pub fn is_ready_at_once(self) -> bool {
        self == Self::Bare
    }

    /// Wraps a text that `write` appends; `number` tells it from the publisher's other texts.
    pub fn say(self, number: u32, write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
        match self {
            Self::Bare => write(out),
            Self::Chat | Self::ChatRelayed => {
                out.extend_from_slice(format!(r#"{{"type":"send","id":"{number}","text":""#).as_bytes());
                write(out);
                out.extend_from_slice(b"\"}");
            }
            Self::SocketIo => {
                out.extend_from_slice(b"42[\"m\",\"");
                write(out);
                out.extend_from_slice(b"\"]");
            }
        }
    }

    /// What a text frame from the server is.
    pub fn hear(self, text: &[u8]) -> Heard<'_> {
        match self {
            Self::Bare => Heard::Message(None),
            Self::ChatRelayed => Self::Chat.hear(text),
            Self::Chat if text.starts_with(br#"{"type":"message""#) => Heard::Message(number_after(text, SEQ)),
            Self::Chat if text.starts_with(br#"{"type":"synced""#) => Heard::Ready,
            Self::Chat if text.starts_with(br#"{"type":"welcome""#) => {
                word_after(text, b"\"session\":\"").map_or(Heard::Refused, Heard::Welcome)
            }
            Self::Chat if text.starts_with(br#"{"type":"joined""#) => {
                word_after(text, b"\"epoch\":\"").map_or(Heard::Refused, Heard::Joined)
            }
            Self::Chat if text.starts_with(br#"{"type":"gap""#) => {
                match (number_after(text, b"\"from\":"), number_after(text, b"\"to\":")) {
                    (Some(from), Some(to)) => Heard::Gap(from, to),
                    _ => Heard::Refused,
                }
            }
            Self::Chat if text.starts_with(br#"{"type":"error""#) || text.starts_with(br#"{"type":"bye""#) => {
                Heard::Refused
            }
            Self::SocketIo if text.starts_with(b"42") => Heard::Message(None),
            Self::SocketIo if text.starts_with(b"40") => Heard::Ready,
            Self::SocketIo if text.starts_with(b"0") => Heard::Answer(b"40"),
            Self::SocketIo if text.starts_with(b"2") => Heard::Answer(b"3"),
            Self::Chat | Self::SocketIo => Heard::Other,
        }
    }
}

/// Rooms are numbered; their names are as long as each other.
pub fn room_name(room: u32) -> String {
    format!("bench{room:05}")
}

/// The number behind this.
pub fn number_after(text: &[u8], word: &[u8]) -> Option<u64> {
    let at = memmem::find(text, word)?;
    stamp::value(&text[at + word.len()..])
}

/// What stands between this and the next quotation mark.
pub fn word_after<'a>(text: &'a [u8], begin: &[u8]) -> Option<&'a [u8]> {
    let at = memmem::find(text, begin)? + begin.len();
    let len = memchr(b'"', &text[at..])?;
    Some(&text[at..at + len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_madang_says_is_understood() {
        fn hear(text: &str) -> Heard<'_> {
            Dialect::Chat.hear(text.as_bytes())
        }
        let message = r#"{"type":"message","room":"bench00000","seq":42,"user":"u","name":"n","text":"~"}"#;
        assert_eq!(hear(message), Heard::Message(Some(42)));
        assert_eq!(hear(r#"{"type":"gap","room":"bench00000","from":3,"to":9,"reason":"slow"}"#), Heard::Gap(3, 9));
        assert_eq!(hear(r#"{"type":"synced","room":"bench00000","seq":0}"#), Heard::Ready);
        assert_eq!(
            hear(r#"{"type":"welcome","connection":7,"session":"4fQm1z","user":"u"}"#),
            Heard::Welcome(b"4fQm1z")
        );
        assert_eq!(hear(r#"{"type":"joined","room":"bench00000","epoch":"k3J9","first":1}"#), Heard::Joined(b"k3J9"));
        assert_eq!(hear(r#"{"type":"ok","id":"1"}"#), Heard::Other);
        assert_eq!(hear(r#"{"type":"error","code":"rate_limited"}"#), Heard::Refused);
    }

    #[test]
    fn who_was_there_before_asks_for_the_rest() {
        let position = Position { session: "s", epoch: "e", seq: 300 };
        let hello = r#"{"type":"hello","session":"s","rooms":{"bench00007":{"epoch":"e","seq":300}}}"#;
        assert_eq!(Dialect::Chat.hello(7, Some(position)).as_deref(), Some(hello));
        assert_eq!(Dialect::Bare.hello(7, None), None);
    }

    #[test]
    fn socket_io_is_answered_where_it_waits() {
        assert_eq!(Dialect::SocketIo.hear(br#"0{"sid":"x"}"#), Heard::Answer(b"40"));
        assert_eq!(Dialect::SocketIo.hear(br#"40{"sid":"x"}"#), Heard::Ready);
        assert_eq!(Dialect::SocketIo.hear(b"2"), Heard::Answer(b"3"));
        assert_eq!(Dialect::SocketIo.hear(br#"42["m","~"]"#), Heard::Message(None));
    }
}
