//! One look at a page: when its first message was on the screen, and what came over the network for it.

use std::{sync::atomic::Ordering, time::Duration};

use anyhow::ensure;
use serde_json::{Value, json};

use crate::{browser::Browser, link::Way};

/// When nothing has come for this long, all is there.
const QUIET: Duration = Duration::from_millis(600);
/// A page that shows nothing for so long will not.
const PATIENCE: Duration = Duration::from_secs(30);

/// Figures of one load.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    /// Until something was painted, in milliseconds since the address was entered.
    pub first_paint_ms: f64,
    /// Until a message was painted.
    pub first_message_ms: f64,
    /// Until one could write: the box is there and its script has run.
    pub ready_ms: f64,
    /// Answers that came over the network, a WebSocket's handshake included.
    pub requests: f64,
    /// Connections that were opened.
    pub connections: f64,
    /// All that came over the network, heads and WebSocket frames included.
    pub bytes: f64,
}

/// Says by the binding `seen` when the first message and the way to write have been painted.
const WATCH: &str = "(() => {
    const wanted = [['message', () => document.querySelector('MESSAGE')],
        ['ready', () => document.querySelector('#send, #ready')?.disabled === false]];
    const painted = (what) => requestAnimationFrame(() => setTimeout(() => seen(JSON.stringify([what, performance.now()]))));
    const look = () => {
        for (let at = wanted.length - 1; at >= 0; at -= 1)
            if (wanted[at][1]()) painted(wanted.splice(at, 1)[0][0]);
        if (!wanted.length) observer.disconnect();
    };
    const observer = new MutationObserver(look);
    observer.observe(document, { childList: true, subtree: true, attributes: true });
})()";

impl Visit {
    /// Looks at a page with an empty cache, and again with what the first look left there.
    ///
    /// # Errors
    /// When no message came, or the browser failed.
    pub async fn twice(browser: &mut Browser, way: &Way, page: (&str, &str)) -> anyhow::Result<(Self, Self)> {
        let context = browser.ask(None, "Target.createBrowserContext", json!({})).await?["browserContextId"].take();
        let cold = Self::once(browser, &context, way, page).await?;
        let warm = Self::once(browser, &context, way, page).await?;
        browser.ask(None, "Target.disposeBrowserContext", json!({ "browserContextId": context })).await?;
        Ok((cold, warm))
    }

    async fn once(
        browser: &mut Browser,
        context: &Value,
        way: &Way,
        (path, message): (&str, &str),
    ) -> anyhow::Result<Self> {
        let target = json!({ "url": "about:blank", "browserContextId": context });
        let target = browser.ask(None, "Target.createTarget", target).await?["targetId"].take();
        let attach = json!({ "targetId": target, "flatten": true });
        let session = browser.ask(None, "Target.attachToTarget", attach).await?["sessionId"].take();
        let session = session.as_str().unwrap_or_default().to_owned();
        let on = Some(session.as_str());
        for domain in ["Network.enable", "Page.enable", "Runtime.enable"] {
            browser.ask(on, domain, json!({})).await?;
        }
        browser.ask(on, "Runtime.addBinding", json!({ "name": "seen" })).await?;
        let watch = json!({ "source": WATCH.replace("MESSAGE", message) });
        browser.ask(on, "Page.addScriptToEvaluateOnNewDocument", watch).await?;
        let (bytes, connections) =
            (way.counts.down.load(Ordering::Relaxed), way.counts.connections.load(Ordering::Relaxed));

        browser.ask(on, "Page.navigate", json!({ "url": format!("http://{}{path}", way.address) })).await?;
        let (mut first_message_ms, mut ready_ms, mut requests) = (None, None, 0.0);
        loop {
            let whole = first_message_ms.is_some() && ready_ms.is_some();
            let Some(told) = browser.hear(&session, if whole { QUIET } else { PATIENCE }).await else {
                ensure!(
                    whole,
                    "{path} never showed a message that one could answer: {first_message_ms:?} {ready_ms:?}"
                );
                break;
            };
            match told["method"].as_str().unwrap_or_default() {
                "Network.responseReceivedExtraInfo" | "Network.webSocketHandshakeResponseReceived" => requests += 1.0,
                "Runtime.bindingCalled" => {
                    let seen = told["params"]["payload"].as_str().unwrap_or_default();
                    let (what, at): (String, f64) = serde_json::from_str(seen)?;
                    *(if what == "message" { &mut first_message_ms } else { &mut ready_ms }) = Some(at);
                }
                _ => {}
            }
        }
        let paint = json!({ "expression": "performance.getEntriesByName('first-contentful-paint')[0]?.startTime" });
        let paint = browser.ask(on, "Runtime.evaluate", paint).await?;
        browser.ask(None, "Target.closeTarget", json!({ "targetId": target })).await?;
        Ok(Self {
            first_paint_ms: paint["result"]["value"].as_f64().unwrap_or(f64::NAN),
            first_message_ms: first_message_ms.unwrap_or(f64::NAN),
            ready_ms: ready_ms.unwrap_or(f64::NAN),
            requests,
            connections: (way.counts.connections.load(Ordering::Relaxed) - connections) as f64,
            bytes: (way.counts.down.load(Ordering::Relaxed) - bytes) as f64,
        })
    }
}
