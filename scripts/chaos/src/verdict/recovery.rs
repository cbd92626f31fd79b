//! Life goes on: after the last fault was mended messages are acknowledged again, and nothing ended that nobody broke.

use super::{
    findings::{Findings, Reason},
    story::Story,
};

/// The most seconds from the last mending to the next acknowledgement.
const BOUND_SECONDS: f64 = 30.0;

/// Finds what did not come back.
pub fn judge(story: &Story, findings: &mut Findings) {
    for (t, what) in &story.died {
        findings.add(Reason::NoRecovery, *t, || format!("{what}, at {t:.3} s"));
    }
    let Some(calm) = story.heals.iter().copied().max_by(f64::total_cmp) else { return };
    // What was sent before and never settled is noted by the driver itself, as something that did not come back.
    if !story.sends.iter().any(|sent| sent.t > calm) {
        return;
    }
    let acks = story.sends.iter().filter_map(|sent| sent.ack).map(|(t, _)| t);
    match acks.filter(|t| *t > calm).min_by(f64::total_cmp) {
        None => findings.add(Reason::NoRecovery, calm, || {
            format!("nothing was acknowledged after everything was mended at {calm:.3} s")
        }),
        Some(first) if first - calm > BOUND_SECONDS => findings.add(Reason::NoRecovery, calm, || {
            format!("the first acknowledgement came {:.1} s after everything was mended at {calm:.3} s", first - calm)
        }),
        Some(_) => {}
    }
}
