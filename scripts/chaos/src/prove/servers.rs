//! Rounds against servers of which it is known beforehand whether they keep the promises.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::Context;

use super::broadcast::Broadcast;
use crate::{
    abilities::Abilities,
    clients::door::Door,
    faults::plan::{Fault, Kind, Plan, Step, Whose},
    folder::Folder,
    record::{self, Recorder},
    round::{Round, history_in},
    verdict::{Outcome, Reason, Verdict, judge},
};

/// How long people talk in a round that proves something.
const SECONDS: f64 = 8.0;

/// How often something is broken meanwhile.
const FAULTS: u32 = 3;

/// Answers are on their way and never arrive: what was sent is stored, and its sender repeats it.
const ANSWERS_LOST: Fault =
    Fault::OneWay { whose: Whose::All, up: false, time: Duration::from_millis(500), reset: true };

/// The power fails, and comes back at once.
const POWER_CUT: Fault = Fault::PowerCut { down: Duration::from_millis(200) };

/// How long everything may take to settle.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long is waited for a server that cannot keep its promises: it never settles.
const LITTLE_PATIENCE: Duration = Duration::from_secs(4);

/// A round with a known outcome.
pub struct Trial {
    /// What it shows, in words.
    pub name: &'static str,
    /// What it must come to.
    pub expected: Outcome,
    /// The reasons that must be among those of the verdict.
    pub reasons: &'static [Reason],
    /// How it is broken, several times.
    fault: Fault,
    flags: &'static [&'static str],
    pace: f64,
    /// Not front is between back and those who listen over HTTP.
    careless: bool,
}

/// A plain broadcast server, left alone and not.
pub const BROADCAST: &[Trial] = &[Trial {
    name: "a plain broadcast server whose connections are cut",
    expected: Outcome::Invalid,
    reasons: &[Reason::Duplicate, Reason::Missed],
    fault: ANSWERS_LOST,
    flags: &[],
    pace: 1.0,
    careless: false,
}];

/// The chat server, sound and sabotaged.
pub const PROGRAMS: &[Trial] = &[
    Trial {
        name: "back that does not recognise what is repeated, under cuts",
        expected: Outcome::Invalid,
        reasons: &[Reason::Duplicate],
        fault: ANSWERS_LOST,
        flags: &["--sabotage", "no-dedup"],
        pace: 1.0,
        careless: false,
    },
    Trial {
        name: "event streams that leave out a message whenever somebody comes back, under cuts",
        expected: Outcome::Invalid,
        reasons: &[Reason::Missed],
        fault: ANSWERS_LOST,
        flags: &[],
        pace: 1.0,
        careless: true,
    },
    Trial {
        name: "back whose commits do not wait for the disk, in a power cut",
        expected: Outcome::Invalid,
        reasons: &[Reason::Lost],
        fault: POWER_CUT,
        flags: &["--sabotage", "sync-normal"],
        pace: 0.3,
        careless: false,
    },
    Trial {
        name: "back as it is, in a power cut",
        expected: Outcome::Valid,
        reasons: &[],
        fault: POWER_CUT,
        flags: &[],
        pace: 0.3,
        careless: false,
    },
];

impl Trial {
    /// Runs it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn run(&self, seed: u64, abilities: Option<&Abilities>) -> anyhow::Result<Verdict> {
        let folder = Folder::create("trial")?;
        let recorder = Arc::new(Recorder::create(&history_in(folder.path()))?);
        let round = self.round(seed);
        match abilities {
            Some(abilities) => {
                anyhow::ensure!(
                    abilities.disk && abilities.sabotage,
                    "this build of back has no --data or no --sabotage"
                );
                round.against_programs(abilities, folder.path(), &recorder).await.with_context(|| self.name)?;
            }
            None => {
                let server = Broadcast::start().await?;
                round.against_address(server.address(), &recorder).await?;
            }
        }
        recorder.finish()?;
        Ok(judge(&record::read(&history_in(folder.path()))?))
    }

    /// Whether the verdict is the one that it must come to.
    pub fn is_met_by(&self, verdict: &Verdict) -> bool {
        verdict.outcome() == self.expected && self.reasons.iter().all(|reason| verdict.findings.contains_key(reason))
    }

    fn round(&self, seed: u64) -> Round {
        let at = (0..FAULTS).map(|n| Duration::from_secs_f64(1.5 + 2.0 * f64::from(n)));
        let steps: Vec<Step> = at.map(|at| Step { at, fault: self.fault.clone() }).collect();
        let on_process = self.fault == POWER_CUT;
        Round {
            seed,
            seconds: SECONDS,
            pace: self.pace,
            patience: if self.expected == Outcome::Valid { PATIENCE } else { LITTLE_PATIENCE },
            // Only a power cut needs anything to be there.
            kinds: BTreeSet::from([Kind::PowerCut]).into_iter().filter(|_| on_process).collect(),
            plan: Plan {
                processes: if on_process { steps.clone() } else { Vec::new() },
                network: if on_process { Vec::new() } else { steps },
            },
            back_flags: self.flags.iter().map(|flag| (*flag).to_owned()).collect(),
            front_flags: Vec::new(),
            doors: Door::ALL.to_vec(),
            careless: self.careless,
        }
    }
}
