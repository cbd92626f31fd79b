//! The one who looks at all connections, as often as `heartbeat` wants, and does what it judges.

use std::{sync::Arc, time::Instant};

use tokio::time::MissedTickBehavior;

use crate::{
    frame,
    heartbeat::{Patience, Verdict},
    hub::{Hub, People},
};

/// A look that comes so many times later than it should tells that the process stood still.
const STOOD_STILL: u32 = 4;

/// Sessions are looked through less often than connections.
const SESSIONS_EVERY: u32 = 60;

/// Looks at all connections, and lets go of what is no longer needed.
pub async fn sweep(hub: Arc<Hub>, patience: Patience) {
    let every = patience.sweep_every();
    let mut ticks = tokio::time::interval(every);
    // After a pause one look is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    for round in 0_u32.. {
        ticks.tick().await;
        let now = Instant::now();
        if now - last > every * STOOD_STILL {
            tracing::warn!(ms = (now - last).as_millis() as u64, "the process stood still");
            hub.people().outlets().iter().for_each(|outlet| outlet.vitals().forgive());
        }
        last = now;
        beat(hub.people(), &patience, now);
        hub.tidy();
        if round % SESSIONS_EVERY == 0 {
            hub.people().forget_old_sessions(now);
            hub.law().sweep();
        }
    }
}

fn beat(people: &People, patience: &Patience, now: Instant) {
    for outlet in people.outlets() {
        match patience.judge(&outlet.vitals().ages(now)) {
            Verdict::Fine => {}
            Verdict::Ping => {
                outlet.vitals().pinged();
                outlet.push(frame::ping());
            }
            Verdict::Close(code) => {
                tracing::debug!(conn = outlet.connection(), code = code.code(), "closing");
                outlet.close(code, None);
            }
            Verdict::Abort => outlet.abort(),
        }
    }
}
