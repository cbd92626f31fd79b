//! Madang's chat server. It speaks WebSocket only and knows nothing of pages or polling.
//!
//! A message's way: `listener` → `handshake` → `connection` → `session` decides, `conversation` carries out →
//! `history` numbers → `hub` hands it to everybody. `docs/architecture.md` draws it.

mod access;
mod admission;
mod arrivals;
pub mod config;
mod connection;
mod conversation;
pub mod door;
mod frame;
pub mod handshake;
mod heartbeat;
pub mod history;
pub mod hub;
pub mod identity;
#[cfg(feature = "jwt")]
mod jwt;
#[cfg(not(feature = "jwt"))]
#[path = "no_jwt.rs"]
mod jwt;
mod limits;
mod listener;
pub mod metrics;
pub mod moderation;
pub mod ops;
pub mod plain;
mod sabotage;
pub mod scanner;
mod session;
mod shutdown;
mod socket;
mod spare;
mod tls;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use access::Access;
use admission::Admission;
use arrivals::Arrivals;
use config::{Config, HistoryKind};
use conversation::Yard;
use heartbeat::{Patience, Verdict};
use history::{Fatal, Follow, History, Memory, Sqlite, Store, Writer};
use hub::{Hub, People, Receipt};
use listener::Entrance;
pub use listener::listen;
use metrics::Metrics;
use service::{
    kept::Again,
    tls::{Certificate, LOOK_EVERY, TlsError},
};
use shared::CloseCode;

/// How long the goodbye waits for what is being written and answered; a disk that hangs must not hold it up for long.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How long the end waits for the closing handshakes of those who were told goodbye.
const CLOSING: Duration = Duration::from_secs(5);

/// How long the end waits for what is being written.
const LAST_COMMIT: Duration = Duration::from_secs(5);

/// A server that is built and does not run yet.
pub struct Server {
    config: Config,
    hub: Arc<Hub>,
    door: door::Door,
    writer: Writer<Receipt>,
    follow: Follow<Receipt>,
    certificate: Option<Certificate>,
    access: Access,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// History cannot be opened.
    #[error(transparent)]
    History(#[from] history::sqlite::OpenError),
    /// What moderators imposed cannot be read.
    #[error(transparent)]
    Law(#[from] history::Unavailable),
    /// The system gives no random bytes.
    #[error(transparent)]
    Identity(#[from] identity::IdentityError),
    /// It is not known who may come in.
    #[error("nobody can come in: {0}")]
    Door(#[from] door::DoorError),
    /// There is no certificate.
    #[error("no TLS: {0}")]
    Tls(#[from] TlsError),
}

impl Server {
    /// Builds a server, reads its certificate, and opens its history.
    ///
    /// # Errors
    /// When certificate or history cannot be opened, or the system gives no random bytes.
    pub fn build(config: Config) -> Result<Self, BuildError> {
        sabotage::plan(&config.sabotage);
        let metrics = Arc::<Metrics>::default();
        let door = door::Door::build(&config.admission, Arc::clone(&metrics), history::unix_ms())?;
        let certificate = config.tls.clone().map(Certificate::open).transpose()?;
        let store: Arc<dyn Store> = match config.history {
            HistoryKind::Memory => Arc::new(Memory::new(identity::new_epoch()?, config.memory)),
            HistoryKind::Sqlite => Arc::new(Sqlite::open(&config.data, config.sqlite)?),
        };
        let sanctions = store.sanctions(history::unix_ms())?;
        let (history, writer, follow) = History::open(store);
        let writer = writer.counted(Arc::clone(&metrics));
        let hub = Arc::new(Hub::new(history, config.hub, metrics));
        hub.law().load(sanctions);
        let access = Access::new(&config);
        Ok(Self { config, hub, door, writer, follow, certificate, access })
    }

    /// The certificate, for whoever wants it read anew; `None` without TLS.
    pub fn certificate(&self) -> Option<Certificate> {
        self.certificate.clone()
    }

    /// What has the files read again that may change while the server runs.
    pub fn again(&self) -> Vec<Again> {
        self.door.again().into_iter().chain(self.certificate.as_ref().map(Certificate::again)).collect()
    }

    /// What of the settings may change while the server runs.
    pub fn access(&self) -> Access {
        self.access.clone()
    }

    /// The rooms and the people, for whoever runs the server to look at.
    pub fn hub(&self) -> Arc<Hub> {
        Arc::clone(&self.hub)
    }

    /// Runs until `shutdown`, then says goodbye to everybody and returns. Listens where `listener` does.
    ///
    /// # Errors
    /// When the listener is none, or when one of the tasks that carry the server ended.
    pub async fn run(self, listener: std::net::TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        let Self { config, hub, door, writer, mut follow, certificate, access } = self;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
        let connections = config.connections.unwrap_or_else(|| config::connections_for(limit));
        let arrivals = Arrivals::new(config.arrivals, config.arrival_wait, Arc::clone(hub.metrics()));
        let entrance = Entrance {
            yard: Arc::new(Yard {
                hub: Arc::clone(&hub),
                door,
                limits: config.session,
                arrivals: Arc::clone(&arrivals),
                moderators: access.moderators,
                ping_ms: if config.patience.ping_after == config::NEVER {
                    0
                } else {
                    config.patience.ping_after.as_millis() as u64
                },
            }),
            shutdown: shutdown.clone(),
            origins: access.origins,
            tls: certificate.as_ref().map(Certificate::server).transpose().map_err(io::Error::other)?.map(Arc::new),
            admission: Admission::new(connections, config.addresses, access.trusted, arrivals),
            handshake: config.handshake,
            patience: config.patience,
        };

        let publisher = Arc::clone(&hub);
        let mut work: JoinSet<Result<(), Fatal>> = JoinSet::new();
        let stopper = writer.start(&mut work);
        work.spawn(async move {
            while let Some(batch) = follow.recv().await {
                publisher.publish(batch);
            }
            Ok(())
        });
        if let Some(certificate) = certificate {
            tokio::spawn(certificate.watch(LOOK_EVERY, shutdown.clone()));
        }
        let sweeper = tokio::spawn(sweep(Arc::clone(&hub), config.patience));

        let tasks = TaskTracker::new();
        // A task like its connections: what is awaited here runs on the thread that called, and every accept would wake
        // that thread first and a worker after it.
        let accepting = listener::accept(listener, entrance, tasks.clone(), shutdown.clone());
        let mut accepting = tokio::spawn(accepting);
        let fault = tokio::select! {
            accepted = &mut accepting => accepted.err().map(Err),
            // Neither of the two ends while the server runs.
            ended = work.join_next() => {
                shutdown.cancel();
                // Who is let in after this is not waited for below.
                _ = accepting.await;
                ended
            }
        };
        shutdown.cancel();
        let told_by = Instant::now() + config.drain;
        tracing::info!(connections = hub.people().count(), "stopping");
        if fault.is_none() {
            // Who waits for an answer gets it before the goodbye, after which nothing is told.
            _ = timeout(LAST_ANSWERS, hub.history().settle()).await;
        }
        let code = if fault.is_none() { CloseCode::Shutdown } else { CloseCode::Storage };
        shutdown::say_goodbye(hub.people(), code, told_by.saturating_duration_since(Instant::now())).await;
        // Closing handshakes included: a process that ends before them resets connections whose Close is on its way.
        tasks.close();
        _ = timeout(CLOSING, tasks.wait()).await;
        sweeper.abort();
        // What was handed in before is committed, and the file is closed.
        drop(stopper);
        let mut ends: Vec<End> = fault.into_iter().collect();
        let ended_early = !ends.is_empty();
        let finished = timeout(LAST_COMMIT, async {
            while let Some(end) = work.join_next().await {
                ends.push(end);
            }
        });
        let finished = finished.await.is_ok();
        // Whichever of the two ended first took the other with it: the reason may be the second one's.
        for end in ends {
            match end {
                Ok(Ok(())) => {}
                Ok(Err(fatal)) => return Err(io::Error::other(fatal)),
                Err(fault) => return Err(io::Error::other(fault)),
            }
        }
        match (ended_early, finished) {
            (false, true) => Ok(()),
            (false, false) => Err(io::Error::other("history was still being written when the server stopped")),
            (true, _) => Err(io::Error::other("history ended while the server ran")),
        }
    }
}

/// How one of the tasks that carry the server ended.
type End = Result<Result<(), Fatal>, tokio::task::JoinError>;

/// A look that comes so many times later than it should tells that the process stood still.
const STOOD_STILL: u32 = 4;

/// Sessions are looked through less often than connections.
const SESSIONS_EVERY: u32 = 60;

/// Looks at all connections, and lets go of what is no longer needed.
async fn sweep(hub: Arc<Hub>, patience: Patience) {
    let every = patience.sweep_every();
    let mut ticks = tokio::time::interval(every);
    // After a pause one look is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    for round in 0_u32.. {
        ticks.tick().await;
        let now = Instant::now();
        if now - last > every * STOOD_STILL {
            tracing::warn!(ms = (now - last).as_millis() as u64, "the process stood still");
            hub.people().outlets().iter().for_each(|outlet| outlet.vitals().forgive());
        }
        last = now;
        beat(hub.people(), &patience, now);
        hub.tidy();
        if round % SESSIONS_EVERY == 0 {
            hub.people().forget_old_sessions(now);
            hub.law().sweep();
        }
    }
}

fn beat(people: &People, patience: &Patience, now: Instant) {
    for outlet in people.outlets() {
        match patience.judge(&outlet.vitals().ages(now)) {
            Verdict::Fine => {}
            Verdict::Ping => {
                outlet.vitals().pinged();
                outlet.push(frame::ping());
            }
            Verdict::Close(code) => {
                tracing::debug!(conn = outlet.connection(), code = code.code(), "closing");
                outlet.close(code, None);
            }
            Verdict::Abort => outlet.abort(),
        }
    }
}

/// Raises the limit of open descriptors as far as it goes without privileges; each connection is one.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, "cannot raise the limit of open descriptors");
    }
}
