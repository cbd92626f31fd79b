//! Many who read one room over HTTP, while one talks at a fixed pace: what a delivery costs all that serve it.

use std::time::Duration;

use super::{Case, Figures, Metric, Size, metric};
use crate::{
    audience::Audience,
    crowd::Crowd,
    load::{self, DRAIN},
    machine,
    peer::{Peer, Place},
    site::{self, Site},
    way::Way,
};

/// Readers in all.
pub const READERS: usize = 1_000;
/// Texts per second.
pub const RATE: f64 = 10.0;

const LONG_POLL: &str = "long poll";
const EVENTS: &str = "server-sent events";

/// Its columns.
pub fn metrics() -> Vec<Metric> {
    vec![
        metric("cpu_ns", "CPU ns/delivery", 0),
        metric("front_cpu_ns", "of that front, ns", 0),
        metric("upstream", "connections from front to back", 0),
        metric("p50_us", "p50 µs", 0),
        metric("p99_us", "p99 µs", 0),
        metric("requests", "requests/delivery", 2),
        metric("bytes", "bytes down/delivery", 0),
        metric("per_second", "deliveries/s", 0),
    ]
}

/// Who takes part.
pub fn cases() -> Vec<Case> {
    let of = |variant| [Peer::Back, Peer::Nchan].map(|peer| Case { peer, variant });
    [LONG_POLL, EVENTS].into_iter().flat_map(of).collect()
}

/// Why so many cannot be served here, if so. Load and server are processes of their own, each with a socket per reader.
pub fn impossible() -> Option<String> {
    let limit = machine::raise_descriptor_limit();
    (limit / 10 * 9 < READERS).then(|| format!("{READERS} readers need more than the {limit} descriptors of a process"))
}

/// Measures readers who are there before anything is said.
pub fn run(case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let way = match (case.peer, case.variant) {
        (Peer::Nchan, LONG_POLL) => Way::NchanLongPoll,
        (Peer::Nchan, _) => Way::NchanEvents,
        (_, LONG_POLL) => Way::LongPoll,
        _ => Way::Events,
    };
    let site = Site::start(case.peer, place)?;
    let (mut speaker, began) = site.speaker()?;
    let mut audience = Audience::new(way, site.door().address(), began)?;
    audience.gather(size.readers, 0)?;
    // nchan does not say when a long poll has reached it.
    audience.run_for(Duration::from_secs(1))?;
    let warm = say(&mut speaker, &mut audience, size, size.warm)?;
    audience.drain(warm, DRAIN)?;
    audience.tally.latencies.clear();
    let (before, bytes, requests) = (audience.tally.deliveries, audience.tally.bytes, audience.asked.requests);
    let (cpu, start) = (site.cpu(), speaker.now());
    let said = say(&mut speaker, &mut audience, size, size.time)?;
    audience.drain(warm + said, DRAIN)?;
    let (used, front) = site.used_since(&cpu);
    let seconds = (speaker.now() - start) as f64 / 1e9;
    let deliveries = (audience.tally.deliveries - before) as f64;
    let each = |time: Duration| time.as_nanos() as f64 / deliveries;
    // What there is no front for is no number, and so left out of the table.
    Ok(vec![
        each(used),
        front.map_or(f64::NAN, each),
        site.upstream().map_or(f64::NAN, |count| count as f64),
        audience.tally.latencies.quantile(0.5) / 1e3,
        audience.tally.latencies.quantile(0.99) / 1e3,
        (audience.asked.requests - requests) as f64 / deliveries,
        (audience.tally.bytes - bytes) as f64 / deliveries,
        deliveries / seconds,
    ])
}

/// Talks for so long while the others listen; says how many texts that were.
fn say(speaker: &mut Crowd, audience: &mut Audience, size: &Size, time: Duration) -> anyhow::Result<u64> {
    let before = speaker.tally.deliveries;
    let talk = || {
        load::paced(speaker, &[0], RATE, size.bytes, time)?;
        speaker.drain(DRAIN)?;
        Ok(speaker.tally.deliveries - before)
    };
    site::beside(talk, |timeout| audience.turn(timeout))
}
