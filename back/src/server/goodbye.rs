//! How the server ends: who waits for an answer gets it, everybody is told goodbye at a pace, and the last of them is
//! waited for.

use std::time::Duration;

use service::drain::Pace;
use shared::CloseCode;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::TaskTracker;

use crate::hub::{Hub, People};

/// How long the goodbye waits for what is being written and answered; a disk that hangs must not hold it up for long.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How long the end waits for the closing handshakes of those who were told goodbye.
const CLOSING: Duration = Duration::from_secs(5);

/// Everybody is told within `drain` from now. `is_broken` says that a fault is the reason, and history answers nothing any
/// more.
pub async fn say(hub: &Hub, is_broken: bool, drain: Duration) {
    let told_by = Instant::now() + drain;
    tracing::info!(connections = hub.people().count(), "stopping");
    if !is_broken {
        // Who waits for an answer gets it before the goodbye, after which nothing is told.
        _ = timeout(LAST_ANSWERS, hub.history().settle()).await;
    }
    let code = if is_broken { CloseCode::Storage } else { CloseCode::Shutdown };
    tell(hub.people(), code, told_by.saturating_duration_since(Instant::now())).await;
}

/// Says `bye` to everybody within `window`, each with its own time to come back.
async fn tell(people: &People, code: CloseCode, window: Duration) {
    let begun = Instant::now();
    // A hash map's order is as good as a shuffled one: who came first is neither the first nor the last to go.
    let outlets = people.outlets();
    let pace = Pace::of(outlets.len(), window);
    for (index, outlet) in outlets.iter().enumerate() {
        let turn = index as f64 / outlets.len() as f64;
        let due = begun + pace.told(turn);
        if due > Instant::now() {
            sleep_until(due).await;
        }
        outlet.close(code, Some(pace.advice(turn).as_millis() as u64));
    }
}

/// Waits for those who were told. Closing handshakes included: a process that ends before them resets connections whose
/// Close is on its way.
pub async fn wait(connections: &TaskTracker) {
    connections.close();
    _ = timeout(CLOSING, connections.wait()).await;
}
