//! Madang's page server: the form, the rooms and their assets, and the HTTP API for whoever cannot speak WebSocket. What
//! it holds of a room it has from the chat server, and can ask for again.

mod api;
mod assets;
pub mod base;
pub mod bridge;
pub mod config;
pub mod headers;
pub mod host;
pub mod pages;
mod routes;
mod scriptless;
pub mod words;

use std::{io, net::TcpListener, path::PathBuf, time::Duration};

use actix_web::{App, HttpServer, middleware, web};
use anyhow::Context;
use shared::origin::AllowedOrigin;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use bridge::{Bridge, BridgeLimits};
pub use config::Config;
use host::BackUrl;
use pages::Pages;
use service::tls::{Certificate, Files, LOOK_EVERY};

/// Seconds that requests in progress get after the shutdown began. Pages take milliseconds; assets on a slow line a
/// little longer.
const DRAIN_SECONDS: u64 = 5;

/// Time for a TLS handshake, as `back` gives it.
const TLS_HANDSHAKE: Duration = Duration::from_secs(5);

/// What every worker shares, made once.
#[derive(Clone)]
struct State {
    pages: web::Data<Pages>,
    back: web::Data<Option<BackUrl>>,
    origins: web::Data<Vec<AllowedOrigin>>,
}

/// The page server, built but not yet running.
pub struct Server {
    state: State,
    assets: PathBuf,
    certificate: Option<Certificate>,
    back: BackUrl,
    limits: BridgeLimits,
}

impl Server {
    /// Compiles the templates, loads the words and reads the certificate.
    ///
    /// # Errors
    /// When a template or a table of words is broken, the folder of assets is missing, or there is no certificate where
    /// one was named.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        anyhow::ensure!(
            config.assets.is_dir(),
            "there is no folder {}; name the one with the page's scripts and styles with --assets",
            config.assets.display()
        );
        let pages = web::Data::new(Pages::new(config.base_path)?);
        let files = Files::of(config.tls_cert, config.tls_key);
        let certificate = files.map(Certificate::open).transpose().context("no TLS")?;
        let back = web::Data::new(config.public_back_url);
        let origins = web::Data::new(config.allow_origin);
        let state = State { pages, back, origins };
        let limits = config.api.bridge();
        Ok(Self { state, assets: config.assets, certificate, back: config.back, limits })
    }

    /// The certificate, for whoever wants it read anew; `None` without TLS.
    pub fn certificate(&self) -> Option<Certificate> {
        self.certificate.clone()
    }

    /// Serves on `listener` until `shutdown` is cancelled, then finishes what is in progress.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        let Self { state, assets, certificate, back, limits } = self;
        // Connections to the chat server live here, and not on the threads that serve requests.
        let bridge = web::Data::from(Bridge::new(back, limits, Handle::current(), shutdown.clone()));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.pages.clone())
                .app_data(state.back.clone())
                .app_data(state.origins.clone())
                .app_data(bridge.clone())
                .service(
                    // Everything that has an address; what lies outside has none.
                    web::scope(state.pages.base().as_str())
                        .configure(api::configure)
                        .configure(routes::configure)
                        .service(assets::folder(&assets)),
                )
                .default_service(web::to(routes::not_found))
                .wrap(middleware::Compress::default())
                .wrap(middleware::from_fn(api::leave_streams_plain))
                // The last one wrapped sees the request first: nothing below it meets an unchecked `Host`.
                .wrap(middleware::from_fn(headers::guard))
        })
        .on_connect(|stream, _| patience(stream))
        .disable_signals()
        .shutdown_timeout(DRAIN_SECONDS);
        let server = match &certificate {
            Some(certificate) => {
                let tls = certificate.server().map_err(io::Error::other)?;
                server.tls_handshake_timeout(TLS_HANDSHAKE).listen_rustls_0_23(listener, tls)?
            }
            None => server.listen(listener)?,
        }
        .run();
        if let Some(certificate) = certificate {
            tokio::spawn(certificate.watch(LOOK_EVERY, shutdown.clone()));
        }

        let handle = server.handle();
        let watch = async {
            shutdown.cancelled().await;
            handle.stop(true).await;
        };
        // `stop` resolves the server too, so neither branch outlives the other.
        let (served, ()) = tokio::join!(
            async {
                let served = server.await;
                shutdown.cancel();
                served
            },
            watch
        );
        served
    }
}

/// Sent bytes that nobody takes end a connection after this: a reader who does not read, or is gone without a word.
const DEAF: Duration = Duration::from_secs(30);

/// Unsent bytes that a socket takes. By default a reader who does not read hides up to 4 MB in the kernel.
const NOT_SENT_BYTES: u32 = 32 * 1024;

/// How long, and with how much, this server waits for a client that does not read.
fn patience(stream: &dyn std::any::Any) {
    let Some(stream) = stream.downcast_ref::<tokio::net::TcpStream>() else { return };
    let socket = socket2::SockRef::from(stream);
    #[cfg(target_os = "linux")]
    if let Err(error) =
        socket.set_tcp_user_timeout(Some(DEAF)).and_then(|()| socket.set_tcp_notsent_lowat(NOT_SENT_BYTES))
    {
        tracing::debug!(%error, "a connection is gone already");
    }
}
