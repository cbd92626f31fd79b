//! What the tools that look at a file from outside share: their errors, and what they tell while it takes long.

use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::open::OpenError;

/// Why a tool did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// There is no history to look at.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// SQLite could not.
    #[error("SQLite says: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A file could not be written.
    #[error("cannot write {}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// Nothing is overwritten.
    #[error("{} is there already; give the name of a file that is not", .0.display())]
    Exists(PathBuf),
    /// SQLite takes names in UTF-8 only.
    #[error("the name {} is not UTF-8; give another", .0.display())]
    Name(PathBuf),
    /// There is one already.
    #[error("there is a moderator {0} already; remove them first for a new secret")]
    Moderator(String),
    /// There is no such moderator.
    #[error("there is no moderator {0}")]
    NoModerator(String),
    /// There is no such room.
    #[error("there is no room {0} in this history")]
    NoRoom(String),
}

/// How often something is said.
const EVERY: Duration = Duration::from_secs(1);

/// Says once a second how far it is.
pub struct Progress {
    last: Instant,
    say: Box<dyn FnMut(&str) + Send>,
}

impl Progress {
    /// `say` gets lines for people.
    pub fn new(say: impl FnMut(&str) + Send + 'static) -> Self {
        Self { last: Instant::now(), say: Box::new(say) }
    }

    /// Says it if it is time again.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            (self.say)(&line());
        }
    }
}
