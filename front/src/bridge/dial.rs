//! A stream of bytes to back. It knows addresses and nothing of what is said over them.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::host::BackUrl;

/// Bytes in both directions, over TCP or what is laid over it.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Connects to back. It has no time limit of its own; whoever calls it has one.
///
/// # Errors
/// When nobody listens there, or the address asks for what this build does not speak.
pub(crate) async fn dial(back: &BackUrl) -> io::Result<Box<dyn Duplex>> {
    if back.is_secure() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "--back with wss:// is not spoken yet; use ws://"));
    }
    let stream = TcpStream::connect(back.host_and_port()).await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}
