//! The stream that tungstenite sees. It reads the client's socket; what tungstenite writes goes into the outlet's
//! queue.
//!
//! tungstenite always passes its complete buffer to `poll_write`, which here takes all of it, so every append is whole
//! frames. Broadcasts are appended under the same lock: nothing is ever torn, and pong and close stay tungstenite's.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use shared::{CloseCode, limits};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{hub::Outlet, scanner::Scanner};

/// Most bytes of a message that has not ended: the largest one, and as much again for the headers of its fragments.
const UNFINISHED_BYTES: usize = limits::MESSAGE_BYTES + 64 * 1024;

/// A client's socket, as tungstenite sees it.
pub struct Socket {
    outlet: Arc<Outlet>,
    scanner: Scanner,
    fault: Option<CloseCode>,
}

impl Socket {
    /// The socket of this outlet; `rest` was read from it already.
    pub fn new(outlet: Arc<Outlet>, rest: &[u8]) -> Self {
        let mut socket = Self { outlet, scanner: Scanner::default(), fault: None };
        socket.look_at(rest);
        socket
    }

    /// Why reading ended, if it was for what tungstenite does not see.
    pub fn fault(&self) -> Option<CloseCode> {
        self.fault
    }

    fn look_at(&mut self, bytes: &[u8]) {
        let ended = self.scanner.ended();
        if self.scanner.feed(bytes).is_err() {
            self.fault = Some(CloseCode::ProtocolError);
        } else if self.scanner.unfinished() > UNFINISHED_BYTES {
            self.fault = Some(CloseCode::Unfinished);
        }
        if self.scanner.ended() > ended {
            // Whatever is under way now began after that.
            self.outlet.vitals().partial(false);
        }
        self.outlet.vitals().partial(self.scanner.is_inside());
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.fault.is_some() {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            let stream = this.outlet.stream();
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(buf.initialize_unfilled()) {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(count) => {
                    let begin = buf.filled().len();
                    buf.advance(count);
                    this.outlet.vitals().heard();
                    this.look_at(&buf.filled()[begin..]);
                    if this.fault.is_none() {
                        return Poll::Ready(Ok(()));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, frames: &[u8]) -> Poll<io::Result<usize>> {
        self.outlet.push(Bytes::copy_from_slice(frames));
        Poll::Ready(Ok(frames.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
