//! WebSocket frames as a load generator needs them (RFC 6455, section 5.2): masked ones out, headers read in place. It
//! knows no socket.

/// Opcode of a text frame.
pub const TEXT: u8 = 0x1;
/// Opcode of a binary frame.
pub const BINARY: u8 = 0x2;
/// Opcode of a Close frame.
pub const CLOSE: u8 = 0x8;
/// Opcode of a ping.
pub const PING: u8 = 0x9;
/// Opcode of a pong.
pub const PONG: u8 = 0xA;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// A frame as it lies in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// What kind of frame.
    pub opcode: u8,
    /// Where its payload begins.
    pub begin: usize,
    /// Where it ends.
    pub end: usize,
    /// The client's mask, if it has one.
    pub mask: Option<[u8; 4]>,
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` while the frame is not complete.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (len, mut begin) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
            short => (usize::from(short), 2),
        };
        let mask = if second & MASKED != 0 {
            let mask = bytes.get(begin..begin + 4)?.try_into().ok()?;
            begin += 4;
            Some(mask)
        } else {
            None
        };
        let end = begin.checked_add(len)?;
        (bytes.len() >= end).then_some(Self { opcode: first & 0x0F, begin, end, mask })
    }
}

/// Appends a client's frame. Its mask is 1 2 3 4: servers unmask it like any other.
pub fn client(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    const MASK: [u8; 4] = [1, 2, 3, 4];
    head(opcode, payload.len(), MASKED, out);
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// Appends a server's frame.
pub fn server(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    head(opcode, payload.len(), 0, out);
    out.extend_from_slice(payload);
}

fn head(opcode: u8, len: usize, masked: u8, out: &mut Vec<u8>) {
    out.push(FIN | opcode);
    match len {
        0..=125 => out.push(masked | len as u8),
        126..=0xFFFF => {
            out.push(masked | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_when_the_frame_is_whole_and_not_before() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            let mut bytes = Vec::new();
            server(TEXT, &payload, &mut bytes);
            let header = Header::read(&bytes).unwrap();
            assert_eq!((header.opcode, header.end, header.end - header.begin), (TEXT, bytes.len(), len));
            assert_eq!(Header::read(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn a_clients_frame_is_masked() {
        let mut bytes = Vec::new();
        client(TEXT, b"Hello", &mut bytes);
        let header = Header::read(&bytes).unwrap();
        let mask = header.mask.unwrap();
        let plain: Vec<u8> = bytes[header.begin..].iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect();
        assert_eq!(plain, b"Hello");
    }
}
