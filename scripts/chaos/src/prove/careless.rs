//! A front that is not to be trusted: it gives a room's messages as server-sent events, and leaves out the first message
//! that somebody missed whenever they come back. It is here to be caught.

use std::{net::SocketAddr, time::Duration};

use percent_encoding::percent_decode_str;
use shared::{Ask, Epoch, Position, RoomName, ServerMessage, SessionToken};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use crate::clients::{
    door::Door,
    link::{Link, Over},
};

/// The longest head of a request.
const HEAD_BYTES: usize = 16 * 1024;

/// What it says before anything else.
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 1000\n\n";

/// A running server. Its connections end when it is dropped.
pub struct Careless {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Careless {
    /// Listens on a free port, for what this back says.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(back: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener: TcpListener = socket.listen(1024)?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0_u64.. {
                let Ok((stream, _)) = listener.accept().await else { continue };
                while connections.try_join_next().is_some() {}
                connections.spawn(async move { _ = serve(stream, back, number).await });
            }
        });
        Ok(Self { address, accepting: accepting.abort_handle() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Careless {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, back: SocketAddr, number: u64) -> Result<(), Over> {
    let head = timeout(Duration::from_secs(5), head_of(&mut stream)).await.unwrap_or_default();
    let (room, position) = asked(&head).ok_or(Over::default())?;
    let mut leaves_out = position.is_some();
    let ask = position.map_or(Ask::Last(0), Ask::Resume);
    let session = SessionToken::parse(&format!("careless{number:024}")).map_err(|_| Over::default())?;
    let mut link = Link::open(Door::Back, back, None, &session, [(room, ask)].into()).await?;
    write(&mut stream, HEAD).await?;
    let mut epoch: Option<Epoch> = None;
    loop {
        let text = link.next_text().await?;
        let (name, seq) = match serde_json::from_str(&text) {
            Ok(ServerMessage::Joined { epoch: joined, .. }) => {
                epoch = Some(joined);
                continue;
            }
            // Replayed, and the first: this is the mistake.
            Ok(ServerMessage::Message(_)) if std::mem::take(&mut leaves_out) => continue,
            Ok(ServerMessage::Message(message)) => ("message", message.seq),
            Ok(ServerMessage::Gap(gap)) => ("gap", gap.to),
            Ok(ServerMessage::Synced { seq, .. }) => {
                leaves_out = false;
                ("synced", seq)
            }
            _ => continue,
        };
        let Some(epoch) = &epoch else { continue };
        write(&mut stream, &format!("id: {epoch}:{seq}\nevent: {name}\ndata: {text}\n\n")).await?;
    }
}

async fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while head.len() < HEAD_BYTES && !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// The room that a request wants to hear, and where it goes on.
fn asked(head: &str) -> Option<(RoomName, Option<Position>)> {
    let (first, headers) = head.split_once("\r\n")?;
    let address = first.split(' ').nth(1)?;
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let room = path.strip_prefix("/api/rooms/")?.strip_suffix("/events")?;
    let room = RoomName::parse(&percent_decode_str(room).decode_utf8().ok()?).ok()?;
    let last_id = headers.lines().filter_map(|line| line.split_once(':'));
    let last_id = last_id.filter(|(name, _)| name.eq_ignore_ascii_case("last-event-id")).map(|(_, value)| value.trim());
    let after = query.split('&').filter_map(|pair| pair.strip_prefix("after="));
    Some((room, last_id.chain(after).find_map(|position| position.parse().ok())))
}

async fn write(stream: &mut TcpStream, text: &str) -> Result<(), Over> {
    stream.write_all(text.as_bytes()).await.map_err(|_| Over::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_wants_to_hear_and_from_where() {
        let head = "GET /api/rooms/%EB%A7%88%EB%8B%B9/events?last=0 HTTP/1.1\r\nHost: x\r\nLast-Event-ID: e:7\r\n\r\n";
        let (room, position) = asked(head).unwrap();
        assert_eq!((room.as_str(), position.unwrap().seq), ("마당", 7));
        let (_, position) = asked("GET /api/rooms/a/events?after=e:3 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(position.unwrap().seq, 3);
        assert!(asked("GET /api/rooms/a/events HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().1.is_none());
        assert!(asked("GET / HTTP/1.1\r\n\r\n").is_none());
    }
}
