//! Somebody who reads rooms whole, at the end, in every way in which they can be read: over `chat.v1` and over HTTP.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use hyper::StatusCode;
use shared::{Ask, ClientMessage, Message, MessageId, RoomName, ServerMessage, SessionToken};
use tokio::time::{sleep, timeout};

use super::{
    Tops,
    api::{Messages, of_room},
    door::Door,
    http::{Call, Connection},
    link::{Link, Over, PATIENCE},
};
use crate::{body, event::Item};

/// Most messages on a page.
const PAGE: u32 = 200;

/// Attempts before a room counts as unreadable.
const ATTEMPTS: u32 = 20;

/// A server to read from.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// Back, over `chat.v1`.
    Back(SocketAddr),
    /// Front, over HTTP.
    Front(SocketAddr),
}

/// A way to read a room through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the first page on.
    After,
    /// From the newest page back.
    Before,
    /// In overlapping pages around one number after the other.
    Around,
}

/// A room as it was read.
pub struct Room {
    /// In the order in which they came.
    pub items: Vec<Item>,
    /// The oldest number that the server says it keeps.
    pub first: u64,
}

/// The newest number of each room.
///
/// # Errors
/// When nobody lets the reader in.
pub async fn tops(server: SocketAddr, rooms: &[RoomName]) -> anyhow::Result<Tops> {
    let mut attempt = 0;
    loop {
        match timeout(PATIENCE, join(server, rooms)).await.unwrap_or(Err(Over::default())) {
            Ok((_, tops)) => return Ok(tops),
            Err(_) if attempt < ATTEMPTS => sleep(Duration::from_millis(500)).await,
            Err(_) => anyhow::bail!("the server does not let the reader in"),
        }
        attempt += 1;
    }
}

/// Reads a room through.
///
/// # Errors
/// When it cannot be read to its end.
pub async fn whole(place: Place, room: &RoomName, way: Way) -> anyhow::Result<Room> {
    let mut attempt = 0;
    loop {
        match once(place, room, way).await {
            Ok(read) => return Ok(read),
            Err(error) if attempt >= ATTEMPTS => {
                return Err(error).with_context(|| format!("{room} cannot be read ({place:?}, {way:?})"));
            }
            Err(_) => sleep(Duration::from_millis(500)).await,
        }
        attempt += 1;
    }
}

async fn join(server: SocketAddr, rooms: &[RoomName]) -> Result<(Link, Tops), Over> {
    let asks: BTreeMap<_, _> = rooms.iter().map(|room| (room.clone(), Ask::Last(0))).collect();
    // A person of its own, new each time: nobody's connection is replaced by it.
    let session = SessionToken::parse(&format!("reader{:026}", std::process::id())).map_err(|_| Over::default())?;
    let mut link = Link::open(Door::Back, server, None, &session, asks).await?;
    let mut tops = Tops::new();
    while tops.len() < rooms.len() {
        if let Some(ServerMessage::Joined { room, top, .. }) = link.next().await? {
            tops.insert(room, top);
        }
    }
    Ok((link, tops))
}

/// A server that lets a room be read.
enum Source {
    Link(Box<Link>),
    /// With the room's position before its first message.
    Http(Box<Connection>, String),
}

/// Some messages of a room.
struct Page {
    first: u64,
    messages: Vec<Arc<Message>>,
    more: bool,
}

impl Source {
    /// Comes in: the room's newest number.
    async fn open(place: Place, room: &RoomName) -> Result<(Self, u64), Over> {
        match place {
            Place::Back(server) => {
                let (link, tops) = join(server, std::slice::from_ref(room)).await?;
                Ok((Self::Link(Box::new(link)), tops.get(room).copied().unwrap_or(0)))
            }
            Place::Front(server) => {
                let mut connection = Connection::open(server, None).await?;
                let newest = messages(&mut connection, of_room(room, "messages?limit=1")).await?;
                let epoch = newest.position().ok_or(Over::default())?.epoch;
                Ok((Self::Http(Box::new(connection), format!("{epoch}:")), newest.top))
            }
        }
    }

    async fn page(&mut self, room: &RoomName, way: Way, at: Option<u64>, top: u64) -> anyhow::Result<Page> {
        let (connection, epoch) = match self {
            Self::Link(link) => return page(link, room, way, at).await,
            Self::Http(connection, epoch) => (connection, epoch),
        };
        // Without a number the API reads after a position, so the newest page is asked for by the number above it.
        let at = at.unwrap_or(top + 1);
        let query = match way {
            Way::After => format!("messages?after={epoch}{at}&limit={PAGE}"),
            Way::Before => format!("messages?before={at}&limit={PAGE}"),
            Way::Around => format!("messages?around={at}&limit={PAGE}"),
        };
        let read = messages(connection, of_room(room, &query)).await.map_err(|_| anyhow::anyhow!("no page"))?;
        anyhow::ensure!(read.gap.is_none(), "there is a gap: {:?}", read.gap);
        let Messages { first, messages, more, .. } = read;
        Ok(Page { first, messages, more })
    }
}

async fn messages(connection: &mut Connection, path: String) -> Result<Messages, Over> {
    let answer = connection.ask(&Call::get(path), PATIENCE).await?;
    if answer.status != StatusCode::OK {
        return Err(answer.over());
    }
    serde_json::from_slice(&answer.body).map_err(|_| Over::default())
}

async fn once(place: Place, room: &RoomName, way: Way) -> anyhow::Result<Room> {
    let opened = timeout(PATIENCE, Source::open(place, room)).await?;
    let (mut source, top) = opened.map_err(|_| anyhow::anyhow!("the server does not let the reader in"))?;
    let mut read = Room { items: Vec::new(), first: 1 };
    let mut next = match way {
        Way::After => Some(0),
        Way::Before => None,
        Way::Around => Some(1),
    };
    loop {
        let page = source.page(room, way, next, top).await?;
        read.first = page.first;
        let more = page.more;
        let mut items: Vec<Item> = page.messages.iter().map(|message| item(message)).collect();
        let bounds = items.first().map(|first| first.0).zip(items.last().map(|last| last.0));
        let Some((from, to)) = bounds else { return Ok(read) };
        match way {
            Way::After => {
                read.items.append(&mut items);
                next = Some(to);
            }
            Way::Before => {
                items.append(&mut read.items);
                read.items = items;
                next = Some(from);
            }
            Way::Around => {
                // Pages overlap; what overlaps must be what was read before, or it is shown as it came.
                let known: BTreeMap<u64, &Item> =
                    read.items.iter().rev().take(1_000).map(|item| (item.0, item)).collect();
                items.retain(|item| known.get(&item.0) != Some(&item));
                let grew = !items.is_empty();
                read.items.append(&mut items);
                if to >= top || !grew {
                    return Ok(read);
                }
                next = Some(to + 1);
                continue;
            }
        }
        if !more {
            return Ok(read);
        }
    }
}

async fn page(link: &mut Link, room: &RoomName, way: Way, at: Option<u64>) -> anyhow::Result<Page> {
    let id = MessageId::parse("page")?;
    let only = |wanted| if way == wanted { at } else { None };
    let (before, after, around) = (only(Way::Before), only(Way::After), only(Way::Around));
    let ask = ClientMessage::History { id, room: Some(room.clone()), before, after, around, limit: Some(PAGE) };
    link.send(&ask).await.map_err(|_| anyhow::anyhow!("the link broke"))?;
    timeout(PATIENCE, async {
        loop {
            match link.next().await.map_err(|_| anyhow::anyhow!("the link broke"))? {
                Some(ServerMessage::Page(page)) => {
                    return Ok(Page { first: page.first, messages: page.messages, more: page.more });
                }
                Some(ServerMessage::Error(error)) => anyhow::bail!("history answers: {}", error.text),
                _ => {}
            }
        }
    })
    .await?
}

/// A message as the history has it.
pub fn item(message: &shared::Message) -> Item {
    let (cid, h) = body::identify(&message.text);
    (message.seq, cid, h)
}
