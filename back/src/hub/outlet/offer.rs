//! What a room does with a client's way out: it offers batches, which is the fast path, until the client leaves it.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;

use super::{Outlet, queue::State};

/// Whether a client has left a room; it changes under the lock of its outlet.
#[derive(Default)]
pub struct Left(AtomicBool);

impl Left {
    /// Exact under the lock of the outlet.
    pub fn is_so(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What a member's room should do with it after an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It has the batch, or the rest of it waits in `tail`.
    Taken,
    /// It has to catch up from where it was.
    Behind,
    /// It has left, or its connection ends.
    Gone,
}

impl Outlet {
    /// Writes a batch to a member, if nothing waits before it. Called by segments, often: with nothing waiting it is
    /// one lock and one `send`, without an allocation, a reference count or a wake-up.
    pub(in crate::hub) fn offer(&self, left: impl Fn() -> bool, batch: &Bytes) -> Offer {
        let mut queue = self.queue();
        if queue.state != State::Open || (queue.has_left_some && left()) {
            return Offer::Gone;
        }
        if queue.tail.is_empty() && (queue.own_bytes == 0 || !queue.is_full()) {
            let written =
                if queue.own_bytes == 0 { self.wire.write(batch) } else { queue.write_own_and(&self.wire, batch) };
            match written {
                Ok(n) => {
                    self.vitals.wrote();
                    if n == batch.len() {
                        return Offer::Taken;
                    }
                    if n > 0 || queue.own_bytes == 0 {
                        // Part of it is out, so the rest has to follow before anything else.
                        queue.tail = batch.slice(n..);
                        self.vitals.stalled();
                        queue.wake();
                        return Offer::Taken;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    drop(queue);
                    self.abort();
                    return Offer::Gone;
                }
            }
        }
        self.vitals.stalled();
        Offer::Behind
    }

    /// Queues whole frames of a room, unless the client has left it.
    pub(in crate::hub) fn push_unless(&self, left: &Left, frames: Bytes) {
        let mut queue = self.queue();
        if queue.state == State::Open && !left.is_so() {
            queue.push(frames);
        }
    }

    /// Ends a membership. Nothing of the room is written after this returns.
    pub(in crate::hub) fn forget(&self, left: &Left) {
        let mut no_offer_is_under_way = self.queue();
        no_offer_is_under_way.has_left_some = true;
        left.0.store(true, Ordering::Release);
    }
}
