//! The words by which numbers are told apart. Each list is whole: a word that is missing here does not compile.

use service::words;

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A line is a message.
    Plain,
    /// `chat.v1`.
    Chat,
    /// `/echo`.
    Echo,
}

words! { Protocol: Plain = "plain" Chat = "chat.v1" Echo = "echo" }

/// How a message came to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By a sweep of its room.
    Live,
    /// By itself: it came later, came back, or was slow.
    CatchUp,
}

words! { Way: Live = "live" CatchUp = "catch_up" }

/// How a connection ended that this server did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Close 1000.
    Normal,
    /// Close 1001: the page is left or loaded again.
    GoingAway,
    /// Close without a code.
    NoCode,
    /// Close with another code.
    Other,
    /// Without a Close frame.
    Lost,
}

words! { Peer: Normal = "normal" GoingAway = "going_away" NoCode = "no_code" Other = "other" Lost = "lost" }

impl Peer {
    /// Who closes with this code, or with none.
    pub fn closed_with(code: Option<u16>) -> Self {
        match code {
            Some(1000) => Self::Normal,
            Some(1001) => Self::GoingAway,
            None => Self::NoCode,
            Some(_) => Self::Other,
        }
    }
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// 400, 405 or 505: no handshake that makes sense.
    BadRequest,
    /// 403: a page of another origin.
    Origin,
    /// 404: no such path.
    NotFound,
    /// 426: HTTP, and no WebSocket of this version.
    NoUpgrade,
    /// 408: the head did not come in time.
    TooSlow,
    /// 431: the head is too large.
    TooBig,
    /// 429: as many connections as may be come from this address.
    TooMany,
    /// 429: this address connects too fast.
    TooFast,
    /// 503: there is no seat.
    Full,
    /// 503: too many are being let in.
    Overloaded,
    /// 503: there is no descriptor.
    NoDescriptor,
    /// 503: the server is stopping.
    Stopping,
    /// TLS could not be agreed on, or was not spoken.
    Tls,
    /// It went before its head was read.
    Lost,
}

words! { Refused: BadRequest = "bad_request" Origin = "origin" NotFound = "not_found" NoUpgrade = "no_upgrade"
TooSlow = "too_slow" TooBig = "too_big" TooMany = "too_many" TooFast = "too_fast" Full = "full"
Overloaded = "overloaded" NoDescriptor = "no_descriptor" Stopping = "stopping" Tls = "tls" Lost = "lost" }

impl Refused {
    /// Who is answered with this status.
    pub fn with_status(status: u16) -> Self {
        match status {
            403 => Self::Origin,
            404 => Self::NotFound,
            408 => Self::TooSlow,
            426 => Self::NoUpgrade,
            431 => Self::TooBig,
            503 => Self::Stopping,
            _ => Self::BadRequest,
        }
    }
}

/// What came of a ticket, or of having none where one is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// Somebody was let in.
    Accepted,
    /// It was an order to end connections, and was carried out.
    Order,
    /// There was none.
    Missing,
    /// It is none, or is signed with another key.
    Foreign,
    /// It is signed, and does not say what a ticket has to.
    Malformed,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    Early,
    /// It was used before.
    Used,
    /// It is from before this process, and may have been used then.
    Restarted,
    /// It came with somebody else's session.
    Session,
    /// What it was made for ended meanwhile.
    Over,
    /// More came than can be remembered.
    TooMany,
}

words! { Tried: Accepted = "accepted" Order = "order" Missing = "missing" Foreign = "foreign" Malformed = "malformed"
Expired = "expired" Early = "early" Used = "used" Restarted = "restarted" Session = "session" Over = "over"
TooMany = "too_many" }

/// What keeps one client, or all of them, from taking too much. Where there is a flag, it has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `--connections`.
    Connections,
    /// `--connections-per-address`.
    ConnectionsPerAddress,
    /// `--connects-per-second-per-address`.
    ConnectsPerSecondPerAddress,
    /// `--arrivals`.
    Arrivals,
    /// Descriptors of the process.
    Descriptors,
    /// Bytes and headers of a handshake's head.
    Head,
    /// `--handshake-timeout`.
    HandshakeTimeout,
    /// `--hello-timeout`.
    HelloTimeout,
    /// `--dead-after`.
    DeadAfter,
    /// `--stall-timeout`.
    StallTimeout,
    /// `--message-timeout`, and the bytes of a message that does not end.
    MessageTimeout,
    /// Bytes of a message.
    MessageBytes,
    /// Malformed messages in a row.
    Malformed,
    /// `--text-bytes`.
    TextBytes,
    /// `--sends-per-second`.
    SendsPerSecond,
    /// `--send-bytes-per-second`.
    SendBytesPerSecond,
    /// `--sends-per-second-per-address`.
    SendsPerSecondPerAddress,
    /// `--requests-per-second`.
    RequestsPerSecond,
    /// `--rooms-per-connection`.
    RoomsPerConnection,
    /// `--rooms`.
    Rooms,
    /// `--history-rooms`.
    HistoryRooms,
    /// What a resume replays.
    Replay,
    /// Requests of one client that wait for history: it is not read meanwhile.
    Unanswered,
    /// Bytes that one client does not read: it is not read meanwhile.
    Unread,
    /// Typing notices of a room.
    Typing,
    /// The time of a search.
    SearchTime,
    /// Searches at once, and the time in line for one.
    Searchers,
}

words! { Limit: Connections = "connections" ConnectionsPerAddress = "connections_per_address"
ConnectsPerSecondPerAddress = "connects_per_second_per_address" Arrivals = "arrivals" Descriptors = "descriptors"
Head = "head" HandshakeTimeout = "handshake_timeout" HelloTimeout = "hello_timeout" DeadAfter = "dead_after"
StallTimeout = "stall_timeout" MessageTimeout = "message_timeout" MessageBytes = "message_bytes" Malformed = "malformed"
TextBytes = "text_bytes" SendsPerSecond = "sends_per_second" SendBytesPerSecond = "send_bytes_per_second"
SendsPerSecondPerAddress = "sends_per_second_per_address" RequestsPerSecond = "requests_per_second"
RoomsPerConnection = "rooms_per_connection" Rooms = "rooms" HistoryRooms = "history_rooms" Replay = "replay"
Unanswered = "unanswered" Unread = "unread" Typing = "typing" SearchTime = "search_time"
Searchers = "searchers" }
