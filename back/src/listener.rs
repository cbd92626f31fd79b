//! Lets connections in. The accept loop waits for nothing but the next connection, a back-off and the end; every
//! handshake runs in the task of its connection, under a timeout.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::ServerConfig;
use service::{drain::RESTART, live::Live};
use shared::{Address, CloseCode, origin::AllowedOrigin};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::{Admission, NotNow, Place},
    connection,
    conversation::{Speech, Yard},
    door::Outside,
    handshake::{self, HEAD_BYTES, Head, Reply, Way, head_end},
    heartbeat::Patience,
    history::unix_ms,
    hub::{Outlet, Vitals, Wire, farewell},
    metrics::{self, Refused as NotIn},
    socket::Frames,
    spare::Spare,
    tls::{Refused, Tls},
};

/// First pause after an accept error, doubled up to [`LONGEST_PAUSE`]. Out of descriptors, accept fails at once and for
/// as long as nobody leaves: neither spin nor give up. Who waits then is turned away before each pause.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Longest pause after accept errors.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Refusals of connections that have asked nothing yet that are under way at once; beyond that, connections are dropped without a word.
const REFUSALS: usize = 64;

/// Who came in while the server stopped comes back some time within this after a restart, in milliseconds.
const LATE_APART_MS: u64 = 1_000;

/// Waiting connections that the kernel holds; Linux cuts it to `net.core.somaxconn`, 4,096 by default.
const BACKLOG: i32 = 4096;

/// Unsent bytes that a socket takes. By default a stalled client hides up to 4 MB in the kernel.
const NOT_SENT_BYTES: u32 = 32 * 1024;

/// Sent bytes that nobody acknowledges end the connection (RFC 5482) so long after the client would have been called
/// slow: a window that stays shut counts as not acknowledging, and whoever is slow should be told so.
const AFTER_STALL: Duration = Duration::from_secs(20);
/// The most that it may be.
const LONGEST_USER_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

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
                        let entering = Box::pin(enter(stream, address, place, Arc::clone(&entrance)));
                        tasks.spawn(serve(entering, Arc::clone(&entrance)));
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
    if let Ok(Some(wire)) = timeout(goodbye, Box::pin(secure(stream, &entrance))).await {
        answer(&wire, &reply, false, goodbye).await;
    }
}

fn stopping() -> Reply {
    Reply::refuse(503, "The server is stopping.").header("Retry-After", "5")
}

fn no_descriptor() -> Reply {
    Reply::refuse(503, "The server has no descriptor for another connection just now.").header("Retry-After", "5")
}

/// Writes an answer and ends the connection so that the peer can read it.
pub(crate) async fn answer(wire: &Wire, reply: &Reply, to_head: bool, goodbye: Duration) {
    let bytes = reply.to_bytes(to_head);
    if let Ok(Ok(())) = timeout(goodbye, wire.write_all(&bytes)).await
        && wire.finish().is_ok()
    {
        connection::discard(wire.stream(), goodbye).await;
    }
}

/// Shakes hands under TLS where it is spoken. Who does not speak it is told so.
async fn secure(stream: TcpStream, entrance: &Entrance) -> Option<Wire> {
    let Some(tls) = &entrance.tls else { return Some(Wire::Tcp(stream)) };
    match Tls::accept(stream, Arc::clone(tls)).await {
        Ok(tls) => Some(Wire::Tls(tls)),
        Err(Refused::Lost(error)) => {
            tracing::debug!(%error, "no TLS handshake");
            None
        }
        Err(Refused::Plain(stream)) => {
            let reply = Reply::refuse(400, "This port speaks TLS: begin the address with wss:// (or https://).");
            answer(&Wire::Tcp(stream), &reply, false, entrance.patience.close).await;
            None
        }
    }
}

/// Who has come in.
struct Entered {
    outlet: Arc<Outlet>,
    frames: Frames,
    speech: Speech,
    place: Place,
}

/// Serves a connection to its end. The handshake's future is large and soon over, so it comes in a box.
#[expect(clippy::manual_async_fn, reason = "an `async fn` holds its arguments twice")]
fn serve(
    entering: Pin<Box<impl Future<Output = Option<Entered>> + Send>>,
    entrance: Arc<Entrance>,
) -> impl Future<Output = ()> + Send {
    async move {
        let Some(Entered { outlet, frames, speech, place }) = entering.await else { return };
        let goodbye = entrance.patience.close;
        connection::run(frames, outlet, speech, Arc::clone(&entrance.yard.hub), goodbye, place).await;
    }
}

/// Reads a head, answers it, and makes a client of whoever may come in.
async fn enter(stream: TcpStream, peer: SocketAddr, mut place: Place, entrance: Arc<Entrance>) -> Option<Entered> {
    #[cfg(not(target_os = "linux"))]
    if let Err(error) = prepare(&socket2::SockRef::from(&stream), &entrance.patience) {
        tracing::debug!(%error, "a new connection is gone already");
        return None;
    }
    let metrics = entrance.yard.hub.metrics();
    let begun = Instant::now();
    let left = || entrance.handshake.saturating_sub(begun.elapsed());
    let wire = tokio::select! {
        // Without TLS there is nothing to wait for, and who comes at the end is told so below.
        biased;
        wire = timeout(left(), secure(stream, &entrance)) => match wire {
            Ok(Some(wire)) => wire,
            Ok(None) => {
                metrics.refused(NotIn::Tls);
                return None;
            }
            Err(_) => {
                metrics.refused(NotIn::TooSlow);
                return None;
            }
        },
        () = entrance.shutdown.cancelled() => {
            metrics.refused(NotIn::Stopping);
            return None;
        }
    };
    let mut client = peer.ip();
    let mut bytes = Vec::with_capacity(1024);
    let read = tokio::select! {
        read = timeout(left(), read_head(&wire, &mut bytes)) => read,
        () = entrance.shutdown.cancelled() => Ok(Err(HeadError::Refused(stopping()))),
    };
    let decided = match read {
        Ok(Ok(end)) => {
            let (known, decided) = decide(&bytes[..end], client, &entrance);
            client = known;
            let admitted = entrance.admission.name(&mut place, client, Instant::now());
            match admitted.map_err(refusal).and(decided.map_err(by_status)) {
                Ok((way, reply)) if way == Way::Echo => Ok((way, reply, end)),
                Ok((way, reply)) => entrance.admission.arrive().map(|()| (way, reply, end)).map_err(refusal),
                Err(refused) => Err(refused),
            }
        }
        Ok(Err(HeadError::Lost)) => {
            metrics.refused(NotIn::Lost);
            return None;
        }
        Ok(Err(HeadError::Refused(reply))) => Err(by_status(reply)),
        Err(_) => Err(by_status(Reply::refuse(408, "The request did not come in time."))),
    };
    let (way, reply, end) = match decided {
        Ok(decided) => decided,
        Err((why, reply)) => {
            tracing::debug!(status = reply.status(), %client, "refused a handshake");
            metrics.refused(why);
            Box::pin(answer(&wire, &reply, bytes.starts_with(b"HEAD "), entrance.patience.close)).await;
            return None;
        }
    };
    if !matches!(timeout(left(), wire.write_all(&reply.to_bytes(false))).await, Ok(Ok(()))) {
        metrics.refused(NotIn::Lost);
        return None;
    }
    let rest = bytes.split_off(end);
    converse(wire, client, place, way, handshake::ticket(&bytes), rest, &entrance).await
}

fn refusal(not_now: NotNow) -> (NotIn, Reply) {
    (not_now.why, not_now.reply)
}

fn by_status(reply: Reply) -> (NotIn, Reply) {
    (NotIn::with_status(reply.status()), reply)
}

/// Makes a client of somebody whose handshake is over.
async fn converse(
    wire: Wire,
    client: IpAddr,
    place: Place,
    way: Way,
    ticket: Option<&str>,
    rest: Vec<u8>,
    entrance: &Entrance,
) -> Option<Entered> {
    let yard = Arc::clone(&entrance.yard);
    let connection = yard.hub.people().next_connection();
    let negotiated = matches!(way, Way::Chat { negotiated: true, .. });
    let metrics = Arc::clone(yard.hub.metrics());
    let outlet = Arc::new(Outlet::new(connection, wire, way != Way::Echo, Vitals::new(negotiated), metrics));
    let protocol = match way {
        Way::Echo => metrics::Protocol::Echo,
        Way::Chat { negotiated: true, .. } => metrics::Protocol::Chat,
        Way::Chat { .. } => metrics::Protocol::Plain,
    };
    let address = Address::of(client);
    let registration = yard.hub.people().register(&outlet, address, place.visit().cloned(), protocol);
    if entrance.shutdown.is_cancelled() {
        // The goodbye to everybody may have begun before this connection was in the registry.
        outlet.close(CloseCode::Shutdown, Some(RESTART.as_millis() as u64 + connection % LATE_APART_MS));
    }
    tracing::debug!(conn = connection, %client, ?way, "connected");
    let frames = Frames::new(Arc::clone(&outlet), rest);
    let speech = match way {
        Way::Echo => {
            if let Some(ban) = yard.hub.law().ban_of(None, address) {
                outlet.dismiss(&farewell(&ban));
            }
            match yard.door.lets_in(ticket, unix_ms()) {
                Ok(()) => {}
                // There is no error in an echo: the code says it.
                Err(Outside::TurnedAway(turned)) => outlet.close(turned.code, None),
                Err(Outside::Identity(_)) => outlet.close(CloseCode::Internal, None),
            }
            Speech::echo(&yard, registration)
        }
        Way::Chat { negotiated: true, .. } => Speech::chat(yard, Arc::clone(&outlet), registration),
        Way::Chat { room, .. } => {
            let ticket = ticket.map(str::to_owned);
            Box::pin(Speech::plain(yard, Arc::clone(&outlet), registration, room, ticket)).await
        }
    };
    Some(Entered { outlet, frames, speech, place })
}

/// Opens the listening socket.
///
/// # Errors
/// When the address cannot be had, as when another process has it.
pub fn listen(address: SocketAddr, patience: &Patience) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that was killed may be started again at once.
    socket.set_reuse_address(true)?;
    // On Linux a connection begins as a copy of the socket that it came to: set once here, the options cost no
    // connection three system calls.
    prepare(&socket, patience)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets what every connection's socket needs.
fn prepare(socket: &Socket, patience: &Patience) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
        // Linux takes at most 24 days; a day without a sign of life is enough for anybody.
        socket.set_tcp_user_timeout(Some((patience.stall + AFTER_STALL).min(LONGEST_USER_TIMEOUT)))?;
    }
    Ok(())
}

/// Why there is no head.
pub(crate) enum HeadError {
    /// The peer is gone.
    Lost,
    /// It is to be answered so.
    Refused(Reply),
}

/// Reads until the head ends and says where; what came behind it stays in `bytes`.
pub(crate) async fn read_head(wire: &Wire, bytes: &mut Vec<u8>) -> Result<usize, HeadError> {
    loop {
        let searched = bytes.len();
        let mut some = [0; 1024];
        match wire.read(&mut some).await {
            Ok(0) | Err(_) => return Err(HeadError::Lost),
            Ok(count) => bytes.extend_from_slice(&some[..count]),
        }
        // A method begins with a letter: who begins otherwise (TLS with 0x16) will never end a head.
        if !bytes.first().is_some_and(u8::is_ascii_alphabetic) {
            let sentence = "This is not HTTP. If it is TLS: this port speaks plain ws:// and http://.";
            return Err(HeadError::Refused(Reply::refuse(400, sentence)));
        }
        if let Some(end) = head_end(bytes, searched) {
            return Ok(end);
        }
        if bytes.len() > HEAD_BYTES {
            let sentence = format!("The request's head is longer than {HEAD_BYTES} bytes.");
            return Err(HeadError::Refused(Reply::refuse(431, &sentence)));
        }
    }
}

/// Whose request it is, and what to do about it.
fn decide(head: &[u8], peer: IpAddr, entrance: &Entrance) -> (IpAddr, Result<(Way, Reply), Reply>) {
    let mut space = Head::space();
    match Head::parse(head, &mut space) {
        Ok(head) => {
            let client = handshake::client(&head, peer, &entrance.admission.trusted());
            (client, handshake::decide(&head, &entrance.origins.now()))
        }
        Err(reply) => (peer, Err(reply)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_connection_has_the_options_of_the_socket_that_it_came_to() {
        let patience = Patience {
            ping_after: Duration::from_secs(25),
            dead_after: Duration::from_secs(40),
            hello: Duration::from_secs(10),
            stall: Duration::from_secs(7),
            partial: Duration::from_secs(30),
            close: Duration::from_secs(1),
        };
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), &patience).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let socket = socket2::SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), NOT_SENT_BYTES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(7) + AFTER_STALL));
    }
}
