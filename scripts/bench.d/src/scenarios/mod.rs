//! What is measured: who takes part, with whom each is compared, and what figures come of it.

mod connects;
mod fair;
mod idle;
pub mod readers;
mod rooms;
mod stalled;
mod storm;
mod talk;
mod ways;
mod workers;

use std::time::Duration;

use crate::{
    load,
    peer::{Peer, Place},
};

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
    /// Deliveries per second and client where all talk.
    pub rooms_rate: f64,
    /// Clients that come back at once.
    pub storm: usize,
    /// Clients of a room so large that another beside it might notice.
    pub huge: usize,
    /// Readers over HTTP in one room.
    pub readers: usize,
    /// How long each way to read is watched.
    pub ways_time: Duration,
    /// How long some read nothing.
    pub stall: Duration,
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
    /// Everybody comes back at once.
    Storm,
    /// A small room beside a huge one.
    Fair,
    /// The ways to read a room, for one reader.
    Ways,
    /// Many readers over HTTP.
    Readers,
}

impl Scenario {
    /// All, in the order of the report.
    pub const ALL: [Self; 12] = [
        Self::One,
        Self::Many,
        Self::History,
        Self::Idle,
        Self::Stalled,
        Self::Rooms,
        Self::Workers,
        Self::Connects,
        Self::Storm,
        Self::Fair,
        Self::Ways,
        Self::Readers,
    ];

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
            Self::Storm => "storm",
            Self::Fair => "fair",
            Self::Ways => "ways",
            Self::Readers => "readers",
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
                "1 % of {clients} clients read nothing for {} s, {} texts per second",
                size.stall.as_secs(),
                stalled::RATE
            ),
            Self::Rooms => format!(
                "{} rooms of {} where all talk, against one room of as many clients, {} deliveries per client and second",
                size.rooms,
                rooms::MEMBERS,
                size.rooms_rate
            ),
            Self::Workers => format!("Two workers against one: bursts to {clients} clients who read later"),
            Self::Connects => format!("{} clients connect as fast as they can, then all ping", size.connects),
            Self::Storm => {
                format!("{} clients come back at once, each having missed {} messages", size.storm, storm::MISSED)
            }
            Self::Fair => format!("A room of {} beside one of {} at full speed", fair::MEMBERS, size.huge),
            Self::Ways => format!(
                "One subscriber of a room in which a {bytes}-byte text a second is said, for {} s",
                size.ways_time.as_secs_f64()
            ),
            Self::Readers => {
                format!("{} readers over HTTP of one room, {} texts per second", size.readers, readers::RATE)
            }
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
            Self::Storm => "everybody gets exactly what was missed",
            Self::Fair | Self::Ways | Self::Readers => "none yet",
        }
    }

    /// Its columns; the ratio is of the first.
    pub fn metrics(self) -> Vec<Metric> {
        match self {
            Self::One | Self::Many | Self::History | Self::Rooms => talk::metrics(),
            Self::Workers => workers::metrics(),
            Self::Storm => storm::metrics(),
            Self::Fair => fair::metrics(),
            Self::Ways => ways::metrics(),
            Self::Readers => readers::metrics(),
            Self::Idle => idle::metrics(),
            Self::Stalled => stalled::metrics(),
            Self::Connects => connects::metrics(),
        }
    }

    /// Who takes part.
    pub fn cases(self) -> Vec<Case> {
        let plain = |peer| Case { peer, variant: "" };
        // The floor that batches belongs where there is something to batch.
        let elsewhere = [Peer::BackSqlite, Peer::Batched];
        let in_memory =
            || Peer::ALL.into_iter().filter(|peer| !elsewhere.contains(peer)).map(plain).collect::<Vec<_>>();
        match self {
            Self::One => {
                let mut cases = in_memory();
                cases.insert(1, Case { peer: Peer::Floor, variant: talk::LONG });
                cases
            }
            Self::Many => {
                let mut cases = in_memory();
                cases.splice(1..1, ["", talk::LONG].map(|variant| Case { peer: Peer::Batched, variant }));
                cases
            }
            Self::History => [Peer::Back, Peer::BackSqlite].map(plain).to_vec(),
            Self::Idle => in_memory(),
            Self::Stalled => [Peer::Back, Peer::Bun, Peer::Ws].map(plain).to_vec(),
            Self::Storm => [Peer::Back, Peer::BackSqlite].map(plain).to_vec(),
            Self::Fair => [Peer::Back, Peer::Bun].map(plain).to_vec(),
            Self::Ways => ways::cases(),
            Self::Readers => readers::cases(),
            Self::Rooms => [Peer::Floor, Peer::Back, Peer::Bun]
                .into_iter()
                .flat_map(|peer| [Case { peer, variant: "one room" }, Case { peer, variant: rooms::ROOMS }])
                .collect(),
            Self::Workers => vec![plain(Peer::Back), Case { peer: Peer::Back, variant: workers::TWO }],
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
            Self::Many => vec![
                ("× floor that batches", Case { peer: Peer::Batched, variant: talk::LONG }),
                ("× Bun", plain(Peer::Bun)),
            ],
            Self::History => vec![("× memory", plain(Peer::Back))],
            Self::Workers => vec![("× 1 worker", plain(Peer::Back))],
            // It compares two states of one server's life itself.
            Self::Stalled => Vec::new(),
            Self::Storm => vec![("× memory", plain(Peer::Back))],
            Self::Fair => vec![("× Bun", plain(Peer::Bun))],
            // Each way has its own use; none is the measure of the others.
            Self::Ways => Vec::new(),
            Self::Readers => vec![("× nchan", Case { peer: Peer::Nchan, ..case })],
            Self::Rooms => vec![
                ("× one room", Case { variant: "one room", ..case }),
                ("× floor", Case { peer: Peer::Floor, ..case }),
            ],
            Self::Connects => vec![("× ws", plain(Peer::Ws)), ("× Bun", plain(Peer::Bun))],
        }
    }

    /// Why it cannot be measured here, if so.
    pub fn impossible(self) -> Option<String> {
        match self {
            Self::Workers => workers::impossible(),
            Self::Readers => readers::impossible(),
            _ => None,
        }
    }

    /// Measures a case once.
    ///
    /// # Errors
    /// When a message was lost, came twice or out of order, or the server failed.
    pub fn run(self, case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
        match self {
            Self::One => talk::run(case, 1, 1, size, place),
            Self::Many | Self::History => talk::run(case, load::PUBLISHERS, load::WINDOW, size, place),
            Self::Workers => workers::run(case, size, place),
            Self::Storm => storm::run(case, size, place),
            Self::Fair => fair::run(case, size, place),
            Self::Ways => ways::run(case, size, place),
            Self::Readers => readers::run(case, size, place),
            Self::Idle => idle::run(case, size, place),
            Self::Stalled => stalled::run(case, size, place),
            Self::Rooms => rooms::run(case, size, place),
            Self::Connects => connects::run(case, size, place),
        }
    }
}
