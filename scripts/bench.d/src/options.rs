//! The command line. The only place here that knows clap, with the options of `deaf`, `names` and `restart`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{
    deaf::DeafOptions,
    names::NamesOptions,
    peer::Peer,
    restart::RestartOptions,
    scenarios::{Scenario, Size, readers},
    stamp,
};

/// The driver of scripts/bench; run that instead.
#[derive(Debug, Parser)]
#[command(name = "bench", about)]
struct Line {
    #[command(subcommand)]
    task: Word,
}

#[derive(Debug, Subcommand)]
enum Word {
    /// Measure
    Run(Box<Options>),
    /// Stop and kill the server under a crowd; for scripts/restart
    Restart(RestartOptions),
    /// Have many come who read nothing; for scripts/deaf
    Deaf(DeafOptions),
    /// Name a million rooms; for scripts/names
    Names(NamesOptions),
    /// Serve as a peer until killed
    Serve {
        /// Which one
        #[arg(value_parser = Peer::parse)]
        peer: Peer,
        /// Where
        port: u16,
    },
}

/// Madang alone, where it is compared with nobody.
#[derive(Debug, Clone, Args)]
pub struct Alone {
    /// A flag for back, as in --back-flag=--drain=1; may be given several times
    #[arg(long)]
    pub back_flag: Vec<String>,
    /// The built programs
    #[arg(long)]
    pub programs: PathBuf,
    /// A directory for history and logs
    #[arg(long)]
    pub results: PathBuf,
}

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Scenarios, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_parser = Scenario::parse)]
    pub only: Vec<Scenario>,
    /// Servers, separated by commas; whom they are compared with comes along [default: all]
    #[arg(long, value_delimiter = ',', value_parser = Peer::parse)]
    pub peers: Vec<Peer>,
    /// Rounds, in each of which everybody has a turn
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Seconds of a measurement
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Clients of one room
    #[arg(long, default_value_t = 1000)]
    pub clients: usize,
    /// Bytes of a text, where the scenario does not say otherwise
    #[arg(long, default_value_t = 100)]
    pub bytes: usize,
    /// Deliveries per second and client where all talk
    #[arg(long, default_value_t = 10.0)]
    pub rooms_rate: f64,
    /// A short look whether everything works: its figures mean nothing
    #[arg(long)]
    pub quick: bool,
    /// The built programs
    #[arg(long)]
    pub programs: PathBuf,
    /// The peers' scripts
    #[arg(long)]
    pub scripts: PathBuf,
    /// What was installed for the peers
    #[arg(long)]
    pub cache: PathBuf,
    /// Where results go
    #[arg(long)]
    pub results: PathBuf,
    /// The commit that is measured
    #[arg(long, default_value = "unknown")]
    pub commit: String,
}

impl Options {
    /// Rounds to run.
    pub fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds.max(1) }
    }

    fn rooms_rate(&self) -> f64 {
        self.rooms_rate.clamp(0.1, 1_000.0)
    }

    /// How much of everything, with so many descriptors.
    pub fn size(&self, descriptors: usize) -> Size {
        let seconds = Duration::from_secs_f64(self.seconds.clamp(0.1, 600.0));
        // A tenth stays free, as in back.
        let most = descriptors / 10 * 9;
        // What every server takes without being told.
        let bytes = self.bytes.clamp(stamp::BYTES, 16 * 1024);
        if self.quick {
            return Size {
                clients: self.clients.min(100),
                bytes,
                idle: 200.min(most),
                connects: 500.min(most),
                rooms: 20,
                rooms_rate: self.rooms_rate(),
                storm: 500.min(most),
                huge: 200.min(most),
                readers: 100.min(most),
                ways_time: Duration::from_secs(3),
                stall: Duration::from_secs(1),
                time: Duration::from_secs(1),
                warm: Duration::from_millis(200),
                idle_time: Duration::from_secs(1),
            };
        }
        Size {
            clients: self.clients.clamp(16, most),
            bytes,
            idle: 5_000.min(most),
            connects: 18_000.min(most),
            rooms: (500.min(most / 10)) as u32,
            rooms_rate: self.rooms_rate(),
            storm: 10_000.min(most),
            huge: 4_000.min(most),
            readers: readers::READERS.min(most),
            // At 5 s, twenty texts.
            ways_time: seconds * 4,
            stall: Duration::from_secs(10),
            time: seconds,
            warm: Duration::from_secs(1),
            idle_time: Duration::from_secs(10),
        }
    }
}

/// What the process is to do.
pub enum Task {
    /// Measure.
    Run(Box<Options>),
    /// Stop and kill the server under a crowd.
    Restart(RestartOptions),
    /// Have many come who read nothing.
    Deaf(DeafOptions),
    /// Name rooms without end.
    Names(NamesOptions),
    /// Be a peer.
    Serve(Peer, u16),
}

impl Task {
    /// Reads the process's arguments; ends the process with a message when they make no sense.
    pub fn from_process() -> Self {
        match Line::parse().task {
            Word::Run(options) => Self::Run(options),
            Word::Restart(options) => Self::Restart(options),
            Word::Deaf(options) => Self::Deaf(options),
            Word::Names(options) => Self::Names(options),
            Word::Serve { peer, port } => Self::Serve(peer, port),
        }
    }
}
