//! How soon a server that was killed is there again, and how soon everybody has what they missed.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::JoinSet;

use crate::{
    Bench,
    figures::{Rounds, Table, number},
    load,
    server::{Server, own_cpu},
    store::room,
    texts::Lines,
    wire::{Client, News, Script, news, pump},
};

const MESSAGES: usize = 1_000_000;
const ROOMS: usize = 100;

/// Who writes before the server is killed: so many clients in a room each, with so much unanswered, so long.
const WRITERS: (usize, u64, Duration) = (16, 16, Duration::from_secs(1));

/// Who comes back afterwards, to a room that nobody wrote to, and how much each missed.
const READERS: usize = 1_000;
const MISSED: u64 = 500;
const READERS_ROOM: usize = ROOMS - 1;

const PATIENCE: Duration = Duration::from_secs(120);

pub fn restart(bench: &Bench) -> anyhow::Result<Vec<Table>> {
    let data = tempfile::tempdir_in(&bench.dir)?;
    bench.progress(&format!("restart: storing {} messages", number(MESSAGES as f64, 0)));
    let rooms: Vec<String> = (0..ROOMS).map(room).collect();
    load::fill(data.path(), &rooms, MESSAGES)?;
    load::index(data.path())?;
    let mut lines = Lines::new(3);
    let lines: Vec<String> = (0..4096).map(|_| lines.line()).collect();
    let lines: &'static [String] = lines.leak();

    let mut figures: [Rounds; 4] = Default::default();
    for round in 1..=bench.rounds {
        let server = Server::start(data.path())?;
        let (last, epoch, end) = bench.within(PATIENCE, write(&server, lines))?;
        server.kill()?;
        let server = Server::start(data.path())?;
        let listening = server.start;
        let values = bench.within(PATIENCE, async {
            let first_ok = send_one(&server, last + 1).await?;
            let began = Instant::now();
            let (cpu, own) = (server.cpu()?, own_cpu()?);
            let readers = resume(&server, &epoch, end).await?;
            let synced = began.elapsed();
            let busy = |cpu: Duration| 100.0 * cpu.as_secs_f64() / synced.as_secs_f64();
            bench.progress(&format!(
                "restart {round}/{}: listening after {:.0} ms, ok after {:.0} ms, all synced in {:.2} s (server {:.0} %, \
                 clients {:.0} % of a core)",
                bench.rounds,
                listening.as_secs_f64() * 1e3,
                first_ok.as_secs_f64() * 1e3,
                synced.as_secs_f64(),
                busy(server.cpu()? - cpu),
                busy(own_cpu()? - own),
            ));
            let total = (readers.len() as u64 * MISSED) as f64;
            drop(readers);
            let (listening, first_ok) = (listening.as_secs_f64() * 1e3, first_ok.as_secs_f64() * 1e3);
            let synced = synced.as_secs_f64();
            Ok::<_, anyhow::Error>([listening, first_ok, synced, total / synced])
        })?;
        figures.iter_mut().zip(values).for_each(|(figure, value)| figure.push(value));
        server.stop()?;
    }

    let title = format!("Restart after `kill -9` with {} messages in {ROOMS} rooms", number(MESSAGES as f64, 0));
    let mut table = Table::new(&title, &["what", "median (least–most)"]);
    let names = [
        "from its start to `listening`, ms".to_owned(),
        "from its start to the first `ok`, ms".to_owned(),
        format!("{} clients resume {MISSED} messages each, s", number(READERS as f64, 0)),
        "messages/s to all of them together".to_owned(),
    ];
    for ((name, figure), digits) in names.into_iter().zip(&figures).zip([0, 0, 2, 0]) {
        table.rows.push(vec![name, figure.show(digits)]);
    }
    Ok(vec![table])
}

/// Writes until there is something in SQLite's log: the newest number of the first room, and where the readers are.
async fn write(server: &Server, lines: &'static [String]) -> anyhow::Result<(u64, String, u64)> {
    let (clients, window, duration) = WRITERS;
    let (_reader, place) = Client::hello(server.address, "kim", &room(READERS_ROOM), r#"{"last":1}"#).await?;
    let until = Instant::now() + duration;
    let mut pumps = JoinSet::new();
    for k in 0..clients {
        let (client, place) = Client::hello(server.address, "kim", &room(k), r#"{"last":1}"#).await?;
        let script = Script { lines, client: k };
        pumps.spawn(async move {
            let times = pump(client, place.top, script, window, until).await?;
            Ok::<_, anyhow::Error>((k, place.top + times.len() as u64))
        });
    }
    let mut last = 0;
    while let Some(done) = pumps.join_next().await {
        let (k, top) = done??;
        if k == 0 {
            last = top;
        }
    }
    Ok((last, place.epoch, place.top))
}

/// Sends a message to the first room: how long after the server's start it is stored, as the number that is next.
async fn send_one(server: &Server, expected: u64) -> anyhow::Result<Duration> {
    let (mut client, _) = Client::hello(server.address, "kim", &room(0), r#"{"last":1}"#).await?;
    client.put(r#"{"type":"send","id":"first","text":"다시 왔어요"}"#);
    client.flush().await?;
    loop {
        if let News::Stored { seq, .. } = news(client.next().await?)? {
            ensure!(seq == expected, "the first message after the restart is {seq} instead of {expected}");
            return Ok(server.began.elapsed());
        }
    }
}

/// Everybody comes back at once; each gets exactly what they missed.
async fn resume(server: &Server, epoch: &str, end: u64) -> anyhow::Result<Vec<Client>> {
    let mut readers = JoinSet::new();
    for n in 0..READERS {
        let (address, ask) = (server.address, format!(r#"{{"epoch":"{epoch}","seq":{}}}"#, end - MISSED));
        readers.spawn(async move {
            let (client, place) = Client::hello(address, &format!("사람{n}"), &room(READERS_ROOM), &ask).await?;
            ensure!(place.top == end && place.replayed == MISSED, "{} messages up to {}", place.replayed, place.top);
            Ok(client)
        });
    }
    let mut clients = Vec::with_capacity(READERS);
    while let Some(done) = readers.join_next().await {
        clients.push(done??);
    }
    Ok(clients)
}
