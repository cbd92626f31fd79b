//! The real `back` and `front` on free ports, which can be killed and started again where they were.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http::{self, Answer, Stream},
    process::Process,
};

pub(crate) struct House {
    back: Option<Process>,
    front: Option<Process>,
    pub(crate) back_address: String,
    pub(crate) front_address: String,
    front_flags: Vec<String>,
    data: TempDir,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Back,
    Front,
}

impl House {
    pub(crate) fn open() -> Self {
        Self::with(&[], &[])
    }

    /// With flags for `back` and for `front`.
    pub(crate) fn with(back_flags: &[&str], front_flags: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let back = start_back(&data, "127.0.0.1:0", back_flags);
        let back_address = back.said.trim_start_matches("ws://").to_owned();
        Self::before(back_address.clone(), front_flags, Some(back), back_address, data)
    }

    /// Front reaches back at another address: something lies between them.
    pub(crate) fn before(
        reached: String,
        front_flags: &[&str],
        back: Option<Process>,
        back_address: String,
        data: TempDir,
    ) -> Self {
        let mut flags = vec!["--back".to_owned(), format!("ws://{reached}")];
        flags.extend(front_flags.iter().map(|flag| (*flag).to_owned()));
        let front = start_front("127.0.0.1:0", &flags);
        let front_address = front.said.trim_start_matches("http://").to_owned();
        Self { back, front: Some(front), back_address, front_address, front_flags: flags, data }
    }

    pub(crate) fn kill_back(&mut self) {
        self.back = None;
    }

    pub(crate) fn restart_back(&mut self, flags: &[&str]) {
        self.back = None;
        self.back = Some(start_back(&self.data, &self.back_address, flags));
    }

    /// Another history in the place of the one there was.
    pub(crate) fn forget_history(&mut self) {
        self.back = None;
        self.data = tempfile::tempdir().unwrap();
        self.restart_back(&[]);
    }

    pub(crate) fn restart_front(&mut self) {
        self.front = None;
        self.front = Some(start_front(&self.front_address, &self.front_flags));
    }

    /// Where front, started with `--ops 127.0.0.1:0`, answers for its health.
    pub(crate) fn front_ops(&self) -> String {
        let lines = &self.front.as_ref().unwrap().before;
        let place = lines.iter().find_map(|line| line.split_once("health and metrics are at http://"));
        place.unwrap_or_else(|| panic!("{lines:?}")).1.to_owned()
    }

    /// What front has logged so far.
    pub(crate) fn front_log(&self) -> String {
        self.front.as_ref().unwrap().log()
    }

    /// Waits until front's log has this.
    pub(crate) async fn front_says(&self, words: &str) {
        let deadline = std::time::Instant::now() + http::DEADLINE;
        while !self.front_log().contains(words) {
            assert!(std::time::Instant::now() < deadline, "no {words:?} in\n{}", self.front_log());
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// What back has logged so far.
    pub(crate) fn back_log(&self) -> String {
        self.back.as_ref().unwrap().log()
    }

    /// Asks front to stop.
    pub(crate) fn stop_front(&self) {
        signal(self.front_pid(), "TERM");
    }

    /// Has back, or front, read again what may change while it runs; returns when its log has `says` once more.
    pub(crate) async fn reads_again(&self, program: Program, says: &str) {
        let heard = || match program {
            Program::Back => self.back_log().matches(says).count(),
            Program::Front => self.front_log().matches(says).count(),
        };
        let before = heard();
        signal(if program == Program::Back { self.back.as_ref().unwrap().child.id() } else { self.front_pid() }, "HUP");
        let deadline = std::time::Instant::now() + http::DEADLINE;
        while heard() == before {
            assert!(std::time::Instant::now() < deadline, "it never said {says:?}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Has back stand still, until it may go on.
    pub(crate) fn hold_back(&self, still: bool) {
        signal(self.back.as_ref().unwrap().child.id(), if still { "STOP" } else { "CONT" });
    }

    /// Waits until front has ended by itself: with which code.
    pub(crate) async fn front_code(&mut self) -> Option<i32> {
        let front = &mut self.front.as_mut().unwrap().child;
        let deadline = std::time::Instant::now() + http::DEADLINE;
        loop {
            if let Some(status) = front.try_wait().unwrap() {
                return status.code();
            }
            assert!(std::time::Instant::now() < deadline, "it does not end");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn front_pid(&self) -> u32 {
        self.front.as_ref().unwrap().child.id()
    }

    /// A second front before the same back.
    pub(crate) fn another_front(&self) -> (Process, String) {
        let front = start_front("127.0.0.1:0", &self.front_flags);
        let address = front.said.trim_start_matches("http://").to_owned();
        (front, address)
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        http::ask(&self.front_address, method, path, headers, body.as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    /// A body that must be there.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// Somebody says something over HTTP, and it is stored.
    pub(crate) async fn say(&self, room: &str, text: &str) -> Value {
        let body = json!({ "text": text }).to_string();
        let path = format!("/api/rooms/{room}/messages");
        let answer = self.ask("POST", &path, &[("Content-Type", "application/json")], &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        Stream::open(&self.front_address, path, headers).await
    }
}

fn signal(process: u32, name: &str) {
    let done = std::process::Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
    assert!(done.unwrap().success());
}

pub(crate) fn start_back(data: &TempDir, listen: &str, flags: &[&str]) -> Process {
    let data = data.path().to_string_lossy();
    // Whoever tests a pace asks for one.
    let pace = if flags.contains(&"--sends-per-second") { &[][..] } else { &["--sends-per-second", "0"] };
    let flags = [&["--listen", listen, "--data", &data], pace, flags].concat();
    Process::start(&back(), &flags, "listening on ")
}

fn start_front(listen: &str, flags: &[String]) -> Process {
    let flags: Vec<&str> = ["--listen", listen].into_iter().chain(flags.iter().map(String::as_str)).collect();
    Process::start(std::path::Path::new(env!("CARGO_BIN_EXE_front")), &flags, "listening on ")
}

/// The chat server, beside the folder of this test's own executable.
fn back() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).expect("target/<profile>/deps/<test>").join("back");
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}
