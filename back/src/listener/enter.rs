//! From an accepted socket to a client: TLS where it is spoken, the request's head, and what is decided about it. All of
//! it has one deadline.

use std::{
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Instant,
};

use service::drain::RESTART;
use shared::{Address, CloseCode};
use tokio::{net::TcpStream, time::timeout};

use super::{
    Entrance,
    head::{HeadError, answer, read_head},
};
use crate::{
    admission::{NotNow, Place},
    connection,
    conversation::{Speech, Yard},
    door::Outside,
    handshake::{self, Head, Reply, Way},
    history::unix_ms,
    hub::{Outlet, Registration, Vitals, Wire, farewell},
    metrics::{self, Refused as NotIn},
    moderation::Sanction,
    socket::Frames,
    tls::{Refused, Tls},
};

/// Who came in while the server stopped comes back some time within this after a restart, in milliseconds.
const LATE_APART_MS: u64 = 1_000;

/// Shakes hands under TLS where it is spoken. Who does not speak it is told so.
pub(super) async fn secure(stream: TcpStream, entrance: &Entrance) -> Option<Wire> {
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
pub(super) struct Entered {
    outlet: Arc<Outlet>,
    frames: Frames,
    speech: Speech,
    place: Place,
}

/// Serves a connection to its end. The handshake's future is large and soon over, so it comes in a box.
#[expect(clippy::manual_async_fn, reason = "an `async fn` holds its arguments twice")]
pub(super) fn serve(
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
pub(super) async fn enter(
    stream: TcpStream,
    peer: SocketAddr,
    mut place: Place,
    entrance: Arc<Entrance>,
) -> Option<Entered> {
    #[cfg(not(target_os = "linux"))]
    if let Err(error) = super::bind::prepare(&socket2::SockRef::from(&stream), &entrance.patience) {
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
        Err(_) => Err(by_status(Reply::refuse(
            408,
            "The request did not come in time: a handshake ends with an empty line, and a message comes after it.",
        ))),
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
            // There is no error in an echo: the code says it.
            match echoes(&yard, &registration, ticket) {
                Ok(None) => {}
                Ok(Some(ban)) => outlet.dismiss(&farewell(&ban)),
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

/// Whether somebody may be echoed, or a ban that keeps them out. First whose connection it is, then whether they may come
/// in: a ban or a sign-out in between finds the connection.
fn echoes(yard: &Yard, registration: &Registration, ticket: Option<&str>) -> Result<Option<Arc<Sanction>>, Outside> {
    let holder = yard.door.lets_in(ticket, unix_ms())?;
    if let Some((user, account)) = &holder {
        registration.belongs_to(user, account.sign_in.clone());
        yard.door.still(user, account)?;
    }
    Ok(yard.hub.law().ban_of(holder.as_ref().map(|(user, _)| user), registration.address()))
}

fn stopping() -> Reply {
    Reply::refuse(503, "The server is stopping.").header("Retry-After", "5")
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
