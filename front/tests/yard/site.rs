//! The page server in this process, the chat server as a program behind it, and raw requests to the first.

use std::{collections::BTreeMap, io, net::SocketAddr, path::PathBuf, process::Command, time::Duration};

use front::{Config, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

#[path = "process.rs"]
mod process;

pub(crate) use process::Process;

/// Many times what anything takes, on the slowest machine that still passes the rest.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The chat server, with a history in memory.
pub(crate) struct Back {
    pub(crate) url: String,
    flags: Vec<String>,
    process: Option<Process>,
}

impl Back {
    pub(crate) fn start(flags: &[&str]) -> Self {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let process = run("127.0.0.1:0", &flags);
        Self { url: process.said.clone(), flags, process: Some(process) }
    }

    /// The hardest way to end (SIGKILL).
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Where it was before.
    pub(crate) fn restart(&mut self) {
        self.process = Some(run(self.url.trim_start_matches("ws://"), &self.flags));
    }

    /// The kind way (SIGTERM).
    pub(crate) fn terminate(&self) {
        let process = self.process.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().expect("kill").success());
    }
}

fn run(listen: &str, flags: &[String]) -> Process {
    let test = std::env::current_exe().expect("the path of this test");
    let program: PathBuf = test.ancestors().nth(2).expect("target/<profile>/deps/<test>").join("back");
    assert!(program.is_file(), "{} is missing: run `cargo build --workspace` first", program.display());
    let mut arguments = vec!["--listen", listen, "--history", "memory"];
    arguments.extend(flags.iter().map(String::as_str));
    Process::start(&program, &arguments, "listening on ")
}

/// The page server on a free port; it stops when this is dropped.
pub(crate) struct FrontServer {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<io::Result<()>>,
    _stop: DropGuard,
}

/// An answer, with the names of its fields in lower case.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    fields: BTreeMap<String, String>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl FrontServer {
    /// Passes WebSocket connections on, with these changes to the defaults.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { same_port: true, ..Config::default() };
        change(&mut config);
        let listener = front::listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        let server = Server::new(config).expect("a server");
        let running = tokio::spawn(server.run(listener, stop.clone()));
        Self { address, running, _stop: stop.clone().drop_guard(), stop }
    }

    /// In front of this chat server.
    pub(crate) fn before(back: &Back, change: impl FnOnce(&mut Config)) -> Self {
        Self::with(|config| {
            config.back = back.url.parse().expect("an address");
            change(config);
        })
    }

    /// The address of a relayed path.
    pub(crate) fn ws(&self, path: &str) -> String {
        format!("ws://{}/ws{path}", self.address)
    }

    /// A connection whose handshake is over.
    pub(crate) async fn upgraded(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.write_all(handshake(path, &self.address.to_string(), "").as_bytes()).await.expect("it is sent");
        let (status, head) = read_head(&mut stream).await;
        assert_eq!(status, 101, "{head}");
        stream
    }

    /// Asks for `path` with these header lines.
    pub(crate) async fn ask(&self, path: &str, fields: &str) -> Answer {
        let address = self.address.to_string();
        ask(&address, &address, path, fields).await
    }
}

/// Asks `address` for `path` of `host` as a browser, with these header lines, and reads an answer of a known length, or until the end.
pub(crate) async fn ask(address: &str, host: &str, path: &str, fields: &str) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Mozilla/5.0\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.expect("it is sent");
        let (status, head) = read_head(&mut stream).await;
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let fields: BTreeMap<_, _> = lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut body = Vec::new();
        match fields.get("content-length").and_then(|length| length.parse().ok()) {
            Some(length) => {
                body = vec![0; length];
                stream.read_exact(&mut body).await.expect("the body");
            }
            None => _ = stream.read_to_end(&mut body).await.expect("the body"),
        }
        Answer { status, fields, body: String::from_utf8_lossy(&body).into_owned() }
    };
    timeout(PATIENCE, exchange).await.expect("an answer in time")
}

/// The handshake of a client, with more header lines.
pub(crate) fn handshake(path: &str, host: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// Reads a head and nothing behind it; says its status.
pub(crate) async fn read_head(stream: &mut TcpStream) -> (u16, String) {
    let mut head = Vec::new();
    let reading = async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a head"));
        }
    };
    timeout(PATIENCE, reading).await.expect("a head in time");
    let head = String::from_utf8(head).expect("text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head)
}
