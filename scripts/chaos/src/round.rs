//! One round: start the servers and the people, let the plan happen, mend everything, wait until all is settled, and
//! read every room in every way, also after a restart. What comes out is a recorded history.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use shared::{RoomName, ServerMessage};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    abilities::Abilities,
    clients::{
        Crowd, Phase, ROOMS,
        door::Door,
        reader::{self, Place, Way},
        ways::Ways,
    },
    event::{Item, What},
    faults::{
        World,
        plan::{Kind, Plan},
        program::Program,
        shim::{Knob, Shim},
        weather,
    },
    prove::careless::Careless,
    record::Recorder,
};

/// Talk that goes on after the last fault was mended.
const CALM: Duration = Duration::from_secs(3);

/// The longest that is usually waited for everything to settle.
pub const SETTLE: Duration = Duration::from_secs(60);

/// How often it is said how things go.
const REPORT: Duration = Duration::from_secs(5);

/// What a round is made of.
#[derive(Debug, Clone)]
pub struct Round {
    /// Everything that is left to chance follows from it.
    pub seed: u64,
    /// How long people talk.
    pub seconds: f64,
    /// Messages per second, as a multiple of about 300.
    pub pace: f64,
    /// Which faults may happen, so that everything they need is there.
    pub kinds: BTreeSet<Kind>,
    /// Which faults happen when.
    pub plan: Plan,
    /// How long everything may take to settle once all is mended.
    pub patience: Duration,
    /// More flags for back.
    pub back_flags: Vec<String>,
    /// More flags for front.
    pub front_flags: Vec<String>,
    /// Which ways in people may take; to back they always may.
    pub doors: Vec<Door>,
    /// Not front itself is between back and those who come over HTTP, but one that leaves something out.
    pub careless: bool,
}

/// Everything that people meet.
struct Stage {
    world: World,
    ways: Ways,
    /// Where history is read, also over HTTP where there is a front that can be.
    places: Vec<Place>,
    /// Ends when this is dropped.
    _careless: Option<Careless>,
}

impl Round {
    /// Runs the round against programs, in this folder.
    ///
    /// # Errors
    /// When the round cannot be run or not be brought to its end: then nothing can be said of the servers.
    pub async fn against_programs(
        &self,
        abilities: &Abilities,
        folder: &Path,
        recorder: &Arc<Recorder>,
    ) -> anyhow::Result<()> {
        let Stage { mut world, ways, places, _careless } = self.stage(abilities, folder, recorder)?;
        world.back.start(&[]).await?;
        if let Some(front) = &mut world.front {
            front.start(&[]).await?;
        }
        self.talk(world.back.address(), &ways, Some(&mut world), recorder).await?;
        // What ended while everything settled is seen here.
        world.live(&[], Instant::now(), Instant::now()).await?;
        let rooms = rooms()?;
        for place in &places {
            read_everything(*place, &rooms, recorder).await?;
        }
        if abilities.export
            && let Some(data) = &world.data
        {
            for room in &rooms {
                let items = export(&abilities.back, room, data).await?;
                recorder.note(What::Hist { node: "export".into(), room: room.to_string(), items, first: None });
            }
        }
        world.stop_front().await;
        if world.data.is_some() {
            world.stop().await;
            world.back.start(&[]).await.context("back does not start after a clean stop")?;
            check(abilities, recorder, world.data.as_deref()).await?;
            if let Some(front) = &mut world.front {
                front.start(&[]).await.context("front does not start after a clean stop")?;
            }
            for place in &places {
                for room in &rooms {
                    read(*place, room, Way::After, "restarted", recorder).await?;
                }
            }
        }
        recorder.note(What::End {});
        Ok(())
    }

    /// Runs the round against a server that is there already; its process cannot be broken.
    ///
    /// # Errors
    /// When the round cannot be brought to its end.
    pub async fn against_address(&self, server: SocketAddr, recorder: &Arc<Recorder>) -> anyhow::Result<()> {
        self.talk(server, &Ways::to_back(server)?, None, recorder).await?;
        read_everything(Place::Back(server), &rooms()?, recorder).await?;
        recorder.note(What::End {});
        Ok(())
    }

    fn stage(&self, abilities: &Abilities, folder: &Path, recorder: &Arc<Recorder>) -> anyhow::Result<Stage> {
        let data = abilities.disk.then(|| folder.join("data"));
        let mut flags: Vec<String> = ["--log", "warn", "--sends-per-second", "0"].map(str::to_owned).into();
        if let Some(data) = &data {
            fs::create_dir(data)?;
            flags.extend(["--history", "sqlite", "--data"].map(str::to_owned));
            flags.push(data.display().to_string());
        } else {
            flags.extend(["--history", "memory"].map(str::to_owned));
        }
        flags.extend(self.back_flags.iter().cloned());
        let shim = match &data {
            Some(data) if self.kinds.iter().any(|kind| kind.needs_shim()) => Some(Shim::build(folder, data)?),
            _ => None,
        };
        if let Some(shim) = &shim {
            // Copies cost time, so they are made only where power will be cut.
            shim.turn(Knob::Shadows, i64::from(self.kinds.contains(&Kind::PowerCut)))?;
        }
        let environment = shim.as_ref().map(Shim::environment).unwrap_or_default();
        let back = Program::new(abilities.back.clone(), flags, environment, folder.join("back.log"))?;
        let mut places = vec![Place::Back(back.address())];
        let ways = Ways::to_back(back.address())?;
        let (ways, front, careless) = if self.careless {
            let careless = Careless::start(back.address())?;
            (ways.and_front(careless.address(), &[Door::Events])?, None, Some(careless))
        } else {
            let (ways, bridge) = ways.and_bridge(back.address())?;
            let mut flags = vec!["--back".to_owned(), format!("ws://{bridge}")];
            flags.extend(abilities.relay.then(|| "--same-port".to_owned()));
            flags.extend(self.front_flags.iter().cloned());
            let front = Program::new(abilities.front.clone(), flags, Vec::new(), folder.join("front.log"))?;
            let doors = self.doors.iter().copied().filter(|door| *door != Door::Relay || abilities.relay);
            let doors: Vec<_> = doors.collect();
            if doors.iter().any(|door| door.is_api()) {
                places.push(Place::Front(front.address()));
            }
            (ways.and_front(front.address(), &doors)?, Some(front), None)
        };
        let world = World { back, front, shim, data, recorder: Arc::clone(recorder) };
        Ok(Stage { world, ways, places, _careless: careless })
    }

    /// Lets people talk while the plan happens, and waits until everything is settled.
    async fn talk(
        &self,
        server: SocketAddr,
        ways: &Ways,
        world: Option<&mut World>,
        recorder: &Arc<Recorder>,
    ) -> anyhow::Result<()> {
        let (phase, watched) = watch::channel(Phase::Talk);
        let mut crowd = Crowd::start(self.seed, self.seconds, self.pace, ways, recorder, &watched)?;
        let reports = tokio::spawn(report(self.seed, Arc::clone(recorder)));
        let begin = Instant::now();
        let end = begin + Duration::from_secs_f64(self.seconds);
        let processes = async {
            match world {
                Some(world) => {
                    world.live(&self.plan.processes, begin, end).await?;
                    // What was mended last is seen to work, and what ends meanwhile is seen too.
                    world.live(&[], begin, Instant::now() + CALM).await
                }
                None => {
                    tokio::time::sleep_until(end + CALM).await;
                    Ok(())
                }
            }
        };
        let (lived, ()) = tokio::join!(processes, async {
            weather(ways, recorder, &self.plan.network, begin).await;
            sleep(CALM).await;
        });
        lived?;
        phase.send_replace(Phase::Settle);
        settle(&mut crowd.senders, "senders have messages that nobody answers", self.patience, recorder).await;
        let tops = reader::tops(server, &rooms()?).await?;
        phase.send_replace(Phase::Drain(Arc::new(tops)));
        settle(&mut crowd.subscribers, "subscribers do not come to the newest message", self.patience, recorder).await;
        reports.abort();
        Ok(())
    }
}

fn rooms() -> anyhow::Result<Vec<RoomName>> {
    Ok(ROOMS.iter().map(|room| RoomName::parse(room)).collect::<Result<_, _>>()?)
}

/// Waits until all are done; those who are not in time are written down, and sent away.
async fn settle(tasks: &mut JoinSet<()>, what: &str, patience: Duration, recorder: &Recorder) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if timeout(patience, all).await.is_err() {
        recorder.note(What::Died {
            what: format!("{} {what}, {} s after everything was mended", tasks.len(), patience.as_secs()),
        });
    }
    tasks.shutdown().await;
}

async fn read_everything(place: Place, rooms: &[RoomName], recorder: &Recorder) -> anyhow::Result<()> {
    for room in rooms {
        for (way, name) in [(Way::After, "after"), (Way::Before, "before"), (Way::Around, "around")] {
            read(place, room, way, name, recorder).await?;
        }
    }
    Ok(())
}

async fn read(place: Place, room: &RoomName, way: Way, name: &str, recorder: &Recorder) -> anyhow::Result<()> {
    let read = reader::whole(place, room, way).await?;
    let node = match place {
        Place::Back(_) => name.to_owned(),
        Place::Front(_) => format!("http {name}"),
    };
    recorder.note(What::Hist { node, room: room.to_string(), items: read.items, first: Some(read.first) });
    Ok(())
}

/// Lets back itself look whether its file is sound, where it can.
async fn check(abilities: &Abilities, recorder: &Recorder, data: Option<&Path>) -> anyhow::Result<()> {
    let Some(data) = data.filter(|_| abilities.check) else { return Ok(()) };
    let mut command = Command::new(&abilities.back);
    command.args(["check", "--data"]).arg(data);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        recorder.note(What::Died { what: format!("back check is not content: {}", said.trim()) });
    }
    Ok(())
}

/// What back writes out of a room: lines that are the wire's messages.
async fn export(back: &Path, room: &RoomName, data: &Path) -> anyhow::Result<Vec<Item>> {
    let mut command = Command::new(back);
    command.args(["export", room.as_str(), "--format", "jsonl", "--data"]).arg(data);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    anyhow::ensure!(output.status.success(), "back export: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout)?;
    let items = lines.lines().filter(|line| !line.is_empty()).map(|line| match serde_json::from_str(line)? {
        ServerMessage::Message(message) => Ok(reader::item(&message)),
        _ => anyhow::bail!("back export writes what is no message: {line}"),
    });
    items.collect()
}

/// Says now and then how things go.
async fn report(seed: u64, recorder: Arc<Recorder>) {
    loop {
        sleep(REPORT).await;
        let counts = recorder.counts();
        _ = writeln!(
            std::io::stderr(),
            "seed {seed}, {:3.0} s: {} sent, {} acknowledged, {} retries, {} delivered, {} gaps, {} faults",
            recorder.now(),
            counts.sent,
            counts.acked,
            counts.retried,
            counts.given,
            counts.gaps,
            counts.faults
        );
    }
}

/// Where a round's history is recorded.
pub fn history_in(folder: &Path) -> PathBuf {
    folder.join("history.jsonl")
}
