//! The stream that tungstenite sees. It reads the client's socket; what tungstenite writes goes into the outlet's queue.
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
use shared::limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::hub::Outlet;

/// Most bytes between two whole messages: the largest message, and as much again for its frames' headers. Without it,
/// 200,000 empty fragments of one message pass unseen.
const UNFINISHED_BYTES: usize = limits::MESSAGE_BYTES + 64 * 1024;

/// Bytes of a client's control frame without its payload: two of header, four of mask (RFC 6455, 5.2).
const CONTROL_HEADER: usize = 6;

/// A client's socket, as tungstenite sees it.
pub struct Socket {
    outlet: Arc<Outlet>,
    /// Bytes read since the last whole message, without whole control frames.
    unfinished: usize,
}

impl Socket {
    /// The socket of this outlet.
    pub fn new(outlet: Arc<Outlet>) -> Self {
        Self { outlet, unfinished: 0 }
    }

    /// A whole message was read. What follows it in tungstenite's buffer is not counted, at most one read of it.
    pub fn message_read(&mut self) {
        self.unfinished = 0;
        self.outlet.vitals().partial(false);
    }

    /// A whole control frame was read, perhaps in the middle of a message.
    pub fn control_read(&mut self, payload: usize) {
        self.unfinished = self.unfinished.saturating_sub(payload + CONTROL_HEADER);
        if self.unfinished == 0 {
            self.outlet.vitals().partial(false);
        }
    }

    /// Whether reading ended because a message does not.
    pub fn is_overrun(&self) -> bool {
        self.unfinished > UNFINISHED_BYTES
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_overrun() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let stream = this.outlet.stream();
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(buf.initialize_unfilled()) {
                Ok(count) => {
                    buf.advance(count);
                    this.unfinished += count;
                    if count > 0 {
                        this.outlet.vitals().heard();
                        this.outlet.vitals().partial(true);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, frames: &[u8]) -> Poll<io::Result<usize>> {
        self.outlet.push_from_websocket(Bytes::copy_from_slice(frames));
        Poll::Ready(Ok(frames.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
