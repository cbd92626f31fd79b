//! Answers of HTTP/1.1 as a load generator needs them: taken in pieces, with a length, in chunks or without a body. It
//! knows no socket. Pure.

use anyhow::{Context as _, bail};

/// The longest head that is believed.
const HEAD_BYTES: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// So many bytes of the body are still to come.
    Length(usize),
    /// The line with the size of the next chunk.
    Size,
    /// So many bytes of this chunk are still to come, its line end included.
    Chunk(usize),
    /// Behind the last chunk, up to an empty line.
    Trailer,
    /// As long as the connection lasts.
    Endless,
    Whole,
}

/// One answer. After it is whole, [`Answer::next`] makes room for another on the same connection.
#[derive(Debug)]
pub struct Answer {
    state: State,
    /// What came and could not be understood yet.
    raw: Vec<u8>,
    /// The head's lines, without their ends.
    head: String,
    /// What came of the body; whoever reads a stream takes from its front.
    pub body: Vec<u8>,
}

impl Answer {
    /// Nothing came yet.
    pub fn new() -> Self {
        Self { state: State::Head, raw: Vec::new(), head: String::new(), body: Vec::new() }
    }

    /// Takes bytes from the connection.
    ///
    /// # Errors
    /// When they are no HTTP, or more than was asked for.
    pub fn take(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.raw.extend_from_slice(bytes);
        let raw = std::mem::take(&mut self.raw);
        let mut used = 0;
        while let Some(more) = self.step(&raw[used..])? {
            used += more;
        }
        self.raw.extend_from_slice(&raw[used..]);
        if self.is_whole() && !self.raw.is_empty() {
            bail!("there is more than one answer to one request");
        }
        Ok(())
    }

    /// Whether nothing came since the last answer.
    pub fn is_untouched(&self) -> bool {
        self.state == State::Head && self.raw.is_empty()
    }

    /// Whether the head is there.
    pub fn has_head(&self) -> bool {
        self.state != State::Head
    }

    /// Whether all of it is there.
    pub fn is_whole(&self) -> bool {
        self.state == State::Whole
    }

    /// The status, 0 while there is none.
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Forgets this answer: the next one begins.
    pub fn next(&mut self) {
        self.state = State::Head;
        self.head.clear();
        self.body.clear();
    }

    /// Understands one more piece and says how long it was; `None` where more has to come, or nothing has to.
    fn step(&mut self, bytes: &[u8]) -> anyhow::Result<Option<usize>> {
        let line = |most: usize| {
            let end = bytes.windows(2).position(|two| two == b"\r\n");
            if end.is_none() && bytes.len() > most { Err(anyhow::anyhow!("a line has no end")) } else { Ok(end) }
        };
        let (state, used) = match self.state {
            State::Head => {
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                    if bytes.len() > HEAD_BYTES {
                        bail!("a head has no end");
                    }
                    return Ok(None);
                };
                self.head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                (self.body_follows()?, end + 4)
            }
            State::Length(0) => (State::Whole, 0),
            State::Size => {
                let Some(end) = line(64)? else { return Ok(None) };
                let digits = String::from_utf8_lossy(&bytes[..end]);
                let digits = digits.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(digits, 16).context("a chunk has no size")?;
                let state = if size == 0 { State::Trailer } else { State::Chunk(size.saturating_add(2)) };
                (state, end + 2)
            }
            State::Trailer => {
                let Some(end) = line(HEAD_BYTES)? else { return Ok(None) };
                (if end == 0 { State::Whole } else { State::Trailer }, end + 2)
            }
            State::Whole => return Ok(None),
            State::Length(_) | State::Chunk(_) | State::Endless if bytes.is_empty() => return Ok(None),
            State::Length(left) => {
                let count = left.min(bytes.len());
                self.body.extend_from_slice(&bytes[..count]);
                (State::Length(left - count), count)
            }
            State::Chunk(left) => {
                let count = left.min(bytes.len());
                // The last two are the line end.
                self.body.extend_from_slice(&bytes[..count.min(left.saturating_sub(2))]);
                (if left == count { State::Size } else { State::Chunk(left - count) }, count)
            }
            State::Endless => {
                self.body.extend_from_slice(bytes);
                (State::Endless, bytes.len())
            }
        };
        self.state = state;
        Ok(Some(used))
    }

    fn body_follows(&self) -> anyhow::Result<State> {
        if !self.head.starts_with("HTTP/1.") {
            bail!("this is no HTTP: {}", self.head.lines().next().unwrap_or_default());
        }
        if matches!(self.status(), 204 | 304) {
            return Ok(State::Whole);
        }
        if self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return Ok(State::Size);
        }
        Ok(match self.header("content-length") {
            Some(length) => State::Length(length.parse().context("a length is no number")?),
            None => State::Endless,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer that comes of these bytes, however they are cut.
    fn answer(text: &str) -> Answer {
        for cut in 1..text.len() {
            let mut answer = Answer::new();
            text.as_bytes().chunks(cut).for_each(|piece| answer.take(piece).unwrap());
            let mut whole = Answer::new();
            whole.take(text.as_bytes()).unwrap();
            assert_eq!((answer.is_whole(), &answer.body), (whole.is_whole(), &whole.body), "cut into {cut}");
        }
        let mut whole = Answer::new();
        whole.take(text.as_bytes()).unwrap();
        whole
    }

    #[test]
    fn an_answer_with_a_length_is_whole_when_all_of_it_is_there() {
        let text = "HTTP/1.1 200 OK\r\nETag: \"k:7\"\r\ncontent-length: 5\r\n\r\nHello";
        let whole = answer(text);
        assert!(whole.is_whole());
        assert_eq!((whole.status(), whole.header("etag"), &whole.body[..]), (200, Some("\"k:7\""), &b"Hello"[..]));
        assert!(!answer(&text[..text.len() - 1]).is_whole());
    }

    #[test]
    fn chunks_are_put_together_and_sizes_left_out() {
        let text =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\nA;x=y\r\n, whoever \r\n0\r\n\r\n";
        let whole = answer(text);
        assert!(whole.is_whole());
        assert_eq!(whole.body, b"Hello, whoever ");
        assert!(!answer(&text[..text.len() - 2]).is_whole());
    }

    #[test]
    fn nothing_follows_the_head_of_what_has_not_changed() {
        assert!(answer("HTTP/1.1 304 Not Modified\r\netag: \"k:7\"\r\n\r\n").is_whole());
    }

    #[test]
    fn a_body_without_a_length_goes_on() {
        let stream = answer("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
        assert!(!stream.is_whole());
        assert_eq!(stream.body, b"data: 1\n\n");
    }

    #[test]
    fn a_second_answer_may_follow_only_when_it_was_asked_for() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx";
        let mut answer = Answer::new();
        answer.take(text).unwrap();
        assert!(answer.take(text).is_err());
        let mut answer = Answer::new();
        answer.take(text).unwrap();
        answer.next();
        assert!(answer.is_untouched());
        answer.take(text).unwrap();
        assert!(answer.is_whole());
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for bad in ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"] {
            assert!(Answer::new().take(bad.as_bytes()).is_err(), "{bad}");
        }
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n";
        assert!(Answer::new().take(chunked.as_bytes()).is_err());
    }
}
