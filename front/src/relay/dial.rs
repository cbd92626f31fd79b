//! The way to the chat server: a connection that is ready for HTTP.

use std::{io, time::Duration};

use tokio::net::TcpStream;

use crate::host::BackUrl;

/// What a connection to the chat server is.
pub(super) type Line = TcpStream;

/// Received bytes that the kernel keeps for a browser that does not read. By default it is megabytes, which the chat
/// server would take for delivered.
const UNREAD_BYTES: usize = 128 * 1024;

/// Sent bytes that nobody acknowledges end the connection so long after (RFC 5482).
const LOST_AFTER: Duration = Duration::from_secs(30);

/// Connects to the chat server.
///
/// # Errors
/// When it cannot be found or reached, or its address asks for TLS, which is not spoken here.
pub(super) async fn dial(back: &BackUrl) -> io::Result<Line> {
    if back.is_secure() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "wss:// is not spoken by the relay"));
    }
    let stream = TcpStream::connect(back.host_and_port()).await?;
    let socket = socket2::SockRef::from(&stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_recv_buffer_size(UNREAD_BYTES)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(LOST_AFTER))?;
    Ok(stream)
}
