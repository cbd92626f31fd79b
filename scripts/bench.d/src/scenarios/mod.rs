//! What is measured: who takes part, with whom each is compared, and what figures come of it.

mod connects;
mod idle;
mod rooms;
mod stalled;
mod talk;

use std::time::Duration;

use crate::peer::{Peer, Place};

/// Figures of one case in one round, in the order of [`Scenario::metrics`].
pub type Figures = Vec<f64>;

/// How much of everything.
#[derive(Debug, Clone)]
pub struct Size {
    /// Clients in one room.
    pub clients: usize,
    /// Bytes of a text.
    pub bytes: usize,
    /// Idle clients.
    pub idle: usize,
    /// Connections of a storm.
    pub connects: usize,
    /// Rooms of ten.
    pub rooms: u32,
    /// How long is measured.
    pub time: Duration,
    /// How long is talked before.
    pub warm: Duration,
    /// How long idleness is watched.
    pub idle_time: Duration,
}

/// One who takes part in a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Which server.
    pub peer: Peer,
    /// What is particular about it here, for people; empty when nothing is.
    pub variant: &'static str,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name in results.
    pub key: &'static str,
    /// Its title with the unit.
    pub title: &'static str,
    /// Digits behind the point.
    pub digits: usize,
}

const fn metric(key: &'static str, title: &'static str, digits: usize) -> Metric {
    Metric { key, title, digits }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// One message in flight.
    One,
    /// Sixty-four in flight.
    Many,
    /// Disk against memory.
    History,
    /// Nobody says anything.
    Idle,
    /// Some do not read.
    Stalled,
    /// Many small rooms against a large one.
    Rooms,
    /// Two workers against one.
    Workers,
    /// A storm of connections.
    Connects,
}

impl Scenario {
    /// All, in the order of the report.
    pub const ALL: [Self; 8] =
        [Self::One, Self::Many, Self::History, Self::Idle, Self::Stalled, Self::Rooms, Self::Workers, Self::Connects];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Many => "many",
            Self::History => "history",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::Rooms => "rooms",
            Self::Workers => "workers",
            Self::Connects => "connects",
        }
    }

    /// The scenario of this name.
    ///
    /// # Errors
    /// A sentence that lists the names.
    pub fn parse(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|scenario| scenario.name()).collect();
            format!("there are {}", names.join(", "))
        })
    }

    /// What it does, for people.
    pub fn title(self, size: &Size) -> String {
        let Size { clients, bytes, .. } = size;
        match self {
            Self::One => format!("One message in flight, {clients} clients in one room, {bytes}-byte texts"),
            Self::Many => format!("64 messages in flight from 16 publishers, {clients} clients in one room"),
            Self::History => format!("History on disk (fsync) against memory: 64 in flight, {clients} clients"),
            Self::Idle => format!("{} idle clients", size.idle),
            Self::Stalled => format!(
                "1 % of {clients} clients read nothing for {} s, {} texts per second of {} bytes",
                size.time.as_secs(),
                stalled::RATE,
                stalled::BYTES
            ),
            Self::Rooms => format!(
                "{} rooms of {} where all talk, against one room with as many clients and deliveries per second",
                size.rooms,
                rooms::MEMBERS
            ),
            Self::Workers => format!("Two workers against one: 64 in flight, {clients} clients"),
            Self::Connects => format!("{} clients connect as fast as they can, then all ping", size.connects),
        }
    }

    /// What is aimed at, for people; empty where nothing is.
    pub fn goal(self) -> &'static str {
        match self {
            Self::One => "Madang at most 1.1 × the floor",
            Self::Many => "Madang at most half of Bun's CPU per delivery",
            Self::History => "disk at most 1.3 × memory",
            Self::Idle => "Madang at most 2.5 KB of memory per client",
            Self::Stalled => "p99 of the others within 5 % of nobody stalled",
            Self::Rooms => "rooms at most 1.3 × one room",
            Self::Workers => "two workers at least 1.8 × the deliveries per second of one",
            Self::Connects => "Madang at least half as many connects per CPU-second as ws and Bun",
        }
    }

    /// Its columns; the ratio is of the first.
    pub fn metrics(self) -> Vec<Metric> {
        match self {
            Self::One | Self::Many | Self::History | Self::Rooms | Self::Workers => talk::metrics(self),
            Self::Idle => idle::metrics(),
            Self::Stalled => stalled::metrics(),
            Self::Connects => connects::metrics(),
        }
    }

    /// Who takes part.
    pub fn cases(self) -> Vec<Case> {
        let plain = |peer| Case { peer, variant: "" };
        let in_memory =
            || Peer::ALL.into_iter().filter(|&peer| peer != Peer::BackSqlite).map(plain).collect::<Vec<_>>();
        match self {
            Self::One => {
                let mut cases = in_memory();
                cases.insert(1, Case { peer: Peer::Floor, variant: talk::LONG });
                cases
            }
            Self::Many => in_memory(),
            Self::History => [Peer::Back, Peer::BackSqlite].map(plain).to_vec(),
            Self::Idle => in_memory(),
            Self::Stalled => [Peer::Back, Peer::Bun, Peer::Ws]
                .into_iter()
                .flat_map(|peer| [Case { peer, variant: "none stalled" }, Case { peer, variant: stalled::STALLED }])
                .collect(),
            Self::Rooms => [Peer::Floor, Peer::Back, Peer::Bun]
                .into_iter()
                .flat_map(|peer| [Case { peer, variant: "one room" }, Case { peer, variant: rooms::ROOMS }])
                .collect(),
            Self::Workers => vec![plain(Peer::Back), Case { peer: Peer::Back, variant: talk::TWO }],
            Self::Connects => {
                [Peer::Floor, Peer::Back, Peer::Bun, Peer::Nchan, Peer::Ws, Peer::SocketIo].map(plain).to_vec()
            }
        }
    }

    /// With whom a case is compared, each with the title of the ratio.
    pub fn partners(self, case: Case) -> Vec<(&'static str, Case)> {
        let plain = |peer| Case { peer, variant: "" };
        let floor = ("× floor", plain(Peer::Floor));
        match self {
            Self::One | Self::Idle => vec![floor],
            Self::Many => vec![floor, ("× Bun", plain(Peer::Bun))],
            Self::History => vec![("× memory", plain(Peer::Back))],
            Self::Workers => vec![("× 1 worker", plain(Peer::Back))],
            Self::Stalled => vec![("× none stalled", Case { variant: "none stalled", ..case })],
            Self::Rooms => vec![
                ("× one room", Case { variant: "one room", ..case }),
                ("× floor", Case { peer: Peer::Floor, ..case }),
            ],
            Self::Connects => vec![("× ws", plain(Peer::Ws)), ("× Bun", plain(Peer::Bun))],
        }
    }

    /// Why it would mean nothing here, if so.
    pub fn pointless(self, place: &Place) -> Option<String> {
        let cpus = place.server_cpus.len() + place.load_cpus.len();
        (self == Self::Workers && cpus < 4)
            .then(|| format!("two workers and their load need 4 CPUs, and there are {cpus}"))
    }

    /// Measures a case once.
    ///
    /// # Errors
    /// When a message was lost, came twice or out of order, or the server failed.
    pub fn run(self, case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
        match self {
            Self::One => talk::run(case, 1, 1, size, place),
            Self::Many | Self::History | Self::Workers => talk::run(case, 16, 4, size, place),
            Self::Idle => idle::run(case, size, place),
            Self::Stalled => stalled::run(case, size, place),
            Self::Rooms => rooms::run(case, size, place),
            Self::Connects => connects::run(case, size, place),
        }
    }
}
