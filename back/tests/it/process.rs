//! `back` as a program: what it prints, how it ends.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, DEADLINE, End, NOTES_REQUEST};

/// The program on a free port; killed when dropped.
pub struct Back {
    child: Child,
    pub address: SocketAddr,
    /// Where it answers for its health.
    pub ops: Option<SocketAddr>,
    /// Its own, where it was given none.
    _data: Option<TempDir>,
}

impl Back {
    /// With a history of its own.
    pub fn start(flags: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut back = Self::on(data.path(), flags);
        back._data = Some(data);
        back
    }

    /// On the history in this directory.
    pub fn on(data: &Path, flags: &[&str]) -> Self {
        Self::spawn(Self::command(data).args(flags))
    }

    /// Started by this command, which becomes the program.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.env("BACK_LOG", "warn,service::ops=info").stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut ops = None;
        // A warning may come before it.
        let line = said.find(|line| {
            let place = line.split_once("health and metrics are at http://");
            ops = ops.or(place.map(|(_, address)| address.parse().unwrap()));
            line.starts_with("listening on") || line.starts_with("back:")
        });
        let line = line.unwrap_or_default();
        let address =
            ["ws://", "wss://"].iter().find_map(|scheme| line.strip_prefix("listening on ")?.strip_prefix(scheme));
        let address = address.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        Self { child, address, ops, _data: None }
    }

    /// The program on this directory, and on a free port unless a flag says otherwise.
    pub fn command(data: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_back"));
        command.env("BACK_LISTEN", "127.0.0.1:0").arg("--data").arg(data);
        command
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself: with which code.
    pub async fn code(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < DEADLINE, "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Back {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Memory of a process that is in RAM.
pub fn resident_bytes(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_says_goodbye_to_everybody_and_ends_with_0() {
    for name in ["TERM", "INT"] {
        let mut back = Back::start(&[]);
        let mut kim = Client::in_room(back.address, "kim", "dev").await;
        let mut plain = Client::plain(back.address, "/").await;
        plain.until("synced").await;
        back.signal(name);
        for client in [&mut kim, &mut plain] {
            let (before, end) = client.end().await;
            let bye = before.last().unwrap();
            assert_eq!((&bye["type"], &bye["code"], &bye["reconnect"]), (&json!("bye"), &json!(4200), &json!(true)));
            let after = bye["retry_after_ms"].as_u64().unwrap();
            assert_eq!(end, End::Close(4200, format!("shutdown;retry={after}")));
        }
        assert_eq!(back.child.wait().unwrap().code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_still_in_the_handshake_is_turned_away_when_the_server_stops() {
    let mut back = Back::start(&[]);
    let mut stream = TcpStream::connect(back.address).await.unwrap();
    stream.write_all(&NOTES_REQUEST.as_bytes()[..40]).await.unwrap();
    // The server has accepted it when it answers somebody who came later.
    Client::in_room(back.address, "kim", "dev").await;
    back.signal("TERM");
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After"), "{answer}");
    drop(stream);
    assert_eq!(back.child.wait().unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stood_still_blames_nobody() {
    let back = Back::start(&["--ping-after", "0.3", "--dead-after", "0.8"]);
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(Client::in_room(back.address, "kim", "dev").await);
    }
    // Each has been pinged, and its pong waits to be sent with the next thing it says.
    for client in &mut clients {
        while !matches!(client.websocket.next().await, Some(Ok(Message::Ping(_)))) {}
    }
    // The server warns of the pause into a standard error that nobody reads any more: that must not end it either.
    back.signal("STOP");
    tokio::time::sleep(Duration::from_secs(2)).await;
    back.signal("CONT");
    for client in &mut clients {
        client.expect_silence().await;
    }
}

/// Threads of a process that tokio has started and named.
fn runtime_threads(id: u32) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).unwrap();
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("tokio-r")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_threads_work_as_were_asked_for() {
    // Without a disk nothing but the workers is started.
    for workers in [1, 3] {
        let back = Back::start(&["--history", "memory", "--worker-threads", &workers.to_string()]);
        Client::in_room(back.address, "kim", "dev").await;
        // A thread names itself when it first runs.
        let deadline = Instant::now() + DEADLINE;
        while runtime_threads(back.id()) != workers {
            assert!(Instant::now() < deadline, "{} threads instead of {workers}", runtime_threads(back.id()));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_said_in_a_sentence() {
    let back = Back::start(&[]);
    let data = tempfile::tempdir().unwrap();
    let second = Command::new(env!("CARGO_BIN_EXE_back"))
        .args(["--listen", &back.address.to_string(), "--data"])
        .arg(data.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains("cannot listen on") && said.contains("--listen"), "{said}");
}

#[test]
fn flags_and_their_environment_are_explained() {
    let help = Command::new(env!("CARGO_BIN_EXE_back")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for word in [
        "--listen",
        "BACK_LISTEN",
        "--data",
        "--history-days",
        "--ping-after",
        "backup",
        "export",
        "check",
        "0 means no limit",
    ] {
        assert!(help.contains(word), "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_sets_what_no_flag_does() {
    let child = Command::new(env!("CARGO_BIN_EXE_back"))
        .args(["--listen", "127.0.0.1:0"])
        .env("BACK_PING_AFTER", "never")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&child.stderr).contains("--ping-after"), "a bad variable is named by its flag");
}
