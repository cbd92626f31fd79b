//! The driver of scripts/deaf: a room where much is said, some who hear it, and now and then a thousand who come in and
//! read nothing. The room with them is compared with the same room without them, before and after, second by second.

mod attack;
mod report;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, bail};
use clap::Args;

use crate::{
    client::Buffer,
    crowd::Crowd,
    load::{self, DRAIN},
    machine,
    options::Alone,
    pair::{self, Pair},
    peer::Place,
    say, server,
    stats::{Histogram, typical},
};
use attack::Door;
use report::{Round, Row};

/// A deaf one who is cut off after the stall timeout of 10 s comes again after this.
const STAY: Duration = Duration::from_secs(12);
/// How often the programs are looked at: each look wakes both.
const LOOK: Duration = Duration::from_secs(1);
/// How long those who left may be remembered.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct DeafOptions {
    /// Doors by which they come in, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_parser = Door::parse)]
    pub only: Vec<Door>,
    /// Those who read nothing
    #[arg(long, default_value_t = 1000)]
    pub deaf: usize,
    /// Those who hear
    #[arg(long, default_value_t = 100)]
    pub hearing: usize,
    /// Texts a second
    #[arg(long, default_value_t = 1000.0)]
    pub rate: f64,
    /// Seconds of each stretch, with the deaf and without
    #[arg(long, default_value_t = 15)]
    pub seconds: u64,
    /// How often the deaf come
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Which programs
    #[command(flatten)]
    pub alone: Alone,
}

/// The most that was seen in a stretch.
#[derive(Default)]
struct Seen {
    inside: f64,
    memory: u64,
    kernel: u64,
}

/// What is attacked.
struct Yard {
    both: Pair,
}

impl Yard {
    fn memory(&self) -> u64 {
        self.both.back.memory() + self.both.front.memory()
    }

    /// Connections that are read by this door, those who hear included where they come in by it.
    fn inside(&self, door: Door) -> anyhow::Result<f64> {
        match door {
            Door::Events => self.both.of_front("madang_front_open{what=\"events\"}"),
            Door::Socket | Door::Plain | Door::Relay => self.both.of_back("madang_back_members"),
        }
    }

    /// Those who were cut off because they read nothing.
    fn cut(&self) -> anyhow::Result<f64> {
        self.both.of_back("madang_back_closes_total{code=\"slow\",by=\"server\"}")
    }
}

/// Runs it and prints a table; whether all bounds held.
///
/// # Errors
/// When something was lost, or the deaf did not come in.
pub fn run(options: &DeafOptions) -> anyhow::Result<bool> {
    let descriptors = machine::raise_descriptor_limit();
    // front holds two for each that it passes on, and the programs keep a tenth for themselves.
    let needed = (2 * options.deaf + options.hearing) * 10 / 9 + 100;
    if descriptors < needed {
        bail!("{} deaf need {needed} descriptors, and {descriptors} are allowed (ulimit -Hn)", options.deaf);
    }
    let place = pair::place(&options.alone)?;
    let doors = if options.only.is_empty() { Door::ALL.to_vec() } else { options.only.clone() };
    let rows: Vec<Row> = doors.into_iter().map(|door| measure(door, options, &place)).collect::<Result<_, _>>()?;
    report::print(options, &rows)
}

fn measure(door: Door, options: &DeafOptions, place: &Place) -> anyhow::Result<Row> {
    let yard = Yard { both: Pair::open(&options.alone, place)? };
    let server = &yard.both.back;
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    crowd.gather(options.hearing, 1, |_| Buffer::Usual)?;
    crowd.settle()?;
    // Looking costs the programs something too, so they are looked at without the deaf as well.
    let mut talk = || looked(&yard, door, || seconds(&mut crowd, options));
    // Caches are filled, and the room's log is as large as it becomes.
    talk()?;
    let (before, kernel) = (yard.memory(), machine::socket_memory());
    let empty = yard.inside(door)?;
    let mut rounds = Vec::new();
    let (mut most, came) = (Seen::default(), AtomicU64::new(0));
    let (_, mut earlier) = talk()?;
    for _ in 0..options.rounds.max(1) {
        let (seen, with) = while_deaf(&yard, door, options, &came, &mut talk)?;
        most = Seen {
            inside: most.inside.max(seen.inside - empty),
            memory: most.memory.max(seen.memory),
            kernel: most.kernel.max(seen.kernel),
        };
        forgotten(&yard, door, empty, &mut talk)?;
        let (_, later) = talk()?;
        rounds.push(Round { without: [earlier, later.clone()].concat(), with });
        earlier = later;
    }
    let row = Row {
        door,
        rounds,
        came: came.into_inner(),
        inside: most.inside,
        cut: yard.cut()?,
        before,
        most: most.memory,
        kernel: most.kernel.saturating_sub(kernel),
    };
    let p99 = |seconds: &[Histogram]| typical(seconds, 0.99) / 1e6;
    for Round { without, with } in &row.rounds {
        say(&format!("{}: p99 {:.1} ms without, {:.1} ms with", door.name(), p99(without), p99(with)));
        say(&format!("  second by second with: {}; without: {}", each(with), each(without)));
    }
    crowd.drain(DRAIN)?;
    Ok(row)
}

/// Talks while the deaf are there, and says what was seen of them.
fn while_deaf(
    yard: &Yard,
    door: Door,
    options: &DeafOptions,
    came: &AtomicU64,
    talk: &mut impl FnMut() -> anyhow::Result<(Seen, Vec<Histogram>)>,
) -> anyhow::Result<(Seen, Vec<Histogram>)> {
    let address = if door.is_fronts() { &yard.both.front } else { &yard.both.back }.address();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let attack = scope.spawn(|| attack::keep(door, address, options.deaf, STAY, &over, came));
        let heard = talk();
        over.store(true, Relaxed);
        attack.join().map_err(|_| anyhow!("a thread panicked"))??;
        heard
    })
}

/// Looks at the programs from outside while something else is done.
fn looked<T>(yard: &Yard, door: Door, what: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(Seen, T)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looking = scope.spawn(|| look(yard, door, &over));
        let done = what();
        over.store(true, Relaxed);
        Ok((looking.join().map_err(|_| anyhow!("a thread panicked"))??, done?))
    })
}

/// Looks until it is over: the most of everything.
fn look(yard: &Yard, door: Door, over: &AtomicBool) -> anyhow::Result<Seen> {
    machine::be_nice();
    let mut seen = Seen::default();
    while !over.load(Relaxed) {
        seen.inside = seen.inside.max(yard.inside(door)?);
        seen.memory = seen.memory.max(yard.memory());
        seen.kernel = seen.kernel.max(machine::socket_memory());
        server::pause(LOOK);
    }
    Ok(seen)
}

/// Talks on until nobody is remembered who left.
fn forgotten(
    yard: &Yard,
    door: Door,
    empty: f64,
    talk: &mut impl FnMut() -> anyhow::Result<(Seen, Vec<Histogram>)>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + FORGOTTEN;
    while yard.inside(door)? > empty {
        if Instant::now() > deadline {
            bail!("{} s after the deaf left, {} of them are still there", FORGOTTEN.as_secs(), yard.inside(door)?);
        }
        talk()?;
    }
    Ok(())
}

/// The p99 of every second.
fn each(seconds: &[Histogram]) -> String {
    seconds.iter().map(|second| format!("{:.1}", second.quantile(0.99) / 1e6)).collect::<Vec<_>>().join(" ")
}

/// Talks for a stretch; the latencies of every second.
fn seconds(crowd: &mut Crowd, options: &DeafOptions) -> anyhow::Result<Vec<Histogram>> {
    let publishers = load::spread(crowd.count(), 10.min(crowd.count()));
    let mut seconds = Vec::new();
    for _ in 0..options.seconds.max(1) {
        crowd.tally.latencies.clear();
        load::paced(crowd, &publishers, options.rate, 100, Duration::from_secs(1))?;
        seconds.push(std::mem::take(&mut crowd.tally.latencies));
    }
    Ok(seconds)
}
