//! One client's way out: its socket and what waits to be written to it. It knows frames as bytes, no WebSocket.
//!
//! Three kinds of bytes meet here, and a frame is never torn between them. `tail` is the rest of a shared batch that
//! went out in part, `own` are frames for this client alone, and a [`Backlog`] stands for everything of a room that was
//! not written yet. The fast path of a segment is open only while nothing waits. Whoever pushes never writes: the
//! client's own task does, so that many answers of one moment leave in one call.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use shared::{CloseCode, Name, Sentence, ServerMessage};

use super::{History, vitals::Vitals, wire::Wire};
use crate::{
    frame,
    metrics::{Limit, Metrics, Peer},
};

/// While more than this waits in `own`, nothing more is read from the client. One answer may pass it, so the most that
/// a client can make the server hold is this and one page of history.
const OWN_BYTES: usize = 64 * 1024;

/// What a waiting frame costs besides its bytes: its place in the queue and its allocation. Without it, two-byte
/// answers to empty pings would cost fifty times what they seem to.
const FRAME_OVERHEAD: usize = 64;

/// While so many requests of a client wait for history, nothing more is read from it.
const UNANSWERED: u32 = 32;

/// Most slices in one vectored write; Linux takes 1,024 (`IOV_MAX`), and what fits on the stack is enough.
const SLICES: usize = 16;

/// How a connection is ended.
#[derive(Debug, Clone)]
pub struct Farewell {
    /// What the Close frame says.
    pub code: CloseCode,
    /// When to come back.
    pub retry_after_ms: Option<u64>,
    /// A moderator's words.
    pub text: Option<Sentence>,
    /// That moderator.
    pub by: Option<Name>,
}

/// What of a room a client has not been told yet.
pub trait Backlog: Send {
    /// Whether it may go on before what waits has been written.
    fn is_eager(&self) -> bool;

    /// Tells it the next of that, and puts what is left back in line. Whatever waited has just been written, or is
    /// little if this is eager.
    fn step<'a>(self: Box<Self>, outlet: &'a Outlet, history: &'a History) -> BoxFuture<'a, ()>;
}

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

/// What a connection's task should do next.
pub enum Next {
    /// Bring this forward by a step.
    CatchUp(Box<dyn Backlog>),
    /// Everything up to the Close frame is written.
    Finished,
    /// The socket is of no use any more.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The Close frame is the last one in `own`.
    Closing,
    Broken,
}

/// In this order: an offer to a client for whom nothing waits looks at the first four, which share a cache line.
#[repr(C)]
struct Queue {
    state: State,
    /// Whether it has ever left a room. Until then an offer need not ask whether it has left this one.
    has_left_some: bool,
    /// A moderator ended the connection: there is nobody to wait for.
    dismissed: bool,
    /// Whether reading waits for this client to read, or to be answered.
    is_held: bool,
    unanswered: u32,
    own_bytes: usize,
    tail: Bytes,
    own: VecDeque<Bytes>,
    behind: VecDeque<Box<dyn Backlog>>,
    waker: Option<Waker>,
}

/// One client's way out.
///
/// A broadcast touches every outlet of its room, far more than a cache holds: what an offer looks at stands together
/// around the border of `wire` and `queue`.
#[repr(C)]
pub struct Outlet {
    metrics: Arc<Metrics>,
    connection: u64,
    /// Whether this client reads chat, and so is told `bye` before Close.
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
        let queue = Queue {
            state: State::Open,
            has_left_some: false,
            dismissed: false,
            is_held: false,
            unanswered: 0,
            own_bytes: 0,
            tail: Bytes::new(),
            own: VecDeque::new(),
            behind: VecDeque::new(),
            waker: None,
        };
        let is_one_of_several = AtomicBool::new(false);
        Self { metrics, connection, speaks_chat, is_one_of_several, wire, vitals, queue: Mutex::new(queue) }
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

    /// Queues whole frames of a room, unless the client has left it.
    pub(super) fn push_unless(&self, left: &Left, frames: Bytes) {
        let mut queue = self.queue();
        if queue.state == State::Open && !left.is_so() {
            queue.push(frames);
        }
    }

    /// What this server counts of itself.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Queues a message for this client alone.
    pub fn say(&self, message: &ServerMessage) {
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

    /// Begins to end the connection: says `bye`, queues the Close frame, and lets nothing come after it.
    pub fn close(&self, code: CloseCode, retry_after_ms: Option<u64>) {
        self.say_goodbye(&Farewell { code, retry_after_ms, text: None, by: None }, false);
    }

    /// Ends the connection as [`Self::close`] does, for a moderator: its person leaves the rooms at once.
    pub fn dismiss(&self, farewell: &Farewell) {
        self.say_goodbye(farewell, true);
    }

    fn say_goodbye(&self, farewell: &Farewell, dismissed: bool) {
        let Farewell { code, retry_after_ms, text, by } = farewell;
        let mut queue = self.queue();
        if queue.state != State::Open {
            return;
        }
        queue.dismissed = dismissed;
        if self.speaks_chat {
            let bye = ServerMessage::Bye {
                code: code.code(),
                reason: code.word().to_owned(),
                reconnect: code.reconnect(),
                retry_after_ms: *retry_after_ms,
                text: text.clone(),
                by: by.clone(),
            };
            queue.push(frame::message(&bye));
        }
        queue.push(frame::close(*code, *retry_after_ms));
        self.end(queue);
        self.metrics.closed(*code);
    }

    /// Whether a moderator ended it.
    pub fn is_dismissed(&self) -> bool {
        self.queue().dismissed
    }

    /// The client has said its last, and the WebSocket layer has queued its answer if there is one: what waits still
    /// leaves, and nothing comes after it.
    pub fn seal(&self, how: Peer) {
        let queue = self.queue();
        if queue.state == State::Open {
            self.end(queue);
            self.metrics.left(how);
        }
    }

    fn end(&self, mut queue: MutexGuard<'_, Queue>) {
        queue.state = State::Closing;
        let backlogs = std::mem::take(&mut queue.behind);
        queue.wake();
        drop(queue);
        self.vitals.closing();
        // A backlog may hold the last reference to its room; it is dropped outside the lock.
        drop(backlogs);
    }

    /// Gives the connection up without another byte.
    pub fn abort(&self) {
        let mut queue = self.queue();
        let before = std::mem::replace(&mut queue.state, State::Broken);
        let backlogs = std::mem::take(&mut queue.behind);
        queue.wake();
        drop(queue);
        drop(backlogs);
        if before == State::Open {
            self.metrics.left(Peer::Lost);
        }
    }

    /// Whether the connection is still open for anything but its end.
    pub fn is_open(&self) -> bool {
        self.queue().state == State::Open
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

    /// Writes a batch to a member, if nothing waits before it. Called by segments, often: with nothing waiting it is
    /// one lock and one `send`, without an allocation, a reference count or a wake-up.
    pub(super) fn offer(&self, left: impl Fn() -> bool, batch: &Bytes) -> Offer {
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

    /// Puts a backlog (back) in line; dropped when the connection ends.
    pub(super) fn fall_behind(&self, backlog: Box<dyn Backlog>) {
        let mut queue = self.queue();
        if queue.state == State::Open {
            queue.behind.push_back(backlog);
            queue.wake();
        }
    }

    /// Ends a membership. Nothing of the room is written after this returns.
    pub(super) fn forget(&self, left: &Left) {
        let mut no_offer_is_under_way = self.queue();
        no_offer_is_under_way.has_left_some = true;
        left.0.store(true, Ordering::Release);
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

impl Queue {
    /// Whether so much waits that nothing more is read from the client, and nothing of its rooms written.
    fn is_full(&self) -> bool {
        self.own_bytes + self.own.len() * FRAME_OVERHEAD > OWN_BYTES
    }

    /// A newcomer need not wait for what was said before to be written: most have little to replay, and so
    /// `welcome`, `joined`, the replay and `synced` leave in one call.
    fn next_eager(&mut self) -> Option<Box<dyn Backlog>> {
        let may = self.state == State::Open && self.tail.is_empty() && !self.is_full();
        if may && self.behind.front().is_some_and(|backlog| backlog.is_eager()) {
            self.behind.pop_front()
        } else {
            None
        }
    }

    fn push(&mut self, frames: Bytes) {
        if !frames.is_empty() {
            self.add(frames);
            self.wake();
        }
    }

    fn add(&mut self, frames: Bytes) {
        self.own_bytes += frames.len();
        self.own.push_back(frames);
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn watch(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }

    /// One write of `tail` and then `own`; at least one of them is not empty.
    fn write(&mut self, wire: &Wire) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let waiting = std::iter::once(&self.tail).filter(|tail| !tail.is_empty()).chain(&self.own);
        let count = fill(&mut slices, waiting);
        let mut written = wire.write_vectored(&mut slices[..count])?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let from_tail = written.min(self.tail.len());
        self.tail.advance(from_tail);
        if self.tail.is_empty() {
            // The batch that it was a slice of may be large.
            self.tail = Bytes::new();
        }
        written -= from_tail;
        self.own_written(written);
        Ok(())
    }

    /// One write of `own` and then `batch`, while `tail` is empty; returns how much of `batch` went out.
    fn write_own_and(&mut self, wire: &Wire, batch: &Bytes) -> io::Result<usize> {
        if self.own.len() >= SLICES {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = fill(&mut slices, self.own.iter().chain(std::iter::once(batch)));
        let written = wire.write_vectored(&mut slices[..count])?;
        let own = written.min(self.own_bytes);
        self.own_written(own);
        if self.own.is_empty() {
            // The connection's task may not look at it for long.
            self.own = VecDeque::new();
        }
        Ok(written - own)
    }

    fn own_written(&mut self, mut written: usize) {
        let was_full = self.is_full();
        self.own_bytes -= written;
        while let Some(front) = self.own.front_mut() {
            if written < front.len() {
                front.advance(written);
                break;
            }
            written -= front.len();
            self.own.pop_front();
        }
        if was_full && !self.is_full() {
            // Reading waits for this, and may have been asked before writing in the same poll.
            self.wake();
        }
    }
}

fn fill<'a>(slices: &mut [IoSlice<'a>], bytes: impl Iterator<Item = &'a Bytes>) -> usize {
    let mut count = 0;
    for (slice, bytes) in slices.iter_mut().zip(bytes) {
        *slice = IoSlice::new(bytes);
        count += 1;
    }
    count
}
