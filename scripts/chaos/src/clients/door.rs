//! Which ways in there are, and who takes which. It knows no connections.

use super::subscriber::Kind;

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `chat.v1` over a WebSocket to back.
    Back,
    /// The same, passed on by front.
    Relay,
    /// A session of front's HTTP API, heard as server-sent events.
    Session,
    /// The same, heard by long polls.
    PolledSession,
    /// A room's messages as server-sent events.
    Events,
    /// A room's messages as lines of JSON.
    Stream,
    /// A room's messages by polls that wait, or by polls at intervals.
    Polls,
    /// Messages said by POST.
    Post,
}

/// Senders of a round, by their way in.
pub const SENDERS: [(Door, usize); 5] =
    [(Door::Back, 12), (Door::Post, 4), (Door::Session, 2), (Door::PolledSession, 1), (Door::Relay, 1)];

/// Subscribers of a round, by their way in and what they are like.
pub const SUBSCRIBERS: [(Door, Kind, usize); 19] = [
    (Door::Back, Kind::Steady, 4),
    (Door::Back, Kind::Cut, 3),
    (Door::Back, Kind::Slow, 2),
    (Door::Back, Kind::Late, 2),
    (Door::Events, Kind::Steady, 2),
    (Door::Events, Kind::Cut, 3),
    (Door::Events, Kind::Slow, 1),
    (Door::Events, Kind::Late, 1),
    (Door::Polls, Kind::Steady, 1),
    (Door::Polls, Kind::Cut, 1),
    (Door::Polls, Kind::Slow, 1),
    (Door::Polls, Kind::Late, 1),
    (Door::Stream, Kind::Steady, 1),
    (Door::Stream, Kind::Cut, 1),
    (Door::Session, Kind::Steady, 1),
    (Door::Session, Kind::Cut, 2),
    (Door::PolledSession, Kind::Cut, 1),
    (Door::Relay, Kind::Steady, 1),
    (Door::Relay, Kind::Cut, 1),
];

impl Door {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Back,
        Self::Relay,
        Self::Session,
        Self::PolledSession,
        Self::Events,
        Self::Stream,
        Self::Polls,
        Self::Post,
    ];

    /// The word for it on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Back => "back",
            Self::Relay => "relay",
            Self::Session => "session",
            Self::PolledSession => "polled-session",
            Self::Events => "events",
            Self::Stream => "stream",
            Self::Polls => "polls",
            Self::Post => "post",
        }
    }

    /// Whether it is part of front's HTTP API.
    pub fn is_api(self) -> bool {
        !matches!(self, Self::Back | Self::Relay)
    }

    /// This one where it is open, else the one that always is.
    pub fn or_back(self, open: &[Self]) -> Self {
        if open.contains(&self) { self } else { Self::Back }
    }

    /// Whether it leads to front.
    pub fn is_fronts(self) -> bool {
        self != Self::Back
    }

    /// Whether `chat.v1` is spoken there.
    pub fn is_chat(self) -> bool {
        matches!(self, Self::Back | Self::Relay | Self::Session | Self::PolledSession)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_people_as_promised_and_nobody_takes_no_door() {
        assert_eq!(SENDERS.iter().map(|(_, count)| count).sum::<usize>(), 20);
        assert_eq!(SUBSCRIBERS.iter().map(|(.., count)| count).sum::<usize>(), 30);
        for door in Door::ALL {
            let speaks = SENDERS.iter().any(|(taken, _)| *taken == door);
            let listens = SUBSCRIBERS.iter().any(|(taken, ..)| *taken == door);
            assert!(speaks || listens, "{door:?}");
            assert_eq!(listens, door != Door::Post, "{door:?}");
        }
    }
}
