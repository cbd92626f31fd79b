//! The server as a whole: what it is built of, and its life from the first connection to the last byte. It knows how its
//! parts hang together, and not what they do.

mod entrance;
mod goodbye;
mod sweeper;
mod work;

use std::{io, sync::Arc};

use service::{
    kept::Again,
    tls::{Certificate, LOOK_EVERY, TlsError},
};
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use work::{End, Work};

use crate::{
    access::Access,
    config::{Config, HistoryKind},
    door::{self, Door},
    history::{self, Follow, History, Memory, Sqlite, Store, Writer},
    hub::{Hub, Receipt},
    identity, listener,
    metrics::Metrics,
    sabotage,
};

/// A server that is built and does not run yet.
pub struct Server {
    config: Config,
    hub: Arc<Hub>,
    door: Door,
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
        let door = Door::build(&config.admission, Arc::clone(&metrics), history::unix_ms())?;
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
        let Self { config, hub, door, writer, follow, certificate, access } = self;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let entrance = entrance::open(&config, &hub, door, access, certificate.as_ref(), &shutdown)?;

        let mut work = Work::start(writer, follow, &hub);
        if let Some(certificate) = certificate {
            tokio::spawn(certificate.watch(LOOK_EVERY, shutdown.clone()));
        }
        let sweeper = tokio::spawn(sweeper::sweep(Arc::clone(&hub), config.patience));
        let connections = TaskTracker::new();
        // A task like its connections: what is awaited here runs on the thread that called, and every accept would wake
        // that thread first and a worker after it.
        let accepting = listener::accept(listener, entrance, connections.clone(), shutdown.clone());
        let fault = until_the_end(tokio::spawn(accepting), &mut work, &shutdown).await;

        goodbye::say(&hub, fault.is_some(), config.drain).await;
        goodbye::wait(&connections).await;
        sweeper.abort();
        work.finish(fault).await
    }
}

/// Waits for `shutdown`, or for one of the tasks that never end while the server runs, and says how that one ended. Nobody
/// is let in any more when it returns.
async fn until_the_end(mut accepting: JoinHandle<()>, work: &mut Work, shutdown: &CancellationToken) -> Option<End> {
    let fault = tokio::select! {
        accepted = &mut accepting => accepted.err().map(Err),
        ended = work.ended() => {
            shutdown.cancel();
            // Who is let in after this is not waited for.
            _ = accepting.await;
            ended
        }
    };
    shutdown.cancel();
    fault
}
