//! Two workers against one, in a way that needs no CPU for the load while it is measured. Only the publishers read. What
//! everybody else gets stays in their kernels' buffers, and is read and checked when the clock stands still. So that it
//! fits, a turn is made of many short bursts.

use std::time::{Duration, Instant};

use super::{Case, Figures, Metric, Size, metric};
use crate::{
    client::Buffer,
    crowd::Crowd,
    load::{self, DRAIN},
    machine,
    peer::Place,
    server::Server,
};

/// The case with two workers.
pub const TWO: &str = "2 workers";

/// Few, because each of them reads everything, and that is all that the load does; two in each of the parts in which
/// Madang serves a room of a thousand.
const PUBLISHERS: usize = 8;
/// Messages under way: with 64, two workers would wait for the publishers. No more than half of what a room's log holds,
/// so that a worker that loses its CPU for a moment is late and its clients are not told a gap.
const IN_FLIGHT: u64 = 512;
/// Messages of a burst: with what is around them about 456 KB for each client.
const BURST: u64 = 2_000;
/// What a client's kernel has to take: a burst, and what the kernel itself needs for it.
const BUFFER: usize = 4 << 20;
/// Bursts before those that count.
const WARM: usize = 3;

/// Why it cannot be measured here, if so.
pub fn impossible() -> Option<String> {
    let allowed = machine::most_receive_buffer();
    (allowed < BUFFER / 2).then(|| format!("it needs a net.core.rmem_max of {} and there is {allowed}", BUFFER / 2))
}

/// Its columns.
pub fn metrics() -> Vec<Metric> {
    vec![
        metric("per_second", "deliveries/s", 0),
        metric("cpus", "CPUs that the server used", 2),
        metric("cpu_ns", "CPU ns/delivery", 0),
        metric("load_cpus", "CPUs that the load used", 2),
        metric("bursts", "bursts", 0),
    ]
}

/// Measures bursts until they have lasted for the time of a measurement.
pub fn run(case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let two = case.variant == TWO;
    let place = if two { with_two_cpus(place) } else { place.clone() };
    let server = Server::start(case.peer, if two { 2 } else { 1 }, &place)?;
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    crowd.gather(size.clients, 1, |_| Buffer::Large(BUFFER))?;
    crowd.settle()?;
    let publishers = load::spread(crowd.count(), PUBLISHERS);
    let others: Vec<usize> = (0..crowd.count()).filter(|number| !publishers.contains(number)).collect();
    let mut sum = Sum::default();
    for burst in 0.. {
        if burst == WARM {
            sum = Sum::default();
        }
        if burst > WARM && sum.wall >= size.time {
            break;
        }
        others.iter().try_for_each(|&number| crowd.stall(number, true))?;
        one_burst(&mut crowd, &server, &publishers, &others, size.bytes, &mut sum)?;
        others.iter().try_for_each(|&number| crowd.stall(number, false))?;
        crowd.drain(DRAIN)?;
    }
    let (wall, deliveries) = (sum.wall.as_secs_f64(), (sum.messages * crowd.count() as u64) as f64);
    Ok(vec![
        deliveries / wall,
        sum.server.as_secs_f64() / wall,
        sum.server.as_nanos() as f64 / deliveries,
        sum.load.as_secs_f64() / wall,
        (sum.messages / BURST) as f64,
    ])
}

#[derive(Default)]
struct Sum {
    wall: Duration,
    server: Duration,
    load: Duration,
    messages: u64,
}

/// From the first text until the last one lies in the last client's kernel.
fn one_burst(
    crowd: &mut Crowd,
    server: &Server,
    publishers: &[usize],
    others: &[usize],
    bytes: usize,
    sum: &mut Sum,
) -> anyhow::Result<()> {
    let message_bytes = crowd.tally.message_bytes;
    let (server_cpu, load_cpu, began) = (server.cpu(), machine::thread_cpu(), Instant::now());
    load::burst(crowd, publishers, IN_FLIGHT, bytes, BURST)?;
    // All get the same frames, and the publishers have read theirs.
    let each = (crowd.tally.message_bytes - message_bytes) / publishers.len() as u64;
    crowd.wait_unread(others, each, DRAIN)?;
    sum.wall += began.elapsed();
    sum.server += server.cpu().since(&server_cpu);
    sum.load += machine::thread_cpu().saturating_sub(load_cpu);
    sum.messages += BURST;
    Ok(())
}

/// A second CPU for the server: one that the load does not need, or else they share what there is.
fn with_two_cpus(place: &Place) -> Place {
    let mut place = place.clone();
    let more = if place.load_cpus.len() > 1 { place.load_cpus.pop() } else { place.load_cpus.first().copied() };
    place.server_cpus.extend(more);
    if place.server_cpus.contains(&place.load_cpus[0]) {
        place.load_cpus.clone_from(&place.server_cpus);
    }
    place
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_load_shares_only_where_there_is_no_cpu_for_it() {
        let with = |server: &[usize], load: &[usize]| {
            let nowhere = PathBuf::new();
            let place = with_two_cpus(&Place {
                programs: nowhere.clone(),
                scripts: nowhere.clone(),
                cache: nowhere.clone(),
                results: nowhere,
                server_cpus: server.to_vec(),
                load_cpus: load.to_vec(),
            });
            (place.server_cpus, place.load_cpus)
        };
        assert_eq!(with(&[1], &[0]), (vec![1, 0], vec![1, 0]));
        assert_eq!(with(&[3], &[0, 1, 2]), (vec![3, 2], vec![0, 1]));
    }
}
