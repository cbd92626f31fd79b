//! The one writer: drains what waits, commits it as one batch, and passes the batch on.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{Append, Entry, Fatal, Followed, Outcome, Store};
use crate::{metrics::Metrics, sabotage};

/// Most changes in one commit. With a disk behind it, 256 rows cost about as long as 20 (7 ms against 4 ms).
const BATCH: usize = 256;

/// How often it is looked whether what is written to is still there, when nothing is written.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Numbers changes in the order in which they arrive.
pub struct Writer<R> {
    store: Arc<dyn Store>,
    queue: mpsc::Receiver<Entry<R>>,
    batches: mpsc::Sender<Vec<Followed<R>>>,
    stop: oneshot::Receiver<()>,
    stopper: Option<Stopper>,
    metrics: Arc<Metrics>,
}

/// Ends the writer when it is dropped: what was handed in before is still committed.
pub struct Stopper(#[expect(dead_code, reason = "its end is the news")] oneshot::Sender<()>);

impl<R: Send + 'static> Writer<R> {
    pub(super) fn new(
        store: Arc<dyn Store>,
        queue: mpsc::Receiver<Entry<R>>,
        batches: mpsc::Sender<Vec<Followed<R>>>,
    ) -> Self {
        let (stopper, stop) = oneshot::channel();
        Self { store, queue, batches, stop, stopper: Some(Stopper(stopper)), metrics: Arc::default() }
    }

    /// Tells how long its commits take.
    #[must_use]
    pub fn counted(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// Starts it among `tasks`: on a thread of its own if the store may wait for a disk. It runs until the answer is
    /// dropped, and ends with an error when the store does not know any more what it holds.
    pub fn start(mut self, tasks: &mut JoinSet<Result<(), Fatal>>) -> Option<Stopper> {
        let stopper = self.stopper.take();
        if self.store.blocks() {
            let runtime = tokio::runtime::Handle::current();
            tasks.spawn_blocking(move || runtime.block_on(self.run()));
        } else {
            tasks.spawn(self.run());
        }
        stopper
    }

    async fn run(mut self) -> Result<(), Fatal> {
        let mut entries = Vec::with_capacity(BATCH);
        let mut open = true;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if open {
                let chore = self.store.next_chore();
                tokio::select! {
                    biased;
                    count = self.queue.recv_many(&mut entries, BATCH) => open = count > 0,
                    _ = look.tick(), if self.store.blocks() => self.store.look()?,
                    () = sleep(chore.unwrap_or_default()), if chore.is_some() => self.store.do_chore()?,
                    _ = &mut self.stop => {
                        // Whoever comes now gets the change back; what is in the queue is still dealt with.
                        self.queue.close();
                        open = false;
                    }
                }
            } else if self.queue.recv_many(&mut entries, BATCH).await == 0 {
                self.store.close();
                return Ok(());
            }
            if !entries.is_empty() {
                if !self.commit(&mut entries).await? {
                    return Ok(());
                }
                if self.store.is_behind() {
                    self.store.do_chore()?;
                }
            }
        }
    }

    /// Commits a batch and passes it on; false when nobody follows any more.
    async fn commit(&self, entries: &mut Vec<Entry<R>>) -> Result<bool, Fatal> {
        let mut changes = Vec::with_capacity(entries.len());
        let mut followed = Vec::with_capacity(entries.len());
        for entry in entries.drain(..) {
            match entry {
                Entry::Append(Append { change, receipt }) => {
                    changes.push(change);
                    // Its outcome is filled in below.
                    let outcome = Outcome::Refused(super::Refusal::Unavailable);
                    followed.push(Followed::Committed { outcome, receipt });
                }
                Entry::Settle(settled) => followed.push(Followed::Settled(settled)),
            }
        }
        if !changes.is_empty() {
            let (count, begun) = (changes.len(), Instant::now());
            let mut outcomes = self.store.commit(changes, unix_ms())?.into_iter();
            self.metrics.committed(count, begun.elapsed());
            for followed in &mut followed {
                if let Followed::Committed { outcome, .. } = followed
                    && let Some(decided) = outcomes.next()
                {
                    *outcome = decided;
                }
            }
            sabotage::pass(sabotage::Point::BeforeOk);
        }
        Ok(self.batches.send(followed).await.is_ok())
    }
}

/// Unix time in milliseconds; 0 for a clock set before 1970.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
