//! Chromium by WebDriver: tabs, what stands in them, and waiting for what should.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{complaints, process::Process};
use fantoccini::{Client, ClientBuilder, Locator, elements::Element, key::Key, wd::WindowHandle};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// How long a condition may take to come true: many times what it takes, because it is only ever waited out by a failure.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

pub(crate) struct Browser {
    client: Client,
    /// The driver's port.
    port: u16,
    /// What the driver calls this browser.
    session: String,
    profile: PathBuf,
    _driver: Process,
}

/// The driver takes a port that is free for IPv4 and then wants the same for IPv6, where it may be taken.
fn start_driver(driver: &Path, environment: &[String]) -> Process {
    let driver = driver.to_string_lossy();
    let command: Vec<&str> = environment.iter().map(String::as_str).chain([&*driver, "--port=0"]).collect();
    let mut heard = String::new();
    for _ in 0..5 {
        match Process::try_start(Path::new("env"), &command, "was started successfully on port ") {
            Ok(started) => return started,
            Err(said) => heard = said,
        }
        if !heard.contains("Address already in use") {
            break;
        }
    }
    panic!("the driver does not start:\n{heard}");
}

impl Browser {
    /// The engine alone where that is installed, else the whole of Chromium without a window.
    pub(crate) async fn start() -> Self {
        match found("chromium-headless-shell").filter(|_| std::env::var_os("CHROMIUM").is_none()) {
            Some(shell) => Self::start_with(&[], &shell, "chrome-headless-shell", &[]).await,
            None => Self::start_whole().await,
        }
    }

    /// What people have, menus and all, but without a window.
    pub(crate) async fn start_whole() -> Self {
        Self::start_with(&[], &chromium(), "chrome", &["--headless=new"]).await
    }

    /// With a window, and with this in its environment.
    pub(crate) async fn start_on_a_screen(environment: &[String]) -> Self {
        Self::start_with(environment, &chromium(), "chrome", &[]).await
    }

    /// `name` is what the driver calls this kind of browser.
    async fn start_with(environment: &[String], chromium: &Path, name: &str, more: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let driver = program("CHROMEDRIVER", "chromedriver", "chromium-driver");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let profile = std::env::temp_dir().join(format!("madang-browser-{}-{number}", std::process::id()));
        let driver = start_driver(&driver, environment);

        let data = format!("--user-data-dir={}", profile.display());
        let usual = [
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--window-size=1280,800",
            // Several tabs are looked at in turn; the ones behind must live on as if they were in front.
            "--disable-background-timer-throttling",
            "--disable-renderer-backgrounding",
            "--disable-backgrounding-occluded-windows",
            // The list below the address bar is a page of Chromium's own, drawn anew at each start and each visit although
            // nobody sees it: a fifth to two fifths of a test's processor time.
            "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup,PreloadTopChromeWebUI",
            &data,
        ];
        let arguments = [&usual, more].concat();
        let options = json!({ "binary": chromium, "args": arguments });
        let capabilities =
            json!({ "browserName": name, "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", driver.said))
            .await
            .expect("a browser");
        let port = driver.said.parse().expect("a port");
        let session = client.session_id().await.expect("a session").expect("a session's name");
        Self { client, port, session, profile, _driver: driver }
    }

    /// What pages complained of since this was last asked. A test that is about it asks; what nobody asked for fails the
    /// test at its end.
    pub(crate) fn complaints(&self) -> Vec<String> {
        complaints::gather(self.port, &self.session)
    }

    /// A new tab with its own session storage.
    pub(crate) async fn tab(&self) -> Tab {
        let handle = self.client.new_window(false).await.expect("a tab").handle;
        Tab { client: self.client.clone(), driver: self.port, handle }
    }

    /// The tab that the last script opened.
    pub(crate) async fn opened(&self, known: &[&Tab]) -> Tab {
        let first = self.client.windows().await.expect("the tabs");
        let handle = first.into_iter().rev().find(|handle| known.iter().all(|tab| tab.handle != *handle));
        Tab { client: self.client.clone(), driver: self.port, handle: handle.expect("another tab") }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Whatever a test is about, no page may break the policy, stumble or miss a part meanwhile.
        let complaints = if thread::panicking() { Vec::new() } else { self.complaints() };
        // The driver leaves its browser behind when it is killed; the browser's processes carry the profile's path.
        let profile = self.profile.to_string_lossy().into_owned();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&command).contains(&profile) {
                let _ = Command::new("kill").arg("-KILL").arg(process.file_name()).status();
            }
        }
        let _ = fs::remove_dir_all(&self.profile);
        assert!(complaints.is_empty(), "pages complained:\n{}", complaints.join("\n"));
    }
}

/// One tab of the browser.
pub(crate) struct Tab {
    client: Client,
    driver: u16,
    handle: WindowHandle,
}

impl Tab {
    async fn front(&self) -> &Client {
        self.client.switch_to_window(self.handle.clone()).await.expect("the tab is there");
        &self.client
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.front().await.goto(url).await.expect("the page loads");
    }

    pub(crate) async fn reload(&self) {
        self.front().await.refresh().await.expect("the page reloads");
    }

    /// Reloads while nobody is there to answer: the browser shows a page of its own.
    pub(crate) async fn reload_in_vain(&self) {
        let _refused = self.front().await.refresh().await;
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.until_there(selector).await.click().await.expect(selector);
    }

    /// Clicks once on what may not be there, or not any more.
    pub(crate) async fn try_click(&self, selector: &str) -> Result<(), String> {
        let element = self.front().await.find(Locator::Css(selector)).await.map_err(|why| why.to_string())?;
        element.click().await.map_err(|why| why.to_string())
    }

    /// What comes on need is there a moment later.
    pub(crate) async fn until_there(&self, selector: &str) -> Element {
        self.front().await.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await.expect(selector)
    }

    /// Replaces what stands in a field.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.until_there(selector).await;
        field.clear().await.expect(selector);
        field.send_keys(text).await.expect(selector);
    }

    /// Types into the box, as a person does.
    pub(crate) async fn type_text(&self, text: &str) {
        let field = self.front().await.find(Locator::Css("#box")).await.expect("#box");
        field.send_keys(text).await.expect("#box takes text");
    }

    /// Presses keys, one after the other, wherever the focus is. Modifiers hold until the end.
    pub(crate) async fn press(&self, keys: &str) {
        let focused = self.front().await.active_element().await.expect("something has the focus");
        focused.send_keys(keys).await.expect("keys");
    }

    /// Points at the middle of an element, where it can be seen.
    pub(crate) async fn point_at(&self, selector: &str) {
        let place = format!(
            "(() => {{ const element = document.querySelector({}); element.scrollIntoView({{ block: 'nearest' }});
             const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] }})()",
            json!(selector)
        );
        let place = self.eval(&place).await;
        let point = json!({ "type": "mouseMoved", "x": place[0], "y": place[1] });
        self.devtools("Input.dispatchMouseEvent", &point).await;
    }

    /// Types a message and presses Enter once.
    pub(crate) async fn say(&self, text: &str) {
        self.type_text(text).await;
        self.type_text(&char::from(Key::Enter).to_string()).await;
    }

    /// The value of an expression.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        self.front().await.execute(&format!("return {expression}"), vec![]).await.expect(expression)
    }

    /// The value that a promise comes to.
    pub(crate) async fn promise(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; ({expression}).then(done, (why) => done({{ failed: String(why) }}))"
        );
        self.front().await.execute_async(&script, vec![]).await.expect(expression)
    }

    /// A command of the browser's own protocol, for what a driver cannot do, and its answer.
    pub(crate) async fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let session = self.front().await.session_id().await.expect("a session").expect("a session's name");
        let (driver, body) = (self.driver, json!({ "cmd": command, "params": parameters }));
        let path = format!("/session/{session}/goog/cdp/execute");
        let asking = move || complaints::ask_driver(driver, &path, &body);
        tokio::task::spawn_blocking(asking).await.expect("an answer").unwrap_or_else(|why| panic!("{command}: {why}"))
    }

    /// Runs a script in every page that this tab loads from now on, before the page's own.
    pub(crate) async fn before_each_page(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script })).await;
    }

    /// Waits until an expression is true; says what stands on the page when it never is.
    pub(crate) async fn until(&self, what: &str, condition: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.eval(condition).await != Value::Bool(true) {
            if Instant::now() > deadline {
                let page = self.eval("`${location}\\n${document.body.innerText}`").await;
                panic!("never: {what}\n{condition}\n{}", page.as_str().unwrap_or_default());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the room's link is in this state.
    pub(crate) async fn until_link(&self, state: &str) {
        self.until(state, &format!("document.querySelector('#status').dataset.state === '{state}'")).await;
    }

    /// Waits until a stored message with this text is shown.
    pub(crate) async fn until_said(&self, text: &str) {
        let condition = format!(
            "[...document.querySelectorAll('li.message[data-seq]:not([data-state]) .text')].some((text) => text.textContent === {})",
            json!(text)
        );
        self.until(&format!("{text:?} is said"), &condition).await;
    }

    /// Waits until nothing of this tab is left to be sent.
    pub(crate) async fn until_all_is_sent(&self) {
        let left = "Object.keys(sessionStorage).filter((key) => key.startsWith('madang.outbox.')).length";
        self.until("all is sent", &format!("{left} === 0 && document.querySelector('li.message[data-id]') === null"))
            .await;
    }

    /// Waits until messages travel this way, as the page says.
    pub(crate) async fn until_way(&self, way: &str) {
        self.until(way, &format!("document.querySelector('#way').textContent === '{way}'")).await;
    }

    /// Begins to note whatever the page says of its link.
    pub(crate) async fn watch_link(&self) {
        let watch = "(window.links = [], new MutationObserver(() => links.push([document.querySelector('#status').dataset.state,
            document.querySelector('#status').textContent, document.querySelector('#banner').hidden].join())).observe(
            document.querySelector('#room-main'), { subtree: true, attributes: true, childList: true, characterData: true }), true)";
        self.eval(watch).await;
    }

    /// What it has said since, each once.
    pub(crate) async fn links(&self) -> Vec<String> {
        serde_json::from_value(self.eval("[...new Set(links)]").await).expect("a list of texts")
    }

    /// The texts in the list, from top to bottom.
    pub(crate) async fn texts(&self) -> Vec<String> {
        let texts =
            self.eval("[...document.querySelectorAll('li.message .text')].map((text) => text.textContent)").await;
        serde_json::from_value(texts).expect("a list of texts")
    }

    /// The public id of the person in this tab.
    pub(crate) async fn user(&self) -> String {
        let user = self.eval("document.querySelector('#people .you')?.closest('li').dataset.user ?? ''").await;
        user.as_str().expect("a text").to_owned()
    }
}

/// A program that Debian installs: from its variable, else from the search path.
fn program(variable: &str, name: &str, package: &str) -> PathBuf {
    std::env::var_os(variable).map(PathBuf::from).or_else(|| found(name)).unwrap_or_else(|| {
        panic!("{name} is not installed: `apt install {package}` (Debian), or name its path in {variable}")
    })
}

fn chromium() -> PathBuf {
    program("CHROMIUM", "chromium", "chromium")
}

/// Where a program is that can be called by its name.
fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}
