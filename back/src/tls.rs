//! A socket under TLS. Nothing here waits but the handshake: like a bare socket it takes what goes, gives what is there,
//! and otherwise says `WouldBlock`. It knows bytes, no HTTP and no WebSocket.
//!
//! A record that was encrypted has to leave, whole and in its order. So that nobody above needs to know of it, its last
//! byte counts as written only when all of it has left: until then somebody has something to write, and is told when
//! the socket takes nothing. In return, whoever writes goes on with exactly the bytes that were not taken.

use std::{
    io::{self, IoSlice, Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use rustix::net::{SendFlags, send};
use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpStream;

/// The most plaintext of one record (RFC 8446, section 5.1), and so the most that waits encrypted.
const RECORD_BYTES: usize = 16 * 1024;

/// The first byte of whoever begins with TLS: a handshake record.
const HANDSHAKE: u8 = 0x16;

/// A connection whose handshake is over.
pub struct Tls {
    stream: TcpStream,
    secret: Mutex<Secret>,
}

struct Secret {
    session: ServerConnection,
    /// Bytes at the end of the last write that are encrypted and count as not written: none, or one.
    owed: usize,
}

/// Why there was no handshake.
pub enum Refused {
    /// It ended, or failed; the peer was told if it could be.
    Lost(io::Error),
    /// The peer does not speak TLS.
    Plain(TcpStream),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl Tls {
    /// Shakes hands. The caller bounds the time.
    ///
    /// # Errors
    /// When the peer speaks something else, or leaves.
    pub async fn accept(stream: TcpStream, config: Arc<ServerConfig>) -> Result<Box<Self>, Refused> {
        let mut first = [0];
        if stream.peek(&mut first).await? > 0 && first[0] != HANDSHAKE {
            return Err(Refused::Plain(stream));
        }
        let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
        session.set_buffer_limit(Some(RECORD_BYTES));
        loop {
            // First of all what there is to say: the last of it is a ticket, after the handshake.
            while session.wants_write() {
                stream.writable().await?;
                would_block_is_fine(session.write_tls(&mut Patient(&stream)))?;
            }
            if !session.is_handshaking() {
                return Ok(Box::new(Self { stream, secret: Mutex::new(Secret { session, owed: 0 }) }));
            }
            stream.readable().await?;
            match session.read_tls(&mut Patient(&stream)) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            if let Err(error) = session.process_new_packets() {
                // The alert that says why.
                _ = session.write_tls(&mut Patient(&stream));
                return Err(io::Error::other(error).into());
            }
        }
    }

    /// The socket itself, for its settings and its end.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn secret(&self) -> MutexGuard<'_, Secret> {
        self.secret.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until reading may get on.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What is decrypted does not show on the socket.
        if self.secret().session.wants_read() { self.stream.poll_read_ready(cx) } else { Poll::Ready(Ok(())) }
    }

    /// Reads what is there; 0 when the peer has nothing more to say. Reads from the socket at most once: who pours in
    /// what is no data, as empty records, must not hold up those who write here.
    pub fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut secret = self.secret();
        match secret.read(into) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
        secret.session.read_tls(&mut Patient(&self.stream))?;
        let processed = secret.session.process_new_packets();
        // A new key, or the alert that says why there is no more. If it does not go now it goes before the next write.
        _ = secret.flush(&mut Bare(&self.stream));
        processed.map_err(io::Error::other)?;
        secret.read(into)
    }

    /// Encrypts and writes what goes at once; the fast path, as `Wire::write` has it. Never part of that one's code:
    /// what it needs of registers and stack would be paid for by those without TLS.
    #[inline(never)]
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.secret().write(&mut [IoSlice::new(bytes)], &mut Bare(&self.stream))
    }

    /// The same of several slices, and lets the reactor know when that is nothing.
    pub fn write_vectored(&self, slices: &mut [IoSlice<'_>]) -> io::Result<usize> {
        self.secret().write(slices, &mut Patient(&self.stream))
    }

    /// Tells the peer that nothing follows, if that still goes. In the middle of a record it does not, and the peer will
    /// know that something is missing.
    pub fn say_goodbye(&self) {
        let mut secret = self.secret();
        if !secret.session.wants_write() {
            secret.session.send_close_notify();
            _ = secret.flush(&mut Bare(&self.stream));
        }
    }
}

impl Secret {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.session.reader().read(into) {
            // Whether all was said is for WebSocket's Close to tell, as on a bare socket.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }

    /// Sends all that is encrypted.
    fn flush(&mut self, socket: &mut dyn Write) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(socket)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// One record after the other, each only when the one before it has left.
    fn write(&mut self, mut slices: &mut [IoSlice<'_>], socket: &mut dyn Write) -> io::Result<usize> {
        self.flush(socket)?;
        let mut written = std::mem::take(&mut self.owed);
        IoSlice::advance_slices(&mut slices, written);
        while slices.iter().any(|slice| !slice.is_empty()) {
            let taken = self.session.writer().write_vectored(slices)?;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            written += taken;
            IoSlice::advance_slices(&mut slices, taken);
            match self.flush(socket) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.owed = 1;
                    // No frame has only one byte: one that is left alone is the rest of a write, and comes again.
                    return if written > 1 { Ok(written - 1) } else { Err(error) };
                }
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }
}

fn would_block_is_fine(done: io::Result<usize>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

/// The socket by way of the reactor, which then knows what would block.
struct Patient<'a>(&'a TcpStream);

impl Read for Patient<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bare system call.
struct Bare<'a>(&'a TcpStream);

impl Write for Bare<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match send(self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Err(rustix::io::Errno::INTR) => {}
                sent => return Ok(sent?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
