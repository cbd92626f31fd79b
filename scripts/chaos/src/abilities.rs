//! What a build of `back` can do. A round leaves out the faults that would mean nothing to it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::Context;

/// What a build of `back` can do.
#[derive(Debug, Clone)]
pub struct Abilities {
    /// The program.
    pub back: PathBuf,
    /// It keeps history on disk.
    pub disk: bool,
    /// It can be told to kill itself or to break a promise.
    pub sabotage: bool,
    /// It can write a room out.
    pub export: bool,
    /// It can look whether its file is sound.
    pub check: bool,
}

impl Abilities {
    /// Asks the program in this folder.
    ///
    /// # Errors
    /// When it is not there.
    pub fn of(programs: &Path) -> anyhow::Result<Self> {
        let back = programs.join("back");
        let ask = |args: &[&str]| -> anyhow::Result<Output> {
            Command::new(&back)
                .args(args)
                .output()
                .with_context(|| format!("cannot run {}; cargo build -p back -p front makes it", back.display()))
        };
        let help = String::from_utf8_lossy(&ask(&["--help"])?.stdout).into_owned();
        let disk = help.contains("--data") && help.contains("sqlite");
        // A flag that the help hides is known when it is not complained of.
        let sabotage = ask(&["--sabotage", "no-dedup", "--help"])?.status.success();
        let export = ask(&["export", "--help"])?.status.success();
        let check = ask(&["check", "--help"])?.status.success();
        Ok(Self { back, disk, sabotage, export, check })
    }
}
