//! How the server ends: everybody is told goodbye at a pace.

use std::time::Duration;

use shared::CloseCode;
use tokio::time::{Instant, sleep_until};

use crate::hub::People;

/// Clients that are told goodbye in a millisecond; everybody at once would come back at once.
const PER_MILLISECOND: u32 = 2;

/// The shortest advice: the time in which a server may be started again.
pub const RETRY_AFTER_MS: u64 = 500;

/// Says `bye` to everybody within `window`, each with its own time to come back.
pub async fn say_goodbye(people: &People, code: CloseCode, window: Duration) {
    let begun = Instant::now();
    // A hash map's order is as good as a shuffled one.
    let outlets = people.outlets();
    let pace = window.min(Duration::from_millis(1) * (outlets.len() as u32 / PER_MILLISECOND));
    for (index, outlet) in outlets.iter().enumerate() {
        outlet.close(code, Some(RETRY_AFTER_MS + index as u64));
        if index % 64 == 63 {
            sleep_until(begun + pace.mul_f64(index as f64 / outlets.len() as f64)).await;
        }
    }
}
