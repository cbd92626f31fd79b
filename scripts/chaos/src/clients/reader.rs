//! Somebody who reads rooms whole, at the end, in every way in which `chat.v1` lets them be read.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::Context;
use shared::{Ask, ClientMessage, MessageId, RoomName, ServerMessage, SessionToken, server::Page};
use tokio::time::{sleep, timeout};

use super::{
    Tops,
    link::{Link, Over, PATIENCE},
};
use crate::{body, event::Item};

/// Most messages on a page.
const PAGE: u32 = 200;

/// Attempts before a room counts as unreadable.
const ATTEMPTS: u32 = 20;

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
pub async fn whole(server: SocketAddr, room: &RoomName, way: Way) -> anyhow::Result<Room> {
    let mut attempt = 0;
    loop {
        match once(server, room, way).await {
            Ok(read) => return Ok(read),
            Err(error) if attempt >= ATTEMPTS => {
                return Err(error).with_context(|| format!("{room} cannot be read ({way:?})"));
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
    let mut link = Link::open(server, None, &session, asks).await?;
    let mut tops = Tops::new();
    while tops.len() < rooms.len() {
        if let Some(ServerMessage::Joined { room, top, .. }) = link.next().await? {
            tops.insert(room, top);
        }
    }
    Ok((link, tops))
}

async fn once(server: SocketAddr, room: &RoomName, way: Way) -> anyhow::Result<Room> {
    let joined = timeout(PATIENCE, join(server, std::slice::from_ref(room))).await?;
    let (mut link, tops) = joined.map_err(|_| anyhow::anyhow!("the link broke"))?;
    let top = tops.get(room).copied().unwrap_or(0);
    let mut read = Room { items: Vec::new(), first: 1 };
    let mut next = match way {
        Way::After => Some(0),
        Way::Before => None,
        Way::Around => Some(1),
    };
    loop {
        let page = page(&mut link, room, way, next).await?;
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

async fn page(link: &mut Link, room: &RoomName, way: Way, at: Option<u64>) -> anyhow::Result<Box<Page>> {
    let id = MessageId::parse("page")?;
    let only = |wanted| if way == wanted { at } else { None };
    let (before, after, around) = (only(Way::Before), only(Way::After), only(Way::Around));
    let ask = ClientMessage::History { id, room: Some(room.clone()), before, after, around, limit: Some(PAGE) };
    link.send(&ask).await.map_err(|_| anyhow::anyhow!("the link broke"))?;
    timeout(PATIENCE, async {
        loop {
            match link.next().await.map_err(|_| anyhow::anyhow!("the link broke"))? {
                Some(ServerMessage::Page(page)) => return Ok(page),
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
