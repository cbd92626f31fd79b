//! How long a search takes over the wire, beside what SQLite takes for it on the same file.

use std::{fs, time::Instant};

use anyhow::{Context, ensure};
use back::history::Query;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::{
    Bench,
    figures::{Rounds, Table, number, percentile},
    load,
    server::Server,
    store::read_only,
    texts::RARE,
    wire::Client,
};

const MESSAGES: usize = 200_000;

/// Requests for each figure; a scan takes too long for so many.
const REQUESTS: usize = 200;
const SCANS: usize = 20;

const LIMIT: i64 = 50;

/// What is looked for, and what kind of word it is.
const QUERIES: [(&str, &str); 8] = [
    ("회의", "two syllables, frequent"),
    (RARE, "two syllables, rare"),
    ("록", "one syllable"),
    ("회의록", "three syllables"),
    ("dep", "Latin, by its beginning"),
    ("회의 서버", "two words together"),
    ("화면 로그", "two words that seldom meet"),
    ("쾅뷁", "nowhere"),
];

pub fn search(bench: &Bench) -> anyhow::Result<Vec<Table>> {
    let data = tempfile::tempdir_in(&bench.dir)?;
    let file = data.path().join("chat.db");
    bench.progress(&format!("search: storing {} messages", number(MESSAGES as f64, 0)));
    load::fill(data.path(), &["dev".to_owned()], MESSAGES)?;
    let bare = fs::metadata(&file)?.len();
    let indexing = load::index(data.path())?;
    let with_index = fs::metadata(&file)?.len();

    let server = Server::start(data.path())?;
    let connection = read_only(data.path())?;
    connection.execute_batch("PRAGMA cache_size = -16384")?;
    let runtime = bench.runtime()?;
    let mut client = runtime.block_on(Client::hello(server.address, "kim", "dev", r#"{"last":1}"#))?.0;
    let mut figures: Vec<[Rounds; 5]> = QUERIES.map(|_| Default::default()).into();
    for round in 1..=bench.rounds {
        for (&(text, _), figures) in QUERIES.iter().zip(&mut figures) {
            let mut expected = Vec::new();
            let mut scans = Vec::new();
            for _ in 0..SCANS {
                let began = Instant::now();
                expected = scan(&connection, text)?;
                scans.push(began.elapsed());
            }
            let mut lookups = Vec::new();
            for _ in 0..REQUESTS {
                let began = Instant::now();
                let found = look_up(&connection, text)?;
                lookups.push(began.elapsed());
                ensure!(found == expected, "{text}: the index finds {found:?}, a scan {expected:?}");
            }
            let mut asked = runtime.block_on(ask(&mut client, text, &expected))?;
            let values = [
                percentile(&mut asked, 0.5),
                percentile(&mut asked, 0.99),
                percentile(&mut lookups, 0.5),
                percentile(&mut lookups, 0.99),
                percentile(&mut scans, 0.5),
            ];
            figures.iter_mut().zip(values).for_each(|(figure, value)| figure.push(value));
        }
        bench.progress(&format!("search {round}/{}", bench.rounds));
    }
    server.stop()?;

    let mut table = Table::new(
        &format!("Search: the newest {LIMIT} in a room of {} messages", number(MESSAGES as f64, 0)),
        &["looked for", "messages", "p50, ms", "p99, ms", "FTS5 alone p50, ms", "FTS5 alone p99, ms", "LIKE p50, ms"],
    );
    for ((text, kind), figures) in QUERIES.iter().zip(&figures) {
        let sql = "SELECT count(*) FROM search WHERE search MATCH ?";
        let hits: i64 = connection.query_row(sql, [expression(text)?], |row| row.get(0))?;
        let shown = figures.iter().map(|figure| figure.show(2));
        let row = [format!("{text} ({kind})"), number(hits as f64, 0)];
        table.rows.push(row.into_iter().chain(shown).collect());
    }
    let per_message = |bytes: u64| number(bytes as f64 / MESSAGES as f64, 0);
    table.notes.push(format!(
        "Indexing took {:.1} µs per message, and the index has {} bytes per message; the message itself and its key take \
         {}.",
        indexing.as_secs_f64() * 1e6 / MESSAGES as f64,
        per_message(with_index.saturating_sub(bare)),
        per_message(bare),
    ));
    Ok(vec![table])
}

fn expression(text: &str) -> anyhow::Result<String> {
    Ok(Query::parse(text).with_context(|| format!("{text} is no query"))?.to_fts5())
}

/// The keys that the index finds, by the statement that the server uses.
fn look_up(connection: &Connection, text: &str) -> anyhow::Result<Vec<i64>> {
    let sql = "SELECT rowid FROM search WHERE search MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let keys = statement.query_map(params![expression(text)?, 1_i64 << 40, 2_i64 << 40, LIMIT], |row| row.get(0))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// The keys that looking at every message finds.
fn scan(connection: &Connection, text: &str) -> anyhow::Result<Vec<i64>> {
    let (first, second) = text.split_once(' ').unwrap_or((text, ""));
    let sql = "SELECT id FROM messages WHERE text LIKE ? AND text LIKE ? ORDER BY id DESC LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let keys = statement.query_map(params![format!("%{first}%"), format!("%{second}%"), LIMIT], |row| row.get(0))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// Asks the server [`REQUESTS`] times: how long each answer took. All of them have to be what was expected.
async fn ask(client: &mut Client, text: &str, expected: &[i64]) -> anyhow::Result<Vec<std::time::Duration>> {
    let request = json!({"type": "search", "id": "s", "room": "dev", "text": text, "limit": LIMIT}).to_string();
    let mut times = Vec::with_capacity(REQUESTS);
    let mut first = None;
    for _ in 0..REQUESTS {
        let began = Instant::now();
        client.put(&request);
        client.flush().await?;
        loop {
            let answer = client.next().await?;
            if answer.starts_with(r#"{"type":"presence""#) {
                continue;
            }
            times.push(began.elapsed());
            match &first {
                None => first = Some(answer.to_owned()),
                Some(first) => ensure!(first == answer, "{text}: another answer than before: {answer}"),
            }
            break;
        }
    }
    let page: Value = serde_json::from_str(&first.unwrap_or_default())?;
    let found = page["messages"].as_array().with_context(|| format!("{text}: no page but {page}"))?;
    let found: Vec<i64> = found.iter().filter_map(|message| Some((1 << 40) | message["seq"].as_i64()?)).collect();
    ensure!(found == expected, "{text}: the server finds {found:?}, a scan {expected:?}");
    Ok(times)
}
