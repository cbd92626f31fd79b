//! The two tasks that carry the server: history's writer, and what hands to the hub what it wrote. Neither ends while the
//! server runs, and they end together.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::timeout,
};

use crate::{
    history::{Fatal, Follow, Stopper, Writer},
    hub::{Hub, Receipt},
};

/// How long the end waits for what is being written.
const LAST_COMMIT: Duration = Duration::from_secs(5);

/// How one of them ended.
pub type End = Result<Result<(), Fatal>, JoinError>;

/// They end when this is dropped.
pub struct Work {
    tasks: JoinSet<Result<(), Fatal>>,
    stopper: Option<Stopper>,
}

impl Work {
    /// Lets both begin.
    pub fn start(writer: Writer<Receipt>, mut follow: Follow<Receipt>, hub: &Arc<Hub>) -> Self {
        let hub = Arc::clone(hub);
        let mut tasks = JoinSet::new();
        let stopper = writer.start(&mut tasks);
        tasks.spawn(async move {
            while let Some(batch) = follow.recv().await {
                hub.publish(batch);
            }
            Ok(())
        });
        Self { tasks, stopper }
    }

    /// Waits until one of them ends.
    pub async fn ended(&mut self) -> Option<End> {
        self.tasks.join_next().await
    }

    /// Lets both end, and waits for it: what was handed in before is committed, and the file is closed. `fault` is the end
    /// of one that came too early.
    ///
    /// # Errors
    /// When there was a fault, or when there is still something to be written.
    pub async fn finish(self, fault: Option<End>) -> io::Result<()> {
        let Self { mut tasks, stopper } = self;
        drop(stopper);
        let mut ends: Vec<End> = fault.into_iter().collect();
        let ended_early = !ends.is_empty();
        let finished = timeout(LAST_COMMIT, async {
            while let Some(end) = tasks.join_next().await {
                ends.push(end);
            }
        });
        let finished = finished.await.is_ok();
        // Whichever of the two ended first took the other with it: the reason may be the second one's.
        for end in ends {
            match end {
                Ok(Ok(())) => {}
                Ok(Err(fatal)) => return Err(io::Error::other(fatal)),
                Err(fault) => return Err(io::Error::other(fault)),
            }
        }
        match (ended_early, finished) {
            (false, true) => Ok(()),
            (false, false) => Err(io::Error::other("history was still being written when the server stopped")),
            (true, _) => Err(io::Error::other("history ended while the server ran")),
        }
    }
}
