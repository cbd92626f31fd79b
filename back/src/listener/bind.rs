//! The listening socket, and what every connection's socket is set to.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{Domain, Protocol, Socket, Type};

use crate::heartbeat::Patience;

/// Waiting connections that the kernel holds; Linux cuts it to `net.core.somaxconn`, 4,096 by default.
const BACKLOG: i32 = 4096;

/// Unsent bytes that a socket takes. By default a stalled client hides up to 4 MB in the kernel.
const NOT_SENT_BYTES: u32 = 32 * 1024;

/// Sent bytes that nobody acknowledges end the connection (RFC 5482) so long after the client would have been called
/// slow: a window that stays shut counts as not acknowledging, and whoever is slow should be told so.
const AFTER_STALL: Duration = Duration::from_secs(20);
/// The most that it may be.
const LONGEST_USER_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Opens the listening socket.
///
/// # Errors
/// When the address cannot be had, as when another process has it.
pub fn listen(address: SocketAddr, patience: &Patience) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that was killed may be started again at once.
    socket.set_reuse_address(true)?;
    // On Linux a connection begins as a copy of the socket that it came to: set once here, the options cost no
    // connection three system calls.
    prepare(&socket, patience)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets what every connection's socket needs.
pub(super) fn prepare(socket: &Socket, patience: &Patience) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
        // Linux takes at most 24 days; a day without a sign of life is enough for anybody.
        socket.set_tcp_user_timeout(Some((patience.stall + AFTER_STALL).min(LONGEST_USER_TIMEOUT)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_connection_has_the_options_of_the_socket_that_it_came_to() {
        let patience = Patience {
            ping_after: Duration::from_secs(25),
            dead_after: Duration::from_secs(40),
            hello: Duration::from_secs(10),
            stall: Duration::from_secs(7),
            partial: Duration::from_secs(30),
            close: Duration::from_secs(1),
        };
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), &patience).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let socket = socket2::SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_notsent_lowat().unwrap(), NOT_SENT_BYTES);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(7) + AFTER_STALL));
    }
}
