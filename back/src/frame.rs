//! Server frames as bytes (RFC 6455, section 5.2): final, unmasked, with the shortest length. It knows no socket.

use bytes::Bytes;
use shared::{CloseCode, Json};

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// Bytes of a control frame's payload (RFC 6455, section 5.5).
const CONTROL_BYTES: usize = 125;

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut head = [FIN | opcode, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let used = match payload.len() {
        short @ 0..=125 => {
            head[1] = short as u8;
            2
        }
        medium @ 126..=0xFFFF => {
            head[1] = 126;
            head[2..4].copy_from_slice(&(medium as u16).to_be_bytes());
            4
        }
        long => {
            head[1] = 127;
            head[2..].copy_from_slice(&(long as u64).to_be_bytes());
            10
        }
    };
    // Exactly so large: `Bytes` then needs no second allocation.
    let mut out = Vec::with_capacity(used + payload.len());
    out.extend_from_slice(&head[..used]);
    out.extend_from_slice(payload);
    out.into()
}

/// Bytes of a header with the length of most messages: 126 to 65,535 bytes.
const HEADER: usize = 4;

/// What most messages fit into, their header included.
const USUAL_BYTES: usize = 256;

/// A message of the server, written where it is sent from.
pub fn message(message: &impl Json) -> Bytes {
    let mut out = Vec::with_capacity(USUAL_BYTES);
    out.extend_from_slice(&[0; HEADER]);
    message.write_json(&mut out);
    let length = out.len() - HEADER;
    match u16::try_from(length) {
        Ok(medium @ 126..) => {
            let [high, low] = medium.to_be_bytes();
            out[..HEADER].copy_from_slice(&[FIN | TEXT, 126, high, low]);
            if out.capacity() > USUAL_BYTES {
                // It may be kept for long.
                out.shrink_to_fit();
            }
            out.into()
        }
        _ => frame(TEXT, &out[HEADER..]),
    }
}

/// A text message.
pub fn text(payload: &str) -> Bytes {
    frame(TEXT, payload.as_bytes())
}

/// A binary message.
pub fn binary(payload: &[u8]) -> Bytes {
    frame(BINARY, payload)
}

/// A ping without a payload.
pub fn ping() -> Bytes {
    frame(PING, &[])
}

/// A Close frame; `retry_after_ms` stands in its reason as `;retry=N`, for clients that see nothing but the close
/// event.
pub fn close(code: CloseCode, retry_after_ms: Option<u64>) -> Bytes {
    let mut payload = code.code().to_be_bytes().to_vec();
    payload.extend_from_slice(code.word().as_bytes());
    if let Some(after) = retry_after_ms {
        payload.extend_from_slice(format!(";retry={after}").as_bytes());
    }
    payload.truncate(CONTROL_BYTES);
    frame(CLOSE, &payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_the_shortest_form() {
        for (len, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let frame = binary(&vec![7; len]);
            assert_eq!(frame.len(), head + len);
            assert_eq!(frame[0], 0x82);
        }
        assert_eq!(&text("Hi")[..], b"\x81\x02Hi");
        assert_eq!(&ping()[..], b"\x89\x00");
    }

    #[test]
    fn a_message_is_the_frame_of_its_json() {
        for length in [0, 90, 91, 92, 93, 94, 95, 200, 300, 65_500, 65_535, 65_536, 70_000] {
            let notice = shared::ServerMessage::Notice { text: "x".repeat(length) };
            assert_eq!(message(&notice), text(&notice.to_json()), "{length}");
        }
    }

    #[test]
    fn a_close_frame_carries_code_reason_and_delay() {
        assert_eq!(&close(CloseCode::Shutdown, Some(800))[..], b"\x88\x14\x10\x68shutdown;retry=800");
        assert_eq!(&close(CloseCode::Normal, None)[..], b"\x88\x08\x03\xe8normal");
        assert!(close(CloseCode::TooManyConnections, Some(u64::MAX)).len() <= 2 + CONTROL_BYTES);
    }
}
