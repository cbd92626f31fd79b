//! What every text of a run carries: who said it, its number with that publisher, and when it was meant to be said. So
//! each subscriber can tell a loss, a duplicate and a disorder, whatever a server wraps around the text. Pure.

use memchr::memchr;

/// Begins a stamp; no server puts this byte into what it adds.
const MARK: u8 = b'~';
const PUBLISHER_DIGITS: usize = 5;
const NUMBER_DIGITS: usize = 10;
const TIME_DIGITS: usize = 16;

/// Bytes of a stamp; a text has at least as many.
pub const BYTES: usize = 1 + PUBLISHER_DIGITS + NUMBER_DIGITS + TIME_DIGITS;

/// A stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The publisher's place in its room.
    pub publisher: u32,
    /// 0, 1, 2 … for each publisher.
    pub number: u32,
    /// When it was meant to be sent, in nanoseconds of the run.
    pub intended: u64,
}

impl Stamp {
    /// Appends a text of `bytes` bytes that begins with this stamp.
    pub fn write(self, bytes: usize, out: &mut Vec<u8>) {
        let begin = out.len();
        out.push(MARK);
        digits(u64::from(self.publisher), PUBLISHER_DIGITS, out);
        digits(u64::from(self.number), NUMBER_DIGITS, out);
        digits(self.intended, TIME_DIGITS, out);
        out.resize(begin + bytes.max(BYTES), b'.');
    }

    /// Finds the stamp in a message. `at` is where the last one was, and is brought up to date.
    pub fn find(message: &[u8], at: &mut usize) -> Option<Self> {
        if message.get(*at) != Some(&MARK) {
            *at = memchr(MARK, message)?;
        }
        let digits = message.get(*at + 1..*at + BYTES)?;
        let (publisher, digits) = digits.split_at(PUBLISHER_DIGITS);
        let (number, intended) = digits.split_at(NUMBER_DIGITS);
        Some(Self { publisher: value(publisher)? as u32, number: value(number)? as u32, intended: value(intended)? })
    }
}

fn digits(mut value: u64, count: usize, out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + count, b'0');
    for digit in out[begin..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// The number that these digits, or the digits at the start of these bytes, are.
pub fn value(bytes: &[u8]) -> Option<u64> {
    let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| bytes[..count].iter().fold(0, |value: u64, byte| value * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_wherever_it_lies() {
        let stamp = Stamp { publisher: 7, number: 12_345, intended: 9_876_543_210 };
        let mut text = br#"{"text":""#.to_vec();
        stamp.write(100, &mut text);
        assert_eq!(text.len(), 109);
        let mut at = 0;
        assert_eq!(Stamp::find(&text, &mut at), Some(stamp));
        assert_eq!(at, 9);
        assert_eq!(Stamp::find(&text[2..], &mut at), Some(stamp));
        assert_eq!(Stamp::find(b"nothing", &mut at), None);
    }
}
