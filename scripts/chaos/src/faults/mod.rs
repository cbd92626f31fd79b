//! Carries a plan out: on the processes, one fault after the other, and on the network beside them. Everything that is
//! broken on purpose is written down, and so is everything that breaks by itself.

pub mod plan;
pub mod program;
pub mod proxy;
pub mod shim;

use std::{path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use plan::{Fault, Step, Whose};
use program::{PATIENCE, Program};
use proxy::Weather;
use rustix::process::Signal;
use shim::{Knob, Shim};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{clients::ways::Ways, event::What, record::Recorder};

/// The longest that a server may take to end by itself once it must.
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// The longest that front may take to end when it is asked to, whatever is open.
const FRONT_ENDS_WITHIN: Duration = Duration::from_secs(10);

/// How often it is looked whether a process that should run does.
const WATCH: Duration = Duration::from_millis(100);

/// The processes of a round.
pub struct World {
    /// The chat server.
    pub back: Program,
    /// The page server, which passes on what is said over HTTP, where it is part of the round.
    pub front: Option<Program>,
    /// What makes disk and clock misbehave, where that is part of the round.
    pub shim: Option<Shim>,
    /// Where the chat server keeps its data; nowhere when it keeps it in memory.
    pub data: Option<PathBuf>,
    /// Where everything is written down.
    pub recorder: Arc<Recorder>,
}

impl World {
    /// Carries out what happens to processes, and watches them until the end.
    ///
    /// # Errors
    /// When this program itself cannot do something; what the servers do wrong is written down.
    pub async fn live(&mut self, steps: &[Step], begin: Instant, end: Instant) -> anyhow::Result<()> {
        for step in steps {
            self.watch(begin + step.at).await;
            let what = step.fault.to_string();
            self.recorder.note(What::Fault { what: what.clone() });
            let remark = self.suffer(&step.fault).await?;
            self.recorder.note(What::Heal { what: what + remark });
        }
        self.watch(end).await;
        Ok(())
    }

    /// Waits; what ends meanwhile has ended unbidden, and is started again.
    async fn watch(&mut self, until: Instant) {
        // A look at once, also where there is nothing to wait for.
        loop {
            for (program, name) in [(Some(&mut self.back), "back"), (self.front.as_mut(), "front")] {
                let Some(program) = program else { continue };
                if let Some(status) = program.ended() {
                    self.recorder.note(What::Died { what: format!("{name} ended by itself ({status})") });
                }
                if !program.runs() {
                    revive(program, name, &self.recorder).await;
                }
            }
            if Instant::now() >= until {
                return;
            }
            sleep(WATCH.min(until - Instant::now())).await;
        }
    }

    /// Starts back again. That it does not start is written down.
    async fn revive(&mut self) {
        revive(&mut self.back, "back", &self.recorder).await;
    }

    /// Starts front again, which must serve then.
    async fn revive_front(&mut self) {
        let Some(front) = &mut self.front else { return };
        revive(front, "front", &self.recorder).await;
        let died = match timeout(PATIENCE, status_of_page(front.address())).await {
            Ok(Ok(200)) => return,
            Ok(Ok(status)) => format!("front came back and answers {status}"),
            Ok(Err(error)) => format!("front came back and does not answer: {error:#}"),
            Err(_) => "front came back and does not answer".to_owned(),
        };
        self.recorder.note(What::Died { what: died });
    }

    /// Carries one fault out, from its beginning to its end. Returns what is to be remarked, which is mostly nothing.
    async fn suffer(&mut self, fault: &Fault) -> anyhow::Result<&'static str> {
        match fault {
            Fault::KillBack { down } => {
                self.back.kill().await;
                sleep(*down).await;
                self.revive().await;
            }
            Fault::TermBack { down } => {
                self.stop().await;
                sleep(*down).await;
                self.revive().await;
            }
            Fault::StopBack { time } => {
                self.back.signal(Signal::STOP);
                sleep(*time).await;
                self.back.signal(Signal::CONT);
            }
            Fault::FailPoint { point, passing, down } => {
                self.back.kill().await;
                let sabotage = format!("kill:{point}:{passing}");
                // It may come to the point before it says that it listens.
                _ = self.back.start(&["--sabotage".to_owned(), sabotage]).await;
                // A point that is not passed so often is no fault of the server's.
                let reached = !self.back.runs() || self.back.end(ENDS_WITHIN).await.is_some();
                self.back.kill().await;
                sleep(*down).await;
                self.revive().await;
                if !reached {
                    return Ok(", which it never came to");
                }
            }
            Fault::KillFront { down } => {
                if let Some(front) = &mut self.front {
                    front.kill().await;
                }
                sleep(*down).await;
                self.revive_front().await;
            }
            Fault::TermFront { down } => {
                self.stop_front().await;
                sleep(*down).await;
                self.revive_front().await;
            }
            Fault::StopFront { time } => {
                if let Some(front) = &self.front {
                    front.signal(Signal::STOP);
                    sleep(*time).await;
                    front.signal(Signal::CONT);
                }
            }
            Fault::SecondBack => self.second_back().await?,
            Fault::ClockJump { seconds, time } => self.with(Knob::Clock, *seconds, *time).await?,
            Fault::DiskFull { time } => self.with(Knob::DiskFull, 1, *time).await?,
            Fault::FsyncFails { down } => {
                self.turn(Knob::FsyncFails, 1)?;
                // Reads its fate only when something is said; in a round something always is.
                match self.back.end(ENDS_WITHIN).await {
                    Some(status) if !status.success() => {}
                    Some(_) => {
                        let what = "back ended with 0 after a failed fsync".to_owned();
                        self.recorder.note(What::Died { what });
                    }
                    None => {
                        self.recorder.note(What::Died { what: "back goes on after a failed fsync".to_owned() });
                        self.back.kill().await;
                    }
                }
                self.turn(Knob::FsyncFails, 0)?;
                sleep(*down).await;
                self.revive().await;
            }
            Fault::PowerCut { down } => {
                self.back.kill().await;
                if let Some(shim) = &self.shim {
                    shim.lose_power()?;
                }
                sleep(*down).await;
                self.revive().await;
            }
            _ => {}
        }
        Ok("")
    }

    /// Asks back to stop, and writes down if it does not do so cleanly.
    pub async fn stop(&mut self) {
        stop(&mut self.back, "back", PATIENCE, &self.recorder).await;
    }

    /// Asks front to stop, and writes down if it does not do so cleanly, and soon, whoever still listens.
    pub async fn stop_front(&mut self) {
        if let Some(front) = &mut self.front {
            stop(front, "front", FRONT_ENDS_WITHIN, &self.recorder).await;
        }
    }

    fn turn(&self, knob: Knob, to: i64) -> anyhow::Result<()> {
        self.shim.as_ref().map_or(Ok(()), |shim| shim.turn(knob, to))
    }

    async fn with(&mut self, knob: Knob, to: i64, time: Duration) -> anyhow::Result<()> {
        self.turn(knob, to)?;
        // A disk that is full or a clock that jumps must not end the server.
        self.watch(Instant::now() + time).await;
        self.turn(knob, 0)
    }

    /// A second back on the same data must end with a complaint.
    async fn second_back(&mut self) -> anyhow::Result<()> {
        let mut command = self.back.command(&["--listen".to_owned(), "127.0.0.1:0".to_owned()]);
        let mut second = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = second.try_wait()? {
                break Some(status);
            }
            if begun.elapsed() > ENDS_WITHIN {
                _ = second.kill();
                _ = second.wait();
                break None;
            }
            sleep(WATCH).await;
        };
        let what = match status {
            Some(status) if !status.success() => return Ok(()),
            Some(_) => "a second back on the same data ended without a complaint",
            None => "a second back runs on the same data",
        };
        self.recorder.note(What::Admitted { what: what.to_owned() });
        Ok(())
    }
}

/// Starts a program again. That it does not start is written down.
async fn revive(program: &mut Program, name: &str, recorder: &Recorder) {
    for attempt in 1.. {
        match program.start(&[]).await {
            Ok(()) => return,
            Err(error) if attempt == 3 => {
                recorder.note(What::Died { what: format!("{name} does not start: {error:#}") });
                return;
            }
            Err(_) => sleep(Duration::from_millis(500)).await,
        }
    }
}

/// Asks a program to stop, and writes down if it does not do so cleanly and in time.
async fn stop(program: &mut Program, name: &str, patience: Duration, recorder: &Recorder) {
    program.signal(Signal::TERM);
    match program.end(patience).await {
        Some(status) if status.success() => {}
        Some(status) => recorder.note(What::Died { what: format!("{name} ended on SIGTERM with {status}") }),
        None => {
            let what = format!("{name} does not end within {} s of SIGTERM", patience.as_secs());
            recorder.note(What::Died { what });
            program.kill().await;
        }
    }
}

/// Carries out what happens to the network.
pub async fn weather(ways: &Ways, recorder: &Recorder, steps: &[Step], begin: Instant) {
    for step in steps {
        tokio::time::sleep_until(begin + step.at).await;
        let what = step.fault.to_string();
        recorder.note(What::Fault { what: what.clone() });
        match step.fault {
            Fault::Cut { whose, share } => ways.proxies(whose).iter().for_each(|way| way.cut(share)),
            Fault::Partition { whose, time, reset } => {
                change(ways, whose, Weather::Hold { up: true, down: true }, time, reset).await;
            }
            Fault::OneWay { whose, up, time, reset } => {
                change(ways, whose, Weather::Hold { up, down: !up }, time, reset).await;
            }
            Fault::BlackHole { whose, time } => change(ways, whose, Weather::Swallow, time, false).await,
            Fault::Delay { whose, by, time } => change(ways, whose, Weather::Delay(by), time, false).await,
            Fault::SlowLink { whose, rate, time } => change(ways, whose, Weather::Narrow(rate), time, false).await,
            _ => {}
        }
        recorder.note(What::Heal { what });
    }
}

async fn change(ways: &Ways, whose: Whose, weather: Weather, time: Duration, reset: bool) {
    let ways = ways.proxies(whose);
    ways.iter().for_each(|way| way.set(weather));
    sleep(time).await;
    if reset {
        ways.iter().for_each(|way| way.cut(1.0));
        // What was held is gone before it could slip through.
        sleep(Duration::from_millis(100)).await;
    }
    ways.iter().for_each(|way| way.set(Weather::Clear));
}

/// The status with which the page server answers.
async fn status_of_page(address: std::net::SocketAddr) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let head = String::from_utf8_lossy(answer.get(..64).unwrap_or(&answer)).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| anyhow::anyhow!("this is no answer: {head:?}"))
}
