//! What holds while a program runs, and what becomes of it when its settings are read again.

use std::path::Path;

use clap::Parser;

use super::{Asked, Settings, from_args};

/// What a process was started with, and what it was told since.
#[derive(Debug, Clone)]
pub struct Standing {
    begun: Settings<()>,
    now: Settings<()>,
}

/// What a change of the settings means.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// What holds from now on.
    pub taken: Vec<String>,
    /// What cannot change while the program runs, and stays as it was at the beginning.
    pub left: Vec<String>,
}

impl Standing {
    pub(super) fn new(settings: Settings<()>) -> Self {
        Self { begun: settings.clone(), now: settings }
    }

    /// The file that can be read again, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.begun.file.as_deref()
    }

    /// Reads this process's settings again, says in the log what has changed, and hands them over. Of them only what is in
    /// `live` may be taken. Nothing when they make no sense: then all of it stays as it was.
    pub fn again<T: Parser>(&mut self, live: &[&str]) -> Option<T> {
        let (value, Change { taken, left }) = match self.read(std::env::args_os(), live) {
            Ok(read) => read,
            Err(error) => {
                let told = error.to_string();
                let told = told.lines().next().unwrap_or_default().trim_start_matches("error: ");
                tracing::warn!("the settings stay as they were: {told}");
                return None;
            }
        };
        if !taken.is_empty() {
            tracing::info!("read the settings again; these hold from now on: {}", taken.join(", "));
        } else {
            tracing::info!("read the settings again; of what may change while it runs, nothing has");
        }
        if !left.is_empty() {
            tracing::warn!("these stay as they were until the next start: {}", left.join(", "));
        }
        Some(value)
    }

    /// The same of these arguments.
    ///
    /// # Errors
    /// When they make no sense.
    pub fn read<T: Parser>(
        &mut self,
        args: impl IntoIterator<Item = impl Into<std::ffi::OsString>>,
        live: &[&str],
    ) -> Result<(T, Change), clap::Error> {
        let Asked::Run(settings) = from_args::<T>(args)? else {
            return Err(clap::Error::new(clap::error::ErrorKind::InvalidSubcommand));
        };
        let (value, settings) = settings.apart();
        let names = |before: &Settings<()>, wanted: bool| {
            let changed = settings.changed(before).into_iter().filter(|key| live.contains(key) == wanted);
            changed.map(str::to_owned).collect()
        };
        let change = Change { taken: names(&self.now, true), left: names(&self.begun, false) };
        self.now = settings;
        Ok((value, change))
    }
}
