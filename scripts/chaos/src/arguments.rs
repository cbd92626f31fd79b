//! The command line: arguments as typed, and the rounds that follow from them. The only place that knows clap.

use std::{collections::BTreeSet, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::{
    abilities::Abilities,
    clients::door::Door,
    faults::plan::{Kind, Plan},
    round::{Round, SETTLE},
};

/// Breaks Madang on purpose, records what everybody was told, and judges whether the promises held.
#[derive(Debug, Parser)]
#[command(name = "chaos", version, about, long_about = None)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs rounds of talk and faults against the programs, and judges them. Ends with 0 when all are valid, 1 when one
    /// is invalid, 2 when one cannot be decided
    Run(Run),
    /// Lets people come, talk and go for a long time, and says whether what the programs hold grows with it. Ends with 0
    /// when it does not, 1 when it does
    Soak(Soak),
    /// Judges a recorded history
    Judge {
        /// The file, with an event of JSON on each line
        file: PathBuf,
    },
    /// Proves that the judge calls sound histories valid and damaged ones invalid, and that servers which cannot keep the
    /// promises are caught
    Prove {
        /// Folder with the program back, to prove it on a sabotaged one too
        #[arg(long, value_name = "DIR")]
        programs: Option<PathBuf>,
    },
}

/// Who takes part in a round.
const PEOPLE: &str = "\
In three rooms, 20 senders with up to 8 messages unanswered talk: over WebSocket to back and through front, over sessions of
the HTTP API, and by POST. 30 subscribers listen, steady, cut (a goodbye, a reset, silence), slow and late: over WebSocket, as
server-sent events, as lines of JSON, by long polls, by polls at intervals, and over sessions. All of them, and front itself,
go through proxies that break. At the end every room is read in every way, over WebSocket and over HTTP, also after a restart.";

/// Rounds to run.
#[derive(Debug, Args)]
#[command(after_help = PEOPLE)]
pub struct Run {
    /// Folder with the programs back and front
    #[arg(long, value_name = "DIR")]
    pub programs: PathBuf,

    /// What all choices follow from; the first one where there are several
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,

    /// Rounds, each with the next seed
    #[arg(long, default_value_t = 1, value_name = "K")]
    pub seeds: u64,

    /// How long people talk in each round
    #[arg(long, default_value_t = 20.0, value_name = "S")]
    pub seconds: f64,

    /// Messages per second, as a multiple of about 300
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    pub pace: f64,

    /// Which faults may happen, separated by commas: kill-back, kill-front, term-back, stop-back, term-front, stop-front,
    /// fail-point, second-back, clock-jump, disk-full, fsync-fails, power-cut, cut, partition, one-way, black-hole, delay,
    /// slow-link; or network, process, all, none [default: all that the build of back can take, without power-cut]. Those
    /// of the network meet senders, subscribers, everybody, everybody who comes through front, or front's way to back
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub faults: Vec<String>,

    /// Which ways in people may take besides the one to back, separated by commas: relay, session, polled-session, events,
    /// stream, polls, post [default: all that the build of front has]
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub doors: Vec<String>,

    /// Keep history in memory: then nothing that ends back can be survived, and none of it happens unless it is asked for
    #[arg(long)]
    pub memory: bool,

    /// Allow pauses of up to 40 s
    #[arg(long)]
    pub long: bool,

    /// Keep the recorded history in this file; with several seeds, one file each, ending in the seed
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// A flag for back, as in --back-flag=--drain=1; may be given several times
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    pub back_flag: Vec<String>,

    /// A flag for front; may be given several times
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    pub front_flag: Vec<String>,

    /// Keep the folder with history, data and logs also of rounds that are valid
    #[arg(long)]
    pub keep: bool,
}

/// A long day.
#[derive(Debug, Args)]
#[command(after_help = SOAK)]
pub struct Soak {
    /// Folder with the programs back and front
    #[arg(long, value_name = "DIR")]
    pub programs: PathBuf,

    /// Minutes for which is measured, after the first ones
    #[arg(long, default_value_t = 30.0, value_name = "M")]
    pub minutes: f64,

    /// Minutes before that, in which caches fill
    #[arg(long, default_value_t = 10.0, value_name = "M")]
    pub warm_up: f64,

    /// Messages per second, as a multiple of about 300
    #[arg(long, default_value_t = 0.5, value_name = "X")]
    pub pace: f64,

    /// People at a time who were never here before; each stays for some seconds
    #[arg(long, default_value_t = 60, value_name = "N")]
    pub passers_by: usize,

    /// Most growth of a program's memory that is none, in percent per hour
    #[arg(long, default_value_t = 1.0, value_name = "PERCENT")]
    pub growth: f64,

    /// What all choices follow from
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

/// Who takes part in a soak, and what is compared.
const SOAK: &str = "\
For two minutes at a time the people of a round talk and listen by every way in, without faults, and beside them people come who
were never here before, go into one of 30 rooms, say something, and leave with a goodbye, with a reset or without a word. History
keeps 100 messages of a room and 1,000 names, 1 MiB of its file is held in memory, and 1,000 sessions are known without a
connection, so that what is bounded is full before it is measured. Then all leave; descriptors and gauges must be what they were
when nobody had been there but for a moment, and memory is looked at: what the programs asked for (their own metric) and what is
resident. Lines are laid through these, with the margin that holds in 19 of 20 cases. Where that of what was asked for reaches over
--growth nothing is said, and the soak ends with 2.";

impl Arguments {
    /// Reads the process's arguments; ends the process with a message when they make no sense, or were a call for help.
    pub fn from_process() -> Self {
        Self::parse()
    }
}

impl Run {
    /// The rounds.
    ///
    /// # Errors
    /// When a fault is unknown, or asked for and impossible.
    pub fn rounds(&self, abilities: &Abilities) -> anyhow::Result<Vec<Round>> {
        anyhow::ensure!(self.seconds.is_finite() && self.seconds > 0.0, "--seconds must be more than 0");
        anyhow::ensure!(self.pace.is_finite() && self.pace > 0.0, "--pace must be more than 0");
        let kinds = self.kinds(abilities)?;
        let doors = self.open_doors()?;
        let round = |seed| Round {
            seed,
            seconds: self.seconds,
            pace: self.pace,
            patience: SETTLE,
            kinds: kinds.clone(),
            plan: Plan::new(seed, self.seconds, &kinds, self.long, true),
            back_flags: self.back_flag.clone(),
            front_flags: self.front_flag.clone(),
            doors: doors.clone(),
            careless: false,
        };
        Ok((self.seed..self.seed.saturating_add(self.seeds)).map(round).collect())
    }

    fn open_doors(&self) -> anyhow::Result<Vec<Door>> {
        if self.doors.is_empty() {
            return Ok(Door::ALL.to_vec());
        }
        let door = |word: &String| {
            let door = Door::ALL.into_iter().find(|door| door.word() == word);
            door.ok_or_else(|| anyhow::anyhow!("--doors: {word} is no way in; see --help"))
        };
        self.doors.iter().map(door).collect()
    }

    fn kinds(&self, abilities: &Abilities) -> anyhow::Result<BTreeSet<Kind>> {
        if self.faults.is_empty() {
            let bearable = |kind: &Kind| {
                *kind != Kind::PowerCut && possible(*kind, abilities).is_ok() && (abilities.disk || !kind.ends_back())
            };
            return Ok(Kind::ALL.iter().copied().filter(bearable).collect());
        }
        let mut kinds = BTreeSet::new();
        for word in &self.faults {
            let group: Vec<Kind> = match word.as_str() {
                "none" => Vec::new(),
                "all" => Kind::ALL.to_vec(),
                "network" => Kind::ALL.iter().copied().filter(|kind| kind.is_network()).collect(),
                "process" => Kind::ALL.iter().copied().filter(|kind| !kind.is_network()).collect(),
                word => Kind::ALL.iter().copied().filter(|kind| kind.word() == word).collect(),
            };
            anyhow::ensure!(!group.is_empty() || word == "none", "--faults: {word} is no fault; see --help");
            kinds.extend(group);
        }
        for kind in &kinds {
            possible(*kind, abilities)?;
        }
        Ok(kinds)
    }
}

fn possible(kind: Kind, abilities: &Abilities) -> anyhow::Result<()> {
    let needs_disk = kind.needs_shim() || kind == Kind::SecondBack;
    anyhow::ensure!(abilities.disk || !needs_disk, "--faults: {} needs a back with --data", kind.word());
    let needs_sabotage = kind == Kind::FailPoint;
    anyhow::ensure!(abilities.sabotage || !needs_sabotage, "--faults: {} needs a back with --sabotage", kind.word());
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run(args: &[&str]) -> Run {
        let args = ["chaos", "run", "--programs", "x"].iter().chain(args).copied();
        match Arguments::try_parse_from(args).unwrap().command {
            Command::Run(run) => run,
            other => panic!("{other:?}"),
        }
    }

    fn able(disk: bool) -> Abilities {
        Abilities {
            back: "back".into(),
            front: "front".into(),
            relay: true,
            disk,
            sabotage: disk,
            export: disk,
            check: disk,
        }
    }

    #[test]
    fn flags_are_consistent_and_name_every_fault() {
        Arguments::command().debug_assert();
        let mut command = Arguments::command();
        let help = command.find_subcommand_mut("run").unwrap().render_help().to_string();
        // Lines are broken anywhere between words.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in Kind::ALL.iter().map(|kind| kind.word()).chain(Door::ALL.iter().map(|door| door.word())) {
            assert!(help.contains(word), "{word}");
        }
    }

    #[test]
    fn a_history_in_memory_is_not_restarted_unless_asked_for() {
        let kinds = run(&[]).kinds(&able(false)).unwrap();
        assert!(!kinds.iter().any(|kind| kind.ends_back()) && kinds.contains(&Kind::StopBack));
        assert!(run(&[]).kinds(&able(true)).unwrap().contains(&Kind::FsyncFails));
        assert_eq!(run(&["--faults", "kill-back"]).kinds(&able(false)).unwrap(), [Kind::KillBack].into());
        assert!(run(&["--faults", "disk-full"]).kinds(&able(false)).is_err());
    }

    #[test]
    fn several_seeds_are_several_rounds_and_nonsense_is_refused() {
        let rounds = run(&["--seed", "5", "--seeds", "3"]).rounds(&able(true)).unwrap();
        assert_eq!(rounds.iter().map(|round| round.seed).collect::<Vec<_>>(), [5, 6, 7]);
        assert!(run(&["--faults", "earthquake"]).rounds(&able(true)).is_err());
        assert!(run(&["--seconds", "0"]).rounds(&able(true)).is_err());
        assert!(run(&["--doors", "window"]).rounds(&able(true)).is_err());
        let rounds = run(&["--doors", "events,post"]).rounds(&able(true)).unwrap();
        assert_eq!(rounds[0].doors, [Door::Events, Door::Post]);
    }
}
