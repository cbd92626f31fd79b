//! What one does with a message on the page, and what is waited for then.

use std::time::{Duration, Instant};

use fantoccini::key::Key;
use serde_json::json;

use crate::yard::Tab;

/// Many times what a click takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn key(key: Key) -> String {
    char::from(key).to_string()
}

/// The row of a stored message, as a selector.
pub(crate) fn row(seq: u64) -> String {
    format!("li.message[data-seq='{seq}']")
}

impl Tab {
    /// Points at a message and presses one of its buttons.
    pub(crate) async fn act(&self, seq: u64, action: &str) {
        self.until(
            &format!("message {seq} is there"),
            &format!("document.querySelector({}) !== null", json!(format!("{} .text", row(seq)))),
        )
        .await;
        // A row may be made anew between pointing and clicking, and its buttons with it.
        let deadline = Instant::now() + PATIENCE;
        let button = format!("{} [data-key={action}]", row(seq));
        loop {
            self.point_at(&format!("{} .text", row(seq))).await;
            let Err(why) = self.try_click(&button).await else { return };
            assert!(Instant::now() < deadline, "{button}: {why}");
        }
    }

    /// Waits until an element says this.
    pub(crate) async fn until_reads(&self, selector: &str, text: &str) {
        let condition = format!("document.querySelector({})?.textContent === {}", json!(selector), json!(text));
        self.until(&format!("{selector} reads {text:?}"), &condition).await;
    }

    pub(crate) async fn until_focused(&self, selector: &str) {
        let condition = format!("document.activeElement?.matches({}) === true", json!(selector));
        self.until(&format!("{selector} has the focus"), &condition).await;
    }

    pub(crate) async fn until_box(&self, text: &str) {
        self.until("the box", &format!("document.querySelector('#box').value === {}", json!(text))).await;
    }

    /// A message is on the screen, and shown as the one that was looked for.
    pub(crate) async fn until_led_to(&self, seq: u64) {
        let condition = format!(
            "(() => {{ const row = document.querySelector({}); const box = row?.getBoundingClientRect();
             const seen = document.querySelector('#scroller').getBoundingClientRect();
             return row === document.activeElement && row.matches('.found') && box.top >= seen.top && box.bottom <= seen.bottom }})()",
            json!(row(seq))
        );
        self.until(&format!("message {seq} is shown"), &condition).await;
    }
}
