//! Those who come in and read nothing: a socket each, with a small receive window, into which everything that it takes to
//! come in is written at once. Who has been there for a while goes, without a word, and comes again.

use std::{
    collections::VecDeque,
    io::Write as _,
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use socket2::{Domain, SockRef, Socket, Type};

use crate::{
    dialect::{Dialect, room_name},
    frame,
    server::pause,
    way::{Mark, Way},
};

/// The room of all.
pub const ROOM: u32 = 0;
/// Bytes of the receive window; the kernel doubles it.
const WINDOW: usize = 4096;
/// How often is looked for those whose time is over.
const LOOK: Duration = Duration::from_millis(5);

/// By which door they come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// WebSocket, `chat.v1`.
    Socket,
    /// WebSocket, and not a word after the handshake.
    Plain,
    /// WebSocket through `front`.
    Relay,
    /// Server-sent events of `front`.
    Events,
}

impl Door {
    /// All.
    pub const ALL: [Self; 4] = [Self::Socket, Self::Plain, Self::Relay, Self::Events];

    /// Its name on the command line and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Plain => "plain",
            Self::Relay => "relay",
            Self::Events => "events",
        }
    }

    /// The door of this name.
    ///
    /// # Errors
    /// A sentence that lists the names.
    pub fn parse(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|door| door.name() == name).ok_or_else(|| format!("there are {}", names()))
    }

    /// Whether it is one of `front`.
    pub fn is_fronts(self) -> bool {
        matches!(self, Self::Relay | Self::Events)
    }

    /// Everything that it takes to come in.
    fn words(self) -> Vec<u8> {
        let with_hello = |dialect: Dialect| {
            let mut words = dialect.request(ROOM).into_bytes();
            let hello = dialect.hello(ROOM, None).unwrap_or_default();
            frame::client(frame::TEXT, hello.as_bytes(), &mut words);
            words
        };
        match self {
            Self::Socket => with_hello(Dialect::Chat),
            Self::Relay => with_hello(Dialect::ChatRelayed),
            Self::Events => Way::Events.request(ROOM, &Mark::default()).into_bytes(),
            // The path of a bare server, one folder deeper.
            Self::Plain => {
                let bare = format!("/{} ", room_name(ROOM));
                Dialect::Bare.request(ROOM).replacen(&bare, &format!("/rooms{bare}"), 1).into_bytes()
            }
        }
    }
}

/// Keeps so many there until `over`, each for `stay`, and counts who came.
///
/// # Errors
/// When nobody listens any more.
pub fn keep(
    door: Door,
    address: SocketAddr,
    count: usize,
    stay: Duration,
    over: &AtomicBool,
    came: &AtomicU64,
) -> anyhow::Result<()> {
    let words = door.words();
    let mut here: VecDeque<(Instant, TcpStream)> = VecDeque::with_capacity(count);
    while !over.load(Relaxed) {
        while here.front().is_some_and(|(since, _)| since.elapsed() >= stay) {
            here.pop_front();
        }
        while here.len() < count && !over.load(Relaxed) {
            here.push_back((Instant::now(), come(address, &words)?));
            came.fetch_add(1, Relaxed);
        }
        pause(LOOK);
    }
    Ok(())
}

fn come(address: SocketAddr, words: &[u8]) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).context("no socket")?;
    socket.set_recv_buffer_size(WINDOW)?;
    socket.connect_timeout(&address.into(), Duration::from_secs(10)).context("a deaf one cannot connect")?;
    let mut stream = TcpStream::from(socket);
    // The end is a reset, as when a machine is gone.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    stream.write_all(words).context("a deaf one is not heard")?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_it_takes_to_come_in_is_said_at_once() {
        let words = |door: Door| String::from_utf8_lossy(&door.words()).into_owned();
        assert!(words(Door::Plain).starts_with("GET /rooms/bench00000 HTTP/1.1\r\n"));
        assert!(words(Door::Plain).ends_with("\r\n\r\n"));
        assert!(words(Door::Events).starts_with("GET /api/rooms/bench00000/events?"));
        for door in [Door::Socket, Door::Relay] {
            let words = door.words();
            let end = words.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            assert!(frame::Header::read(&words[end..]).is_some(), "a hello follows the head");
        }
    }
}
