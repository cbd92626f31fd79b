//! The signs of life of one connection, written by whoever sees them and read by the sweeper.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Marks a moment that has not come.
const NEVER: u64 = u64::MAX;

/// When what happened, in milliseconds since the connection began. What every delivery looks at comes last: see
/// [`super::Outlet`].
#[repr(C)]
pub struct Vitals {
    begun: Instant,
    heard: AtomicU64,
    pinged: AtomicU64,
    partial: AtomicU64,
    closing: AtomicU64,
    /// Whether the peer still owes its first message.
    owes_hello: AtomicU64,
    /// Since when nothing is read from the peer: it has to read first, or what it said has to wait.
    held: AtomicU64,
    stalled: AtomicU64,
}

/// The ages of these moments now, as the heartbeat's rules want them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ages {
    /// Since a byte came; zero while nothing is read, so that nobody is blamed for not being heard.
    pub silent: Duration,
    /// Since a ping went out that no byte has followed.
    pub pinged: Option<Duration>,
    /// Since the socket took no more of what waits for it.
    pub stalled: Option<Duration>,
    /// Since a message began that has not ended; nothing while nothing is read.
    pub partial: Option<Duration>,
    /// Since our Close frame was queued.
    pub closing: Option<Duration>,
    /// Since the connection began, while it still owes its hello.
    pub owes_hello: Option<Duration>,
}

impl Vitals {
    /// A connection that begins now.
    pub fn new(owes_hello: bool) -> Self {
        Self {
            begun: Instant::now(),
            heard: AtomicU64::new(0),
            pinged: AtomicU64::new(NEVER),
            stalled: AtomicU64::new(NEVER),
            partial: AtomicU64::new(NEVER),
            closing: AtomicU64::new(NEVER),
            owes_hello: AtomicU64::new(if owes_hello { 0 } else { NEVER }),
            held: AtomicU64::new(NEVER),
        }
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    /// A byte came.
    pub fn heard(&self) {
        self.heard.store(self.now(), Relaxed);
        self.pinged.store(NEVER, Relaxed);
    }

    /// Whether reading from the peer waits for it to read.
    pub fn held(&self, is: bool) {
        if is {
            _ = self.held.compare_exchange(NEVER, self.now(), Relaxed, Relaxed);
        } else if self.held.swap(NEVER, Relaxed) != NEVER {
            self.heard();
            if self.partial.load(Relaxed) != NEVER {
                self.partial.store(self.now(), Relaxed);
            }
        }
    }

    /// The whole process stood still (SIGSTOP, a sleeping laptop): what came meanwhile waits unread, so every age
    /// begins anew.
    pub fn forgive(&self) {
        let now = self.now();
        self.heard.store(now, Relaxed);
        for moment in [&self.pinged, &self.stalled, &self.partial, &self.closing, &self.owes_hello] {
            if moment.load(Relaxed) != NEVER {
                moment.store(now, Relaxed);
            }
        }
    }

    /// A ping goes out.
    pub fn pinged(&self) {
        self.pinged.store(self.now(), Relaxed);
    }

    /// The socket took bytes. On the fast path of every delivery, so it only looks.
    pub fn wrote(&self) {
        if self.stalled.load(Relaxed) != NEVER {
            self.stalled.store(NEVER, Relaxed);
        }
    }

    /// The socket took no more.
    pub fn stalled(&self) {
        _ = self.stalled.compare_exchange(NEVER, self.now(), Relaxed, Relaxed);
    }

    /// Whether a message has begun and not ended.
    pub fn partial(&self, is: bool) {
        if is {
            _ = self.partial.compare_exchange(NEVER, self.now(), Relaxed, Relaxed);
        } else if self.partial.load(Relaxed) != NEVER {
            self.partial.store(NEVER, Relaxed);
        }
    }

    /// Our Close frame is queued.
    pub fn closing(&self) {
        _ = self.closing.compare_exchange(NEVER, self.now(), Relaxed, Relaxed);
    }

    /// The peer said its first message.
    pub fn said_hello(&self) {
        self.owes_hello.store(NEVER, Relaxed);
    }

    /// How long before `now` it all was.
    pub fn ages(&self, now: Instant) -> Ages {
        let now = now.saturating_duration_since(self.begun).as_millis() as u64;
        let age = |moment: &AtomicU64| {
            let moment = moment.load(Relaxed);
            (moment != NEVER).then(|| Duration::from_millis(now.saturating_sub(moment)))
        };
        let is_held = age(&self.held).is_some();
        Ages {
            silent: if is_held { Duration::ZERO } else { age(&self.heard).unwrap_or_default() },
            pinged: age(&self.pinged),
            stalled: age(&self.stalled),
            partial: age(&self.partial).filter(|_| !is_held),
            closing: age(&self.closing),
            owes_hello: age(&self.owes_hello),
        }
    }
}
