//! What an outlet writes to.

use std::{
    io::{self, IoSlice},
    task::{Context, Poll},
};

use rustix::net::{SendFlags, send};
use tokio::net::TcpStream;

/// The bytes' way to one client. Nothing here ever waits for the client.
pub enum Wire {
    /// A socket of its own.
    Tcp(TcpStream),
    /// What a test lets through.
    #[cfg(test)]
    Scripted(std::sync::Arc<super::tests::Script>),
}

impl Wire {
    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        match self {
            Self::Tcp(stream) => stream,
            #[cfg(test)]
            Self::Scripted(_) => unreachable!("a script is only written to"),
        }
    }

    /// Writes what goes at once; made for the fast path. It is the bare system call: tokio's way looks at what the
    /// reactor knows of this socket first, which is one more cache line for each client. Whoever has to wait after it
    /// asks [`Wire::poll_ready`] after a [`Wire::write_vectored`] that was refused.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => loop {
                match send(stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                    Err(rustix::io::Errno::INTR) => {}
                    sent => return Ok(sent?),
                }
            },
            #[cfg(test)]
            Self::Scripted(script) => script.write(&[IoSlice::new(bytes)]),
        }
    }

    /// Writes what goes of several slices at once, and lets the reactor know when that is nothing.
    pub fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(slices),
            #[cfg(test)]
            Self::Scripted(script) => script.write(slices),
        }
    }

    /// Waits until writing may get on.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            #[cfg(test)]
            Self::Scripted(script) => script.poll_ready(cx),
        }
    }
}
