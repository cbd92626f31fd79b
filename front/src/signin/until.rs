//! A body that ends when a sign-in does.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

pin_project_lite::pin_project! {
    /// A body that ends when a sign-in does.
    pub(crate) struct Until<B> {
        #[pin]
        body: B,
        #[pin]
        over: Option<WaitForCancellationFutureOwned>,
        ended: bool,
    }
}

impl<B> Until<B> {
    pub(super) fn new(body: B, over: Option<CancellationToken>) -> Self {
        Self { body, over: over.map(CancellationToken::cancelled_owned), ended: false }
    }

    pub(super) fn never(body: B) -> Self {
        Self::new(body, None)
    }
}

impl<B: MessageBody> MessageBody for Until<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        // What has a length has it to the end.
        if matches!(this.body.as_ref().get_ref().size(), BodySize::Stream)
            && !*this.ended
            && let Some(over) = this.over.as_pin_mut()
        {
            *this.ended = over.poll(cx).is_ready();
        }
        if *this.ended { Poll::Ready(None) } else { this.body.poll_next(cx) }
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, over, ended } = self;
        body.try_into_bytes().map_err(|body| Self { body, over, ended })
    }
}
