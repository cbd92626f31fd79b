//! What this server counts of itself. It knows words and numbers, no rooms, no people and no connections; whoever does
//! something says so here, at the cost of an atomic instruction. What a sweep hands out is added once for each sweep.
//!
//! No label ever comes from a client: every value is a word of this program.

mod labels;
mod tell;

use std::time::{Duration, SystemTime};

use service::metrics::{Count, Tally, Times};
use shared::{CloseCode, ErrorCode, GapReason, Resume, ServerMessage};

pub use labels::{Limit, Peer, Protocol, Refused, Tried, Way};
pub use tell::{Now, tell};

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    begun: SystemTime,
    /// Connections now, without TLS and with it.
    bare: Tally<Protocol>,
    tls: Tally<Protocol>,
    connected: Count,
    waiting: Count,
    members: Count,
    late: Count,
    stored: Count,
    duplicates: Count,
    deliveries: Tally<Way>,
    sweeps: Times,
    commits: Times,
    changes: Count,
    gaps: Tally<GapReason>,
    joins: Tally<Resume>,
    closes: Tally<CloseCode>,
    left: Tally<Peer>,
    errors: Tally<ErrorCode>,
    refused: Tally<Refused>,
    limits: Tally<Limit>,
    tickets: Tally<Tried>,
}

impl Default for Metrics {
    /// Nothing has happened; the process began just now.
    fn default() -> Self {
        Self {
            begun: SystemTime::now(),
            bare: Tally::new(Protocol::ALL, Protocol::word),
            tls: Tally::new(Protocol::ALL, Protocol::word),
            connected: Count::default(),
            waiting: Count::default(),
            members: Count::default(),
            late: Count::default(),
            stored: Count::default(),
            duplicates: Count::default(),
            deliveries: Tally::new(Way::ALL, Way::word),
            sweeps: Times::default(),
            commits: Times::default(),
            changes: Count::default(),
            gaps: Tally::new(GapReason::ALL, GapReason::word),
            joins: Tally::new(Resume::ALL, Resume::word),
            closes: Tally::new(CloseCode::ALL, CloseCode::word),
            left: Tally::new(Peer::ALL, Peer::word),
            errors: Tally::new(ErrorCode::ALL, ErrorCode::word),
            refused: Tally::new(Refused::ALL, Refused::word),
            limits: Tally::new(Limit::ALL, Limit::word),
            tickets: Tally::new(Tried::ALL, Tried::word),
        }
    }
}

impl Metrics {
    fn now(&self, protocol: Protocol, is_tls: bool) -> &Count {
        if is_tls { self.tls.of(protocol) } else { self.bare.of(protocol) }
    }

    /// Somebody came in.
    pub fn connected(&self, protocol: Protocol, is_tls: bool) {
        self.connected.up();
        self.now(protocol, is_tls).up();
    }

    /// They are gone, after [`Metrics::connected`].
    pub fn disconnected(&self, protocol: Protocol, is_tls: bool) {
        self.now(protocol, is_tls).down();
    }

    /// Somebody waits to be let in.
    pub fn waits(&self) {
        self.waiting.up();
    }

    /// Their waiting is over, after [`Metrics::waits`].
    pub fn waited(&self) {
        self.waiting.down();
    }

    /// How many wait to be let in.
    pub fn waiting(&self) -> u64 {
        self.waiting.get()
    }

    /// Somebody was not let in.
    pub fn refused(&self, why: Refused) {
        self.refused.of(why).up();
        let limit = match why {
            Refused::Full => Limit::Connections,
            Refused::TooSlow => Limit::HandshakeTimeout,
            Refused::TooBig => Limit::Head,
            Refused::TooMany => Limit::ConnectionsPerAddress,
            Refused::TooFast => Limit::ConnectsPerSecondPerAddress,
            Refused::Overloaded => Limit::Arrivals,
            Refused::NoDescriptor => Limit::Descriptors,
            _ => return,
        };
        self.hit(limit);
    }

    /// Somebody showed a ticket, or none.
    pub fn ticket(&self, what: Tried) {
        self.tickets.of(what).up();
    }

    /// We ended a connection.
    pub fn closed(&self, code: CloseCode) {
        self.closes.of(code).up();
        let limit = match code {
            CloseCode::TooBig => Limit::MessageBytes,
            CloseCode::Unfinished => Limit::MessageTimeout,
            CloseCode::Slow => Limit::StallTimeout,
            CloseCode::Timeout => Limit::DeadAfter,
            CloseCode::HelloTimeout => Limit::HelloTimeout,
            CloseCode::BadRequest => Limit::Malformed,
            _ => return,
        };
        self.hit(limit);
    }

    /// Somebody ended their connection.
    pub fn left(&self, how: Peer) {
        self.left.of(how).up();
    }

    /// Somebody took a seat in a room.
    pub fn seated(&self) {
        self.members.up();
    }

    /// Somebody gave it back.
    pub fn unseated(&self) {
        self.members.down();
    }

    /// Somebody was let into a room.
    pub fn joined(&self, how: Resume) {
        self.joins.of(how).up();
    }

    /// A member does not take what its room says, and goes on by itself.
    pub fn fell_behind(&self) {
        self.late.up();
    }

    /// It is there again, or gone.
    pub fn caught_up(&self) {
        self.late.down();
    }

    /// A message has a number; or it had one already.
    pub fn stored(&self, is_duplicate: bool) {
        if is_duplicate { self.duplicates.up() } else { self.stored.up() }
    }

    /// So many messages were handed to clients, one message to one client each.
    pub fn delivered(&self, way: Way, messages: u64) {
        self.deliveries.of(way).add(messages);
    }

    /// A room was swept, and there was something to hand out.
    pub fn swept(&self, deliveries: u64, took: Duration) {
        self.delivered(Way::Live, deliveries);
        self.sweeps.note(took);
    }

    /// So many changes were committed as one batch.
    pub fn committed(&self, changes: usize, took: Duration) {
        self.changes.add(changes as u64);
        self.commits.note(took);
    }

    /// Somebody was told this.
    pub fn said(&self, message: &ServerMessage) {
        match message {
            ServerMessage::Error(error) => self.errors.of(error.code).up(),
            ServerMessage::Gap(gap) => {
                self.gaps.of(gap.reason).up();
                if matches!(gap.reason, GapReason::Slow | GapReason::TooMany) {
                    self.hit(Limit::Replay);
                }
            }
            _ => {}
        }
    }

    /// A limit kept somebody from something.
    pub fn hit(&self, limit: Limit) {
        self.limits.of(limit).up();
    }
}
