//! One look at a page: when its first message was on the screen, and what came over the network for it.

use std::{path::Path, sync::atomic::Ordering, time::Duration};

use anyhow::{Context, bail, ensure};
use serde_json::json;
use tokio::time::sleep;

use crate::{browser::Browser, link::Way, site::MESSAGES};

/// When nothing has come for this long, all is there.
const QUIET: Duration = Duration::from_millis(600);
/// A page that shows nothing for so long will not.
const PATIENCE: Duration = Duration::from_secs(10);
/// A browser that was just started is busy with itself.
const SETTLED: Duration = Duration::from_millis(500);

/// Figures of one load.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    /// Until a message was painted, in milliseconds since the address was entered.
    pub first_message_ms: f64,
    /// Answers that came over the network, a WebSocket's handshake included.
    pub answers: f64,
    /// All that came over the network, heads and WebSocket frames included.
    pub bytes: f64,
}

/// Says by the binding `seen` when the first message has been painted: the task after the next frame's callbacks comes after
/// that frame was drawn.
const WATCH: &str = "new MutationObserver((_, observer) => {
    if (!document.querySelector('#messages .message')) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => seen(String(performance.now()))));
}).observe(document, { childList: true, subtree: true })";

/// How many of the room's messages the page shows.
const SHOWN: &str = "[...document.querySelectorAll('#messages .message')].filter(
    (message) => message.checkVisibility() && message.textContent.includes('what people say to each other')).length";

impl Visit {
    /// Looks at a page in a browser that has never been anywhere, and again with what the first look left there.
    ///
    /// # Errors
    /// When not all messages came, something on the page failed, or the browser did.
    pub async fn twice(chromium: &Path, way: &Way, page: &str) -> anyhow::Result<[Self; 2]> {
        let mut browser = Browser::start(chromium).await?;
        sleep(SETTLED).await;
        let cold = Self::once(&mut browser, way, page).await.with_context(|| format!("{page}, cold"))?;
        let warm = Self::once(&mut browser, way, page).await.with_context(|| format!("{page}, warm"))?;
        browser.close().await?;
        Ok([cold, warm])
    }

    async fn once(browser: &mut Browser, way: &Way, page: &str) -> anyhow::Result<Self> {
        let target = browser.ask(None, "Target.createTarget", json!({ "url": "about:blank" })).await?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.ask(None, "Target.attachToTarget", attach).await?["sessionId"].take();
        let session = session.as_str().context("a session")?;
        let on = Some(session);
        for domain in ["Network.enable", "Page.enable", "Runtime.enable", "Log.enable"] {
            browser.ask(on, domain, json!({})).await?;
        }
        browser.ask(on, "Runtime.addBinding", json!({ "name": "seen" })).await?;
        browser.ask(on, "Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH })).await?;
        let before = way.down.load(Ordering::Relaxed);

        browser.ask(on, "Page.navigate", json!({ "url": format!("http://{}{page}", way.address) })).await?;
        let (mut first_message_ms, mut answers) = (None, 0.0);
        while let Some(told) = browser.hear(session, first_message_ms.map_or(PATIENCE, |_| QUIET)).await? {
            let about = &told["params"];
            match told["method"].as_str().unwrap_or_default() {
                "Network.responseReceivedExtraInfo" | "Network.webSocketHandshakeResponseReceived" => answers += 1.0,
                "Runtime.bindingCalled" => {
                    first_message_ms = Some(about["payload"].as_str().context("a time")?.parse::<f64>()?);
                }
                // Without these a page that is broken would only be a quick one.
                "Network.loadingFailed" | "Runtime.exceptionThrown" => bail!("{about}"),
                "Log.entryAdded" if about["entry"]["level"] == "error" => bail!("{about}"),
                _ => {}
            }
        }
        let bytes = (way.down.load(Ordering::Relaxed) - before) as f64;
        let first_message_ms = first_message_ms.context("never showed a message")?;
        let shown = browser.ask(on, "Runtime.evaluate", json!({ "expression": SHOWN })).await?;
        let shown = &shown["result"]["value"];
        ensure!(*shown == MESSAGES, "showed {shown} of {MESSAGES} messages");
        browser.ask(None, "Target.closeTarget", json!({ "targetId": target["targetId"] })).await?;
        Ok(Self { first_message_ms, answers, bytes })
    }
}
