//! Lets connections in. The accept loop waits for nothing but the next connection, a back-off and the end; every
//! handshake runs in the task of its connection, under a timeout.

mod bind;
mod enter;
mod head;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

pub use bind::listen;
pub(crate) use head::{HeadError, answer, read_head};
use rustls::ServerConfig;
use service::live::Live;
use shared::origin::AllowedOrigin;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::{Admission, NotNow},
    conversation::Yard,
    handshake::Reply,
    heartbeat::Patience,
    metrics::Refused as NotIn,
    spare::Spare,
};

/// First pause after an accept error, doubled up to [`LONGEST_PAUSE`]. Out of descriptors, accept fails at once and for
/// as long as nobody leaves: neither spin nor give up. Who waits then is turned away before each pause.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Longest pause after accept errors.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Refusals of connections that have asked nothing yet that are under way at once; beyond that, connections are dropped without a word.
const REFUSALS: usize = 64;

/// What a new connection needs.
pub struct Entrance {
    /// Rooms, people and limits.
    pub yard: Arc<Yard>,
    /// Pages that may connect.
    pub origins: Live<Vec<AllowedOrigin>>,
    /// How TLS is spoken, if it is.
    pub tls: Option<Arc<ServerConfig>>,
    /// Who may come in.
    pub admission: Admission,
    /// Time from accept to the end of the request's head.
    pub handshake: Duration,
    /// The heartbeat's times.
    pub patience: Patience,
    /// Cancelled when the server stops: who is still in the handshake then is turned away.
    pub shutdown: CancellationToken,
}

/// Accepts until `shutdown`. Connections go on; `tasks` has them.
pub async fn accept(listener: TcpListener, entrance: Entrance, tasks: TaskTracker, shutdown: CancellationToken) {
    let entrance = Arc::new(entrance);
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let mut pause = FIRST_PAUSE;
    let mut spare = Spare::keep();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, address)) => {
                pause = FIRST_PAUSE;
                spare.refill();
                match entrance.admission.accept(address.ip(), Instant::now()) {
                    Ok(place) => {
                        let entering = Box::pin(enter::enter(stream, address, place, Arc::clone(&entrance)));
                        tasks.spawn(enter::serve(entering, Arc::clone(&entrance)));
                    }
                    Err(NotNow { why, reply }) => {
                        entrance.yard.hub.metrics().refused(why);
                        if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                            tasks.spawn(turn_away(stream, reply, Arc::clone(&entrance), permit));
                        }
                    }
                }
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                if Spare::is_missed(&error) {
                    // Under TLS there is no time for words.
                    let answer = if entrance.tls.is_some() { Vec::new() } else { no_descriptor().to_bytes(false) };
                    let told = spare.turn_away(&listener, &answer);
                    (0..told).for_each(|_| entrance.yard.hub.metrics().refused(NotIn::NoDescriptor));
                }
                tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "cannot accept; pausing");
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.cancelled() => return,
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// The connection was gone before it was accepted: nothing is wrong here (accept(2), "Error handling").
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

async fn turn_away(stream: TcpStream, reply: Reply, entrance: Arc<Entrance>, _permit: OwnedSemaphorePermit) {
    let goodbye = entrance.patience.close;
    if let Ok(Some(wire)) = timeout(goodbye, Box::pin(enter::secure(stream, &entrance))).await {
        answer(&wire, &reply, false, goodbye).await;
    }
}

fn no_descriptor() -> Reply {
    Reply::refuse(503, "The server has no descriptor for another connection just now.").header("Retry-After", "5")
}
