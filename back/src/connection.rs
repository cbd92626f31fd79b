//! One connection from its handshake to its last byte: reads frames, has them heard, writes what waits, and says
//! goodbye properly. It knows nothing of rooms.

use std::{future::poll_fn, io, pin::pin, sync::Arc, task::ready, time::Duration};

use shared::CloseCode;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};

use crate::{
    conversation::Speech,
    hub::{History, Hub, Next, Outlet},
    metrics::Peer,
    socket::Frames,
};

/// How reading ended.
enum Heard {
    /// A closing handshake is under way, from either side: what is queued should still leave.
    Closing,
    /// The connection is gone.
    Lost,
}

/// Runs a connection to its end. `goodbye` bounds each step of closing it; `held` is let go of with it.
///
/// This future is most of what a client costs who says nothing. So whatever is awaited seldom is in a box, and it is a
/// block and no `async fn`, which would hold every argument twice.
pub fn run(
    mut frames: Frames,
    outlet: Arc<Outlet>,
    mut speech: Speech,
    hub: Arc<Hub>,
    goodbye: Duration,
    held: impl Send,
) -> impl Future<Output = ()> + Send {
    let outlet = AbortOnDrop(outlet);
    async move {
        let outlet = &*outlet.0;
        {
            // Side by side, so that neither reading nor writing can starve the other: hearing a message may wait for
            // history, and a socket that takes nothing must not keep its client from being heard.
            let mut writing = pin!(write(outlet, hub.history()));
            let heard = tokio::select! {
                heard = read(&mut frames, outlet, &mut speech) => heard,
                () = &mut writing => Heard::Lost,
            };
            // Who is not heard any more has left.
            drop(speech);
            if matches!(heard, Heard::Closing) {
                _ = Box::pin(timeout(goodbye, writing)).await;
            }
        }
        outlet.abort();
        Box::pin(linger(outlet, goodbye)).await;
        tracing::debug!(conn = outlet.connection(), "gone");
        drop(held);
    }
}

/// No cursor may outlive its connection, however that ended: it holds on to its room, and through it to this outlet.
struct AbortOnDrop(Arc<Outlet>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads messages and has them heard, one after the other.
async fn read(frames: &mut Frames, outlet: &Outlet, speech: &mut Speech) -> Heard {
    loop {
        let next = poll_fn(|cx| {
            ready!(outlet.poll_readable(cx));
            frames.poll_message(cx)
        });
        let message = match next.await {
            Ok(message) => message,
            Err(error) => return refuse(&error, frames, outlet),
        };
        if !outlet.is_open() {
            // We are closing: what still comes is not heard any more.
            return Heard::Closing;
        }
        let rest = match message {
            Message::Text(text) => speech.hear_text(outlet, &text),
            Message::Binary(bytes) => speech.hear_binary(outlet, &bytes),
            Message::Close(close) => {
                frames.flush();
                outlet.seal(Peer::closed_with(close.map(|close| close.code.into())));
                return Heard::Closing;
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
        };
        if let Some(rest) = rest {
            // While history lets this client wait, what it says cannot be read, and is no silence.
            outlet.vitals().held(true);
            rest.await;
        }
    }
}

/// What to say to a peer whose bytes made no sense.
fn refuse(error: &Error, frames: &Frames, outlet: &Outlet) -> Heard {
    let code = match error {
        Error::Capacity(_) => CloseCode::TooBig,
        Error::Utf8(_) => CloseCode::InvalidUtf8,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            // It has nothing more to say, and may still read what it asked for.
            outlet.seal(Peer::Lost);
            return Heard::Closing;
        }
        Error::Protocol(_) => CloseCode::ProtocolError,
        _ => match frames.fault() {
            Some(code) => code,
            None => return Heard::Lost,
        },
    };
    tracing::debug!(conn = outlet.connection(), code = code.code(), %error, "refused a frame");
    outlet.close(code, None);
    Heard::Closing
}

/// Writes what waits and brings what is behind forward until the connection ends.
pub(crate) async fn write(outlet: &Outlet, history: &History) {
    loop {
        match poll_fn(|cx| outlet.poll_next(cx)).await {
            Next::CatchUp(backlog) => {
                backlog.step(outlet, history).await;
                // A long replay to a fast reader never waits by itself.
                tokio::task::yield_now().await;
            }
            Next::Finished | Next::Broken => return,
        }
    }
}

/// Sends FIN and reads until the peer's, or not for long. Closing a socket with unread bytes in it sends a reset, which
/// may overtake the Close frame and take its code from the client.
async fn linger(outlet: &Outlet, goodbye: Duration) {
    if outlet.wire().finish().is_ok() {
        discard(outlet.wire().stream(), goodbye).await;
    }
}

/// Reads and forgets until the peer has nothing more to say; under TLS without deciphering it.
pub(crate) async fn discard(stream: &tokio::net::TcpStream, at_most: Duration) {
    // Outside the future: a buffer in it would be part of every connection's task from its beginning.
    fn read_some(stream: &tokio::net::TcpStream) -> io::Result<usize> {
        let mut sink = [0; 4096];
        stream.try_read(&mut sink)
    }
    _ = timeout(at_most, async {
        while stream.readable().await.is_ok() {
            match read_some(stream) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
    })
    .await;
}
