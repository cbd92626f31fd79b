//! A long day without faults: people come, talk and go, again and again, and what the programs hold must not grow with it.
//! It is measured when nobody is there: what people who talk take goes up and down by a third, and would hide it.

mod look;
mod passers_by;
mod trend;

use std::{
    collections::BTreeMap,
    io::Write,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use shared::RoomName;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    abilities::Abilities,
    arguments::Soak,
    clients::{Crowd, Phase, ROOMS, door::Door, reader, ways::Ways},
    faults::program::Program,
    folder::Folder,
    record::{Counts, Recorder},
    round::SETTLE,
    verdict::Outcome,
};
use look::{GAUGES, Look, look};
use passers_by::{Servers, pass_by};
use trend::Trend;

/// How long people are there before it is counted what is open without them: what is opened once and kept, is open then.
const REHEARSAL: Duration = Duration::from_secs(60);
/// How many times as many strangers as later are there then. Tables and pools keep room for the most that ever were there
/// at once; while that is now and then more than before, they grow by a step each time, for hours.
const CRUSH: usize = 3;
/// How long they are there each time after that.
const TIDE: Duration = Duration::from_secs(120);
/// How long it is quiet before memory is looked at: what the allocator keeps ready it gives back after 10 s.
const REST: Duration = Duration::from_secs(12);
/// The longest that everything of people who have left may stay: sessions wait for their owners for a while.
const FORGET: Duration = Duration::from_secs(180);

/// What must be the same before and after.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    descriptors: [usize; 2],
    gauges: BTreeMap<&'static str, f64>,
}

impl Held {
    /// Whether nobody is there: front keeps its own connection for a while.
    fn is_nobody(&self) -> bool {
        ["madang_back_connections", "madang_front_open"].iter().all(|gauge| self.gauges.get(gauge) == Some(&0.0))
    }

    /// Whether there is no more than this.
    fn is_within(&self, before: &Self) -> bool {
        let mut descriptors = self.descriptors.iter().zip(&before.descriptors);
        descriptors.all(|(now, then)| now <= then) && self.gauges == before.gauges
    }
}

/// A program, and where it tells what it counts.
struct Watched {
    name: &'static str,
    program: Program,
    ops: SocketAddr,
    /// What it asked for and has not given back.
    allocated: Trend,
    /// What of it is in the machine's memory, with what the allocator keeps ready.
    resident: Trend,
}

impl Watched {
    async fn start(name: &'static str, path: &Path, folder: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        let ops = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let place = ops.to_string();
        let flags = [&["--log", "warn", "--ops", &place], flags].concat();
        let flags = flags.into_iter().map(str::to_owned).collect();
        // What threads keep at hand of what was freed counts as asked for, and is now this much and now that: up to a megabyte.
        let environment = vec![("MALLOC_CONF".to_owned(), "tcache:false".into())];
        let mut program = Program::new(path.to_owned(), flags, environment, folder.join(format!("{name}.log")))?;
        program.start(&[]).await?;
        Ok(Self { name, program, ops, allocated: Trend::default(), resident: Trend::default() })
    }

    fn id(&mut self) -> anyhow::Result<u32> {
        if let Some(status) = self.program.ended() {
            anyhow::bail!("{} ended by itself ({status})", self.name);
        }
        self.program.id().context("it does not run")
    }

    async fn look(&mut self) -> anyhow::Result<Look> {
        look(self.id()?, self.ops).await
    }
}

/// Both programs.
struct House {
    back: Watched,
    front: Watched,
}

impl House {
    async fn open(abilities: &Abilities, folder: &Path) -> anyhow::Result<Self> {
        let data = folder.join("data");
        let data = data.to_str().context("a folder with a strange name")?;
        let flags = ["--data", data, "--sends-per-second", "0", "--history-messages", "100", "--history-names", "1000"];
        let flags = [&flags[..], &["--history-cache-mib", "1", "--logs-mib", "4", "--sessions", "1000"]].concat();
        let back = Watched::start("back", &abilities.back, folder, &flags).await?;
        let to = format!("ws://{}", back.program.address());
        let front = Watched::start("front", &abilities.front, folder, &["--back", &to, "--same-port"]).await?;
        Ok(Self { back, front })
    }

    fn servers(&self) -> Servers {
        Servers { back: self.back.program.address(), front: self.front.program.address() }
    }

    async fn held(&mut self) -> anyhow::Result<Held> {
        let descriptors = [self.back.look().await?.descriptors, self.front.look().await?.descriptors];
        let mut gauges = look::gauges(self.back.ops, &GAUGES).await?;
        gauges.extend(look::gauges(self.front.ops, &GAUGES).await?);
        anyhow::ensure!(gauges.len() > GAUGES.len() / 2, "the programs tell little of themselves: {gauges:?}");
        Ok(Held { descriptors, gauges })
    }

    /// Waits until no more is held than this, and says what is.
    async fn until_held(&mut self, wanted: Option<&Held>) -> anyhow::Result<Held> {
        let begun = Instant::now();
        loop {
            let held = self.held().await?;
            let is_back = wanted.map_or(held.is_nobody(), |wanted| held.is_within(wanted));
            if is_back || begun.elapsed() > FORGET {
                return Ok(held);
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Runs a soak: valid when nothing grew.
///
/// # Errors
/// When it cannot be run to its end, or a program ended by itself.
pub async fn run(soak: &Soak) -> anyhow::Result<Outcome> {
    let folder = Folder::create("soak")?;
    let mut house = House::open(&Abilities::of(&soak.programs)?, folder.path()).await?;
    people(&mut house, soak, 0, REHEARSAL, CRUSH).await?;
    let before = house.until_held(None).await?;
    let [warm_up, minutes] = [soak.warm_up, soak.minutes].map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    let begun = Instant::now();
    let mut wrong = Vec::new();
    for tide in 1.. {
        let counts = people(&mut house, soak, tide, TIDE, 1).await?;
        let after = house.until_held(Some(&before)).await?;
        sleep(REST).await;
        let at = begun.elapsed();
        let looks = [house.back.look().await?, house.front.look().await?];
        tell(at, &counts, &looks);
        if !after.is_within(&before) {
            wrong.push("not everything of those who left is gone".to_owned());
            crate::say(&format!("before {before:?}, after {after:?}"))?;
            break;
        }
        if at >= warm_up {
            for (watched, look) in [&mut house.back, &mut house.front].into_iter().zip(&looks) {
                watched.resident.add(at, look.resident);
                watched.allocated.add(at, look.allocated);
            }
        }
        if at >= warm_up + minutes {
            break;
        }
    }
    if wrong.is_empty() {
        crate::say(&format!(
            "without people {:?} descriptors of back and front, and no more at any look",
            before.descriptors
        ))?;
    }
    let mut unclear = Vec::new();
    for Watched { name, allocated, resident, .. } in [&house.back, &house.front] {
        // Pages come and go with what lies between; only what is asked for is exact enough to say that nothing grows.
        for (what, trend, has_to_be_clear) in [("asked for", allocated, true), ("resident", resident, false)] {
            let Some(rise) = trend.rise() else {
                unclear.push(format!("{name}, {what}: too few samples; measure for longer"));
                continue;
            };
            let mebibytes = trend.mean().unwrap_or_default() / 1024.0 / 1024.0;
            crate::say(&format!(
                "{name}, {what}: {mebibytes:.2} MiB, {:+.2} ± {:.2} % per hour over {} samples",
                rise.percent_per_hour,
                rise.margin,
                trend.len()
            ))?;
            match rise.is_above(soak.growth) {
                Some(true) => wrong.push(format!("{name}, {what}: grows by more than {} % per hour", soak.growth)),
                Some(false) => {}
                None if has_to_be_clear => {
                    unclear.push(format!("{name}, {what}: too uneven to say; measure for longer"));
                }
                None => {}
            }
        }
    }
    let (outcome, said) = match (wrong.is_empty(), unclear.is_empty()) {
        (false, _) => (Outcome::Invalid, wrong.join("; ")),
        (true, false) => (Outcome::Unknown, unclear.join("; ")),
        (true, true) => (Outcome::Valid, "nothing grew".to_owned()),
    };
    crate::say(&said)?;
    Ok(outcome)
}

/// Lets people in for this long, and so many times the strangers, and out again.
async fn people(house: &mut House, soak: &Soak, tide: u64, time: Duration, crush: usize) -> anyhow::Result<Counts> {
    let servers = house.servers();
    let ways = Ways::to_back(servers.back)?.and_front(servers.front, &Door::ALL)?;
    // Nobody judges it, so nothing is written down; the counts are told.
    let recorder = Arc::new(Recorder::create(Path::new("/dev/null"))?);
    let (phase, watched) = watch::channel(Phase::Talk);
    // Others each time.
    let seed = soak.seed.wrapping_mul(1_000_003).wrapping_add(tide);
    let mut crowd = Crowd::start(seed, time.as_secs_f64() / 4.0, soak.pace, &ways, &recorder, &watched)?;
    let mut strangers = JoinSet::new();
    for number in 0..soak.passers_by * crush {
        strangers.spawn(pass_by(servers, seed, number));
    }
    sleep(time).await;
    strangers.shutdown().await;
    phase.send_replace(Phase::Settle);
    let settled = timeout(SETTLE, async { while crowd.senders.join_next().await.is_some() {} }).await;
    settled.context("senders have messages that nobody answers")?;
    let rooms = ROOMS.iter().map(|room| RoomName::parse(room)).collect::<Result<Vec<_>, _>>()?;
    phase.send_replace(Phase::Drain(Arc::new(reader::tops(servers.back, &rooms).await?)));
    let heard = timeout(SETTLE, async { while crowd.subscribers.join_next().await.is_some() {} }).await;
    heard.context("subscribers do not come to the newest message")?;
    Ok(recorder.counts())
}

fn tell(at: Duration, counts: &Counts, looks: &[Look; 2]) {
    let of = |look: &Look| {
        let mebibytes = |bytes: f64| bytes / 1024.0 / 1024.0;
        format!("{:.3} MiB asked for, {:.2} resident", mebibytes(look.allocated), mebibytes(look.resident))
    };
    _ = writeln!(
        std::io::stderr(),
        "{:3.0} min: {} sent, {} delivered, {} gaps, and all are gone; back {}; front {}",
        at.as_secs_f64() / 60.0,
        counts.sent,
        counts.given,
        counts.gaps,
        of(&looks[0]),
        of(&looks[1])
    );
}
