//! The bytes of a relayed connection, in both directions until both have ended. It knows no frames: what comes in goes
//! out, and where nothing can go out, nothing is taken in.

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    body::{BodySize, MessageBody},
    rt::task::JoinHandle,
    web::{Bytes, Payload},
};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf, split},
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::metrics::Seat;

/// Bytes that are taken from the chat server at once: as many may lie in the browser's write buffer on top of its bound.
const PIECE_BYTES: usize = 8 * 1024;

/// How long the chat server may go on after the browser's end: what it still has to say, and its own goodbye, take
/// seconds. A chat server that is stopped or cut off never ends by itself.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Silence of a browser after which it is taken to have nothing under way.
const QUIET: Duration = Duration::from_millis(30);

/// How long a browser that goes on talking after the chat server's end is listened to. Who closes a socket while bytes
/// are coming in resets it, and that may take the Close frame with its code from the browser.
const LINGER: Duration = Duration::from_secs(1);

/// What the chat server says, as the body of the answer 101. The other direction is a task of its own, because a browser
/// that does not read must be heard nevertheless; it ends with this.
pub(super) struct Stream<L> {
    /// What came behind the answer's head.
    first: Bytes,
    line: ReadHalf<L>,
    /// The other direction. This one ends with it.
    hearing: JoinHandle<()>,
    /// Tells it that the chat server has ended.
    over: Option<oneshot::Sender<()>>,
    _seat: Seat,
}

impl<L: AsyncRead + AsyncWrite + Unpin + 'static> Stream<L> {
    /// Begins to carry what the browser says; `leave` ends that early.
    pub(super) fn begin(
        line: L,
        first: Bytes,
        browser: Payload,
        leave: impl Future<Output = ()> + 'static,
        seat: Seat,
    ) -> Self {
        let (line, out) = split(line);
        let (over, ended) = oneshot::channel();
        let hearing = actix_web::rt::spawn(hear(browser, out, leave, ended));
        Self { first, line, hearing, over: Some(over), _seat: seat }
    }
}

impl<L> Drop for Stream<L> {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}

/// Carries what the browser says until it ends, is lost or has to leave, and tells the chat server so. Returns soon after
/// `over`, or some time later without it.
async fn hear<L: AsyncWrite>(
    mut browser: Payload,
    mut out: WriteHalf<L>,
    leave: impl Future<Output = ()>,
    mut over: oneshot::Receiver<()>,
) {
    let carry = async {
        while let Some(Ok(bytes)) = browser.next().await {
            if out.write_all(&bytes).await.is_err() {
                // Nobody hears it any more. The other direction ends too as soon as the browser has read the rest; until
                // then nothing more is taken from it, lest it talks to nobody at full speed.
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = carry => {}
        () = leave => {}
        _ = &mut over => {
            let quiet = async { while let Ok(Some(Ok(_))) = timeout(QUIET, browser.next()).await {} };
            _ = timeout(LINGER, quiet).await;
            return;
        }
    }
    let last_words = async {
        // An end of ours, so that it says the rest of what it has to. A line that is stuck takes not even that.
        _ = timeout(LAST_WORDS, out.shutdown()).await;
        sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = last_words => {}
        _ = over => {}
    }
}

impl<L: AsyncRead + AsyncWrite + Unpin> MessageBody for Stream<L> {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, io::Error>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.first))));
        }
        if self.over.is_some() {
            match read(Pin::new(&mut self.line), cx) {
                Poll::Ready(Ok(bytes)) if !bytes.is_empty() => return Poll::Ready(Some(Ok(bytes))),
                // A reset is an end too: what came before it still goes to the browser.
                Poll::Ready(_) => self.over = None,
                Poll::Pending => {}
            }
        }
        Pin::new(&mut self.hearing).poll(cx).map(|_| None)
    }
}

/// Reads what is there. Its buffer is part of no connection: most of them wait most of the time.
fn read(line: Pin<&mut impl AsyncRead>, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    let mut piece = [const { MaybeUninit::<u8>::uninit() }; PIECE_BYTES];
    let mut piece = ReadBuf::uninit(&mut piece);
    line.poll_read(cx, &mut piece).map_ok(|()| Bytes::copy_from_slice(piece.filled()))
}
