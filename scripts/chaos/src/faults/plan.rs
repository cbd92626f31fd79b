//! Which faults come when: a pure function of the seed. Process faults follow one another on one lane, those of the
//! network on another, so that they come alone and mixed, with quiet times between.

use std::{collections::BTreeSet, fmt, time::Duration};

use crate::random::Random;

macro_rules! kinds {
    ($($name:ident = $word:literal;)*) => {
        /// A kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $word] $name,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word for it on the command line.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

kinds! {
    KillBack = "kill-back";
    KillFront = "kill-front";
    TermBack = "term-back";
    StopBack = "stop-back";
    TermFront = "term-front";
    StopFront = "stop-front";
    FailPoint = "fail-point";
    SecondBack = "second-back";
    ClockJump = "clock-jump";
    DiskFull = "disk-full";
    FsyncFails = "fsync-fails";
    PowerCut = "power-cut";
    Cut = "cut";
    Partition = "partition";
    OneWay = "one-way";
    BlackHole = "black-hole";
    Delay = "delay";
    SlowLink = "slow-link";
}

impl Kind {
    /// Whether it happens between the clients and the server, and not to a process.
    pub fn is_network(self) -> bool {
        matches!(self, Self::Cut | Self::Partition | Self::OneWay | Self::BlackHole | Self::Delay | Self::SlowLink)
    }

    /// Whether it needs the shim in front of the C library.
    pub fn needs_shim(self) -> bool {
        matches!(self, Self::ClockJump | Self::DiskFull | Self::FsyncFails | Self::PowerCut)
    }

    /// Whether it ends the process, so that only a history on disk survives it.
    pub fn ends_back(self) -> bool {
        matches!(self, Self::KillBack | Self::TermBack | Self::FailPoint | Self::FsyncFails | Self::PowerCut)
    }
}

/// Where the server kills itself, under `--sabotage kill:POINT:N`.
pub const POINTS: [&str; 5] = ["before-commit", "after-commit", "before-ok", "mid-broadcast", "mid-replay"];

/// Whose connections a fault of the network meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The senders'.
    Senders,
    /// The subscribers'.
    Subscribers,
    /// Everybody's, to either server.
    All,
    /// Those of everybody who comes through front.
    Visitors,
    /// Front's own, to back.
    Front,
}

/// One fault with everything that was left to chance.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    KillBack {
        down: Duration,
    },
    KillFront {
        down: Duration,
    },
    TermBack {
        down: Duration,
    },
    StopBack {
        time: Duration,
    },
    TermFront {
        down: Duration,
    },
    StopFront {
        time: Duration,
    },
    FailPoint {
        point: &'static str,
        passing: u64,
        down: Duration,
    },
    SecondBack,
    ClockJump {
        seconds: i64,
        time: Duration,
    },
    DiskFull {
        time: Duration,
    },
    FsyncFails {
        down: Duration,
    },
    PowerCut {
        down: Duration,
    },
    Cut {
        whose: Whose,
        share: f64,
    },
    /// `reset`: it ends for these connections with a reset, as when a router has forgotten them.
    Partition {
        whose: Whose,
        time: Duration,
        reset: bool,
    },
    OneWay {
        whose: Whose,
        up: bool,
        time: Duration,
        reset: bool,
    },
    BlackHole {
        whose: Whose,
        time: Duration,
    },
    Delay {
        whose: Whose,
        by: Duration,
        time: Duration,
    },
    SlowLink {
        whose: Whose,
        rate: u32,
        time: Duration,
    },
}

/// A fault and when it begins, at the earliest.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Since the beginning of the round.
    pub at: Duration,
    /// What happens.
    pub fault: Fault,
}

/// The faults of a round.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What happens to processes, one after the other.
    pub processes: Vec<Step>,
    /// What happens to the network, one after the other.
    pub network: Vec<Step>,
}

impl Plan {
    /// The plan of a seed for so many seconds. `long` allows pauses of up to 40 s; without a front nothing happens to its
    /// connections.
    pub fn new(seed: u64, seconds: f64, kinds: &BTreeSet<Kind>, long: bool, front: bool) -> Self {
        let of = |network| kinds.iter().copied().filter(|kind| kind.is_network() == network).collect::<Vec<_>>();
        let dealt = Dealt { long, front };
        Self {
            processes: lane(&mut Random::stream(seed, "processes"), seconds, &of(false), dealt),
            network: lane(&mut Random::stream(seed, "network"), seconds, &of(true), dealt),
        }
    }
}

/// What may be dealt.
#[derive(Debug, Clone, Copy)]
struct Dealt {
    /// Pauses of up to 40 s.
    long: bool,
    /// Faults of the network that need a front.
    front: bool,
}

/// Deals the kinds out like cards, each once before any comes twice.
fn lane(random: &mut Random, seconds: f64, kinds: &[Kind], dealt: Dealt) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut deck: Vec<Kind> = Vec::new();
    let mut at = random.between(1.0, 3.0);
    // The last seconds are quiet, so that what was mended is seen to work.
    while at < seconds - 3.0 && !kinds.is_empty() {
        if deck.is_empty() {
            deck = kinds.to_vec();
        }
        let kind = deck.swap_remove(random.index(deck.len()));
        let fault = deal(random, kind, dealt);
        let lasts = fault.lasts();
        steps.push(Step { at: Duration::from_secs_f64(at), fault });
        at += lasts.as_secs_f64() + random.between(1.0, 4.0);
    }
    steps
}

fn deal(random: &mut Random, kind: Kind, Dealt { long, front }: Dealt) -> Fault {
    // Mostly short, as a restart by a supervisor is.
    let most = if random.chance(0.7) { 1.0 } else { 5.0 };
    let down = random.seconds(0.0, most);
    let time = random.seconds(0.5, 4.0);
    let whose = match random.below(if front { 5 } else { 3 }) {
        0 => Whose::Senders,
        1 => Whose::Subscribers,
        2 => Whose::All,
        3 => Whose::Visitors,
        _ => Whose::Front,
    };
    match kind {
        Kind::KillBack => Fault::KillBack { down },
        Kind::KillFront => Fault::KillFront { down },
        Kind::TermBack => Fault::TermBack { down },
        Kind::TermFront => Fault::TermFront { down },
        Kind::StopBack | Kind::StopFront => {
            let most = if long && random.chance(0.3) { 40.0 } else { 8.0 };
            // As many short pauses as long ones.
            let most = if random.chance(0.5) { 1.0 } else { most };
            let time = random.seconds(0.1, most);
            if kind == Kind::StopBack { Fault::StopBack { time } } else { Fault::StopFront { time } }
        }
        Kind::FailPoint => {
            let point = random.pick(&POINTS).copied().unwrap_or("after-commit");
            // A replay is rare, a commit is not.
            let passing = if point == "mid-replay" { 1 + random.below(5) } else { 1 + random.below(100) };
            Fault::FailPoint { point, passing, down }
        }
        Kind::SecondBack => Fault::SecondBack,
        Kind::ClockJump => {
            let seconds = if random.chance(0.5) { 3_600 } else { -3_600 };
            Fault::ClockJump { seconds, time }
        }
        Kind::DiskFull => Fault::DiskFull { time },
        Kind::FsyncFails => Fault::FsyncFails { down },
        Kind::PowerCut => Fault::PowerCut { down },
        Kind::Cut => Fault::Cut { whose, share: if random.chance(0.4) { 1.0 } else { random.between(0.1, 0.9) } },
        Kind::Partition => Fault::Partition { whose, time, reset: random.chance(0.5) },
        Kind::OneWay => Fault::OneWay { whose, up: random.chance(0.4), time, reset: random.chance(0.5) },
        Kind::BlackHole => Fault::BlackHole { whose, time },
        Kind::Delay => Fault::Delay { whose, by: random.seconds(0.02, 0.3), time },
        Kind::SlowLink => {
            Fault::SlowLink { whose, rate: 2_000 + u32::try_from(random.below(30_000)).unwrap_or(0), time }
        }
    }
}

impl Fault {
    /// How long it takes by itself.
    pub fn lasts(&self) -> Duration {
        match self {
            Self::KillBack { down }
            | Self::KillFront { down }
            | Self::TermBack { down }
            | Self::TermFront { down }
            | Self::FailPoint { down, .. }
            | Self::FsyncFails { down }
            | Self::PowerCut { down } => *down,
            Self::StopBack { time }
            | Self::StopFront { time }
            | Self::ClockJump { time, .. }
            | Self::DiskFull { time }
            | Self::Partition { time, .. }
            | Self::OneWay { time, .. }
            | Self::BlackHole { time, .. }
            | Self::Delay { time, .. }
            | Self::SlowLink { time, .. } => *time,
            Self::SecondBack | Self::Cut { .. } => Duration::ZERO,
        }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Senders => "senders",
            Self::Subscribers => "subscribers",
            Self::All => "everybody",
            Self::Visitors => "everybody who comes through front",
            Self::Front => "front",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillBack { .. } => write!(f, "kill -9 back"),
            Self::KillFront { .. } => write!(f, "kill -9 front"),
            Self::TermBack { .. } => write!(f, "SIGTERM back"),
            Self::StopBack { time } => write!(f, "SIGSTOP back for {:.1} s", time.as_secs_f64()),
            Self::TermFront { .. } => write!(f, "SIGTERM front"),
            Self::StopFront { time } => write!(f, "SIGSTOP front for {:.1} s", time.as_secs_f64()),
            Self::FailPoint { point, passing, .. } => write!(f, "back kills itself: {point}, passing {passing}"),
            Self::SecondBack => write!(f, "a second back on the same data"),
            Self::ClockJump { seconds, .. } => write!(f, "the clock jumps by {seconds} s"),
            Self::DiskFull { time } => write!(f, "the disk is full for {:.1} s", time.as_secs_f64()),
            Self::FsyncFails { .. } => write!(f, "fsync fails"),
            Self::PowerCut { .. } => write!(f, "power cut"),
            Self::Cut { whose, share } => write!(f, "{:.0} % of the connections of {whose} are reset", share * 100.0),
            Self::Partition { whose, .. } => write!(f, "nothing passes for {whose}"),
            Self::OneWay { whose, up: true, .. } => write!(f, "nothing passes from {whose}"),
            Self::OneWay { whose, up: false, .. } => write!(f, "nothing passes to {whose}"),
            Self::BlackHole { whose, .. } => write!(f, "bytes of {whose} vanish"),
            Self::Delay { whose, by, .. } => write!(f, "bytes of {whose} come {:.2} s later", by.as_secs_f64()),
            Self::SlowLink { whose, rate, .. } => write!(f, "{rate} bytes a second for {whose}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> BTreeSet<Kind> {
        Kind::ALL.iter().copied().collect()
    }

    #[test]
    fn the_same_seed_is_the_same_plan() {
        assert_eq!(Plan::new(7, 60.0, &all(), true, true), Plan::new(7, 60.0, &all(), true, true));
        assert_ne!(Plan::new(7, 60.0, &all(), true, true), Plan::new(8, 60.0, &all(), true, true));
    }

    #[test]
    fn only_what_is_allowed_comes_and_the_end_is_quiet() {
        let kinds = [Kind::KillBack, Kind::Cut].into();
        for seed in 0..50 {
            let plan = Plan::new(seed, 30.0, &kinds, false, true);
            assert!(!plan.processes.is_empty() && !plan.network.is_empty());
            assert!(plan.processes.iter().all(|step| matches!(step.fault, Fault::KillBack { .. })));
            assert!(plan.network.iter().all(|step| matches!(step.fault, Fault::Cut { .. })));
            assert!(plan.processes.iter().chain(&plan.network).all(|step| step.at < Duration::from_secs(27)));
        }
    }

    #[test]
    fn nothing_happens_to_a_front_that_is_not_there() {
        let whose = |plan: &Plan| {
            let met = |step: &Step| match step.fault {
                Fault::Cut { whose, .. } => Some(whose),
                _ => None,
            };
            plan.network.iter().filter_map(met).collect::<Vec<_>>()
        };
        let kinds = [Kind::Cut].into();
        let without = whose(&Plan::new(1, 1_000.0, &kinds, false, false));
        assert!(!without.is_empty() && !without.iter().any(|whose| matches!(whose, Whose::Visitors | Whose::Front)));
        let with = whose(&Plan::new(1, 1_000.0, &kinds, false, true));
        assert!(with.contains(&Whose::Visitors) && with.contains(&Whose::Front));
    }

    #[test]
    fn every_kind_comes_before_one_comes_twice() {
        let plan = Plan::new(3, 10_000.0, &all(), false, true);
        let names = |steps: &[Step]| steps.iter().map(|step| std::mem::discriminant(&step.fault)).collect::<Vec<_>>();
        for (lane, count) in [(names(&plan.processes), 12), (names(&plan.network), 6)] {
            let mut seen = Vec::new();
            for kind in lane.iter().take(count) {
                assert!(!seen.contains(kind));
                seen.push(*kind);
            }
        }
    }
}
