//! Madang's page server: the form, the rooms and their assets, and the HTTP API for whoever cannot speak WebSocket. It
//! passes WebSocket connections on where it is told to. What it holds of a room it has from the chat server, and can ask
//! for again.

mod about;
mod access;
mod accounts;
mod ahead;
mod api;
mod asked;
mod assets;
mod base;
mod bridge;
pub mod config;
mod detach;
mod dial;
mod files;
mod headers;
pub mod host;
mod metrics;
mod ops;
mod pages;
mod problem;
mod relay;
mod routes;
mod scriptless;
mod serve;
mod signin;
mod theme;
pub mod tools;
mod visitor;
pub mod words;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, middleware, web};
use anyhow::Context;
use shared::origin::AllowedOrigin;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub use access::Access;
use accounts::office::Office;
use assets::Assets;
use bridge::{Bridge, BridgeLimits};
pub use config::Config;
use dial::Back;
use ops::Ops;
use pages::Pages;
use relay::Relay;
use service::{
    descriptors,
    kept::Again,
    live::Live,
    tls::{Certificate, Files, LOOK_EVERY},
};
use signin::Doors;
use visitor::Gate;

/// Waiting connections that the kernel holds; Linux cuts it to `net.core.somaxconn`, 4,096 by default.
const BACKLOG: i32 = 4096;

/// Bytes of an answer that the kernel takes before the browser reads. By default a deaf one hides megabytes there.
const NOT_SENT_BYTES: u32 = 32 * 1024;

/// Sent bytes that nobody acknowledges end a connection so long after (RFC 5482); a window that stays shut counts too.
/// Without it a browser that stopped reading keeps its connection after the chat server has given it up.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// What every worker shares, made once.
#[derive(Clone)]
struct State {
    pages: web::Data<Pages>,
    gate: web::Data<Gate>,
    origins: web::Data<Live<Vec<AllowedOrigin>>>,
    relay: Option<web::Data<Relay>>,
    source: web::Data<about::Source>,
    assets: web::Data<Assets>,
    doors: Option<web::Data<Doors>>,
}

/// The page server, built but not yet running.
pub struct Server {
    state: State,
    certificate: Option<Certificate>,
    office: Option<Arc<Office>>,
    back: Back,
    limits: BridgeLimits,
    access: Access,
}

impl Server {
    /// Compiles the templates, loads the words and reads the certificate.
    ///
    /// # Errors
    /// When a template or a table of words is broken, the folder of assets has no scripts of the page, or there is no
    /// certificate where one was named.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        config.has_assets().map_err(anyhow::Error::msg)?;
        let access = Access::new(&config);
        let known = accounts::open(config.ticket_key.as_deref(), config.accounts.as_deref())?;
        let office = known.as_ref().map(|(office, _)| Arc::clone(office));
        let base = config.base_path.clone();
        let doors = known.map(|(office, accounts)| Doors::open(office, accounts, base)).transpose()?;
        let doors = doors.map(web::Data::new);
        let back = Back::new(config.back, config.back_ca.as_deref())?.with(office.clone());
        let relay = config.same_port.then(|| {
            let limit = config.relays.map(|relays| if relays == 0 { usize::MAX } else { relays });
            let limit = limit.unwrap_or_else(|| config::relays_for(descriptors::limit()));
            web::Data::new(Relay::new(back.clone(), config.base_path.clone(), limit))
        });
        let gate = web::Data::new(Gate {
            tls: config.tls_cert.is_some(),
            trusted: access.trusted.clone(),
            public: config.public_back_url,
            same_port: config.same_port,
            base: config.base_path.clone(),
            origins: access.origins.clone(),
        });
        let pages = web::Data::new(Pages::new(config.base_path)?);
        let files = Files::of(config.tls_cert, config.tls_key);
        let certificate = files.map(Certificate::open).transpose().context("no TLS")?;
        let origins = web::Data::new(access.origins.clone());
        let assets = Assets::read(&config.assets)
            .with_context(|| format!("cannot read the folder {}", config.assets.display()))?;
        let assets = web::Data::new(assets);
        let source = web::Data::new(about::Source(config.source_url));
        let state = State { pages, gate, origins, relay, source, assets, doors };
        let limits = config.api.bridge(config.drain);
        Ok(Self { state, certificate, office, back, limits, access })
    }

    /// What has the files read again that may change while the server runs.
    pub fn again(&self) -> Vec<Again> {
        let keys = self.office.as_deref().map(Office::again);
        keys.into_iter().chain(self.certificate.as_ref().map(Certificate::again)).collect()
    }

    /// The certificate, for whoever wants it read anew; `None` without TLS.
    pub fn certificate(&self) -> Option<Certificate> {
        self.certificate.clone()
    }

    /// What of the settings may change while the server runs.
    pub fn access(&self) -> Access {
        self.access.clone()
    }

    /// What answers for its health; `stopping` is cancelled when it should be sent nobody any more.
    pub fn ops(&self, stopping: CancellationToken) -> Ops {
        Ops::new(self.back.clone(), stopping)
    }

    /// Serves on `listener` until `shutdown` is cancelled, then finishes what is in progress and lets those who listen go,
    /// one after the other.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        let Self { state, certificate, back, limits, access: _, office: _ } = self;
        if let Some(relay) = &state.relay {
            relay.leave_after(shutdown.clone(), limits.drain);
        }
        // Connections to the chat server live here, and not on the threads that serve requests.
        let drain_seconds = relay::drain_seconds(limits.drain);
        let end = CancellationToken::new();
        let bridge = web::Data::from(Bridge::new(back, limits, Handle::current(), shutdown.clone(), end.clone()));
        if let Some(doors) = state.doors.clone() {
            signin::beside::watch(doors.clone(), &bridge);
            Doors::watch(doors, &bridge);
        }
        let app = move || {
            let (relay, doors) = (state.relay.clone(), state.doors.clone());
            App::new()
                .app_data(state.pages.clone())
                .app_data(state.gate.clone())
                .app_data(state.origins.clone())
                .app_data(state.source.clone())
                .app_data(state.assets.clone())
                .app_data(bridge.clone())
                .configure(|app| _ = relay.map(|relay| app.app_data(relay)))
                .configure(|app| _ = doors.map(|doors| Doors::hang(doors, app)))
                .service(
                    // Everything that has an address; what lies outside has none.
                    web::scope(state.pages.base().as_str())
                        .configure(api::configure)
                        .configure(routes::configure)
                        .configure(files::configure),
                )
                .default_service(web::to(asked::not_found))
                .wrap(middleware::Compress::default())
                .wrap(middleware::from_fn(api::leave_streams_plain))
                .wrap(middleware::from_fn(signin::guard))
                // The last one wrapped sees the request first: nothing below it meets an unchecked `Host`.
                .wrap(middleware::from_fn(headers::guard))
        };
        let tls = certificate.as_ref().map(Certificate::server).transpose().map_err(io::Error::other)?;
        let server = serve::serve(listener, tls, shutdown.clone(), drain_seconds, app)?;
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
                end.cancel();
                served
            },
            watch
        );
        served
    }
}

/// Opens the listening socket. What is set on it every connection inherits, with or without TLS, also one that comes before
/// the server runs.
///
/// # Errors
/// When the address cannot be had, as when another process has it.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that was killed may be started again at once.
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
        socket.set_tcp_user_timeout(Some(LOST_AFTER))?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
