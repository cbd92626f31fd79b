//! The driver of scripts/names: somebody names a million rooms that nobody has named before, by every door that takes a
//! name, in two laps. The first fills what has a limit; what grows in the second has none.

mod door;

use std::{
    io::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use crate::{
    client::Buffer,
    crowd::Crowd,
    load::{self, DRAIN},
    machine,
    options::Alone,
    pair::{self, Pair},
    say,
    stats::{Histogram, typical},
};
use door::{Door, Namer, Said};

/// Those who name rooms at the same time.
const AT_ONCE: usize = 8;
/// Texts a second that the others say meanwhile, and how many they are.
const RATE: f64 = 100.0;
const OTHERS: usize = 20;
/// How long what nobody uses may stay.
const FORGOTTEN: Duration = Duration::from_secs(150);

/// The bound of what may grow after the limits were reached, memory of each program and the files alike: so much for each
/// name, and so much besides, for the others' talk and what an allocator keeps. A name that is kept takes ten times that.
const EACH: u64 = 8;
const BESIDES: u64 = 8 << 20;
/// Descriptors that may be open then and were not before: front keeps a few connections.
const DESCRIPTORS: usize = 16;
/// What the others may wait for `ok`'s message, in nanoseconds.
const WAIT: f64 = 1e9;

/// What to do.
#[derive(Debug, Clone, Args)]
pub struct NamesOptions {
    /// Names of rooms
    #[arg(long, default_value_t = 1_000_000)]
    pub names: u64,
    /// Which programs
    #[command(flatten)]
    pub alone: Alone,
}

/// What is attacked.
struct House {
    both: Pair,
}

/// How they are.
#[derive(Debug, Clone, Copy)]
struct State {
    back: u64,
    front: u64,
    files: u64,
    rooms: f64,
    descriptors: [usize; 2],
}

impl House {
    fn rooms(&self) -> anyhow::Result<f64> {
        self.both.of_back("madang_back_rooms")
    }

    fn state(&self) -> anyhow::Result<State> {
        Ok(State {
            back: self.both.back.memory(),
            front: self.both.front.memory(),
            files: self.both.of_back("madang_back_database_bytes")? as u64,
            rooms: self.rooms()?,
            descriptors: [self.both.back.descriptors(), self.both.front.descriptors()],
        })
    }
}

/// One door in one lap.
struct Row {
    lap: usize,
    door: Door,
    said: Said,
    took: Duration,
    most_rooms: f64,
    others: Vec<Histogram>,
    after: State,
}

/// Runs it and prints a table; whether all bounds held.
///
/// # Errors
/// When somebody was not answered, or the others missed something.
pub fn run(options: &NamesOptions) -> anyhow::Result<bool> {
    machine::raise_descriptor_limit();
    let place = pair::place(&options.alone)?;
    let house = House { both: Pair::open(&options.alone, &place)? };
    let mut crowd = Crowd::new(house.both.back.dialect(), house.both.back.address())?;
    crowd.gather(OTHERS, 1, |_| Buffer::Usual)?;
    crowd.settle()?;
    let mut quiet = Vec::new();
    for _ in 0..5 {
        quiet.push(second(&mut crowd)?);
    }
    let rooms = house.rooms()?;
    let next = AtomicU64::new(0);
    let (mut rows, mut states) = (Vec::new(), vec![house.state()?]);
    for lap in 0..2 {
        for (door, share) in Door::ALL {
            rows.push(lap_of(lap, door, options.names * share / 2_000, &next, &house, &mut crowd)?);
        }
        let deadline = Instant::now() + FORGOTTEN;
        while house.rooms()? > rooms || house.both.of_front("madang_front_open{what=\"room\"}")? > 0.0 {
            if Instant::now() > deadline {
                bail!(
                    "{} rooms are still in memory, {} s after the last was named",
                    house.rooms()?,
                    FORGOTTEN.as_secs()
                );
            }
            second(&mut crowd)?;
        }
        states.push(house.state()?);
        say(&format!("lap {}: {} names", lap + 1, next.load(Relaxed)));
    }
    crowd.drain(DRAIN)?;
    print(options, &quiet, &rows, &states)
}

/// The others talk for a second.
fn second(crowd: &mut Crowd) -> anyhow::Result<Histogram> {
    let publishers = load::spread(crowd.count(), crowd.count());
    crowd.tally.latencies.clear();
    load::paced(crowd, &publishers, RATE, 100, Duration::from_secs(1))?;
    Ok(std::mem::take(&mut crowd.tally.latencies))
}

fn lap_of(
    lap: usize,
    door: Door,
    count: u64,
    next: &AtomicU64,
    house: &House,
    crowd: &mut Crowd,
) -> anyhow::Result<Row> {
    let address = if door.is_fronts() { &house.both.front } else { &house.both.back }.address();
    let end = next.load(Relaxed) + count;
    let began = Instant::now();
    let name = || {
        // The others and the server go first.
        machine::be_nice();
        let mut namer = Namer::new(door, address);
        loop {
            let from = next.fetch_add(namer.turn(), Relaxed);
            if from >= end {
                return Ok::<_, anyhow::Error>((namer.said(), began.elapsed()));
            }
            namer.say(from..end.min(from + namer.turn())).with_context(|| format!("at {}", door.name()))?;
        }
    };
    let (mut others, mut most_rooms) = (Vec::new(), 0.0_f64);
    let all = thread::scope(|scope| {
        let namers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(name)).collect();
        while namers.iter().any(|namer| !namer.is_finished()) {
            others.push(second(crowd)?);
            most_rooms = most_rooms.max(house.rooms()?);
        }
        namers
            .into_iter()
            .map(|namer| namer.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect::<anyhow::Result<Vec<_>>>()
    })?;
    next.store(end, Relaxed);
    let said = all.iter().fold(Said::default(), |sum, (said, _)| Said {
        names: sum.names + said.names,
        refused: sum.refused + said.refused,
    });
    let took = all.iter().map(|(_, took)| *took).max().unwrap_or_default();
    say(&format!("{}: {} names in {:.1} s, {} refusals", door.name(), said.names, took.as_secs_f64(), said.refused));
    Ok(Row { lap, door, said, took, most_rooms, others, after: house.state()? })
}

fn print(options: &NamesOptions, quiet: &[Histogram], rows: &[Row], states: &[State]) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let p99 = |seconds: &[Histogram]| typical(seconds, 0.99) / 1e6;
    writeln!(
        out,
        "{} · {} · load {} · {} names · the others' p99 before: {:.1} ms\n",
        machine::date(),
        machine::cpu_model(),
        machine::load(),
        options.names,
        p99(quiet)
    )?;
    writeln!(
        out,
        "| lap | door | names | names/s | refusals | rooms in memory, most | back, MiB | front, MiB | files, MiB | the others' p99, ms |"
    )?;
    writeln!(out, "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    let mut missed = Vec::new();
    for Row { lap, door, said, took, most_rooms, others, after } in rows {
        writeln!(
            out,
            "| {} | {} | {} | {:.0} | {} | {most_rooms} | {:.1} | {:.1} | {:.1} | {:.1} |",
            lap + 1,
            door.name(),
            said.names,
            said.names as f64 / took.as_secs_f64(),
            said.refused,
            mib(after.back),
            mib(after.front),
            mib(after.files),
            p99(others),
        )?;
        if typical(others, 0.99) > WAIT {
            missed.push(format!("the others waited for more than a second beside {}", door.name()));
        }
    }
    writeln!(
        out,
        "\n| when nobody names anything any more | back, MiB | front, MiB | files, MiB | rooms in memory | descriptors of back, front |"
    )?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|")?;
    for (state, when) in states.iter().zip(["before", "after the first lap", "after the second"]) {
        let State { back, front, files, rooms, descriptors: [ours, fronts] } = state;
        let (back, front, files) = (mib(*back), mib(*front), mib(*files));
        writeln!(out, "| {when} | {back:.1} | {front:.1} | {files:.1} | {rooms} | {ours}, {fronts} |")?;
    }
    let [before, first, second] = states else { bail!("there are two laps") };
    let bound = EACH * options.names / 2 + BESIDES;
    for (what, first, second) in [
        ("back's memory", first.back, second.back),
        ("front's memory", first.front, second.front),
        ("the files", first.files, second.files),
    ] {
        let grew = second.saturating_sub(first);
        if grew > bound {
            missed.push(format!("{what} grew by {:.1} MiB in the second lap, of {:.1} allowed", mib(grew), mib(bound)));
        }
    }
    for (program, (before, after)) in ["back", "front"].iter().zip(before.descriptors.iter().zip(second.descriptors)) {
        if after > before + DESCRIPTORS {
            missed.push(format!("{program} had {before} descriptors open, and has {after}"));
        }
    }
    missed.iter().try_for_each(|what| writeln!(out, "missed: {what}"))?;
    Ok(missed.is_empty())
}
