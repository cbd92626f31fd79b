//! How the server ends: everybody is told goodbye at a pace.

use std::time::Duration;

use service::drain::Pace;
use shared::CloseCode;
use tokio::time::{Instant, sleep_until};

use crate::hub::People;

/// Says `bye` to everybody within `window`, each with its own time to come back.
pub async fn say_goodbye(people: &People, code: CloseCode, window: Duration) {
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
