//! Server frames as bytes (RFC 6455, section 5.2): final, unmasked, with the shortest length. It knows no socket.

use bytes::{BufMut, Bytes, BytesMut};
use shared::CloseCode;

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;

/// Bytes of a control frame's payload (RFC 6455, section 5.5).
const CONTROL_BYTES: usize = 125;

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    out.put_u8(FIN | opcode);
    match payload.len() {
        short @ 0..=125 => out.put_u8(short as u8),
        medium @ 126..=0xFFFF => {
            out.put_u8(126);
            out.put_u16(medium as u16);
        }
        long => {
            out.put_u8(127);
            out.put_u64(long as u64);
        }
    }
    out.put_slice(payload);
    out.freeze()
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
    fn a_close_frame_carries_code_reason_and_delay() {
        assert_eq!(&close(CloseCode::Shutdown, Some(800))[..], b"\x88\x14\x10\x68shutdown;retry=800");
        assert_eq!(&close(CloseCode::Normal, None)[..], b"\x88\x08\x03\xe8normal");
        assert!(close(CloseCode::TooManyConnections, Some(u64::MAX)).len() <= 2 + CONTROL_BYTES);
    }
}
