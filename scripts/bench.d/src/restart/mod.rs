//! The driver of scripts/restart: a crowd in one room, and a server that is stopped, or killed, and started again.

mod flock;
mod guest;
mod ledger;

use std::{
    fs::{self, File},
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use crate::{machine, options::Alone, say, stats::Histogram};
use flock::Flock;

/// How long anything may take; a goal that is missed by so much is not worth waiting for.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many come in within a second at the beginning.
const COMERS: f64 = 2_000.0;
/// How often is looked whether a server has begun, or ended.
const LOOK: Duration = Duration::from_millis(2);
/// Answers are timed for so long after a restart at least, however soon all are back.
const TIMED: Duration = Duration::from_secs(5);

/// The goals.
const DRAINED: Duration = Duration::from_secs(10);
const ALL_BACK: Duration = Duration::from_secs(30);
const ANSWERED: Duration = Duration::from_secs(1);

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct RestartOptions {
    /// Clients in the room
    #[arg(long, default_value_t = 10_000)]
    pub clients: usize,
    /// How many of them say something, in turns
    #[arg(long, default_value_t = 50)]
    pub senders: usize,
    /// Texts a second of all of them together
    #[arg(long, default_value_t = 10.0)]
    pub rate: f64,
    /// How often the server is stopped and killed
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Seconds of talk between
    #[arg(long, default_value_t = 8.0)]
    pub calm: f64,
    /// Which programs
    #[command(flatten)]
    pub alone: Alone,
}

/// `back` on its place, whoever runs there.
struct House<'a> {
    options: &'a RestartOptions,
    address: SocketAddr,
    child: Child,
    log: PathBuf,
}

impl<'a> House<'a> {
    fn open(options: &'a RestartOptions) -> anyhow::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        fs::create_dir_all(&options.alone.results)?;
        let log = options.alone.results.join("back.log");
        let child = start(&options.alone, address, &log)?;
        Ok(Self { options, address, child, log })
    }

    fn begin_again(&mut self) -> anyhow::Result<()> {
        self.child = start(&self.options.alone, self.address, &self.log)?;
        Ok(())
    }

    fn listens(&self) -> bool {
        fs::read_to_string(&self.log).is_ok_and(|log| log.contains("listening on"))
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

impl Drop for House<'_> {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn start(alone: &Alone, address: SocketAddr, log: &PathBuf) -> anyhow::Result<Child> {
    let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut back = Command::new(alone.programs.join("back"));
    back.args(["--listen", &address.to_string(), "--ops", "off", "--log", "warn", "--data"]).arg(&alone.results);
    back.args(&alone.back_flag).stdin(Stdio::null()).stdout(Stdio::null()).stderr(out);
    back.spawn().context("cannot start back")
}

/// One restart.
struct Row {
    how: &'static str,
    ended: Duration,
    listened: Duration,
    half_back: Duration,
    all_back: Duration,
    attempts: f64,
    failures: f64,
    calm: Histogram,
    storm: Histogram,
    answers: usize,
    gaps: Vec<(String, u64)>,
}

/// Runs it and prints a table; whether all goals were reached.
///
/// # Errors
/// When a promise was broken: a message lost, doubled or out of order.
pub fn run(options: &RestartOptions) -> anyhow::Result<bool> {
    let descriptors = machine::raise_descriptor_limit();
    // back keeps a tenth of its own for files and refusals.
    if descriptors / 10 * 9 < options.clients {
        bail!(
            "{} clients need {} descriptors in each of two processes, and {descriptors} are allowed (ulimit -Hn)",
            options.clients,
            options.clients.div_ceil(9) * 10
        );
    }
    if options.senders == 0 || options.senders > options.clients {
        bail!("--senders is between 1 and --clients");
    }
    let mut house = House::open(options)?;
    wait(&house)?;
    let spread = Duration::from_secs_f64(options.clients as f64 / COMERS);
    let mut flock = Flock::new(options.clients, house.address, spread)?;
    let mut last = Instant::now();
    // One turn of everything; talk goes on whatever happens to the server.
    let mut turn = |flock: &mut Flock| -> anyhow::Result<()> {
        flock.step(LOOK)?;
        let passed = last.elapsed();
        last = Instant::now();
        flock.talk(passed, options.senders, options.rate);
        Ok(())
    };
    within("everybody comes in", || {
        flock.step(LOOK)?;
        Ok(flock.inside() == options.clients)
    })?;
    say(&format!("{} are in", options.clients));
    let mut rows = Vec::new();
    for _ in 0..options.rounds.max(1) {
        for signal in [Signal::TERM, Signal::KILL] {
            flock.counts = Default::default();
            let calm = Instant::now();
            while calm.elapsed().as_secs_f64() < options.calm {
                turn(&mut flock)?;
            }
            let calm = histogram(&std::mem::take(&mut flock.counts).answers);
            rows.push(restart(signal, &mut house, &mut flock, &mut turn, calm)?);
        }
    }
    within("everybody has everything", || {
        flock.step(LOOK)?;
        Ok(flock.is_settled())
    })?;
    let stored = flock.ledger.judge().map_err(anyhow::Error::msg)?;
    print(options, &rows, stored, flock.ledger.top())
}

fn restart(
    signal: Signal,
    house: &mut House<'_>,
    flock: &mut Flock,
    turn: &mut impl FnMut(&mut Flock) -> anyhow::Result<()>,
    calm: Histogram,
) -> anyhow::Result<Row> {
    let how = if signal == Signal::TERM { "TERM" } else { "KILL" };
    let began = Instant::now();
    house.signal(signal)?;
    within("it ends", || {
        turn(flock)?;
        let Some(status) = house.child.try_wait()? else { return Ok(false) };
        if signal == Signal::TERM && !status.success() {
            bail!("it ended with {status}: {}", fs::read_to_string(&house.log).unwrap_or_default());
        }
        Ok(true)
    })?;
    let ended = began.elapsed();
    house.begin_again()?;
    within("it listens", || {
        turn(flock)?;
        Ok(house.listens())
    })?;
    let listened = began.elapsed();
    let half = house.options.clients / 2;
    within("half are back", || {
        turn(flock)?;
        Ok(flock.inside() >= half)
    })?;
    let half_back = began.elapsed();
    within("all are back", || {
        turn(flock)?;
        Ok(flock.inside() == house.options.clients)
    })?;
    let all_back = began.elapsed();
    while began.elapsed() < listened + TIMED {
        turn(flock)?;
    }
    let counts = std::mem::take(&mut flock.counts);
    let each = |count: u64| count as f64 / house.options.clients as f64;
    say(&format!("{how}: ended after {ended:.2?}, all back {:.2?} after it listened", all_back - listened));
    Ok(Row {
        how,
        ended,
        listened: listened - ended,
        half_back: half_back - listened,
        all_back: all_back - listened,
        attempts: each(counts.attempts),
        failures: each(counts.failures),
        calm,
        answers: counts.answers.len(),
        storm: histogram(&counts.answers),
        gaps: counts.gaps,
    })
}

fn histogram(nanos: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    nanos.iter().for_each(|nanos| histogram.add(*nanos, 1));
    histogram
}

fn wait(house: &House<'_>) -> anyhow::Result<()> {
    within("it listens", || {
        crate::server::pause(LOOK);
        Ok(house.listens())
    })
}

/// Does something until it is done.
fn within(what: &str, mut done: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done()? {
        if Instant::now() > deadline {
            bail!("in {} s it did not happen that {what}", PATIENCE.as_secs());
        }
    }
    Ok(())
}

fn print(options: &RestartOptions, rows: &[Row], stored: usize, top: u64) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    let RestartOptions { clients, senders, rate, .. } = options;
    writeln!(out, "{} · {clients} clients, {senders} of them say {rate} texts/s\n", machine::conditions())?;
    writeln!(
        out,
        "| signal | ended after, s | listened again after, ms | half back, s | all back, s | attempts a client | of them in vain | ok p50, p99 before, ms | ok p50, p99, most after, ms | answers | told as a gap |"
    )?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    let ms = |histogram: &Histogram, share| histogram.quantile(share) / 1e6;
    let mut missed = Vec::new();
    for row in rows {
        let gaps: u64 = row.gaps.iter().map(|(_, count)| count).sum();
        writeln!(
            out,
            "| {} | {:.2} | {:.0} | {:.1} | {:.1} | {:.2} | {:.2} | {:.1}, {:.1} | {:.1}, {:.1}, {:.1} | {} | {gaps} |",
            row.how,
            row.ended.as_secs_f64(),
            row.listened.as_secs_f64() * 1e3,
            row.half_back.as_secs_f64(),
            row.all_back.as_secs_f64(),
            row.attempts,
            row.failures,
            ms(&row.calm, 0.5),
            ms(&row.calm, 0.99),
            ms(&row.storm, 0.5),
            ms(&row.storm, 0.99),
            ms(&row.storm, 1.0),
            row.answers,
        )?;
        let mut goal = |reached: bool, what: &str| {
            if !reached {
                missed.push(format!("{}: {what}", row.how));
            }
        };
        goal(row.ended <= DRAINED, "it did not end within 10 s");
        goal(row.all_back <= ALL_BACK, "not all were back within 30 s");
        goal(ms(&row.storm, 0.99) < ANSWERED.as_secs_f64() * 1e3, "p99 of ok was not below 1 s");
        goal(row.gaps.iter().all(|(reason, _)| reason != "lost" && reason != "epoch"), "a gap that should not be");
    }
    writeln!(
        out,
        "\n{stored} texts were answered with ok, and stand once each among {top}; every client was given every number once, in order, or a gap."
    )?;
    missed.iter().try_for_each(|what| writeln!(out, "missed: {what}"))?;
    Ok(missed.is_empty())
}
