//! A plain broadcast server, as study notes about WebSocket write it: a map of clients, a counter in memory, and every
//! message handed to whoever happens to be there. It speaks just enough `chat.v1` for the people of a round, knows no
//! `id` it has seen, and replays nothing. It is here to be caught.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use shared::{
    Ask, ClientMessage, Epoch, Message, MessageId, Name, OkBody, Resume, RoomName, SUBPROTOCOL, ServerMessage,
    SessionToken, UserId,
    server::{Limits, Page, Welcome},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::timeout,
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        self,
        handshake::server::{ErrorResponse, Request, Response},
        http::HeaderValue,
    },
};

/// Messages that wait for one client; what is beyond is dropped without a word.
const QUEUE: usize = 256;

/// A broadcast server on a free port. It ends when this is dropped.
pub struct Broadcast {
    address: SocketAddr,
    accepting: AbortHandle,
}

#[derive(Default)]
struct Rooms {
    rooms: HashMap<RoomName, Room>,
    connections: u64,
}

#[derive(Default)]
struct Room {
    messages: Vec<Arc<Message>>,
    clients: BTreeMap<u64, mpsc::Sender<String>>,
}

type Shared = Arc<Mutex<Rooms>>;

impl Broadcast {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let rooms = Shared::default();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(serve(stream, Arc::clone(&rooms)));
            }
        });
        Ok(Self { address, accepting: accepting.abort_handle() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[expect(clippy::result_large_err, reason = "tungstenite's callback is of this type")]
fn choose(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}

async fn serve(stream: TcpStream, rooms: Shared) {
    let Ok(Ok(websocket)) = timeout(Duration::from_secs(5), accept_hdr_async(stream, choose)).await else { return };
    let (mut sink, mut stream) = websocket.split();
    let (out, mut queue) = mpsc::channel::<String>(QUEUE);
    let number = {
        let mut rooms = rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.connections += 1;
        rooms.connections
    };
    let writing = async {
        while let Some(text) = queue.recv().await {
            if sink.send(tungstenite::Message::text(text)).await.is_err() {
                return;
            }
        }
    };
    let reading = async {
        while let Some(Ok(message)) = stream.next().await {
            let tungstenite::Message::Text(text) = message else { continue };
            let Ok(message) = ClientMessage::parse(&text) else { continue };
            for answer in rooms.lock().unwrap_or_else(PoisonError::into_inner).hear(number, &out, message) {
                // Answers are waited for only as long as there is room, like everything else here.
                _ = out.try_send(answer.to_json());
            }
        }
    };
    tokio::select! { () = writing => {}, () = reading => {} }
    for room in rooms.lock().unwrap_or_else(PoisonError::into_inner).rooms.values_mut() {
        room.clients.remove(&number);
    }
}

impl Rooms {
    fn hear(&mut self, number: u64, out: &mpsc::Sender<String>, message: ClientMessage) -> Vec<ServerMessage> {
        match message {
            ClientMessage::Hello { session, rooms, .. } => self.welcome(number, out, session, rooms),
            ClientMessage::Send { id: Some(id), room: Some(room), text, .. } => {
                self.say(number, id, room, &text).into_iter().collect()
            }
            ClientMessage::History { id, room: Some(room), before, after, around, limit, .. } => {
                let limit = limit.map_or(50, |limit| usize::try_from(limit).unwrap_or(50));
                self.page(id, room, [before, after, around], limit).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn welcome(
        &mut self,
        number: u64,
        out: &mpsc::Sender<String>,
        session: Option<SessionToken>,
        rooms: BTreeMap<RoomName, Ask>,
    ) -> Vec<ServerMessage> {
        let (Some(session), Some((user, name, epoch))) = (session, somebody(number)) else { return Vec::new() };
        let limits = Limits { text_bytes: 16_384, name_chars: 32, rooms: 64, sends_per_second: 0 };
        let mut answers = vec![ServerMessage::Welcome(Box::new(Welcome {
            server: "broadcast".to_owned(),
            protocol: SUBPROTOCOL.to_owned(),
            connection: number,
            session,
            user,
            name,
            resumed: false,
            now: 0,
            ping_ms: 25_000,
            history: "memory".to_owned(),
            limits,
            moderator: None,
        }))];
        for name in rooms.into_keys() {
            let room = self.rooms.entry(name.clone()).or_default();
            room.clients.insert(number, out.clone());
            let top = room.messages.len() as u64;
            // From JSON, as an author of study notes would write it: fields that come later are none of its business.
            let joined = json!({
                "type": "joined", "room": name, "epoch": epoch, "first": 1, "top": top, "resume": Resume::Ok,
                "count": room.clients.len(), "users": [],
            });
            answers.extend(serde_json::from_value(joined));
            answers.push(ServerMessage::Synced { room: name, seq: top });
        }
        answers
    }

    fn say(&mut self, number: u64, id: MessageId, name: RoomName, text: &str) -> Option<ServerMessage> {
        let (user, author, epoch) = somebody(number)?;
        let room = self.rooms.entry(name.clone()).or_default();
        let seq = room.messages.len() as u64 + 1;
        let message = json!({"room": name, "seq": seq, "user": user, "name": author, "text": text, "at": 0});
        let message = Arc::new(serde_json::from_value::<Message>(message).ok()?);
        let json = message.to_json();
        room.messages.push(message);
        for client in room.clients.values() {
            // Fire and forget.
            _ = client.try_send(json.clone());
        }
        Some(ServerMessage::Ok { id, body: OkBody::Stored { room: name, epoch, seq, at: 0, duplicate: false } })
    }

    fn page(
        &self,
        id: MessageId,
        name: RoomName,
        [before, after, around]: [Option<u64>; 3],
        limit: usize,
    ) -> Option<ServerMessage> {
        let (_, _, epoch) = somebody(0)?;
        let kept = self.rooms.get(&name).map_or(&[][..], |room| &room.messages);
        let place = |seq: u64| usize::try_from(seq).unwrap_or(usize::MAX).min(kept.len());
        let (from, to) = match (before, after, around) {
            (_, Some(after), _) => (place(after), place(after).saturating_add(limit)),
            (_, _, Some(around)) => (place(around).saturating_sub(limit / 2), place(around).saturating_add(limit / 2)),
            (before, ..) => {
                let end = before.map_or(kept.len(), |before| place(before.saturating_sub(1)));
                (end.saturating_sub(limit), end)
            }
        };
        let messages = kept.get(from..to.min(kept.len())).unwrap_or_default().to_vec();
        let more = if after.is_some() { to < kept.len() } else { from > 0 };
        let top = kept.len() as u64;
        Some(ServerMessage::Page(Box::new(Page { id, room: name, epoch, first: 1, top, messages, more })))
    }
}

/// An identity for a connection, and the one epoch there is.
fn somebody(number: u64) -> Option<(UserId, Name, Epoch)> {
    let user = UserId::parse(&format!("user{number:012}")).ok()?;
    let name = Name::guest(&user);
    Some((user, name, Epoch::parse("broadcast").ok()?))
}
