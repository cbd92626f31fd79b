//! A TCP proxy whose weather can be changed: it cuts, holds back, swallows, delays and narrows. It knows no WebSocket.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpSocket, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use crate::random::Random;

/// Bytes that are carried at a time.
const CHUNK: usize = 16 * 1024;

/// What happens to bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Weather {
    /// They pass.
    Clear,
    /// They wait, to the server, to the client, or both, until it clears up.
    Hold {
        /// To the server.
        up: bool,
        /// To the client.
        down: bool,
    },
    /// They vanish. A connection that lost some ends when it clears up.
    Swallow,
    /// They come so much later.
    Delay(Duration),
    /// So many bytes come in a second.
    Narrow(u32),
}

/// Cuts that were ordered so far: how many, and the share of connections that the last one ends.
#[derive(Debug, Clone, Copy, Default)]
struct Cut {
    count: u64,
    share: f64,
}

/// A proxy on a free port of this machine. Its connections end when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    cut: watch::Sender<Cut>,
    accepting: AbortHandle,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Proxy {
    /// A proxy to `target`. A `tight` one keeps little in its sockets, so that who reads slowly is felt by the server.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(target: SocketAddr, tight: bool) -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if tight {
            socket.set_send_buffer_size(8 * 1024)?;
        }
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(1024)?;
        let address = listener.local_addr()?;
        let (weather, sky) = watch::channel(Weather::Clear);
        let (cut, knife) = watch::channel(Cut::default());
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0_u64.. {
                let Ok((client, _)) = listener.accept().await else {
                    sleep(Duration::from_millis(50)).await;
                    continue;
                };
                // Those that ended are forgotten.
                while connections.try_join_next().is_some() {}
                connections.spawn(connection(client, target, tight, sky.clone(), knife.clone(), number));
            }
        });
        Ok(Self { address, weather, cut, accepting: accepting.abort_handle() })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Resets this share of the connections.
    pub fn cut(&self, share: f64) {
        self.cut.send_modify(|cut| *cut = Cut { count: cut.count + 1, share });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connection(
    mut client: TcpStream,
    target: SocketAddr,
    tight: bool,
    mut sky: watch::Receiver<Weather>,
    mut knife: watch::Receiver<Cut>,
    number: u64,
) {
    // Cuts from before this connection are not meant for it.
    knife.mark_unchanged();
    // What is cut off cannot even begin to connect.
    while matches!(*sky.borrow_and_update(), Weather::Hold { .. } | Weather::Swallow) {
        if sky.changed().await.is_err() {
            return;
        }
    }
    let Ok(socket) = TcpSocket::new_v4() else { return };
    if tight {
        _ = socket.set_recv_buffer_size(8 * 1024);
    }
    let Ok(mut server) = socket.connect(target).await else {
        _ = client.set_zero_linger();
        return;
    };
    _ = client.set_nodelay(true);
    _ = server.set_nodelay(true);
    let ended = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let up = pump(&mut from_client, &mut to_server, Direction::Up, sky.clone());
        let down = pump(&mut from_server, &mut to_client, Direction::Down, sky);
        tokio::select! {
            ended = async { tokio::try_join!(up, down).map(|_| ()) } => ended,
            () = chosen(&mut knife, number) => Err(Broken),
        }
    };
    if ended.is_err() {
        _ = client.set_zero_linger();
        _ = server.set_zero_linger();
    }
}

/// Waits for a cut that meets this connection.
async fn chosen(knife: &mut watch::Receiver<Cut>, number: u64) {
    let mut random = Random::stream(number, "cut");
    while knife.changed().await.is_ok() {
        let share = knife.borrow_and_update().share;
        if random.chance(share) {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// A connection did not come to an orderly end.
struct Broken;

/// Waits, but no longer than until the weather changes.
async fn later(sky: &mut watch::Receiver<Weather>, time: Duration) {
    tokio::select! { () = sleep(time) => {}, _ = sky.changed() => {} }
}

/// Carries bytes one way until their end.
async fn pump(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    direction: Direction,
    mut sky: watch::Receiver<Weather>,
) -> Result<(), Broken> {
    let mut chunk = vec![0; CHUNK];
    let mut swallowed = false;
    loop {
        let read = tokio::select! {
            read = from.read(&mut chunk) => read.map_err(|_| Broken)?,
            changed = sky.changed(), if swallowed => {
                changed.map_err(|_| Broken)?;
                if *sky.borrow() != Weather::Swallow {
                    return Err(Broken);
                }
                continue;
            }
        };
        let bytes = chunk.get(..read).unwrap_or_default();
        loop {
            let weather = *sky.borrow_and_update();
            match weather {
                Weather::Hold { up, down }
                    if (direction == Direction::Up && up) || (direction == Direction::Down && down) =>
                {
                    sky.changed().await.map_err(|_| Broken)?;
                    continue;
                }
                Weather::Delay(time) => later(&mut sky, time).await,
                Weather::Narrow(rate) => {
                    later(&mut sky, Duration::from_secs_f64(read as f64 / f64::from(rate.max(1)))).await;
                }
                Weather::Swallow => swallowed = true,
                Weather::Hold { .. } | Weather::Clear => {}
            }
            break;
        }
        if read == 0 {
            if !swallowed {
                _ = to.shutdown().await;
                return Ok(());
            }
            // An end is swallowed like everything else.
            while *sky.borrow_and_update() == Weather::Swallow {
                sky.changed().await.map_err(|_| Broken)?;
            }
            return Err(Broken);
        }
        if !swallowed {
            to.write_all(bytes).await.map_err(|_| Broken)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{net::TcpListener, time::timeout};

    use super::*;

    const SOON: Duration = Duration::from_millis(150);
    const DEADLINE: Duration = Duration::from_secs(20);

    async fn pair() -> (Proxy, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap(), false).unwrap();
        let client = TcpStream::connect(proxy.address()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (proxy, client, server)
    }

    async fn hears(stream: &mut TcpStream, wanted: &[u8]) {
        let mut bytes = vec![0; wanted.len()];
        timeout(DEADLINE, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
        assert_eq!(bytes, wanted);
    }

    async fn hears_nothing(stream: &mut TcpStream) {
        assert!(timeout(SOON, stream.read_u8()).await.is_err());
    }

    #[tokio::test]
    async fn bytes_and_ends_pass_in_clear_weather() {
        let (_proxy, mut client, mut server) = pair().await;
        client.write_all(b"up").await.unwrap();
        hears(&mut server, b"up").await;
        server.write_all(b"down").await.unwrap();
        drop(server);
        let mut rest = Vec::new();
        timeout(DEADLINE, client.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert_eq!(rest, b"down");
    }

    #[tokio::test]
    async fn what_is_held_comes_when_it_clears_up() {
        let (proxy, mut client, mut server) = pair().await;
        proxy.set(Weather::Hold { up: true, down: false });
        client.write_all(b"up").await.unwrap();
        server.write_all(b"down").await.unwrap();
        hears(&mut client, b"down").await;
        hears_nothing(&mut server).await;
        proxy.set(Weather::Clear);
        hears(&mut server, b"up").await;
    }

    #[tokio::test]
    async fn a_connection_that_lost_bytes_ends_when_it_clears_up() {
        let (proxy, mut client, mut server) = pair().await;
        proxy.set(Weather::Swallow);
        client.write_all(b"up").await.unwrap();
        hears_nothing(&mut server).await;
        proxy.set(Weather::Clear);
        timeout(DEADLINE, server.read_u8()).await.unwrap().unwrap_err();
        timeout(DEADLINE, client.read_u8()).await.unwrap().unwrap_err();
    }

    #[tokio::test]
    async fn a_cut_does_not_meet_who_comes_later() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap(), false).unwrap();
        proxy.cut(1.0);
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"up").await.unwrap();
        hears(&mut server, b"up").await;
        hears_nothing(&mut client).await;
    }

    #[tokio::test]
    async fn a_cut_resets_both_sides() {
        let (proxy, mut client, mut server) = pair().await;
        client.write_all(b"up").await.unwrap();
        hears(&mut server, b"up").await;
        proxy.cut(0.0);
        server.write_all(b"down").await.unwrap();
        hears(&mut client, b"down").await;
        proxy.cut(1.0);
        for stream in [&mut client, &mut server] {
            let error = timeout(DEADLINE, stream.read_u8()).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
}
