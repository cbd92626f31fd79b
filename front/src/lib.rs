//! Madang's page server: the form, the rooms and their assets. It knows where browsers find the chat server, but never
//! talks to it, and keeps no state of any room.

mod assets;
pub mod config;
pub mod headers;
pub mod host;
pub mod pages;
mod routes;
pub mod words;

use std::{io, net::TcpListener, path::PathBuf, time::Duration};

use actix_web::{App, HttpServer, middleware, web};
use anyhow::Context;
use tokio_util::sync::CancellationToken;

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
}

/// The page server, built but not yet running.
pub struct Server {
    state: State,
    assets: PathBuf,
    certificate: Option<Certificate>,
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
        let pages = web::Data::new(Pages::new()?);
        let files = Files::of(config.tls_cert, config.tls_key);
        let certificate = files.map(Certificate::open).transpose().context("no TLS")?;
        let state = State { pages, back: web::Data::new(config.public_back_url) };
        Ok(Self { state, assets: config.assets, certificate })
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
        let Self { state, assets, certificate } = self;
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.pages.clone())
                .app_data(state.back.clone())
                .configure(routes::configure)
                .service(assets::folder(&assets))
                .default_service(web::to(routes::not_found))
                .wrap(middleware::Compress::default())
                // The last one wrapped sees the request first: nothing below it meets an unchecked `Host`.
                .wrap(middleware::from_fn(headers::guard))
        })
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
