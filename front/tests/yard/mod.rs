//! What the browser tests stand on: the real `back` and `front` on free ports, and a real Chromium. Everything that was
//! started ends when its value is dropped, also when a test fails.

mod browser;
mod complaints;
mod ibus;
mod nginx;
mod process;
mod wire;

use std::{path::PathBuf, process::Command};

pub(crate) use browser::{Browser, Tab};
pub(crate) use ibus::InputMethod;
pub(crate) use nginx::Nginx;
use process::Process;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};
pub(crate) use wire::{Client, Wire};

/// So many tests at a time: a browser keeps more than one core busy only while it starts. More than two on a small machine,
/// and deadlines would mean nothing.
static TURN: Semaphore = Semaphore::const_new(2);

/// A chat server, a page server and a browser that looks at them.
pub(crate) struct Yard {
    pub(crate) browser: Browser,
    back: Option<Process>,
    back_flags: &'static [&'static str],
    back_address: String,
    data: TempDir,
    front: Option<Process>,
    front_flags: Vec<String>,
    site: String,
    _turn: SemaphorePermit<'static>,
}

impl Yard {
    /// Browsers reach the chat server directly.
    pub(crate) async fn open() -> Self {
        let turn = TURN.acquire().await.expect("it stays open");
        let (back, data) = start_back("127.0.0.1:0", &[]);
        let back_address = back.said.trim_start_matches("ws://").to_owned();
        Self::around(turn, (back, &[]), data, back_address.clone(), &back_address, &back_address, &[]).await
    }

    /// The chat server gets these flags, also when it is started again.
    pub(crate) async fn open_with_back(flags: &'static [&'static str]) -> Self {
        let turn = TURN.acquire().await.expect("it stays open");
        let (back, data) = start_back("127.0.0.1:0", flags);
        let back_address = back.said.trim_start_matches("ws://").to_owned();
        Self::around(turn, (back, flags), data, back_address.clone(), &back_address, &back_address, &[]).await
    }

    /// For what the browser around the engine takes part in.
    pub(crate) async fn open_with_the_whole_browser() -> Self {
        let mut yard = Self::open().await;
        yard.browser = Browser::start_whole().await;
        yard
    }

    /// The browser has a window on a screen, where people write with an input method.
    pub(crate) async fn open_with_input_method(input: &InputMethod) -> Self {
        let mut yard = Self::open().await;
        yard.browser = Browser::start_on_a_screen(input.environment()).await;
        yard
    }

    /// The page server gets these flags too.
    pub(crate) async fn open_with(flags: &[&str]) -> Self {
        let turn = TURN.acquire().await.expect("it stays open");
        let (back, data) = start_back("127.0.0.1:0", &[]);
        let back_address = back.said.trim_start_matches("ws://").to_owned();
        Self::around(turn, (back, &[]), data, back_address.clone(), &back_address, &back_address, flags).await
    }

    /// Both servers get flags, and nobody comes in without having signed in.
    pub(crate) async fn open_closed(back_flags: &'static [&'static str], flags: &[&str]) -> Self {
        let turn = TURN.acquire().await.expect("it stays open");
        let (back, data) = start_back("127.0.0.1:0", back_flags);
        let at = back.said.trim_start_matches("ws://").to_owned();
        Self::around(turn, (back, back_flags), data, at.clone(), &at, &at, flags).await
    }

    /// The page server is below /chat of a site that nginx serves, and the chat server behind it.
    pub(crate) async fn open_behind_nginx() -> (Self, Nginx) {
        Self::behind_nginx(|_| vec!["--same-port".to_owned()]).await
    }

    /// The same, but pages look for the chat server where the site has none.
    pub(crate) async fn open_behind_nginx_without_websocket() -> (Self, Nginx) {
        Self::behind_nginx(|site| vec!["--public-back-url".to_owned(), format!("ws://{site}/chat/ws")]).await
    }

    async fn behind_nginx(flags: impl FnOnce(&str) -> Vec<String>) -> (Self, Nginx) {
        let turn = TURN.acquire().await.expect("it stays open");
        let (back, data) = start_back("127.0.0.1:0", &[]);
        let site = nginx::free_address();
        let usual = ["--listen", "127.0.0.1:0", "--back", &back.said, "--base-path", "/chat"];
        let flags = flags(&site);
        let flags: Vec<&str> = usual.into_iter().chain(flags.iter().map(String::as_str)).collect();
        let front = Process::start(&binary("front"), &flags, "listening on ");
        let nginx = Nginx::start(site, front.said.trim_start_matches("http://")).await;
        let back_address = back.said.trim_start_matches("ws://").to_owned();
        let browser = Browser::start().await;
        let flags = flags.into_iter().skip(2).map(str::to_owned).collect();
        let site = front.said.clone();
        let (back, front) = (Some(back), Some(front));
        let yard =
            Self { browser, back, back_flags: &[], back_address, data, front, front_flags: flags, site, _turn: turn };
        (yard, nginx)
    }

    /// Browsers reach the chat server over a wire that can be cut, but the page server reaches it always.
    pub(crate) async fn open_beside_a_wire() -> (Self, Wire) {
        let turn = TURN.acquire().await.expect("it stays open");
        let (back, data) = start_back("127.0.0.1:0", &[]);
        let back_address = back.said.trim_start_matches("ws://").to_owned();
        let wire = Wire::to(&back_address).await;
        let yard = Self::around(turn, (back, &[]), data, back_address.clone(), &wire.address, &back_address, &[]).await;
        (yard, wire)
    }

    /// Everybody reaches the chat server over a wire that can be cut; the server gets these flags too.
    pub(crate) async fn open_over_a_wire(flags: &'static [&'static str]) -> (Self, Wire) {
        let turn = TURN.acquire().await.expect("it stays open");
        let (back, data) = start_back("127.0.0.1:0", flags);
        let back_address = back.said.trim_start_matches("ws://").to_owned();
        let wire = Wire::to(&back_address).await;
        let yard = Self::around(turn, (back, flags), data, back_address, &wire.address, &wire.address, &[]).await;
        (yard, wire)
    }

    async fn around(
        turn: SemaphorePermit<'static>,
        (back, back_flags): (Process, &'static [&'static str]),
        data: TempDir,
        back_address: String,
        public: &str,
        internal: &str,
        flags: &[&str],
    ) -> Self {
        let (public, internal) = (format!("ws://{public}"), format!("ws://{internal}"));
        let flags = [&["--public-back-url", &public, "--back", &internal], flags].concat();
        let front_flags: Vec<String> = flags.into_iter().map(str::to_owned).collect();
        let front = start_front("127.0.0.1:0", &front_flags);
        let browser = Browser::start().await;
        let site = front.said.clone();
        Self {
            browser,
            back: Some(back),
            back_flags,
            back_address,
            data,
            front: Some(front),
            front_flags,
            site,
            _turn: turn,
        }
    }

    /// A client without a browser, in a room.
    pub(crate) async fn client(&self, room: &str) -> Client {
        Client::join(&self.back_address, room).await
    }

    /// Where the chat server listens.
    pub(crate) fn back_address(&self) -> &str {
        &self.back_address
    }

    /// The address of a page.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// A way to the page server that can be cut.
    pub(crate) async fn wire_to_front(&self) -> Wire {
        Wire::to(self.site.trim_start_matches("http://")).await
    }

    /// A way to the page server on which streams of events start and bring nothing, as behind a proxy that gathers answers
    /// until they are whole.
    pub(crate) async fn without_streams(&self) -> Wire {
        Wire::without_streams(self.site.trim_start_matches("http://")).await
    }

    /// A new tab that came in by the form.
    pub(crate) async fn join(&self, name: &str, room: &str) -> Tab {
        let tab = self.browser.tab().await;
        tab.goto(&self.page("/?lang=en")).await;
        tab.fill("#name", name).await;
        tab.fill("#room", room).await;
        tab.click("#join").await;
        tab.until("the room is open", "document.querySelector('#status')?.dataset.state === 'open'").await;
        tab.until("the own name is in the list", "document.querySelector('#people .you') !== null").await;
        tab
    }

    /// Somebody who connects as the person of a tab.
    pub(crate) async fn impostor(&self, tab: &Tab) -> Client {
        let session = tab.eval("sessionStorage.getItem('madang.session')").await;
        Client::replace(&self.back_address, session.as_str().expect("a session")).await
    }

    /// Ends the chat server the hardest way there is (SIGKILL).
    pub(crate) fn kill_back(&mut self) {
        self.back = None;
    }

    /// Starts the chat server where it was before.
    pub(crate) fn restart_back(&mut self) {
        self.back = Some(start_back_on(&self.data, &self.back_address, self.back_flags));
    }

    /// Ends the page server the hardest way there is (SIGKILL).
    pub(crate) fn kill_front(&mut self) {
        self.front = None;
    }

    /// Starts the page server where it was before.
    pub(crate) fn restart_front(&mut self) {
        self.front = Some(start_front(self.site.trim_start_matches("http://"), &self.front_flags));
    }

    /// What is on the chat server's disk of a room, oldest first.
    pub(crate) fn stored(&self, room: &str) -> Vec<Value> {
        let data = self.data.path().to_string_lossy().into_owned();
        let arguments = ["--data", &data, "export", room, "--format", "jsonl"];
        let export = Command::new(binary("back")).args(arguments).output().expect("back export runs");
        assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
        let lines = String::from_utf8(export.stdout).expect("text");
        lines.lines().map(|line| serde_json::from_str(line).expect("a message")).collect()
    }
}

fn start_front(listen: &str, flags: &[String]) -> Process {
    let flags = ["--listen", listen].into_iter().chain(flags.iter().map(String::as_str));
    Process::start(&binary("front"), &flags.collect::<Vec<_>>(), "listening on ")
}

/// With a history of its own.
fn start_back(listen: &str, flags: &[&str]) -> (Process, TempDir) {
    let data = tempfile::tempdir().expect("a directory");
    (start_back_on(&data, listen, flags), data)
}

fn start_back_on(data: &TempDir, listen: &str, flags: &[&str]) -> Process {
    let data = data.path().to_string_lossy();
    Process::start(&binary("back"), &[&["--listen", listen, "--data", &data], flags].concat(), "listening on ")
}

/// A program of this workspace, beside the folder of this test's own executable.
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let path = test.ancestors().nth(2).expect("target/<profile>/deps/<test>").join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}
