//! Requests that are sent ahead on a connection, before the answers to those before them (pipelining; RFC 9112, 9.3.2). actix
//! takes apart all that lies in its buffer of 128 KiB, and a request of 20 bytes costs it 3 KiB: thousands of them on one
//! connection cost some 20 MiB for as long as their sender wishes. Here no more pass than a few, and one that is large or has a
//! body, which is the last; the others stay with the sender.
//!
//! What is begun and not ended has a clock here, where actix has none: the rest of a body that nobody reads, and every head but
//! a connection's first.

mod requests;

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use actix_web::dev::Extensions;
use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use requests::Requests;

/// Requests that may be sent ahead. Browsers send none; what does sends some. actix leaves what comes when 16 are waiting, and
/// a body that is left makes it close.
const MOST: usize = 15;

/// Time for the rest of a head, as actix gives to the first, and of a body that nobody reads, its request being answered.
const REST: Duration = Duration::from_secs(5);

/// Bytes that are read of a connection that may hand on none, to see whether it is broken.
const GLANCE: usize = 1024;

/// A connection that hands on few requests ahead.
pub(crate) struct Paced<T> {
    io: T,
    pace: Rc<Pace>,
    requests: Requests,
    /// What was read and is not handed on yet: at most what one reading took.
    held: BytesMut,
    /// Whether an answer waits for its reader.
    is_full: bool,
    /// While something comes that has to end soon.
    rest: Option<Pin<Box<Sleep>>>,
}

/// How many requests of a connection are ahead.
#[derive(Default)]
struct Pace {
    ahead: Cell<usize>,
    /// Whether the last of them is large, or has a body, of which actix keeps what comes.
    large: Cell<bool>,
    /// Whether the last one has its answer, and nobody reads its body any more.
    unread: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

/// What a request has of its connection.
#[derive(Clone)]
pub(crate) struct Ahead(Rc<Pace>);

impl Ahead {
    /// One of them is being answered.
    pub(crate) fn answered(&self) {
        self.0.ahead.set(self.0.ahead.get().saturating_sub(1));
        self.0.wake();
    }

    /// Its answer is there. What has not come of its body is of no use.
    pub(crate) fn is_over(&self) {
        // A body that comes is that of the last one.
        self.0.unread.set(self.0.ahead.get() == 0);
        self.0.wake();
    }
}

impl Pace {
    fn wake(&self) {
        if let Some(reader) = self.reader.borrow_mut().take() {
            reader.wake();
        }
    }
}

impl<T> Paced<T> {
    pub(crate) fn new(io: T) -> Self {
        let (pace, requests) = (Rc::default(), Requests::default());
        Self { io, pace, requests, held: BytesMut::new(), is_full: false, rest: None }
    }

    /// Gives its requests what they need to say that they are answered.
    pub(crate) fn tell(&self, requests: &mut Extensions) {
        requests.insert(Ahead(Rc::clone(&self.pace)));
    }

    /// How many more heads may be handed on.
    fn room(&self) -> usize {
        let ahead = self.pace.ahead.get();
        if self.is_full || (ahead > 0 && self.pace.large.get()) { 0 } else { MOST.saturating_sub(ahead) }
    }

    /// How many of these bytes may be handed on.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let taken = self.requests.take(bytes, self.room());
        if taken.heads > 0 {
            self.pace.ahead.set(self.pace.ahead.get() + taken.heads);
            self.pace.large.set(taken.large);
            self.pace.unread.set(false);
            self.rest = None;
        }
        taken.bytes
    }

    /// Whether the rest of something was waited for long enough.
    fn gives_up(&mut self, context: &mut Context<'_>) -> bool {
        let is_unread = self.pace.unread.get() && self.requests.is_in_body();
        let is_late = self.pace.ahead.get() == 0 && self.requests.is_in_later_head();
        if !is_unread && !is_late {
            self.rest = None;
            return false;
        }
        let rest = self.rest.get_or_insert_with(|| Box::pin(sleep(REST)));
        rest.as_mut().poll(context).is_ready()
    }

    /// An answer was written, or waits. Whoever does not read answers gets no others.
    fn wrote(&mut self, is_full: bool) {
        if std::mem::replace(&mut self.is_full, is_full) && !is_full {
            self.pace.wake();
        }
    }

    /// So many bytes were handed on. None is the end, and that it is where nobody knows any more what are requests: what was
    /// handed on before is answered, and nobody waits for a connection that nobody listens to.
    fn passed(&self, bytes: usize, context: &Context<'_>) -> Poll<io::Result<()>> {
        if bytes > 0 || self.requests.is_lost() {
            return Poll::Ready(Ok(()));
        }
        self.pace.reader.replace(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl<T: AsyncRead + Unpin> Paced<T> {
    /// Looks whether the connection is broken, while nothing of it may be handed on.
    fn glance(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; GLANCE];
        let mut seen = ReadBuf::new(&mut bytes);
        if let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(context, &mut seen) {
            read?;
            // The end is told when all before it is on its way: actix would break off a body that it has not looked at.
            self.held.extend_from_slice(seen.filled());
        }
        self.passed(0, context)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.gives_up(context) {
            return Poll::Ready(Ok(()));
        }
        if this.held.is_empty() && !this.requests.is_lost() {
            if this.room() == 0 && !this.requests.is_in_body() {
                return this.glance(context);
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.io).poll_read(context, buffer))?;
            let read = &buffer.filled()[before..];
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let passed = this.pass(read);
            this.held.extend_from_slice(&read[passed..]);
            buffer.set_filled(before + passed);
            return this.passed(passed, context);
        }
        let held = std::mem::take(&mut this.held);
        let passed = this.pass(&held[..held.len().min(buffer.remaining())]);
        buffer.put_slice(&held[..passed]);
        this.held = held;
        this.held.advance(passed);
        this.passed(passed, context)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(context, bytes);
        this.wrote(written.is_pending());
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(context, slices);
        this.wrote(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}
