//! The network between browser and servers: none, or one with a delay and a rate. It carries bytes and counts them; what
//! they mean it does not know.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

/// A kind of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Loopback,
    Broadband,
}

/// From the browser to the servers and back.
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// In each direction, for all connections together: 10 Mbit/s.
const BYTES_PER_SECOND: f64 = 10e6 / 8.0;
/// Pieces of a connection that are on their way at most, so that a sender feels the link.
const UNDER_WAY: usize = 64;
const PIECE: usize = 1_460;

impl Link {
    pub const ALL: [Self; 2] = [Self::Loopback, Self::Broadband];

    pub fn title(self) -> &'static str {
        match self {
            Self::Loopback => "No network between",
            Self::Broadband => "50 ms there and back, 10 Mbit/s",
        }
    }

    /// A way to `server` over this network, on a port of its own.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn open(self, server: SocketAddr) -> anyhow::Result<Way> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let count = Arc::new(AtomicU64::new(0));
        let (downwards, upwards) = (Pipe::new(self), Pipe::new(self));
        let down = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                tokio::spawn(carry(browser, server, downwards.clone(), upwards.clone(), Arc::clone(&count)));
            }
        });
        Ok(Way { address, down })
    }
}

/// Open as long as the program runs.
pub struct Way {
    pub address: SocketAddr,
    /// Bytes that came to the browser.
    pub down: Arc<AtomicU64>,
}

/// One direction of the network, which all its connections share.
#[derive(Clone)]
struct Pipe {
    link: Link,
    /// When what is on the way has gone out.
    free_at: Arc<Mutex<Instant>>,
}

impl Pipe {
    fn new(link: Link) -> Self {
        Self { link, free_at: Arc::new(Mutex::new(Instant::now())) }
    }

    /// When so many bytes, sent now, are there.
    fn arrival(&self, bytes: usize) -> Option<Instant> {
        if self.link == Link::Loopback {
            return None;
        }
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let time = Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND);
        *free_at = (*free_at).max(Instant::now()) + time;
        Some(*free_at + ROUND_TRIP / 2)
    }

    async fn carry(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: impl Fn(usize)) {
        let (sender, mut pieces) = mpsc::channel::<(Option<Instant>, Vec<u8>)>(UNDER_WAY);
        let delivering = tokio::spawn(async move {
            while let Some((arrival, piece)) = pieces.recv().await {
                if let Some(arrival) = arrival {
                    sleep_until(arrival).await;
                }
                if to.write_all(&piece).await.is_err() {
                    break;
                }
            }
        });
        let mut piece = [0; PIECE];
        while let Ok(n @ 1..) = from.read(&mut piece).await {
            count(n);
            if sender.send((self.arrival(n), piece[..n].to_vec())).await.is_err() {
                break;
            }
        }
        drop(sender);
        _ = delivering.await;
    }
}

async fn carry(browser: TcpStream, server: SocketAddr, down: Pipe, up: Pipe, count: Arc<AtomicU64>) {
    if down.link != Link::Loopback {
        // The handshake of TCP is a round trip before anything can be asked.
        sleep(ROUND_TRIP).await;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    _ = browser.set_nodelay(true);
    _ = server.set_nodelay(true);
    let (from_browser, to_browser) = browser.into_split();
    let (from_server, to_server) = server.into_split();
    let count = move |n: usize| _ = count.fetch_add(n as u64, Ordering::Relaxed);
    tokio::join!(up.carry(from_browser, to_server, |_| ()), down.carry(from_server, to_browser, count));
}
