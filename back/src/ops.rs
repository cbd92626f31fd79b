//! Health, readiness and metrics, in plain HTTP on a port of their own. It changes nothing and shows nobody: no rooms, no
//! names, no addresses.
//!
//! A scraper asks three addresses a few times a minute. For that the head that the handshake reads (httparse, with its
//! limits) and one answer a connection are enough: a whole HTTP server would be a second thing that listens in this
//! process, and has to be kept from waiting for ever.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use service::{
    metrics::CONTENT_TYPE,
    ops::{Reason, readiness},
    process::Process,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    handshake::{Head, Reply},
    history::Depths,
    hub::{Hub, Wire},
    listener::{HeadError, answer, read_head},
    metrics::{self, Now},
};

/// Connections at once; who comes then is dropped. A few scrapers and balancers, each with one question.
pub const CONNECTIONS: usize = 16;

/// Time for a request and for its answer to be read.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time for a last byte, once answered.
const GOODBYE: Duration = Duration::from_secs(1);

/// Pause after an accept error: out of descriptors it fails at once, and again and again.
const PAUSE: Duration = Duration::from_secs(1);

/// A disk that hangs keeps nobody from the other numbers for longer.
const DISK: Duration = Duration::from_millis(500);

const STOPPING: Reason = Reason { code: "stopping", text: "the server is stopping" };
const NOT_WRITABLE: Reason = Reason { code: "storage_unavailable", text: "history cannot be written just now" };

/// What is answered from.
struct Ops {
    hub: Arc<Hub>,
    stopping: CancellationToken,
    size: Size,
}

/// Answers on `listener` until the process ends; `stopping` is cancelled when the server should be sent nobody any more.
pub async fn serve(listener: std::net::TcpListener, hub: Arc<Hub>, stopping: CancellationToken) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "no health and metrics"),
    };
    let ops = Arc::new(Ops { hub, stopping, size: Size::default() });
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Ok(seat) = Arc::clone(&seats).try_acquire_owned() {
                    let ops = Arc::clone(&ops);
                    tokio::spawn(async move {
                        _ = timeout(PATIENCE, ops.attend(stream)).await;
                        drop(seat);
                    });
                }
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a question about health");
                sleep(PAUSE).await;
            }
        }
    }
}

impl Ops {
    /// One question and its answer.
    async fn attend(&self, stream: TcpStream) {
        let (wire, mut bytes) = (Wire::Tcp(stream), Vec::with_capacity(1024));
        let reply = match read_head(&wire, &mut bytes).await {
            Ok(end) => match Head::parse(&bytes[..end], &mut Head::space()) {
                Ok(head) => self.reply(head.method(), head.path()).await,
                Err(reply) => reply,
            },
            Err(HeadError::Refused(reply)) => reply,
            Err(HeadError::Lost) => return,
        };
        answer(&wire, &reply.header("Cache-Control", "no-store"), bytes.starts_with(b"HEAD "), GOODBYE).await;
    }

    async fn reply(&self, method: &str, path: &str) -> Reply {
        let path = path.split('?').next().unwrap_or_default();
        if !matches!(path, "/healthz" | "/readyz" | "/metrics") {
            return Reply::refuse(404, "Here are /healthz, /readyz and /metrics.");
        }
        if !matches!(method, "GET" | "HEAD") {
            return Reply::refuse(405, "This only answers: ask with GET or HEAD.").header("Allow", "GET, HEAD");
        }
        match path {
            "/healthz" => Reply::refuse(200, "The process answers."),
            "/readyz" => {
                let (status, body) = readiness(&self.reasons());
                Reply::last(status, "application/json", body + "\n")
            }
            _ => match self.sheet().await {
                Ok(text) => Reply::last(200, CONTENT_TYPE, text),
                Err(_) => Reply::refuse(500, "The numbers cannot be written down."),
            },
        }
    }

    fn reasons(&self) -> Vec<Reason> {
        let stopping = self.stopping.is_cancelled().then_some(STOPPING);
        let not_writable = self.hub.history().is_degraded().then_some(NOT_WRITABLE);
        stopping.into_iter().chain(not_writable).collect()
    }

    async fn sheet(&self) -> Result<String, std::fmt::Error> {
        let Depths { appends, batches, readers, searchers } = self.hub.history().depths();
        let now = Now {
            process: Process::now(),
            writable: !self.hub.history().is_degraded(),
            rooms: self.hub.open_rooms(),
            appends,
            batches,
            readers,
            searchers,
            database: self.size.look(&self.hub).await,
        };
        metrics::tell(self.hub.metrics(), &now).to_text()
    }
}

/// How large history's files are. One look at a time: were the disk to hang, each would hold a thread.
#[derive(Clone, Default)]
struct Size(Arc<Looked>);

#[derive(Default)]
struct Looked {
    is_looking: AtomicBool,
    last: Mutex<Option<u64>>,
}

impl Size {
    /// The size now, or the one that was seen last.
    async fn look(&self, hub: &Hub) -> Option<u64> {
        if !self.0.is_looking.swap(true, Ordering::AcqRel) {
            let (looked, store) = (Arc::clone(&self.0), hub.history().store());
            let looking = tokio::task::spawn_blocking(move || {
                let bytes = store.bytes();
                *looked.last.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
                looked.is_looking.store(false, Ordering::Release);
            });
            _ = timeout(DISK, looking).await;
        }
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
