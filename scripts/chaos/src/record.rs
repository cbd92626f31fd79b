//! Writes events down in the order in which they happen, on one clock, and reads them back.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use anyhow::Context;

use crate::event::{Event, What};

/// The history of one round, while it happens.
pub struct Recorder {
    start: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    out: BufWriter<File>,
    /// The first thing that went wrong with the file; told at the end.
    broken: Option<std::io::Error>,
    counts: Counts,
}

/// How much has happened so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Messages written for the first time.
    pub sent: u64,
    /// Answered as stored.
    pub acked: u64,
    /// Written again.
    pub retried: u64,
    /// Given to subscribers.
    pub given: u64,
    /// Told as gaps.
    pub gaps: u64,
    /// Faults begun.
    pub faults: u64,
}

impl Recorder {
    /// Begins a history in this file.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot record into {}", path.display()))?;
        let inner = Inner { out: BufWriter::new(file), broken: None, counts: Counts::default() };
        Ok(Self { start: Instant::now(), inner: Mutex::new(inner) })
    }

    /// Writes down what happens now.
    pub fn note(&self, what: What) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // The clock is read under the lock, so that the file's order is the order of its times.
        let event = Event { t: (self.start.elapsed().as_secs_f64() * 1e6).round() / 1e6, what };
        let counts = &mut inner.counts;
        match &event.what {
            What::Send { .. } => counts.sent += 1,
            What::Ack { .. } => counts.acked += 1,
            What::Retry { .. } => counts.retried += 1,
            What::Recv { .. } => counts.given += 1,
            What::Gap { .. } => counts.gaps += 1,
            What::Fault { .. } => counts.faults += 1,
            _ => {}
        }
        let line = serde_json::to_string(&event).unwrap_or_default();
        if let Err(error) = writeln!(inner.out, "{line}") {
            inner.broken.get_or_insert(error);
        }
    }

    /// How much has happened so far.
    pub fn counts(&self) -> Counts {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).counts
    }

    /// Seconds since the beginning.
    pub fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Brings everything into the file.
    ///
    /// # Errors
    /// When something could not be written, now or before.
    pub fn finish(&self) -> anyhow::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let flushed = inner.out.flush();
        inner.broken.take().map_or(flushed, Err).context("the history could not be written")
    }
}

/// Reads a recorded history.
///
/// # Errors
/// When it cannot be read, or a line is no event.
pub fn read(path: &Path) -> anyhow::Result<Vec<Event>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut events = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let event = serde_json::from_str(&line)
            .with_context(|| format!("{}, line {}: this is no event", path.display(), number + 1))?;
        events.push(event);
    }
    Ok(events)
}
