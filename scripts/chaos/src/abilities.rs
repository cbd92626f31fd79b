//! What a build of `back` and `front` can do. A round leaves out the faults that would mean nothing to them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::Context;

/// What a build of `back` and `front` can do.
#[derive(Debug, Clone)]
pub struct Abilities {
    /// The program.
    pub back: PathBuf,
    /// The page server beside it.
    pub front: PathBuf,
    /// It keeps history on disk.
    pub disk: bool,
    /// It can be told to kill itself or to break a promise.
    pub sabotage: bool,
    /// It can write a room out.
    pub export: bool,
    /// It can look whether its file is sound.
    pub check: bool,
    /// Front passes WebSockets on.
    pub relay: bool,
}

impl Abilities {
    /// Asks the program in this folder.
    ///
    /// # Errors
    /// When it is not there.
    pub fn of(programs: &Path) -> anyhow::Result<Self> {
        let [back, front] = ["back", "front"].map(|name| programs.join(name));
        let run = |program: &Path, args: &[&str]| -> anyhow::Result<Output> {
            Command::new(program)
                .args(args)
                .output()
                .with_context(|| format!("cannot run {}; cargo build -p back -p front makes it", program.display()))
        };
        let ask = |args: &[&str]| run(&back, args);
        let help = String::from_utf8_lossy(&ask(&["--help"])?.stdout).into_owned();
        let disk = help.contains("--data") && help.contains("sqlite");
        // A flag that the help hides is known when it is not complained of.
        let sabotage = ask(&["--sabotage", "no-dedup", "--help"])?.status.success();
        let export = ask(&["export", "--help"])?.status.success();
        let check = ask(&["check", "--help"])?.status.success();
        let relay = String::from_utf8_lossy(&run(&front, &["--help"])?.stdout).contains("--same-port");
        Ok(Self { back, front, disk, sabotage, export, check, relay })
    }
}
