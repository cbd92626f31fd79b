//! What a client's bytes come from, and what an outlet writes to.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    task::{Context, Poll, ready},
};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::{io::Interest, net::TcpStream};

use crate::tls::Tls;

/// The bytes' way to one client. Nothing here ever waits for the client.
pub enum Wire {
    /// A socket of its own.
    Tcp(TcpStream),
    /// The same under TLS, elsewhere: a socket without it is no larger for it.
    Tls(Box<Tls>),
    /// What a test lets through.
    #[cfg(test)]
    Scripted(std::sync::Arc<super::tests::Script>),
}

impl Wire {
    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        match self {
            Self::Tcp(stream) => stream,
            Self::Tls(tls) => tls.stream(),
            #[cfg(test)]
            Self::Scripted(_) => unreachable!("a script is only written to"),
        }
    }

    /// Whether it is under TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Writes what goes at once; made for the fast path. It is the bare system call: tokio's way looks at what the
    /// reactor knows of this socket first, which is one more cache line for each client. Whoever has to wait after it
    /// asks [`Wire::poll_ready`] after a [`Wire::write_vectored`] that was refused, and goes on with the bytes that were
    /// not taken.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => loop {
                match send(stream, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                    Err(rustix::io::Errno::INTR) => {}
                    sent => return Ok(sent?),
                }
            },
            Self::Tls(tls) => tls.write(bytes),
            #[cfg(test)]
            Self::Scripted(script) => script.write(&[IoSlice::new(bytes)]),
        }
    }

    /// Writes what goes of several slices at once, and lets the reactor know when that is nothing. The slices are of no
    /// use afterwards.
    pub fn write_vectored(&self, slices: &mut [IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(slices),
            Self::Tls(tls) => tls.write_vectored(slices),
            #[cfg(test)]
            Self::Scripted(script) => script.write(slices),
        }
    }

    /// Waits until writing may get on.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            Self::Tls(tls) => tls.stream().poll_write_ready(cx),
            #[cfg(test)]
            Self::Scripted(script) => script.poll_ready(cx),
        }
    }

    /// Waits until reading may get on.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Tls(tls) => tls.poll_read_ready(cx),
            #[cfg(test)]
            Self::Scripted(_) => unreachable!("a script is only written to"),
        }
    }

    /// Reads what is there; 0 when the client has nothing more to say.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => read_once(stream, into),
            Self::Tls(tls) => tls.try_read(into),
            #[cfg(test)]
            Self::Scripted(_) => unreachable!("a script is only written to"),
        }
    }

    /// Waits for bytes and reads what is there.
    pub(crate) async fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| {
            loop {
                ready!(self.poll_read_ready(cx))?;
                match self.try_read(into) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    read => return Poll::Ready(read),
                }
            }
        })
        .await
    }

    /// Writes all of it, for as long as that takes.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_vectored(&mut [IoSlice::new(bytes)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => poll_fn(|cx| self.poll_ready(cx)).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that nothing follows. What the client still has to say can be read.
    pub(crate) fn finish(&self) -> io::Result<()> {
        if let Self::Tls(tls) = self {
            tls.say_goodbye();
        }
        socket2::SockRef::from(self.stream()).shutdown(std::net::Shutdown::Write)
    }
}

/// Reads what there is. Less than would fit was all: told so, tokio needs no second system call to find the socket
/// empty. What comes meanwhile sets it readable anew, because tokio compares the event that it clears.
fn read_once(stream: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    let mut short = None;
    let read = stream.try_io(Interest::READABLE, || {
        let count = recv(stream, &mut *buf, RecvFlags::empty())?.0;
        // The end stays readable, and is not told again.
        if count > 0 && count < buf.len() {
            short = Some(count);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(count)
    });
    short.map_or(read, Ok)
}
