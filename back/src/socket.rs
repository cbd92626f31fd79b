//! A client's frames, as tungstenite reads them. What tungstenite writes goes into the outlet's queue.
//!
//! tungstenite always passes its complete buffer to `write`, which here takes all of it, so every append is whole
//! frames. Broadcasts are appended under the same lock: nothing is ever torn, and pong and close stay tungstenite's.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use shared::{CloseCode, limits};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use crate::{hub::Outlet, scanner::Scanner};

/// Most bytes of a message that has not ended: the largest one, and as much again for the headers of its fragments.
const UNFINISHED_BYTES: usize = limits::MESSAGE_BYTES + 64 * 1024;

/// tungstenite's read buffer. It is zeroed before every attempt to read, so its default of 128 KiB would cost more than
/// most messages.
const READ_BUFFER: usize = 1024;

/// What a client says, message by message.
pub struct Frames {
    socket: Socket,
    /// What tungstenite knows of a message that is under way, with its buffers. Between two messages there is nothing
    /// to know, and most clients say nothing most of the time.
    context: Option<Box<WebSocketContext>>,
}

impl Frames {
    /// The frames that come through this outlet's socket, after `rest`, which was read from it already.
    pub fn new(outlet: Arc<Outlet>, rest: Vec<u8>) -> Self {
        let mut socket = Socket { outlet, scanner: Scanner::default(), fault: None, may_read: false };
        socket.look_at(&rest);
        let context = Some(rest)
            .filter(|rest| !rest.is_empty())
            .map(|rest| Box::new(WebSocketContext::from_partially_read(rest, Role::Server, Some(config()))));
        Self { socket, context }
    }

    /// Waits for the next message. After an error, or after Close and [`Frames::flush`], there is none.
    ///
    /// # Errors
    /// When the connection is gone, or what came makes no sense.
    pub fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        loop {
            if let Some(context) = &mut self.context {
                match context.read(&mut self.socket) {
                    Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return Poll::Ready(read),
                }
            }
            match self.socket.poll_readable(cx) {
                Poll::Ready(readable) => readable?,
                Poll::Pending => {
                    if !self.socket.scanner.is_inside() {
                        // All that came is heard and answered: a new context will be in the same state.
                        self.context = None;
                    }
                    return Poll::Pending;
                }
            }
            self.context.get_or_insert_with(|| Box::new(WebSocketContext::new(Role::Server, Some(config()))));
        }
    }

    /// Moves tungstenite's answer to Close into the outlet's queue.
    pub fn flush(&mut self) {
        if let Some(context) = &mut self.context {
            // The end of the connection is reported as an error; the answer is in the queue all the same.
            _ = context.flush(&mut self.socket);
        }
    }

    /// Why reading ended, if it was for what tungstenite does not see.
    pub fn fault(&self) -> Option<CloseCode> {
        self.socket.fault
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        // Every frame that tungstenite writes goes to the outlet at once.
        .write_buffer_size(0)
        .max_write_buffer_size(2 * limits::MESSAGE_BYTES)
        .max_message_size(Some(limits::MESSAGE_BYTES))
        .max_frame_size(Some(limits::MESSAGE_BYTES))
}

/// A client's socket, as tungstenite sees it.
struct Socket {
    outlet: Arc<Outlet>,
    scanner: Scanner,
    fault: Option<CloseCode>,
    /// Whether it may be read once. Asking tokio before every read is what lets others have their turn.
    may_read: bool,
}

impl Socket {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.outlet.wire().poll_read_ready(cx))?;
        self.may_read = true;
        Poll::Ready(Ok(()))
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

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.fault.is_none() {
            if !std::mem::take(&mut self.may_read) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = self.outlet.wire().try_read(buf)?;
            if count > 0 {
                self.outlet.vitals().heard();
                self.look_at(&buf[..count]);
            }
            if self.fault.is_none() {
                return Ok(count);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

impl Write for Socket {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        self.outlet.push(Bytes::copy_from_slice(frames));
        Ok(frames.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
