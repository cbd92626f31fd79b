//! Where in a connection's bytes one request ends and the next begins (RFC 9112, 2.1, 6 and 7.1), as actix-http has it. It
//! reads no more of them than that takes, and judges none: where the two might see another end, it knows nothing any more,
//! and the connection ends. Pure.

/// Bytes of a line that are looked at: enough for what says how long a body is, with some blanks.
const SEEN: usize = 256;

/// Chunks of a body that may be as small as can be; the others have [`CHUNK_BYTES`] on average. actix keeps each chunk for
/// itself, and one of a byte costs it some forty.
const SMALL_CHUNKS: u64 = 1_024;

/// Bytes that a chunk has on average, beyond the first ones.
const CHUNK_BYTES: u64 = 16;

/// Bytes of the line with a chunk's size. What else may stand there is kept as long as the chunk is.
const SIZE_LINE: usize = 32;

/// Bytes of a head, and of blank lines before it, beyond which it is as much as a body: each is kept whole.
const SMALL_HEAD: usize = 4 * 1024;

/// How far into a connection's requests it is.
#[derive(Debug, Default)]
pub(super) struct Requests {
    at: At,
    line: Line,
    head: Head,
    chunks: Chunks,
    /// Whether a head has ended.
    begun: bool,
}

/// What was taken of some bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) bytes: usize,
    pub(super) heads: usize,
    /// Whether the last one is large: it has a body, or is one.
    pub(super) large: bool,
}

/// Where the next byte belongs to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Head,
    /// So many bytes of a body are left; as good as endless where a connection carries something else from here on.
    Body(u64),
    /// The line with the size of a chunk.
    Size,
    /// So many bytes of a chunk are left.
    Chunk(u64),
    /// The end of the line that a chunk stands in.
    Behind,
    /// What follows the last chunk.
    Trailer,
    /// Nobody knows.
    Lost,
}

/// The chunks of a body so far.
#[derive(Debug, Default)]
struct Chunks {
    count: u64,
    bytes: u64,
}

/// What the head that is being read says.
#[derive(Debug, Default)]
struct Head {
    bytes: usize,
    /// Blank lines may stand before it.
    begun: bool,
    length: u64,
    chunked: bool,
    /// Whether what follows are no requests: it asks for WebSocket, or for a tunnel.
    switches: bool,
    tunnels: bool,
    /// Whether it says how long the body is in a way that is not understood here.
    unclear: bool,
}

/// The beginning of a line.
#[derive(Debug, Clone, Copy)]
struct Line {
    seen: [u8; SEEN],
    length: usize,
    last: u8,
}

impl Default for Line {
    fn default() -> Self {
        Self { seen: [0; SEEN], length: 0, last: 0 }
    }
}

impl Line {
    fn push(&mut self, bytes: &[u8]) {
        let kept = self.length.min(SEEN);
        let new = bytes.len().min(SEEN - kept);
        self.seen[kept..kept + new].copy_from_slice(&bytes[..new]);
        self.length += bytes.len();
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    /// What is seen of it, without its end.
    fn text(&self) -> &[u8] {
        let seen = &self.seen[..self.length.min(SEEN)];
        seen.strip_suffix(b"\r").unwrap_or(seen)
    }
}

impl Requests {
    /// Whether it is known no more where requests end.
    pub(super) fn is_lost(&self) -> bool {
        self.at == At::Lost
    }

    /// Whether what comes belongs to a request whose head was taken.
    pub(super) fn is_in_body(&self) -> bool {
        !matches!(self.at, At::Head | At::Lost)
    }

    /// Whether a head is begun, or blank lines before one, and it is not the first.
    pub(super) fn is_in_later_head(&self) -> bool {
        self.begun && self.at == At::Head && self.head.bytes > 0
    }

    /// Takes these bytes up to where so many heads and the bodies that belong to them have ended, or up to the first large
    /// one of them. A head without its body would be worse than none: actix answers "Connection: close" before it.
    pub(super) fn take(&mut self, bytes: &[u8], most: usize) -> Taken {
        let mut taken = Taken::default();
        while taken.bytes < bytes.len() && (self.is_in_body() || taken.heads < most && !taken.large) && !self.is_lost()
        {
            let rest = &bytes[taken.bytes..];
            if let At::Body(left) | At::Chunk(left) = self.at {
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                taken.bytes += now;
                let left = left - now as u64;
                self.at = match self.at {
                    At::Body(_) if left == 0 => At::Head,
                    At::Body(_) => At::Body(left),
                    _ if left == 0 => At::Behind,
                    _ => At::Chunk(left),
                };
                continue;
            }
            let end = memchr::memchr(b'\n', rest);
            self.line.push(&rest[..end.unwrap_or(rest.len())]);
            let now = end.map_or(rest.len(), |end| end + 1);
            taken.bytes += now;
            if self.at == At::Head {
                self.head.bytes += now;
            }
            let is_large = self.head.bytes > SMALL_HEAD;
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                let is_head = self.end_line(&line);
                taken.heads += usize::from(is_head);
                taken.large |= is_head && (is_large || self.is_in_body());
            }
        }
        taken
    }

    /// A line is over; whether a head is.
    fn end_line(&mut self, line: &Line) -> bool {
        let text = line.text();
        match self.at {
            At::Head if !text.is_empty() => {
                // The first line is no field.
                if std::mem::replace(&mut self.head.begun, true) {
                    self.head.read(line);
                } else {
                    self.head.tunnels = text.starts_with(b"CONNECT ");
                }
            }
            At::Head if self.head.begun => {
                let head = std::mem::take(&mut self.head);
                self.chunks = Chunks::default();
                self.begun = true;
                self.at = match head.length {
                    _ if head.unclear => At::Lost,
                    _ if head.chunked => At::Size,
                    _ if head.switches => At::Body(u64::MAX),
                    0 if head.tunnels => At::Body(u64::MAX),
                    0 => At::Head,
                    length => At::Body(length),
                };
                return true;
            }
            // Around chunks a line ends with both: to actix one of them alone is a part of it.
            At::Size | At::Behind | At::Trailer if line.last != b'\r' => self.at = At::Lost,
            At::Size if line.length > SIZE_LINE => self.at = At::Lost,
            At::Size => {
                self.at = match size(text) {
                    None => At::Lost,
                    Some(0) => At::Trailer,
                    Some(size) if self.chunks.take(size) => At::Chunk(size),
                    Some(_) => At::Lost,
                }
            }
            At::Behind => self.at = if text.is_empty() { At::Size } else { At::Lost },
            At::Trailer if text.is_empty() => self.at = At::Head,
            At::Head | At::Trailer | At::Body(_) | At::Chunk(_) | At::Lost => {}
        }
        false
    }
}

impl Chunks {
    /// Another one of this size; whether there may be so many of them.
    fn take(&mut self, size: u64) -> bool {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(size);
        self.count <= SMALL_CHUNKS + self.bytes / CHUNK_BYTES
    }
}

impl Head {
    /// Reads a field, if it says how long the body is.
    fn read(&mut self, line: &Line) {
        let text = line.text();
        let Some(colon) = text.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = (&text[..colon], text[colon + 1..].trim_ascii());
        let is_whole = line.length <= SEEN;
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits =
                std::str::from_utf8(value).ok().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
            match digits.and_then(|digits| digits.parse().ok()) {
                Some(length) if is_whole => self.length = length,
                _ => self.unclear = true,
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked |= value.eq_ignore_ascii_case(b"chunked");
            self.unclear |= !is_whole || !(self.chunked || value.eq_ignore_ascii_case(b"identity"));
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.switches |= value.eq_ignore_ascii_case(b"websocket");
            self.unclear |= !is_whole;
        }
    }
}

/// The size of a chunk. Nothing but an extension may follow, not even the blanks that actix takes: where less is understood,
/// less can be understood otherwise.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    // All that is seen of a line, and it may go on.
    if digits.len() >= SEEN - 1 || !matches!(rest.first(), None | Some(b';')) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// Heads of these bytes, in pieces of each length.
    fn heads(bytes: &str) -> usize {
        let count = |piece: usize| {
            let mut requests = Requests::default();
            let mut heads = 0;
            for piece in bytes.as_bytes().chunks(piece) {
                let mut rest = piece;
                while !rest.is_empty() && !requests.is_lost() {
                    let taken = requests.take(rest, usize::MAX);
                    rest = &rest[taken.bytes..];
                    heads += taken.heads;
                }
            }
            heads
        };
        let whole = count(bytes.len());
        assert!((1..bytes.len()).all(|piece| count(piece) == whole), "{bytes:?}");
        whole
    }

    #[test]
    fn a_head_ends_with_a_blank_line_and_a_body_with_its_length() {
        assert_eq!(heads(&GET.repeat(3)), 3);
        assert_eq!(heads(&GET.repeat(3).replace('\r', "")), 3);
        assert_eq!(heads(&format!("\r\n\r\n{GET}\r\n{GET}")), 2);
        assert_eq!(heads("GET / HTTP/1.1\r\nHost: a\r\n"), 0);
        let post = "POST / HTTP/1.1\r\ncontent-LENGTH:  12 \r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
        assert_eq!(heads(&format!("{post}{GET}")), 2);
        let long = format!("GET / HTTP/1.1\r\nCookie: {}\r\nContent-Length: 4\r\n\r\n\n\n\n\n{GET}", "x".repeat(200));
        assert_eq!(heads(&long), 2);
    }

    #[test]
    fn chunks_are_a_body_until_the_last() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n";
        assert_eq!(heads(&format!("{head}4;x=y\r\n\r\n\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n{GET}{GET}")), 3);
        assert_eq!(heads(&format!("{head}0\r\nTrailer: x\r\n\r\n{GET}")), 2);
    }

    #[test]
    fn what_is_not_understood_ends_what_is_known() {
        for field in ["Content-Length: +4", "Content-Length: 4, 4", "Transfer-Encoding: gzip, chunked"] {
            assert_eq!(heads(&format!("POST / HTTP/1.1\r\n{field}\r\n\r\n{GET}{GET}")), 1, "{field}");
        }
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let wide = chunked.replace(": ", &format!(":{}", " ".repeat(300)));
        assert_eq!(heads(&format!("{wide}0\r\n\r\n{GET}")), 1);
        for body in [
            // A trailer goes on over a bare line feed, and so does the text of this one.
            "0\r\n\nPOST / H\nContent-Length:9999999999\n\n\r\n\r\n",
            "0\r\na\n\nPOST / H\nContent-Length:9999999999\n\n\r\n\r\n",
            "4\nabcd\r\n0\r\n\r\n",
            "4\r\nabcd\n0\r\n\r\n",
            // Not the last chunk, for all its zeros.
            &format!("{}28\r\n{}\r\n0\r\n\r\n", "0".repeat(300), "x".repeat(40)),
            // What begins like a size and would be a request to whoever sees no chunks.
            "FFFFFFF / HTTP/1.0\r\n\r\n",
            "FFFFFFF ;x HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(heads(&format!("{chunked}{body}{GET}{GET}")), 1, "{body:?}");
        }
    }

    #[test]
    fn what_switches_carries_no_requests_any_more() {
        let switch = "GET /ws HTTP/1.1\r\nUpgrade:  WebSocket \r\nContent-Length: 2\r\n\r\n";
        assert_eq!(heads(&format!("{GET}{switch}{}", GET.repeat(20))), 2);
        assert_eq!(heads(&format!("CONNECT a:1 HTTP/1.1\r\n\r\n{GET}{GET}")), 1);
        assert_eq!(heads(&format!("{}{GET}{GET}", switch.replace("WebSocket", "h2c, websocket").replace('2', "0"))), 3);
    }

    #[test]
    fn a_body_goes_with_its_head_and_is_the_last() {
        let post = "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n1234";
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n12\r\n0\r\n\r\n";
        for request in [post, chunked] {
            let bytes = format!("{GET}{GET}{request}{GET}");
            let whole = Taken { bytes: 2 * GET.len() + request.len(), heads: 3, large: true };
            assert_eq!(Requests::default().take(bytes.as_bytes(), 9), whole);
            let mut requests = Requests::default();
            let head = requests.take(&request.as_bytes()[..request.len() - 3], 1);
            assert!(head.large && head.bytes == request.len() - 3 && requests.is_in_body());
            let rest = &format!("{request}{GET}").into_bytes()[head.bytes..];
            assert_eq!(requests.take(rest, 0), Taken { bytes: 3, heads: 0, large: false });
            assert!(!requests.is_in_body());
        }
    }

    #[test]
    fn a_large_head_is_the_last() {
        let wide = format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "x".repeat(5_000));
        let blank = format!("{}{GET}", "\r\n".repeat(3_000));
        for large in [wide, blank] {
            let bytes = format!("{GET}{large}{GET}");
            let taken = Taken { bytes: GET.len() + large.len(), heads: 2, large: true };
            assert_eq!(Requests::default().take(bytes.as_bytes(), 9), taken);
        }
    }

    #[test]
    fn thousands_of_small_chunks_end_what_is_known() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = |count: usize, chunk: &str| format!("{}0\r\n\r\n", chunk.repeat(count));
        let ends = |body: &str| {
            let mut requests = Requests::default();
            let bytes = format!("{head}{body}");
            requests.take(bytes.as_bytes(), 1).bytes == bytes.len() && !requests.is_lost() && !requests.is_in_body()
        };
        // Each sixteenth byte pays for a chunk more.
        assert!(ends(&body(1_092, "1\r\na\r\n")) && !ends(&body(1_093, "1\r\na\r\n")));
        assert!(ends(&body(20_000, "10\r\n0123456789abcdef\r\n")));
        // What stands beside a size is kept too.
        assert!(ends(&body(9, "1;abcdefgh\r\na\r\n")) && !ends(&body(1, &format!("1;{}\r\na\r\n", "x".repeat(40)))));
        let one = body(1_000, "1\r\na\r\n");
        assert_eq!(heads(&format!("{head}{one}").repeat(2)), 2);
    }

    #[test]
    fn no_more_is_taken_than_wanted() {
        let mut requests = Requests::default();
        let bytes = GET.repeat(5);
        let gets = |heads| Taken { bytes: heads * GET.len(), heads, large: false };
        assert_eq!(requests.take(bytes.as_bytes(), 2), gets(2));
        assert_eq!(requests.take(&bytes.as_bytes()[2 * GET.len()..], 9), gets(3));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_pieces_make_no_difference(text in "[ -~\r\n]{0,300}") {
            heads(&format!("{text}\n"));
        }
    }
}
