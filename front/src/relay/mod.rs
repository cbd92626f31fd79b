//! One port for everything: WebSocket connections under `/ws` are passed on to the chat server, byte for byte. It decides
//! about nobody: the chat server does, and its answer is passed back.

mod head;
mod stream;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{Method, StatusCode, header},
    web,
};
use service::drain::{self, Pace};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    base::BasePath,
    dial::{Back, Duplex},
    host::SAME_PORT,
    metrics::{Limit, Open},
    visitor::Visitor,
};
use head::{Answer, HEAD_BYTES};
use stream::Stream;

/// Time in which the chat server is reached and answers: what it gives a client for the head.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Longest sentence of a refusal that is passed back, in bytes.
const SENTENCE_BYTES: usize = 16 * 1024;

/// When to try again, in seconds: a chat server that restarts is back by then.
const RETRY_SECONDS: &str = "2";

/// How long relayed connections go on after the shutdown began: until a chat server that is stopped together with this
/// one has said goodbye to all of them. This, and beyond it as long as so many goodbyes take, up to `--drain` and this.
const GRACE: Duration = Duration::from_secs(1);

/// After that they leave one after the other, so that not all browsers come back in the same instant.
const LEAVING: Duration = Duration::from_secs(1);

/// Seconds that all of it takes, with one for the chat server's last words.
pub(crate) fn drain_seconds(window: Duration) -> u64 {
    (window + GRACE + LEAVING).as_secs_f64().ceil() as u64 + 1
}

/// Passes connections on.
pub(crate) struct Relay {
    back: Back,
    base: BasePath,
    seats: Arc<Semaphore>,
    limit: usize,
    stop: OnceLock<(CancellationToken, Duration)>,
    comers: AtomicU64,
    /// Whether the last attempt found nobody: that is said once, however many try meanwhile.
    away: AtomicBool,
}

/// Why there is no connection to the chat server.
enum Trouble {
    Unreachable,
    Late,
    Nonsense,
}

impl Relay {
    /// Passes at most `limit` connections at once on to `back`.
    pub(crate) fn new(back: Back, base: BasePath, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            back,
            base,
            seats: Arc::new(Semaphore::new(limit)),
            limit,
            stop: OnceLock::new(),
            comers: AtomicU64::new(0),
            away: AtomicBool::new(false),
        }
    }

    /// Has all connections leave some time after `stop` is cancelled: that, and how long goodbyes may take.
    pub(crate) fn leave_after(&self, stop: CancellationToken, window: Duration) {
        _ = self.stop.set((stop, window));
    }

    /// Where on the chat server the request leads.
    fn target(&self, request: &HttpRequest) -> String {
        let path = request.uri().path();
        // The router saw the same beginning, perhaps written with escapes.
        let rest = path.strip_prefix(self.base.as_str()).and_then(|path| path.strip_prefix(SAME_PORT)).unwrap_or(path);
        let rest = if rest.is_empty() { "/" } else { rest };
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{rest}{query}", self.back.url().path())
    }

    /// Resolves when a connection has to leave because this server stops.
    fn leave(&self) -> impl Future<Output = ()> + 'static {
        let (stop, window) = self.stop.get().cloned().unwrap_or_default();
        let (seats, limit) = (Arc::clone(&self.seats), self.limit);
        let turn = drain::turn(self.comers.fetch_add(1, Ordering::Relaxed));
        async move {
            stop.cancelled().await;
            let here = limit.saturating_sub(seats.available_permits());
            let goodbyes = GRACE + Pace::of(here, window).told(1.0);
            sleep(goodbyes + Pace::of(here, LEAVING).told(turn)).await;
        }
    }
}

/// Answers under [`SAME_PORT`].
pub(crate) async fn relay(request: HttpRequest, browser: web::Payload) -> HttpResponse {
    let Some(relay) = request.app_data::<web::Data<Relay>>() else {
        return refuse(
            StatusCode::NOT_FOUND,
            "WebSocket connections are not passed on here. The operator can turn that on with front --same-port.",
        )
        .finish_with_sentence();
    };
    let Some(visitor) = request.extensions().get::<Visitor>().cloned() else {
        tracing::error!("a request came past the guard of the headers");
        return HttpResponse::InternalServerError().finish();
    };
    let metrics = relay.back.metrics();
    let Some(seat) = metrics.seat(&relay.seats, Open::Relay, Limit::Relays) else {
        tracing::debug!(limit = relay.limit, "no seat for a relayed connection");
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "There is no room for another connection just now. The operator can raise the limit with front --relays.",
        )
        .retry_after("5")
        .finish_with_sentence();
    };
    let head = head::request(&request, &relay.target(&request), &visitor);
    if head.len() > HEAD_BYTES {
        let sentence = "The request's head is longer than 16384 bytes.";
        return refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, sentence).finish_with_sentence();
    }
    let to_head = request.method() == Method::HEAD;
    let asked = timeout(HANDSHAKE, ask(&relay.back, &head, to_head)).await.unwrap_or(Err(Trouble::Late));
    let is_away = matches!(asked, Err(Trouble::Unreachable | Trouble::Late));
    match (relay.away.swap(is_away, Ordering::Relaxed), is_away) {
        (false, true) => tracing::warn!(back = %relay.back.url(), "cannot reach the chat server"),
        (true, false) => tracing::info!(back = %relay.back.url(), "the chat server is there again"),
        _ => {}
    }
    match asked {
        Ok((line, answer, first)) if answer.status == 101 && head::switches(request.headers()) => {
            tracing::debug!(client = %visitor.address, "relaying");
            let mut switching = HttpResponse::SwitchingProtocols();
            switching.upgrade("websocket");
            for (name, value) in answer.headers.into_iter().filter(|(name, _)| name != header::UPGRADE) {
                switching.append_header((name, value));
            }
            switching.body(Stream::begin(line, first, browser, relay.leave(), seat))
        }
        Ok((_, answer, sentence)) if (400..600).contains(&answer.status) => {
            tracing::debug!(client = %visitor.address, status = answer.status, "the chat server refused");
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
            let mut refusal = HttpResponse::build(status);
            answer.headers.into_iter().for_each(|header| _ = refusal.append_header(header));
            refusal.insert_header((header::CACHE_CONTROL, "no-store")).body(sentence)
        }
        Ok(_) | Err(Trouble::Nonsense) => {
            tracing::warn!(back = %relay.back.url(), "what answers there is no chat server; see --back");
            let sentence = "What answers in the place of the chat server is none.";
            refuse(StatusCode::BAD_GATEWAY, sentence).retry_after(RETRY_SECONDS).finish_with_sentence()
        }
        Err(Trouble::Unreachable | Trouble::Late) => {
            let sentence = "The chat server cannot be reached just now. Try again in a moment.";
            refuse(StatusCode::SERVICE_UNAVAILABLE, sentence).retry_after(RETRY_SECONDS).finish_with_sentence()
        }
    }
}

/// Sends a head and reads the answer; what comes behind its head are the first bytes of the chat, or a sentence.
async fn ask(back: &Back, head: &[u8], to_head: bool) -> Result<(Box<dyn Duplex>, Answer, web::Bytes), Trouble> {
    let unreachable = |error| {
        tracing::debug!(back = %back.url(), %error, "cannot reach the chat server");
        Trouble::Unreachable
    };
    let mut line = back.dial().await.map_err(unreachable)?;
    line.write_all(head).await.map_err(unreachable)?;
    let mut bytes = web::BytesMut::with_capacity(1024);
    let (answer, end) = loop {
        if line.read_buf(&mut bytes).await.map_err(unreachable)? == 0 {
            return Err(Trouble::Nonsense);
        }
        if let Some(read) = head::answer(&bytes).map_err(|_| Trouble::Nonsense)? {
            break read;
        }
    };
    let mut rest = bytes.split_off(end);
    if answer.status != 101 {
        let length = if to_head { 0 } else { answer.body.min(SENTENCE_BYTES) };
        while rest.len() < length && line.read_buf(&mut rest).await.map_err(unreachable)? > 0 {}
        rest.truncate(length);
    }
    Ok((line, answer, rest.freeze()))
}

/// A refusal of ours.
struct Refusal(HttpResponseBuilder, &'static str);

fn refuse(status: StatusCode, sentence: &'static str) -> Refusal {
    Refusal(HttpResponse::build(status), sentence)
}

impl Refusal {
    fn retry_after(mut self, seconds: &'static str) -> Self {
        self.0.insert_header((header::RETRY_AFTER, seconds));
        self
    }

    fn finish_with_sentence(mut self) -> HttpResponse {
        self.0
            .content_type("text/plain; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(format!("{}\n", self.1))
    }
}
