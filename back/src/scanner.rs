//! Follows the frames of a client's bytes without reading what is in them (RFC 6455, section 5.2): whether a message is
//! under way, how much of it has come, and whether its lengths are written as they must be. Pure.
//!
//! tungstenite shows whole messages only. 200,000 empty fragments of one message pass it unseen, and it takes a length
//! in a longer form than the shortest.

const FIN: u8 = 0x80;
const CONTROL: u8 = 0x08;
const MASK: u8 = 0x80;

/// The longest header: two bytes, eight of length, four of mask.
const HEADER_BYTES: usize = 14;

/// A length was not written in its shortest form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongForm;

/// Where in its frames a stream is.
#[derive(Debug, Default)]
pub struct Scanner {
    header: [u8; HEADER_BYTES],
    have: usize,
    payload_left: u64,
    /// A data frame without FIN has come.
    in_message: bool,
    /// Bytes of data frames since the last message ended.
    unfinished: usize,
    /// Messages that have ended.
    ended: u64,
}

impl Scanner {
    /// Looks at the next bytes.
    ///
    /// # Errors
    /// When a length is not in its shortest form; what follows is not looked at.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), LongForm> {
        while !bytes.is_empty() {
            if self.have < self.header_bytes() {
                self.header[self.have] = bytes[0];
                self.have += 1;
                bytes = &bytes[1..];
                self.count(1);
                if self.have < self.header_bytes() {
                    continue;
                }
                self.payload_left = self.length()?;
            } else {
                let taken = bytes.len().min(usize::try_from(self.payload_left).unwrap_or(usize::MAX));
                self.payload_left -= taken as u64;
                bytes = &bytes[taken..];
                self.count(taken);
            }
            if self.payload_left == 0 {
                self.end_frame();
            }
        }
        Ok(())
    }

    /// Whether a frame or a message has begun that has not ended.
    pub fn is_inside(&self) -> bool {
        self.in_message || self.have > 0
    }

    /// Bytes of data frames since the last message ended.
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// How many messages have ended.
    pub fn ended(&self) -> u64 {
        self.ended
    }

    fn is_control(&self) -> bool {
        self.header[0] & CONTROL != 0
    }

    fn count(&mut self, bytes: usize) {
        if !self.is_control() {
            self.unfinished = self.unfinished.saturating_add(bytes);
        }
    }

    /// How many bytes the header has, as far as can be known.
    fn header_bytes(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let length = match self.header[1] & !MASK {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if self.header[1] & MASK != 0 { 4 } else { 0 }
    }

    fn length(&self) -> Result<u64, LongForm> {
        let written = |bytes: &[u8]| bytes.iter().fold(0, |length: u64, byte| length << 8 | u64::from(*byte));
        match self.header[1] & !MASK {
            126 => Some(written(&self.header[2..4])).filter(|length| *length > 125),
            127 => Some(written(&self.header[2..10])).filter(|length| *length > 0xFFFF),
            short => Some(u64::from(short)),
        }
        .ok_or(LongForm)
    }

    fn end_frame(&mut self) {
        if !self.is_control() {
            self.in_message = self.header[0] & FIN == 0;
            if !self.in_message {
                self.unfinished = 0;
                self.ended += 1;
            }
        }
        self.have = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match payload {
            0..=125 => frame.push(0x80 | payload as u8),
            126..=0xFFFF => {
                frame.push(0xFE);
                frame.extend((payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(0xFF);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(vec![7; payload]);
        frame
    }

    #[test]
    fn messages_are_followed_however_they_are_cut() {
        let stream: Vec<u8> = [
            frame(0x81, 0),
            frame(0x82, 125),
            frame(0x01, 126),
            frame(0x89, 5),
            frame(0x00, 0),
            frame(0x80, 70_000),
            frame(0x88, 2),
        ]
        .concat();
        for cut in [1, 2, 3, 7, 1000, stream.len()] {
            let mut scanner = Scanner::default();
            for bytes in stream.chunks(cut) {
                scanner.feed(bytes).unwrap();
            }
            assert_eq!((scanner.ended(), scanner.is_inside(), scanner.unfinished()), (3, false, 0), "cut {cut}");
        }
    }

    #[test]
    fn a_message_is_under_way_from_its_first_byte_to_its_last() {
        let mut scanner = Scanner::default();
        let message = frame(0x81, 10);
        scanner.feed(&message[..1]).unwrap();
        assert!(scanner.is_inside());
        scanner.feed(&message[1..15]).unwrap();
        assert!(scanner.is_inside());
        scanner.feed(&message[15..]).unwrap();
        assert!(!scanner.is_inside());
        scanner.feed(&frame(0x01, 3)).unwrap();
        scanner.feed(&frame(0x8A, 0)).unwrap();
        assert!(scanner.is_inside(), "a control frame does not end a message");
        scanner.feed(&frame(0x80, 0)).unwrap();
        assert!(!scanner.is_inside());
    }

    #[test]
    fn empty_fragments_count_and_control_frames_do_not() {
        let mut scanner = Scanner::default();
        scanner.feed(&frame(0x01, 0)).unwrap();
        for _ in 0..1000 {
            scanner.feed(&frame(0x00, 0)).unwrap();
            scanner.feed(&frame(0x89, 100)).unwrap();
        }
        assert_eq!(scanner.unfinished(), 1001 * 6);
    }

    #[test]
    fn a_length_has_one_form() {
        for bytes in [vec![0x81, 0xFE, 0, 125, 0, 0, 0, 0], vec![0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0]]
        {
            assert_eq!(Scanner::default().feed(&bytes), Err(LongForm));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = Scanner::default().feed(&bytes);
        }
    }
}
