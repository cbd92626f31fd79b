//! Chromium, spoken to by its own protocol: commands with answers, and what it tells by itself.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// Many times what anything takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Browser {
    /// As it calls itself.
    pub version: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    asked: u64,
    /// What it told while an answer was waited for.
    told: VecDeque<Value>,
    child: Child,
    profile: PathBuf,
}

impl Browser {
    /// # Errors
    /// When it does not start.
    pub async fn start(program: &Path) -> anyhow::Result<Self> {
        let profile = std::env::temp_dir().join(format!("madang-bench-page-{}", std::process::id()));
        fs::create_dir_all(&profile)?;
        let mut command = Command::new(program);
        command.args(["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]);
        command.args(["--disable-component-update", "--disable-sync", "--no-first-run", "--remote-debugging-port=0"]);
        command.args(["--window-size=1280,800", &format!("--user-data-dir={}", profile.display())]).arg("about:blank");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.with_context(|| format!("{} does not start", program.display()))?;
        let address = async {
            loop {
                let port = fs::read_to_string(profile.join("DevToolsActivePort")).unwrap_or_default();
                if let Some((port, path)) = port.trim().split_once('\n') {
                    return format!("ws://127.0.0.1:{port}{path}");
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let address = timeout(PATIENCE, address).await.context("the browser never listened")?;
        let (socket, _) = connect_async(address).await?;
        let mut browser = Self { version: String::new(), socket, asked: 0, told: VecDeque::new(), child, profile };
        let version = browser.ask(None, "Browser.getVersion", json!({})).await?;
        version["product"].as_str().unwrap_or("?").clone_into(&mut browser.version);
        Ok(browser)
    }

    /// The answer to a command, to the browser or in a session with a page.
    ///
    /// # Errors
    /// When it refuses, or does not answer.
    pub async fn ask(&mut self, session: Option<&str>, command: &str, parameters: Value) -> anyhow::Result<Value> {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": command, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(message.to_string())).await?;
        loop {
            let mut message = self.read().await.with_context(|| format!("no answer to {command}"))?;
            if message["id"] == self.asked {
                if let Some(error) = message.get("error") {
                    bail!("{command}: {error}");
                }
                return Ok(message["result"].take());
            }
            self.told.push_back(message);
        }
    }

    /// What it tells next of a session, within this time.
    pub async fn hear(&mut self, session: &str, within: Duration) -> Option<Value> {
        let hearing = async {
            loop {
                let message = match self.told.pop_front() {
                    Some(message) => message,
                    None => self.read().await.ok()?,
                };
                if message["sessionId"] == session {
                    return Some(message);
                }
            }
        };
        timeout(within, hearing).await.ok().flatten()
    }

    async fn read(&mut self) -> anyhow::Result<Value> {
        let message = timeout(PATIENCE, self.socket.next()).await?.context("the browser is gone")??;
        Ok(serde_json::from_str(message.to_text()?).unwrap_or_default())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = fs::remove_dir_all(&self.profile);
    }
}
