//! Ways to make the server break its promises, or die at a chosen place, for the program that checks whether anybody
//! would notice. Nothing here happens unless `--sabotage` asks for it.

use std::{
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// A place in the code where the process can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A batch is written and not committed.
    BeforeCommit,
    /// A batch is committed and nobody knows.
    AfterCommit,
    /// The writer has the outcomes and has not passed them on.
    BeforeOk,
    /// Some of a batch is in the rooms' logs, and some is not.
    MidBroadcast,
    /// A client has been sent a part of what it missed.
    MidReplay,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Kill the process, as `kill -9` would, when it passes this place for the so-many-th time.
    Kill(Point, u64),
    /// Commit without waiting for the disk.
    SyncNormal,
    /// Store a message as often as it is sent.
    NoDedup,
}

impl FromStr for Sabotage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "sync-normal" => return Ok(Self::SyncNormal),
            "no-dedup" => return Ok(Self::NoDedup),
            _ => {}
        }
        let (point, times) = text.strip_prefix("kill:").and_then(|rest| rest.split_once(':')).unwrap_or_default();
        let point = match point {
            "before-commit" => Point::BeforeCommit,
            "after-commit" => Point::AfterCommit,
            "before-ok" => Point::BeforeOk,
            "mid-broadcast" => Point::MidBroadcast,
            "mid-replay" => Point::MidReplay,
            _ => return Err("it is sync-normal, no-dedup or kill:POINT:N".to_owned()),
        };
        let times = times.parse().map_err(|_| "N says at which passing, from 1 on".to_owned())?;
        Ok(Self::Kill(point, times))
    }
}

struct Plan {
    sabotage: Vec<Sabotage>,
    passed: AtomicU64,
}

static PLAN: OnceLock<Plan> = OnceLock::new();

/// Sets what is to be done for the rest of the process; only the first call counts.
pub fn plan(sabotage: &[Sabotage]) {
    if !sabotage.is_empty() {
        tracing::warn!(?sabotage, "this server breaks its promises on purpose");
        _ = PLAN.set(Plan { sabotage: sabotage.to_vec(), passed: AtomicU64::new(0) });
    }
}

/// Whether this is to be done.
pub fn asked_for(what: Sabotage) -> bool {
    PLAN.get().is_some_and(|plan| plan.sabotage.contains(&what))
}

/// Says that the code is at this place; it may not return.
pub fn pass(point: Point) {
    let Some(plan) = PLAN.get() else { return };
    for sabotage in &plan.sabotage {
        if let Sabotage::Kill(at, times) = sabotage
            && *at == point
            && plan.passed.fetch_add(1, Ordering::Relaxed) + 1 == *times
        {
            _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_from_a_flag() {
        assert_eq!("kill:mid-replay:7".parse(), Ok(Sabotage::Kill(Point::MidReplay, 7)));
        assert_eq!("no-dedup".parse(), Ok(Sabotage::NoDedup));
        for bad in ["", "kill", "kill:somewhere:1", "kill:before-ok:x", "kill:before-ok"] {
            assert!(bad.parse::<Sabotage>().is_err(), "{bad}");
        }
    }
}
