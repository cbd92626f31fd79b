//! The servers that are compared, and how each is started.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{dialect::Dialect, machine};

/// Where things are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The built programs.
    pub programs: PathBuf,
    /// The peers' scripts and configurations.
    pub scripts: PathBuf,
    /// What was installed for the peers.
    pub cache: PathBuf,
    /// Results and logs.
    pub results: PathBuf,
    /// CPUs of the server.
    pub server_cpus: Vec<usize>,
    /// CPUs of the load.
    pub load_cpus: Vec<usize>,
}

impl Place {
    /// The last of the CPUs for the server, the others for the load; peers are not asked for.
    ///
    /// # Errors
    /// When there are not two.
    pub fn pinned(programs: &Path, results: &Path) -> anyhow::Result<Self> {
        let mut load_cpus = machine::cpus()?;
        let server = load_cpus.pop().filter(|_| !load_cpus.is_empty());
        let server = server.context("server and load need a CPU each, and there is one")?;
        Ok(Self {
            programs: programs.to_owned(),
            scripts: PathBuf::new(),
            cache: PathBuf::new(),
            results: results.to_owned(),
            server_cpus: vec![server],
            load_cpus,
        })
    }
}

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// One `send` per client and message, and next to nothing else.
    Floor,
    /// The same with one `send` per client for all that was heard in a turn of its loop.
    Batched,
    /// Madang with its history in memory.
    Back,
    /// Madang with its history on the disk.
    BackSqlite,
    /// Bun's publish.
    Bun,
    /// nginx's nchan.
    Nchan,
    /// tokio's broadcast channel over tokio-tungstenite.
    Broadcast,
    /// ws on node.
    Ws,
    /// Socket.IO on node.
    SocketIo,
    /// A map of unbounded channels over tokio-tungstenite.
    Mpsc,
}

impl Peer {
    /// All, in the order of tables.
    pub const ALL: [Self; 10] = [
        Self::Floor,
        Self::Batched,
        Self::Back,
        Self::BackSqlite,
        Self::Bun,
        Self::Nchan,
        Self::Broadcast,
        Self::Ws,
        Self::SocketIo,
        Self::Mpsc,
    ];

    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Batched => "floor-batched",
            Self::Back => "back",
            Self::BackSqlite => "back-sqlite",
            Self::Bun => "bun",
            Self::Nchan => "nchan",
            Self::Broadcast => "broadcast",
            Self::Ws => "ws",
            Self::SocketIo => "socketio",
            Self::Mpsc => "mpsc",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Floor => "floor: one `send` per client",
            Self::Batched => "floor that batches: one `send` per client and turn",
            Self::Back => "**Madang**, history in memory",
            Self::BackSqlite => "**Madang**, history on disk",
            Self::Bun => "Bun",
            Self::Nchan => "nginx nchan",
            Self::Broadcast => "tokio broadcast",
            Self::Ws => "ws (node)",
            Self::SocketIo => "Socket.IO (node)",
            Self::Mpsc => "tokio-tungstenite + mpsc",
        }
    }

    /// The peer of this name.
    ///
    /// # Errors
    /// A sentence that lists the names.
    pub fn parse(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|peer| peer.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|peer| peer.name()).collect();
            format!("there are {}", names.join(", "))
        })
    }

    /// How it is spoken to.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Back | Self::BackSqlite => Dialect::Chat,
            Self::SocketIo => Dialect::SocketIo,
            _ => Dialect::Bare,
        }
    }

    /// Why it cannot run here, if so.
    pub fn missing(self, place: &Place) -> Option<String> {
        let module = |name: &str| self.node_module(place, name).err();
        match self {
            Self::Bun => module("bun"),
            Self::Ws => module("ws"),
            Self::SocketIo => module("socket.io"),
            Self::Nchan => nginx(place).is_none().then(|| "nginx with nchan is not installed".to_owned()),
            _ => None,
        }
    }

    fn node_module(self, place: &Place, name: &str) -> Result<PathBuf, String> {
        let path = place.cache.join("npm/node_modules").join(name);
        if path.join("package.json").exists() { Ok(path) } else { Err(format!("{name} is not installed")) }
    }

    /// The command that serves at this port with so many workers, where that can be chosen.
    ///
    /// # Errors
    /// When something it needs cannot be written.
    pub fn command(self, port: u16, workers: usize, scratch: &Path, place: &Place) -> anyhow::Result<Command> {
        let script = |name: &str| place.scripts.join(name);
        let with_port = |mut command: Command| {
            command.arg(port.to_string());
            command
        };
        let node = |name: &str| {
            let mut command = Command::new("node");
            // Modules are looked for beside the script, so it runs from the cache.
            let copy = place.cache.join("npm").join(name);
            fs::copy(script(name), &copy).with_context(|| format!("cannot write {}", copy.display()))?;
            command.arg(copy).env("NODE_ENV", "production");
            Ok::<_, anyhow::Error>(with_port(command))
        };
        Ok(match self {
            Self::Floor | Self::Batched | Self::Mpsc | Self::Broadcast => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["serve", self.name()]).env("TOKIO_WORKER_THREADS", workers.to_string());
                with_port(command)
            }
            Self::Back | Self::BackSqlite => {
                let history = if self == Self::Back { "memory" } else { "sqlite" };
                let mut command = Command::new(place.programs.join("back"));
                command.args(["--listen", &format!("127.0.0.1:{port}"), "--history", history]);
                command.args(["--worker-threads", &workers.to_string()]);
                command.args(["--sends-per-second", "0", "--stall-timeout", "60", "--log", "warn"]);
                command.arg("--data").arg(scratch);
                command
            }
            Self::Bun => {
                let mut command = Command::new(place.cache.join("npm/node_modules/bun/bin/bun.exe"));
                command.arg(script("bun.js"));
                with_port(command)
            }
            Self::Ws => node("ws.js")?,
            Self::SocketIo => node("socketio.js")?,
            Self::Nchan => {
                let (program, module) = nginx(place).context("nginx with nchan is not installed")?;
                let config = fs::read_to_string(script("nginx.conf"))?;
                let config = config
                    .replace("@PORT@", &port.to_string())
                    .replace("@MODULE@", &module.display().to_string())
                    .replace("@SCRATCH@", &scratch.display().to_string());
                let path = scratch.join("nginx.conf");
                fs::write(&path, config)?;
                let mut command = Command::new(program);
                command.arg("-p").arg(scratch).arg("-c").arg(path).arg("-e").arg("stderr");
                command
            }
        })
    }
}

/// nginx and the nchan module: unpacked in the cache, or the system's.
fn nginx(place: &Place) -> Option<(PathBuf, PathBuf)> {
    [place.cache.join("nginx/root"), PathBuf::from("/")].into_iter().find_map(|root| {
        let (program, module) = (root.join("usr/sbin/nginx"), root.join("usr/lib/nginx/modules/ngx_nchan_module.so"));
        (program.exists() && module.exists()).then_some((program, module))
    })
}
