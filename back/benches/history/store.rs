//! How many messages a second are stored, how long an `ok` takes, and what both cost.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rusqlite::{Connection, OpenFlags};
use tokio::task::JoinSet;

use crate::{
    Bench,
    figures::{Rounds, Table, number, percentile},
    limit,
    server::{Server, own_cpu},
    texts::Lines,
    wire::{Client, Plan, Script, pump},
};

/// Connections, and what each may have unanswered.
const LOADS: [(usize, u64); 3] = [(1, 1), (4, 16), (16, 16)];

/// The figure that counts is that of the last load.
const SUSTAINED: Duration = Duration::from_secs(10);

const RATE: u32 = 2_000;
const RATE_CLIENTS: u32 = 16;

const TEXT_BYTES: usize = 100;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one run against a fresh server came to.
pub struct Measured {
    pub messages: usize,
    pub elapsed: Duration,
    times: Vec<Duration>,
    server_cpu: Duration,
    client_cpu: Duration,
    /// Messages that the search index had not seen when the last was stored, and how long it took to see them.
    behind: u64,
    catch_up: Duration,
    bytes: u64,
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }

    fn micros(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.messages as f64
    }
}

/// Lines of the same length, as every scenario here sends them.
fn lines() -> &'static [String] {
    static LINES: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(|| {
        let mut lines = Lines::new(1);
        (0..8192).map(|_| lines.of_bytes(TEXT_BYTES)).collect()
    });
    &LINES
}

pub fn store(bench: &Bench) -> anyhow::Result<Vec<Table>> {
    let mut table = Table::new(
        "Durable messages a second",
        &[
            "in flight",
            "messages/s",
            "SQLite's own limit",
            "server / limit",
            "ok p50, ms",
            "ok p99, ms",
            "server CPU, µs/message",
            "clients' CPU, µs/message",
            "bytes/message",
            "bytes/message, limit",
        ],
    );
    let mut rounds: Vec<[Rounds; 9]> = LOADS.map(|_| Default::default()).into();
    for round in 1..=bench.rounds {
        for (&(clients, window), figures) in LOADS.iter().zip(&mut rounds) {
            let in_flight = clients * window as usize;
            let limit = limit::measure(&bench.dir, in_flight, bench.duration, lines())?;
            let mut measured = measure(bench, clients, window, bench.duration)?;
            let values = [
                measured.per_second(),
                limit.per_second,
                measured.per_second() / limit.per_second,
                percentile(&mut measured.times, 0.5),
                percentile(&mut measured.times, 0.99),
                measured.micros(measured.server_cpu),
                measured.micros(measured.client_cpu),
                measured.bytes as f64 / measured.messages as f64,
                limit.bytes_per_message,
            ];
            bench.progress(&format!(
                "store {round}/{}: {in_flight} in flight, {} messages/s, limit {}",
                bench.rounds,
                number(values[0], 0),
                number(values[1], 0)
            ));
            figures.iter_mut().zip(values).for_each(|(figure, value)| figure.push(value));
        }
    }
    for ((clients, window), figures) in LOADS.iter().zip(&rounds) {
        let digits = [0, 0, 2, 2, 2, 1, 1, 0, 0];
        let shown = figures.iter().zip(digits).map(|(figure, digits)| figure.show(digits));
        let name = format!("{} ({clients} × {window})", clients * *window as usize);
        table.rows.push(std::iter::once(name).chain(shown).collect());
    }
    let (clients, window) = LOADS[2];
    let sustained = measure(bench, clients, window, SUSTAINED)?;
    let rate = |time: Duration| number(sustained.messages as f64 / time.as_secs_f64(), 0);
    table.notes.push(format!(
        "Sustained for {} s at 256 in flight: {} messages/s. The search index was {} messages behind at the end and had \
         caught up {:.2} s later: {} messages/s, stored and indexed. The clients used {:.0} % of one core, the server \
         {:.0} %.",
        SUSTAINED.as_secs(),
        rate(sustained.elapsed),
        number(sustained.behind as f64, 0),
        sustained.catch_up.as_secs_f64(),
        rate(sustained.elapsed + sustained.catch_up),
        100.0 * sustained.client_cpu.as_secs_f64() / sustained.elapsed.as_secs_f64(),
        100.0 * sustained.server_cpu.as_secs_f64() / sustained.elapsed.as_secs_f64(),
    ));
    bench.progress(table.notes.last().map_or("", String::as_str));
    Ok(vec![table, rate_table(bench)?])
}

/// A fresh server, so many clients in a room each, and so long; afterwards the file is read and nothing may be missing.
pub fn measure(bench: &Bench, clients: usize, window: u64, duration: Duration) -> anyhow::Result<Measured> {
    let data = tempfile::tempdir_in(&bench.dir)?;
    let server = Server::start(data.path())?;
    let (times, elapsed, server_cpu, client_cpu) = bench.within(duration + PATIENCE, async {
        let mut connected = Vec::new();
        for k in 0..clients {
            connected.push(Client::hello(server.address, "kim", &room(k), "{}").await?);
        }
        let (server_cpu, client_cpu) = (server.cpu()?, own_cpu()?);
        let began = Instant::now();
        let mut pumps = JoinSet::new();
        for (k, (client, place)) in connected.into_iter().enumerate() {
            let script = Script { lines: lines(), client: k };
            pumps.spawn(async move {
                Ok::<_, anyhow::Error>((k, pump(client, place.top, script, window, began + duration).await?))
            });
        }
        let mut times = vec![Vec::new(); clients];
        while let Some(done) = pumps.join_next().await {
            let (k, taken) = done??;
            times[k] = taken;
        }
        Ok::<_, anyhow::Error>((times, began.elapsed(), server.cpu()? - server_cpu, own_cpu()? - client_cpu))
    })?;
    let counts: Vec<usize> = times.iter().map(Vec::len).collect();
    let (behind, catch_up) = indexed(data.path())?;
    server.stop()?;
    verify(data.path(), &counts)?;
    let bytes = fs::metadata(data.path().join("chat.db"))?.len();
    let times: Vec<Duration> = times.concat();
    Ok(Measured { messages: times.len(), elapsed, times, server_cpu, client_cpu, behind, catch_up, bytes })
}

pub fn room(k: usize) -> String {
    format!("room {k}")
}

pub fn read_only(data: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(data.join("chat.db"), flags).context("the server's file")
}

/// Waits until the search index has seen everything: how much it had not, and how long that took.
pub fn indexed(data: &Path) -> anyhow::Result<(u64, Duration)> {
    let connection = read_only(data)?;
    let mut behind = connection.prepare("SELECT coalesce(sum(top - indexed), 0) FROM rooms")?;
    let mut behind = move || behind.query_row([], |row| row.get::<_, i64>(0));
    let (began, first) = (Instant::now(), behind()?);
    while behind()? > 0 {
        ensure!(began.elapsed() < PATIENCE, "the search index does not catch up");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    Ok((first as u64, began.elapsed()))
}

/// Whether the file holds what was said to be stored: every message, once, in order, as it was sent.
fn verify(data: &Path, counts: &[usize]) -> anyhow::Result<()> {
    let connection = read_only(data)?;
    let sql = "SELECT messages.id & 0xFFFFFFFFFF, text, client FROM messages JOIN rooms ON rooms.id = messages.id >> 40
        WHERE rooms.name = ? ORDER BY messages.id";
    let mut statement = connection.prepare(sql)?;
    for (k, &count) in counts.iter().enumerate() {
        let script = Script { lines: lines(), client: k };
        let mut rows = statement.query([room(k)])?;
        for n in 1..=count as u64 {
            let row = rows.next()?.with_context(|| format!("room {k} ends before {n} of {count}"))?;
            let (seq, text, client): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            ensure!(
                seq as u64 == n && client == n.to_string() && text == script.line(n),
                "room {k} has {seq} as its {n}th"
            );
        }
        ensure!(rows.next()?.is_none(), "room {k} has more than {count} messages");
    }
    Ok(())
}

/// How long an `ok` takes while messages come evenly, whatever the answers do.
fn rate_table(bench: &Bench) -> anyhow::Result<Table> {
    let mut table = Table::new(
        &format!("`ok` at {} messages/s", number(RATE.into(), 0)),
        &["clients", "ok p50, ms", "ok p99, ms", "slowest, ms", "server CPU, µs/message"],
    );
    let mut figures: [Rounds; 4] = Default::default();
    let each = u64::from(RATE) * bench.duration.as_secs().max(1) / u64::from(RATE_CLIENTS);
    for round in 1..=bench.rounds {
        let data = tempfile::tempdir_in(&bench.dir)?;
        let server = Server::start(data.path())?;
        let (mut times, cpu) = bench.within(bench.duration + PATIENCE, async {
            let mut clients = Vec::new();
            for k in 0..RATE_CLIENTS as usize {
                clients.push(Client::hello(server.address, "kim", &room(k), "{}").await?.0);
            }
            let cpu = server.cpu()?;
            let start = Instant::now() + Duration::from_millis(50);
            let plan = Plan { start, per_second: RATE, clients: RATE_CLIENTS };
            let sending = plan.send(&clients, each, lines())?;
            let mut receivers = JoinSet::new();
            for (k, client) in clients.into_iter().enumerate() {
                receivers.spawn(plan.receive(client, k, each));
            }
            let mut times = Vec::new();
            while let Some(done) = receivers.join_next().await {
                times.extend(done??);
            }
            sending.join().map_err(|_| anyhow::anyhow!("the sending thread panicked"))??;
            Ok::<_, anyhow::Error>((times, server.cpu()? - cpu))
        })?;
        indexed(data.path())?;
        server.stop()?;
        verify(data.path(), &vec![each as usize; RATE_CLIENTS as usize])?;
        let values = [
            percentile(&mut times, 0.5),
            percentile(&mut times, 0.99),
            percentile(&mut times, 1.0),
            cpu.as_secs_f64() * 1e6 / times.len() as f64,
        ];
        bench.progress(&format!("rate {round}/{}: p50 {:.2} ms, p99 {:.2} ms", bench.rounds, values[0], values[1]));
        figures.iter_mut().zip(values).for_each(|(figure, value)| figure.push(value));
    }
    let shown = figures.iter().zip([2, 2, 1, 1]).map(|(figure, digits)| figure.show(digits));
    table.rows.push(std::iter::once(format!("{RATE_CLIENTS}")).chain(shown).collect());
    Ok(table)
}
