//! Somebody who listens to one room, over all connections: comes back with the position, and writes down what an
//! application would be given. What a connection is made of stands in `chat` and `feed`.

use std::time::Duration;

use shared::RoomName;
use tokio::time::{Instant, sleep};

use super::{Person, link::Over, listener::Listener};

/// How somebody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Always there, as far as it is up to them.
    Steady,
    /// Gone every few seconds: with a goodbye, with a reset, or without a sign.
    Cut,
    /// Reads with pauses, through a narrow way.
    Slow,
    /// Comes when much has been said.
    Late,
}

impl Kind {
    /// How late somebody comes into a room in which people talk for so many seconds.
    pub fn late(self, person: &mut Person, seconds: f64) -> Duration {
        if self == Self::Late { person.random.seconds(seconds * 0.2, seconds * 0.8) } else { Duration::ZERO }
    }

    /// When somebody who comes now leaves of their own accord.
    pub fn leaves(self, person: &mut Person) -> Instant {
        let stay = match self {
            Self::Cut => person.random.seconds(0.2, 6.0),
            _ => Duration::from_secs(24 * 60 * 60),
        };
        Instant::now() + stay
    }

    /// What the kernel may take in for somebody, where it is little.
    pub fn buffer(self) -> Option<u32> {
        (self == Self::Slow).then_some(4096)
    }
}

/// How long a connection that is left without a sign stays, and nobody reads it any more.
pub const FORGOTTEN: Duration = Duration::from_secs(15);

/// A subscriber of one room.
pub struct Subscriber {
    pub(super) listener: Listener,
    pub(super) kind: Kind,
    late: Duration,
}

impl Subscriber {
    /// Somebody who listens to a room in which people talk for so many seconds.
    pub fn new(mut person: Person, kind: Kind, room: RoomName, seconds: f64) -> Self {
        let late = kind.late(&mut person, seconds);
        Self { listener: Listener::new(person, room), kind, late }
    }

    /// Listens until everything that was said is there.
    pub async fn run(mut self) {
        sleep(self.late).await;
        let mut attempt = 0;
        while !self.listener.is_done() {
            let began = Instant::now();
            let ended = if self.listener.person.door.is_chat() { self.chat().await } else { self.feed().await };
            attempt = if began.elapsed() > Duration::from_secs(2) { 0 } else { attempt + 1 };
            if !self.listener.is_done() {
                let over: Over = ended.err().unwrap_or_default();
                self.listener.person.back_off(attempt, over.after).await;
            }
        }
    }
}
