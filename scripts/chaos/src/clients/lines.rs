//! Bytes that come in pieces of any size become lines. Pure. It knows nothing of what the lines say.

/// The longest line that is waited for: a message of the longest text is shorter.
const LONGEST: usize = 1024 * 1024;

/// A line without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// What has come and was not taken yet. A line ends with LF, CR LF or CR, as in an event stream.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Everything before this was taken.
    taken: usize,
    /// The last line ended with CR: a LF that follows is part of the same end.
    after_cr: bool,
}

impl Lines {
    /// More came.
    ///
    /// # Errors
    /// When more is waiting for its end than any line is long.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > LONGEST && !self.bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            return Err(TooLong);
        }
        Ok(())
    }

    /// The next whole line, without its end.
    pub fn next(&mut self) -> Option<String> {
        let mut rest = self.bytes.get(self.taken..).unwrap_or_default();
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            if let Some(after) = rest.strip_prefix(b"\n") {
                self.taken += 1;
                rest = after;
            }
        }
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
        self.after_cr = rest.get(end) == Some(&b'\r');
        self.taken += end + 1;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece).unwrap();
            out.extend(std::iter::from_fn(|| lines.next()));
        }
        out
    }

    #[test]
    fn a_line_is_the_same_however_it_is_cut() {
        let bytes = "a\nb\r\n\r\n마당\rc\n\n".as_bytes();
        let whole = lines(&[bytes]);
        assert_eq!(whole, ["a", "b", "", "마당", "c", ""]);
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(lines(&[head, tail]), whole, "{at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(lines(&single), whole);
    }

    #[test]
    fn what_has_no_end_yet_waits_and_not_forever() {
        assert!(lines(&[b"half"]).is_empty());
        let mut endless = Lines::default();
        assert_eq!(endless.push(&vec![b'x'; LONGEST]), Ok(()));
        assert_eq!(endless.push(b"x"), Err(TooLong));
    }
}
