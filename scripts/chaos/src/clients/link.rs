//! One `chat.v1` connection from the client's side, over a WebSocket or over an HTTP session. Every step has a deadline;
//! it knows no rooms and no retries.

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

use super::{
    door::Door,
    session::{Reading, Session},
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
pub enum Link {
    /// As browsers speak it.
    Socket(Box<WebSocketStream<TcpStream>>),
    /// As browsers speak it where WebSockets do not pass.
    Session(Box<Session>),
}

impl Link {
    /// Connects and says hello. `receive_buffer` makes the kernel take in little.
    ///
    /// # Errors
    /// When any of it fails or takes too long.
    pub async fn open(
        door: Door,
        way: SocketAddr,
        receive_buffer: Option<u32>,
        session: &SessionToken,
        rooms: BTreeMap<RoomName, Ask>,
    ) -> Result<Self, Over> {
        let hello = ClientMessage::Hello {
            name: None,
            session: Some(session.clone()),
            ticket: None,
            moderator: None,
            presence: true,
            rooms,
        };
        let path = match door {
            Door::Session => return Ok(Self::Session(Session::open(way, Reading::Events, &hello).await?.into())),
            Door::PolledSession => return Ok(Self::Session(Session::open(way, Reading::Polls, &hello).await?.into())),
            Door::Relay => "/ws",
            _ => "/",
        };
        let opened = timeout(PATIENCE, async {
            let stream = connect(way, receive_buffer).await?;
            let mut request = format!("ws://{way}{path}").into_client_request().map_err(|_| Over::default())?;
            request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
            let (websocket, _) = client_async(request, stream).await.map_err(|_| Over::default())?;
            Ok(Self::Socket(Box::new(websocket)))
        });
        let mut link = opened.await.unwrap_or(Err(Over::default()))?;
        link.send(&hello).await?;
        Ok(link)
    }

    /// Writes a message.
    ///
    /// # Errors
    /// When the link is over. Nobody knows then how much of it arrived.
    pub async fn send(&mut self, message: &ClientMessage) -> Result<(), Over> {
        let text = serde_json::to_string(message).unwrap_or_default();
        match self {
            Self::Socket(socket) => match timeout(PATIENCE, socket.send(Message::text(text))).await {
                Ok(Ok(())) => Ok(()),
                _ => Err(Over::default()),
            },
            Self::Session(session) => session.send(text).await,
        }
    }

    /// The next message's text. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the link is over.
    pub async fn next_text(&mut self) -> Result<Utf8Bytes, Over> {
        let socket = match self {
            Self::Socket(socket) => socket,
            Self::Session(session) => return session.next_text().await.map(Utf8Bytes::from),
        };
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(Over::default(), |frame| advised(&frame.reason)));
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

    /// Says that this is the end.
    pub async fn close(self) {
        match self {
            Self::Socket(mut socket) => {
                _ = timeout(Duration::from_secs(1), WebSocketStream::close(&mut socket, None)).await;
            }
            Self::Session(session) => session.close().await,
        }
    }

    /// Ends the TCP connection with a reset.
    pub fn reset(self) {
        match self {
            Self::Socket(socket) => _ = socket.get_ref().set_zero_linger(),
            Self::Session(session) => session.reset(),
        }
    }
}

/// Connects, with little room for what comes where `receive_buffer` says so.
///
/// # Errors
/// When nobody is there. It has no deadline of its own.
pub async fn connect(way: SocketAddr, receive_buffer: Option<u32>) -> Result<TcpStream, Over> {
    let socket = TcpSocket::new_v4().map_err(|_| Over::default())?;
    if let Some(bytes) = receive_buffer {
        _ = socket.set_recv_buffer_size(bytes);
    }
    let stream = socket.connect(way).await.map_err(|_| Over::default())?;
    _ = stream.set_nodelay(true);
    Ok(stream)
}

/// What a Close reason, which is `word` or `word;retry=N`, advises.
pub fn advised(reason: &str) -> Over {
    let advice = reason.split_once(";retry=").and_then(|(_, ms)| ms.parse().ok());
    Over { after: advice.map(Duration::from_millis) }
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
