//! One `chat.v1` connection from the client's side. Every step has a deadline; it knows no rooms and no retries.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use shared::{Ask, ClientMessage, RoomName, SUBPROTOCOL, ServerMessage, SessionToken};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, Utf8Bytes, client::IntoClientRequest, http::HeaderValue},
};

/// The longest that anything may take before a link counts as lost.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Advice to stay away longer than this is cut short, or a round would not end.
pub const LONGEST_ADVICE: Duration = Duration::from_secs(5);

/// A link that is over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Over {
    /// When to come back, where the server said so.
    pub after: Option<Duration>,
}

/// One connection.
pub struct Link {
    websocket: WebSocketStream<TcpStream>,
}

impl Link {
    /// Connects and says hello. `receive_buffer` makes the kernel take in little.
    ///
    /// # Errors
    /// When any of it fails or takes too long.
    pub async fn open(
        way: SocketAddr,
        receive_buffer: Option<u32>,
        session: &SessionToken,
        rooms: BTreeMap<RoomName, Ask>,
    ) -> Result<Self, Over> {
        let opened = timeout(PATIENCE, async {
            let socket = TcpSocket::new_v4().map_err(|_| Over::default())?;
            if let Some(bytes) = receive_buffer {
                _ = socket.set_recv_buffer_size(bytes);
            }
            let stream = socket.connect(way).await.map_err(|_| Over::default())?;
            _ = stream.set_nodelay(true);
            let mut request = format!("ws://{way}/").into_client_request().map_err(|_| Over::default())?;
            request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
            let (websocket, _) = client_async(request, stream).await.map_err(|_| Over::default())?;
            Ok(Self { websocket })
        });
        let mut link = opened.await.unwrap_or(Err(Over::default()))?;
        let session = Some(session.clone());
        let hello = ClientMessage::Hello { name: None, session, ticket: None, presence: true, rooms };
        link.send(&hello).await?;
        Ok(link)
    }

    /// Writes a message.
    ///
    /// # Errors
    /// When the link is over. Nobody knows then how much of it arrived.
    pub async fn send(&mut self, message: &ClientMessage) -> Result<(), Over> {
        let text = serde_json::to_string(message).unwrap_or_default();
        match timeout(PATIENCE, self.websocket.send(Message::text(text))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Over::default()),
        }
    }

    /// The next message's text. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the link is over.
    pub async fn next_text(&mut self) -> Result<Utf8Bytes, Over> {
        loop {
            match self.websocket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(frame))) => {
                    // The reason is `word` or `word;retry=N`.
                    let advice = frame.as_ref().and_then(|frame| frame.reason.split_once(";retry=")?.1.parse().ok());
                    return Err(Over { after: advice.map(Duration::from_millis) });
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Over::default()),
            }
        }
    }

    /// The next message; nothing for one that is not understood.
    ///
    /// # Errors
    /// When the link is over, or the server says goodbye.
    pub async fn next(&mut self) -> Result<Option<ServerMessage>, Over> {
        let text = self.next_text().await?;
        understood(&text)
    }

    /// Says that this is the end, in a Close frame.
    pub async fn close(mut self) {
        _ = timeout(Duration::from_secs(1), self.websocket.close(None)).await;
    }

    /// Ends the TCP connection with a reset.
    pub fn reset(self) {
        _ = self.websocket.get_ref().set_zero_linger();
    }
}

/// What a text says; nothing for one that is not understood.
///
/// # Errors
/// When it is the server's goodbye.
pub fn understood(text: &str) -> Result<Option<ServerMessage>, Over> {
    match serde_json::from_str(text) {
        Ok(ServerMessage::Bye { retry_after_ms, .. }) => Err(Over { after: retry_after_ms.map(Duration::from_millis) }),
        Ok(message) => Ok(Some(message)),
        Err(_) => Ok(None),
    }
}
