//! The server as a program of its own, and what the system says of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::say;

/// What `/proc` counts processor time in, on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The program on a free port; killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// When it was started.
    pub began: Instant,
    /// How long after that it said that it listens.
    pub start: Duration,
}

impl Server {
    pub fn start(data: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_back"));
        command.args(["--listen", "127.0.0.1:0", "--sends-per-second", "0", "--history-messages", "0"]);
        command.args(["--log", "warn", "--data"]).arg(data).stderr(Stdio::piped()).stdin(Stdio::null());
        let began = Instant::now();
        let mut child = command.spawn().context("back does not start")?;
        let said = child.stderr.take().context("back has no standard error")?;
        let mut said = BufReader::new(said).lines();
        let address = loop {
            let Some(line) = said.next().transpose()? else {
                _ = child.wait();
                bail!("back ended before it listened");
            };
            match line.strip_prefix("listening on ws://") {
                Some(address) => break address.parse()?,
                None => say(&line),
            }
        };
        let start = began.elapsed();
        // Whatever it says later is not lost, and does not block it.
        thread::spawn(move || said.map_while(Result::ok).for_each(|line| say(&line)));
        Ok(Self { child, address, began, start })
    }

    /// Processor time that it has used.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu(&format!("/proc/{}/stat", self.child.id()))
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits for it.
    pub fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "back ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Processor time of the calling thread.
pub fn own_cpu() -> anyhow::Result<Duration> {
    cpu("/proc/thread-self/stat")
}

fn cpu(path: &str) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(path).with_context(|| path.to_owned())?;
    // The name, in brackets, may hold anything; utime and stime are the 12th and 13th after it.
    let (_, fields) = stat.rsplit_once(')').context("a stat without a name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).context("a short stat")?.parse::<u32>().map_err(anyhow::Error::from);
    Ok(TICK * (ticks(11)? + ticks(12)?))
}
