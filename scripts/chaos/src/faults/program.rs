//! A program that is started, stopped and started again on the same port. What it says goes into a log file.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

/// The longest that a program may take to say that it listens, or to end.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is looked whether something has happened.
const LOOK: Duration = Duration::from_millis(10);

/// A program of which one process runs at a time. It is killed when this is dropped.
pub struct Program {
    path: PathBuf,
    flags: Vec<String>,
    environment: Vec<(String, PathBuf)>,
    log: PathBuf,
    address: SocketAddr,
    child: Option<Child>,
}

impl Program {
    /// A program that does not run yet, with a port of its own.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn new(
        path: PathBuf,
        flags: Vec<String>,
        environment: Vec<(String, PathBuf)>,
        log: PathBuf,
    ) -> anyhow::Result<Self> {
        // The port is free again at once, and stays free unless somebody else asks for the very same.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Ok(Self { path, flags, environment, log, address, child: None })
    }

    /// Where it listens when it runs.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it, with more flags for this time, and waits until it listens.
    ///
    /// # Errors
    /// When it ends before, or does not listen in time.
    pub async fn start(&mut self, more: &[String]) -> anyhow::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let from = log.metadata()?.len();
        let child = self
            .command(more)
            .args(["--listen", &self.address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        self.child = Some(child);
        let begun = Instant::now();
        while !said_since(&self.log, from)?.contains("listening on ") {
            if let Some(status) = self.ended() {
                let said = said_since(&self.log, from)?;
                anyhow::bail!("{} ended ({status}) before it listened: {}", self.path.display(), said.trim());
            }
            if begun.elapsed() > PATIENCE {
                anyhow::bail!("{} does not listen after {PATIENCE:?}", self.path.display());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Its command, without an address.
    pub fn command(&self, more: &[String]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.flags).args(more);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Sends a signal to the process, if there is one.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok());
        if let Some(id) = id.and_then(Pid::from_raw) {
            // A process that has ended meanwhile is what most signals want.
            _ = kill_process(id, signal);
        }
    }

    /// How the process ended, if it has. From then on there is none.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        Some(status)
    }

    /// The process's number, while there is one.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether there is a process.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Waits for the process to end.
    pub async fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if !self.runs() {
                return None;
            }
            sleep(LOOK).await;
        }
        None
    }

    /// Ends it as a power failure would: at once, without a word.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        _ = self.end(PATIENCE).await;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

/// What was written into a log from this byte on.
fn said_since(log: &Path, from: u64) -> anyhow::Result<String> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    // The first lines are enough: what is waited for comes early.
    file.take(64 * 1024).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
