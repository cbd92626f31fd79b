//! One client's way out: its socket and what waits to be written to it. It knows frames as bytes, no WebSocket.
//!
//! Whoever pushes never writes: what is pushed waits in the `queue`, and the client's own task has it `drain`, so that
//! many answers of one moment leave in one call. A room's batch alone is written where it is made an `offer` of, and
//! only while nothing waits before it. `farewell` is how all of it ends.

mod drain;
mod farewell;
mod offer;
mod queue;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
pub use drain::{Backlog, Next};
pub use farewell::Farewell;
pub use offer::{Left, Offer};
use queue::{Queue, State};
use shared::ServerMessage;

use super::{History, vitals::Vitals, wire::Wire};
use crate::{frame, metrics::Metrics};

/// One client's way out.
///
/// A broadcast touches every outlet of its room, far more than a cache holds: what an offer looks at stands together
/// around the border of `wire` and `queue`.
#[repr(C)]
pub struct Outlet {
    metrics: Arc<Metrics>,
    connection: u64,
    /// Whether this client reads chat: whoever is echoed is told nothing but a code.
    speaks_chat: bool,
    /// Whether its person may be here by other connections too.
    is_one_of_several: AtomicBool,
    vitals: Vitals,
    wire: Wire,
    queue: Mutex<Queue>,
}

impl Outlet {
    /// The way out through `wire` for connection number `connection`.
    pub fn new(connection: u64, wire: Wire, speaks_chat: bool, vitals: Vitals, metrics: Arc<Metrics>) -> Self {
        let is_one_of_several = AtomicBool::new(false);
        Self { metrics, connection, speaks_chat, is_one_of_several, wire, vitals, queue: Mutex::default() }
    }

    /// This connection's number.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Notes that its person may be here by other connections too, before it is in any room.
    pub(super) fn is_one_of_several(&self) {
        self.is_one_of_several.store(true, Ordering::Release);
    }

    /// Whether its person may be here by other connections too.
    pub(super) fn may_have_others(&self) -> bool {
        self.is_one_of_several.load(Ordering::Acquire)
    }

    /// Where it leads, for reading and for its end.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// When this client was last heard, and what else its sweeper looks at.
    pub fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// What this server counts of itself.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues whole frames for this client alone. After [`Outlet::close`] and [`Outlet::seal`] they are dropped:
    /// nothing follows our Close frame, not even the answer to the peer's.
    pub fn push(&self, frames: Bytes) {
        let mut queue = self.queue();
        if queue.state == State::Open {
            queue.push(frames);
        }
    }

    /// Queues a message for this client alone, if it reads chat.
    pub fn say(&self, message: &ServerMessage) {
        if !self.speaks_chat {
            return;
        }
        self.metrics.said(message);
        self.push(frame::message(message));
    }

    /// Notes that a request waits for history.
    pub fn expect_answer(&self) {
        self.queue().unanswered += 1;
    }

    /// Queues the answer that history gave, if the request asked for one, and has it written.
    pub fn answer(&self, frames: Option<Bytes>) {
        self.prepare(frames);
        self.see_to_it();
    }

    /// Queues the answer that history gave, if the request asked for one. It may leave together with the message that
    /// it is about; [`Self::see_to_it`] has to follow.
    pub(super) fn prepare(&self, frames: Option<Bytes>) {
        let mut queue = self.queue();
        queue.unanswered = queue.unanswered.saturating_sub(1);
        if let Some(frames) = frames.filter(|_| queue.state == State::Open) {
            queue.add(frames);
        }
    }

    /// Wakes the connection's task if an answer still waits, or reading waited for it.
    pub(super) fn see_to_it(&self) {
        let mut queue = self.queue();
        if queue.own_bytes > 0 || queue.is_held || queue.state != State::Open {
            queue.wake();
        }
    }
}
