//! Madang's page server: the form, the rooms and their assets. It knows where browsers find the chat server, but never
//! talks to it, and keeps no state of any room.

mod assets;
pub mod config;
pub mod headers;
pub mod host;
pub mod pages;
mod routes;
pub mod shutdown;
pub mod words;

use std::{io, net::TcpListener, path::PathBuf};

use actix_web::{App, HttpServer, middleware, web};
use tokio_util::sync::CancellationToken;

pub use config::Config;
use host::BackUrl;
use pages::Pages;

/// Seconds that requests in progress get after the shutdown began. Pages take milliseconds; assets on a slow line a
/// little longer.
const DRAIN_SECONDS: u64 = 5;

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
}

impl Server {
    /// Compiles the templates and loads the words.
    ///
    /// # Errors
    /// When a template or a table of words is broken, or the folder of assets is missing.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        anyhow::ensure!(
            config.assets.is_dir(),
            "there is no folder {}; name the one with the page's scripts and styles with --assets",
            config.assets.display()
        );
        let pages = web::Data::new(Pages::new()?);
        Ok(Self { state: State { pages, back: web::Data::new(config.public_back_url) }, assets: config.assets })
    }

    /// Serves on `listener` until `shutdown` is cancelled, then finishes what is in progress.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        let Self { state, assets } = self;
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
        .shutdown_timeout(DRAIN_SECONDS)
        .listen(listener)?
        .run();

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
