//! A server under measurement: started on its own CPUs, looked at from outside, and ended.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::{event::Timespec, process::Pid, thread::NanosleepRelativeResult};

use crate::{
    dialect::Dialect,
    machine::{self, CpuTimes},
    peer::{Peer, Place},
};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(15);

/// A running server.
pub struct Server {
    child: Child,
    pid: Pid,
    address: SocketAddr,
    dialect: Dialect,
    scratch: PathBuf,
}

impl Server {
    /// Starts a peer with so many workers, on the CPUs of the server, and waits until it answers.
    pub fn start(peer: Peer, workers: usize, place: &Place) -> anyhow::Result<Self> {
        let command = |port, scratch: &Path| peer.command(port, workers, scratch, place);
        Self::launch(peer.name(), peer.dialect(), place, command)
    }

    /// Starts `back` with its history on the disk, and with these flags besides.
    pub fn back(flags: &[String], place: &Place) -> anyhow::Result<Self> {
        Self::launch("back", Dialect::Chat, place, |port, scratch| {
            let mut command = Command::new(place.programs.join("back"));
            command
                .args(["--listen", &format!("127.0.0.1:{port}"), "--log", "warn", "--data"])
                .arg(scratch)
                .args(flags);
            Ok(command)
        })
    }

    /// Starts Madang's front for a `back` that runs, on the same CPUs and with these flags besides, and waits until it
    /// answers.
    pub fn front(back: &Self, flags: &[String], place: &Place) -> anyhow::Result<Self> {
        Self::launch("front", Dialect::ChatRelayed, place, |port, _| {
            let mut command = Command::new(place.programs.join("front"));
            command.args(["--listen", &format!("127.0.0.1:{port}"), "--back", &format!("ws://{}", back.address)]);
            command.args(["--same-port", "--log", "warn"]).args(flags);
            Ok(command)
        })
    }

    fn launch(
        name: &str,
        dialect: Dialect,
        place: &Place,
        command: impl FnOnce(u16, &Path) -> anyhow::Result<Command>,
    ) -> anyhow::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let scratch = place.results.join(format!("scratch-{}", address.port()));
        fs::create_dir_all(&scratch)?;
        let mut command = command(address.port(), &scratch)?;
        let log = place.results.join(format!("{name}.log"));
        let log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        machine::pin(&place.server_cpus)?;
        let child = command.spawn();
        machine::pin(&place.load_cpus)?;
        let child = child.with_context(|| format!("cannot start {name}"))?;
        let pid = Pid::from_child(&child);
        let mut server = Self { child, pid, address, dialect, scratch };
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{name} ended at once ({status}); see {name}.log");
            }
            if Instant::now() > deadline {
                bail!("{name} does not listen; see {name}.log");
            }
            pause(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it is spoken to.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Its CPU times so far.
    pub fn cpu(&self) -> CpuTimes {
        CpuTimes::of(self.pid)
    }

    /// Its connections to a port of this machine.
    pub fn connections_to(&self, port: u16) -> usize {
        machine::connections_to(self.pid, port)
    }

    /// Descriptors that it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0, Iterator::count)
    }

    /// Its anonymous memory in bytes.
    pub fn memory(&self) -> u64 {
        machine::memory(self.pid)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The parent first, or it starts another child.
        for pid in machine::family(self.pid) {
            if let Some(pid) = Pid::from_raw(pid) {
                _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        _ = self.child.wait();
        _ = fs::remove_dir_all(&self.scratch);
    }
}

/// A port that nobody has.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Sleeps.
pub fn pause(time: Duration) {
    let mut left = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    while let NanosleepRelativeResult::Interrupted(rest) = rustix::thread::nanosleep(&left) {
        left = rest;
    }
}
