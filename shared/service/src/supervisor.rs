//! What a supervisor is told, as systemd's `Type=notify` understands it. Without `NOTIFY_SOCKET` nothing is said.

use sd_notify::NotifyState;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// Says that the program serves, and from then on that it still does, as often as was asked for; and that it stops, when it
/// does.
pub fn serves(stop: CancellationToken) {
    tell(&[NotifyState::Ready]);
    if let Some(patience) = sd_notify::watchdog_enabled() {
        tokio::spawn(async move {
            // Twice as often as it has to be: one sign may be late.
            let mut ticks = interval((patience / 2).max(std::time::Duration::from_millis(1)));
            loop {
                ticks.tick().await;
                tell(&[NotifyState::Watchdog]);
            }
        });
    }
    tokio::spawn(async move {
        stop.cancelled().await;
        tell(&[NotifyState::Stopping]);
    });
}

/// Says that settings are read again for as long as `again` takes.
pub(crate) fn while_reloading(again: impl FnOnce()) {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no clock for the supervisor"),
    }
    again();
    tell(&[NotifyState::Ready]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the supervisor does not listen");
    }
}
