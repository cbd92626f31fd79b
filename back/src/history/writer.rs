//! The one writer: drains what waits, commits it as one batch, and passes the batch on.

use std::{sync::Arc, time::SystemTime};

use tokio::sync::mpsc;

use super::{Append, Committed, Store};

/// Most drafts in one commit. With a disk behind it, 256 rows cost about as long as 20 (7 ms against 4 ms).
const BATCH: usize = 256;

/// Numbers drafts in the order in which they arrive.
pub struct Writer<R> {
    store: Arc<dyn Store>,
    drafts: mpsc::Receiver<Append<R>>,
    batches: mpsc::Sender<Vec<Committed<R>>>,
}

impl<R: Send + 'static> Writer<R> {
    pub(super) fn new(
        store: Arc<dyn Store>,
        drafts: mpsc::Receiver<Append<R>>,
        batches: mpsc::Sender<Vec<Committed<R>>>,
    ) -> Self {
        Self { store, drafts, batches }
    }

    /// Runs until every [`super::History`] is gone and everything handed in is committed.
    pub async fn run(mut self) {
        let mut appends = Vec::with_capacity(BATCH);
        while self.drafts.recv_many(&mut appends, BATCH).await > 0 {
            let (drafts, receipts): (Vec<_>, Vec<_>) = appends.drain(..).map(|a| (a.draft, a.receipt)).unzip();
            let outcomes = self.store.commit(drafts, unix_ms());
            let batch = outcomes.into_iter().zip(receipts).map(|(outcome, receipt)| Committed { outcome, receipt });
            if self.batches.send(batch.collect()).await.is_err() {
                return;
            }
        }
    }
}

/// Unix time in milliseconds; 0 for a clock set before 1970.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
