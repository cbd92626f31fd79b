//! What history on disk costs: the optimised program, over real WebSockets, on a real disk, beside what SQLite alone
//! does with the same bytes. `docs/benchmarks.md` says how to read the figures.

mod figures;
mod limit;
mod load;
mod machine;
mod restart;
mod search;
mod server;
mod store;
mod texts;
mod wire;

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use tokio::{runtime::Runtime, time::timeout};

const USAGE: &str =
    "usage: cargo bench -p back --bench history -- [--rounds 5] [--seconds 3] [--only WHAT,WHAT] [--dir DIR]

  --rounds N     how often everything is measured; medians are shown
  --seconds N    how long each measurement of storing takes
  --only LIST    of store, search, restart
  --dir DIR      where the files are made, on a disk [default: in the target directory]

Progress goes to standard error, the report to standard output, in Markdown. Ends with 1 when a message was lost, came
twice or in the wrong order.";

const SCENARIOS: [(&str, Scenario); 3] =
    [("store", store::store), ("search", search::search), ("restart", restart::restart)];

type Scenario = fn(&Bench) -> anyhow::Result<Vec<figures::Table>>;

/// How a run was asked for.
pub struct Bench {
    rounds: usize,
    duration: Duration,
    only: Option<Vec<String>>,
    dir: PathBuf,
}

impl Bench {
    fn progress(&self, line: &str) {
        say(&format!("{line} (load {})", machine::load()));
    }

    /// One thread, so that what the clients cost can be told.
    fn runtime(&self) -> anyhow::Result<Runtime> {
        Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
    }

    /// Runs the clients, for no longer than anything takes that works.
    fn within<T>(&self, limit: Duration, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        self.runtime()?.block_on(async { timeout(limit, work).await.context("it took too long")? })
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "-h" || argument == "--help") {
        print(USAGE);
        return ExitCode::SUCCESS;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        // `cargo test --benches` runs it as well, and unoptimised.
        print("this is no test: `cargo bench -p back --bench history` measures");
        return ExitCode::SUCCESS;
    }
    match read(arguments).and_then(|bench| run(&bench)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("history: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A closed standard error is no reason to stop.
fn say(line: &str) {
    _ = writeln!(io::stderr().lock(), "{line}");
}

fn print(text: &str) {
    _ = writeln!(io::stdout().lock(), "{text}");
}

fn read(arguments: Vec<String>) -> anyhow::Result<Bench> {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let mut bench = Bench { rounds: 5, duration: Duration::from_secs(3), only: None, dir };
    let mut arguments = arguments.into_iter().filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (argument, arguments.next()),
        };
        let value = value.with_context(|| format!("{flag} takes a value\n{USAGE}"))?;
        match flag.as_str() {
            "--rounds" => bench.rounds = value.parse().context("--rounds takes a number")?,
            "--seconds" => bench.duration = Duration::from_secs(value.parse().context("--seconds takes a number")?),
            "--only" => bench.only = Some(value.split(',').map(str::to_owned).collect()),
            "--dir" => bench.dir = value.into(),
            _ => bail!("{flag} is unknown\n{USAGE}"),
        }
    }
    ensure!(bench.rounds > 0 && !bench.duration.is_zero(), "nothing is measured in no time");
    let known = |name: &String| SCENARIOS.iter().any(|(known, _)| known == name);
    if let Some(unknown) = bench.only.iter().flatten().find(|name| !known(name)) {
        bail!("--only does not know {unknown}\n{USAGE}");
    }
    Ok(bench)
}

fn run(bench: &Bench) -> anyhow::Result<()> {
    // Each client of a restart is a descriptor here, and one in the server.
    service::descriptors::raise_limit();
    fs::create_dir_all(&bench.dir)?;
    let mut report = format!("{}\n", machine::head(&bench.dir)?);
    say(report.trim());
    for (name, scenario) in SCENARIOS {
        if bench.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name)) {
            for table in scenario(bench).with_context(|| name.to_owned())? {
                report += &table.to_markdown();
            }
        }
    }
    report +=
        &format!("\n{} rounds of {} s; load at the end {}.", bench.rounds, bench.duration.as_secs(), machine::load());
    print(&report);
    Ok(())
}
