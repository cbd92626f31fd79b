//! What a connection's task does with its way out: it writes what waits, asks what is next, and reads no more from a
//! client for whom too much waits.

use std::{
    collections::VecDeque,
    io,
    task::{Context, Poll, ready},
};

use futures_util::future::BoxFuture;

use super::{History, Outlet, queue::State};
use crate::metrics::Limit;

/// While so many requests of a client wait for history, nothing more is read from it.
const UNANSWERED: u32 = 32;

/// What of a room a client has not been told yet.
pub trait Backlog: Send {
    /// Whether it may go on before what waits has been written.
    fn is_eager(&self) -> bool;

    /// Tells it the next of that, and puts what is left back in line. Whatever waited has just been written, or is
    /// little if this is eager.
    fn step<'a>(self: Box<Self>, outlet: &'a Outlet, history: &'a History) -> BoxFuture<'a, ()>;
}

/// What a connection's task should do next.
pub enum Next {
    /// Bring this forward by a step.
    CatchUp(Box<dyn Backlog>),
    /// Everything up to the Close frame is written.
    Finished,
    /// The socket is of no use any more.
    Broken,
}

impl Outlet {
    /// Puts a backlog (back) in line; dropped when the connection ends.
    pub(in crate::hub) fn fall_behind(&self, backlog: Box<dyn Backlog>) {
        let mut queue = self.queue();
        if queue.state == State::Open {
            queue.behind.push_back(backlog);
            queue.wake();
        }
    }

    /// Waits until reading from this client would not make the server hold more than it should.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.queue();
        queue.watch(cx);
        let is_full = queue.is_full();
        let held = is_full || queue.unanswered >= UNANSWERED;
        if held && !queue.is_held {
            self.metrics.hit(if is_full { Limit::Unread } else { Limit::Unanswered });
        }
        queue.is_held = held;
        self.vitals.held(held);
        if held { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Writes what waits, as far as the socket takes it, and says what else there is to do.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            let mut queue = self.queue();
            queue.watch(cx);
            if queue.state == State::Broken {
                return Poll::Ready(Next::Broken);
            }
            if let Some(backlog) = queue.next_eager() {
                return Poll::Ready(Next::CatchUp(backlog));
            }
            if !queue.tail.is_empty() || !queue.own.is_empty() {
                match queue.write(&self.wire) {
                    Ok(_) => {
                        self.vitals.wrote();
                        continue;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.vitals.stalled();
                        drop(queue);
                        match ready!(self.wire.poll_ready(cx)) {
                            Ok(()) => continue,
                            Err(_) => return Poll::Ready(Next::Broken),
                        }
                    }
                    Err(_) => return Poll::Ready(Next::Broken),
                }
            }
            // Nothing waits, so nothing is stalled: what was may have been called off.
            self.vitals.wrote();
            // Most clients are told nothing of their own most of the time.
            queue.own = VecDeque::new();
            if queue.state == State::Closing {
                return Poll::Ready(Next::Finished);
            }
            return match queue.behind.pop_front() {
                Some(backlog) => Poll::Ready(Next::CatchUp(backlog)),
                None => Poll::Pending,
            };
        }
    }
}
