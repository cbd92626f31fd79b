//! Health, readiness and metrics, in plain HTTP on a port of their own. It changes nothing and shows nobody: no rooms, no
//! names, no addresses.

mod watch;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer, Resource, guard,
    http::{StatusCode, header},
    middleware::DefaultHeaders,
    web,
};
use service::{
    metrics::CONTENT_TYPE,
    ops::{Reason, readiness},
    process::Process,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{
    dial::Back,
    metrics::{self, Metrics},
};
use watch::{Seen, Watch};

/// Connections at once. A few scrapers and balancers, each with one question.
const CONNECTIONS: usize = 16;

/// Time for a request's head.
const HEAD: Duration = Duration::from_secs(5);

const STOPPING: Reason = Reason { code: "stopping", text: "the server is stopping" };
const NEVER: Reason = Reason { code: "back_not_reached", text: "the chat server was not reached yet; see --back" };
const LOST: Reason = Reason { code: "back_lost", text: "the chat server cannot be reached just now" };

/// What is answered from.
#[derive(Clone)]
pub struct Ops {
    metrics: Arc<Metrics>,
    watch: Arc<Watch>,
    stopping: CancellationToken,
}

impl Ops {
    pub(crate) fn new(back: Back, stopping: CancellationToken) -> Self {
        Self { metrics: Arc::clone(back.metrics()), watch: Watch::new(back), stopping }
    }

    /// Begins to answer on `listener`, until the process ends. Connections to the chat server live where this is called.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub fn start(self, listener: TcpListener) -> io::Result<()> {
        let runtime = Handle::current();
        let server = HttpServer::new(move || {
            let (ready, told) = ((self.clone(), runtime.clone()), self.clone());
            App::new()
                .wrap(DefaultHeaders::new().add((header::CACHE_CONTROL, "no-store")))
                .service(readable("/healthz", || async {
                    HttpResponse::Ok().content_type(TEXT).body("The process answers.\n")
                }))
                .service(readable("/readyz", move || {
                    let (ops, runtime) = ready.clone();
                    async move { ops.ready(&runtime).await }
                }))
                .service(readable("/metrics", move || {
                    let ops = told.clone();
                    async move { ops.tell() }
                }))
                .default_service(web::to(nothing))
        });
        let server = server
            // One thread is enough, and its work is never in the way of the pages'.
            .workers(1)
            .max_connections(CONNECTIONS)
            .client_request_timeout(HEAD)
            .keep_alive(HEAD)
            .disable_signals();
        let running = server.listen(listener)?.run();
        tokio::spawn(async move {
            if let Err(error) = running.await {
                tracing::error!(%error, "health and metrics are answered no more");
            }
        });
        Ok(())
    }

    async fn ready(self, runtime: &Handle) -> HttpResponse {
        let watch = Arc::clone(&self.watch);
        // There, and not on the thread of this request: the connection outlives it.
        let seen = runtime.spawn(async move { watch.ask().await }).await.unwrap_or(Seen::Never);
        let stopping = self.stopping.is_cancelled().then_some(STOPPING);
        let away = match seen {
            Seen::There => None,
            Seen::Never => Some(NEVER),
            Seen::Lost => Some(LOST),
        };
        let reasons: Vec<Reason> = stopping.into_iter().chain(away).collect();
        let (status, body) = readiness(&reasons);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        HttpResponse::build(status).content_type("application/json").body(body + "\n")
    }

    fn tell(&self) -> HttpResponse {
        match metrics::tell(&self.metrics, &Process::now()).to_text() {
            Ok(text) => HttpResponse::Ok().content_type(CONTENT_TYPE).body(text),
            Err(_) => HttpResponse::InternalServerError().content_type(TEXT).body("The numbers cannot be written.\n"),
        }
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

/// An address that answers GET and HEAD, and 405 to everything else.
fn readable<F, Fut>(path: &str, answer: F) -> Resource
where
    F: Fn() -> Fut + Clone + 'static,
    Fut: Future<Output = HttpResponse> + 'static,
{
    let reading = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path).route(web::route().guard(reading).to(answer)).default_service(web::to(|| async {
        HttpResponse::MethodNotAllowed()
            .insert_header((header::ALLOW, "GET, HEAD"))
            .content_type(TEXT)
            .body("This only answers: ask with GET or HEAD.\n")
    }))
}

async fn nothing() -> HttpResponse {
    HttpResponse::NotFound().content_type(TEXT).body("Here are /healthz, /readyz and /metrics.\n")
}
