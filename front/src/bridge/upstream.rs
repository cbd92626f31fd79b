//! One WebSocket connection to back, as texts in both directions. Besides `proxy` the only place that knows tungstenite;
//! it knows nothing of what the texts say.
//!
//! Reading and writing are two halves that are driven side by side: back does not read from who does not read.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use shared::{ErrorBody, ErrorCode, SUBPROTOCOL, limits};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig},
};

use super::told::unavailable;
use crate::dial::{Back, Duplex};

/// Time for TCP, TLS and the handshake together.
const OPENING: Duration = Duration::from_secs(5);

/// Time in which back may read nothing of what waits for it.
const STALL: Duration = Duration::from_secs(10);

/// After so long without a text front pings, so that a back that is gone is noticed.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(15);

/// Silence after which back counts as gone: two pings unanswered, and a little.
const SILENCE: Duration = Duration::from_secs(40);

/// Longest text from back. A page holds 256 KiB of text, of which JSON may write each byte as six.
const TEXT_BYTES: usize = 4 * 1024 * 1024;

/// What waits in memory to be written: one message of the largest size at a time.
const WRITE_BUFFER: usize = limits::MESSAGE_BYTES * 4;

type Socket = WebSocketStream<Box<dyn Duplex>>;

/// Why there is no connection, for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Away {
    /// It took too long.
    #[error("no answer within {} s", OPENING.as_secs())]
    TooLate,
    /// Nobody listens, or the stream broke.
    #[error("{0}")]
    Dial(#[from] std::io::Error),
    /// There is no place just now, or none for this visitor.
    #[error("refused with {status}")]
    Refused {
        /// 429 where it is the visitor's address, 503 where it is everybody.
        status: u16,
        /// When to come back, as far as that was said.
        seconds: Option<u64>,
    },
    /// Somebody answers, but not as a chat server.
    #[error("the handshake failed: {0}")]
    Handshake(#[from] Box<tokio_tungstenite::tungstenite::Error>),
}

impl Away {
    fn of(error: tungstenite::Error) -> Self {
        match &error {
            tungstenite::Error::Http(answer) if matches!(answer.status().as_u16(), 429 | 503) => {
                let after = answer.headers().get("Retry-After").and_then(|value| value.to_str().ok()?.parse().ok());
                Self::Refused { status: answer.status().as_u16(), seconds: after }
            }
            _ => Self::Handshake(Box::new(error)),
        }
    }

    /// What to tell whoever wanted something.
    pub(crate) fn problem(&self) -> Box<ErrorBody> {
        let Self::Refused { status, seconds } = self else { return unavailable() };
        let (code, text) = if *status == 429 {
            (ErrorCode::RateLimited, "the chat server takes no more connections from this address just now")
        } else {
            (ErrorCode::Overloaded, "the chat server takes no more connections just now")
        };
        let retry_ms = seconds.unwrap_or(1).saturating_mul(1_000);
        Box::new(ErrorBody::new(code, text).retry_after_ms(retry_ms).hint("ask again after retry_after_ms"))
    }
}

/// The connection cannot be written to any more.
#[derive(Debug)]
pub(crate) struct Lost;

/// What came from back.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A text, as it came.
    Text(Bytes),
    /// The connection is over, with the code and reason of its Close frame if one came.
    End(Option<(u16, String)>),
}

/// The half that writes.
pub(crate) struct Speaking(SplitSink<Socket, Message>);

/// The half that reads, and answers pings by that.
pub(crate) struct Hearing(SplitStream<Socket>);

/// Opens a `chat.v1` connection on which nothing has been said yet; `visitor` is the address of the one for whom it is,
/// where it is for one alone.
///
/// # Errors
/// When back cannot be reached in time, or does not speak `chat.v1`.
pub(crate) async fn open(back: &Back, visitor: Option<IpAddr>) -> Result<(Speaking, Hearing), Away> {
    let opening = async {
        let stream = back.dial().await?;
        let mut request = format!("{}/", back.url()).into_client_request().map_err(Away::of)?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
        // As for connections that are passed on: a ban by address has to reach whoever comes this way.
        if let Some(address) = visitor.and_then(|visitor| HeaderValue::from_str(&visitor.to_string()).ok()) {
            request.headers_mut().insert("X-Forwarded-For", address);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(TEXT_BYTES))
            .max_frame_size(Some(TEXT_BYTES))
            .read_buffer_size(16 * 1024)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER);
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await.map_err(Away::of)?;
        Ok(socket)
    };
    let (sink, stream) = timeout(OPENING, Box::pin(opening)).await.unwrap_or(Err(Away::TooLate))?.split();
    Ok((Speaking(sink), Hearing(stream)))
}

impl Speaking {
    /// Says a text; returns when it is in the hands of the system.
    ///
    /// # Errors
    /// When the connection is broken, or back reads nothing.
    pub(crate) async fn say(&mut self, text: String) -> Result<(), Lost> {
        self.send(Message::text(text)).await
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// As [`Self::say`].
    pub(crate) async fn ping(&mut self) -> Result<(), Lost> {
        self.send(Message::Ping(Bytes::new())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Lost> {
        match timeout(STALL, self.0.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Lost),
        }
    }
}

impl Hearing {
    /// Waits for the next text. May be dropped and called again without losing one.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            match timeout(SILENCE, self.0.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => return Heard::Text(text.into()),
                Ok(Some(Ok(Message::Close(frame)))) => {
                    return Heard::End(frame.map(|frame| (frame.code.into(), frame.reason.to_string())));
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) | Err(_) => return Heard::End(None),
            }
        }
    }
}
