//! Chromium with a profile of its own, spoken to by its own protocol: commands with answers, and what it tells by itself.

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// Many times what anything takes.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    asked: u64,
    /// What it told while an answer was waited for.
    told: VecDeque<Value>,
    child: Child,
    /// Removed when dropped.
    _profile: TempDir,
}

impl Browser {
    /// # Errors
    /// When it does not start.
    pub async fn start(program: &Path) -> anyhow::Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command.args(["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]);
        command.args(["--disable-component-update", "--disable-sync", "--no-first-run", "--remote-debugging-port=0"]);
        command.args(["--window-size=1280,800", &format!("--user-data-dir={}", profile.path().display())]);
        let child = command.arg("about:blank").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.with_context(|| format!("{} does not start", program.display()))?;
        let listening = async {
            loop {
                let port = fs::read_to_string(profile.path().join("DevToolsActivePort")).unwrap_or_default();
                if let Some((port, path)) = port.trim().split_once('\n') {
                    return connect_async(format!("ws://127.0.0.1:{port}{path}")).await.map(|(socket, _)| socket);
                }
                sleep(LOOK_EVERY).await;
            }
        };
        match timeout(PATIENCE, listening).await {
            Ok(Ok(socket)) => Ok(Self { socket, asked: 0, told: VecDeque::new(), child, _profile: profile }),
            other => {
                _ = child.kill();
                _ = child.wait();
                bail!("{} never listened: {:?}", program.display(), other.map(|_| ()))
            }
        }
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
            let message = timeout(PATIENCE, self.read()).await;
            let mut message = message.with_context(|| format!("no answer to {command}"))??;
            if message["id"] == self.asked {
                if let Some(error) = message.get("error") {
                    bail!("{command}: {error}");
                }
                return Ok(message["result"].take());
            }
            self.told.push_back(message);
        }
    }

    /// What it tells next of a session; nothing, if that takes longer than this.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn hear(&mut self, session: &str, within: Duration) -> anyhow::Result<Option<Value>> {
        let hearing = async {
            loop {
                let message = match self.told.pop_front() {
                    Some(message) => message,
                    None => self.read().await?,
                };
                if message["sessionId"] == session {
                    return anyhow::Ok(message);
                }
            }
        };
        timeout(within, hearing).await.ok().transpose()
    }

    /// Ends it, so that it leaves nothing behind.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.ask(None, "Browser.close", json!({})).await?;
        let ending = async {
            while self.child.try_wait()?.is_none() {
                sleep(LOOK_EVERY).await;
            }
            anyhow::Ok(())
        };
        timeout(PATIENCE, ending).await.context("the browser does not end")?
    }

    async fn read(&mut self) -> anyhow::Result<Value> {
        let message = self.socket.next().await.context("the browser is gone")??;
        Ok(serde_json::from_str(message.to_text()?)?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
