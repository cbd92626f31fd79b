//! HTTP from the side of a client that may lose its connection at any time: hyper over a connection of its own for each
//! request.

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;

use crate::world::{Place, STEP};

/// Asks front; the answer's head, while its body may go on.
pub(crate) async fn ask(
    place: &Place,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: String,
) -> Option<Response<Incoming>> {
    let stream = place.dial(&place.front).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("Host", &place.front);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    // Longer than the longest wait of a poll.
    timeout(STEP, sender.send_request(request.body(Full::<Bytes>::from(body)).ok()?)).await.ok()?.ok()
}

/// Asks for an answer in JSON, whole: its status and itself.
pub(crate) async fn json(
    place: &Place,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: String,
) -> Option<(u16, Value)> {
    let answer = ask(place, method, path, fields, body).await?;
    let status = answer.status().as_u16();
    let bytes = timeout(STEP, answer.into_body().collect()).await.ok()?.ok()?.to_bytes();
    Some((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}

/// An answer that goes on, block by block.
pub(crate) struct Blocks {
    body: Incoming,
    text: Vec<u8>,
    mark: &'static [u8],
}

impl Blocks {
    /// Blocks that end with `mark`; nothing when it is no 200.
    pub(crate) fn of(answer: Response<Incoming>, mark: &'static str) -> Option<Self> {
        (answer.status() == 200).then(|| Self { body: answer.into_body(), text: Vec::new(), mark: mark.as_bytes() })
    }

    /// The next block; nothing when the connection is over or silent.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.text.windows(self.mark.len()).position(|window| window == self.mark) {
                let block = self.text.drain(..at + self.mark.len()).take(at).collect();
                return String::from_utf8(block).ok();
            }
            let frame = timeout(STEP * 2, self.body.frame()).await.ok()??.ok()?;
            self.text.extend_from_slice(&frame.into_data().ok()?);
        }
    }
}

/// The fields of a server-sent event: `id`, `event` and `data`.
pub(crate) fn event(block: &str) -> (Option<&str>, &str, Option<Value>) {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    (field("id"), field("event").unwrap_or("message"), field("data").and_then(|data| serde_json::from_str(data).ok()))
}
