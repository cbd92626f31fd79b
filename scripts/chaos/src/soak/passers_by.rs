//! People who were never here before and will not come again: each is somebody new, in a room or two, says something or
//! nothing, and leaves in one of the ways in which people leave.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use shared::{Ask, ClientMessage, Name, RoomName, SessionToken};
use tokio::time::{sleep, timeout};

use crate::{
    body,
    clients::{
        ROOMS,
        door::Door,
        link::{Link, Over},
    },
    random::Random,
};

/// Rooms that only they go to.
const SIDE_ROOMS: u64 = 30;

/// Where the servers are.
#[derive(Debug, Clone, Copy)]
pub struct Servers {
    /// The chat server.
    pub back: SocketAddr,
    /// The page server.
    pub front: SocketAddr,
}

/// One after the other, for ever.
pub async fn pass_by(servers: Servers, seed: u64, number: usize) {
    let mut random = Random::stream(seed, &format!("passer-by {number}"));
    loop {
        // Whoever is sent away comes no more; somebody else comes later.
        _ = visit(servers, &mut random).await;
        sleep(random.seconds(0.0, 2.0)).await;
    }
}

async fn visit(servers: Servers, random: &mut Random) -> Result<(), Over> {
    let nobody = |_| Over::default();
    let session = SessionToken::parse(&format!("{:016x}{:016x}", random.next(), random.next())).map_err(nobody)?;
    let room = if random.chance(0.3) {
        random.pick(&ROOMS).map_or(String::new(), |room| (*room).to_owned())
    } else {
        format!("side-{}", random.below(SIDE_ROOMS))
    };
    let room = RoomName::parse(&room).map_err(nobody)?;
    let (door, way) = match random.below(10) {
        0 => (Door::Session, servers.front),
        1 => (Door::PolledSession, servers.front),
        2 | 3 => (Door::Relay, servers.front),
        _ => (Door::Back, servers.back),
    };
    let rooms = BTreeMap::from([(room.clone(), Ask::default())]);
    let mut link = Link::open(door, way, None, &session, rooms).await?;
    if random.chance(0.3) {
        let name = Name::parse(&format!("passer-{}", random.below(1_000_000))).map_err(nobody)?;
        link.send(&ClientMessage::Name { id: None, name }).await?;
    }
    if random.chance(0.5) {
        let text = body::compose("v", random);
        link.send(&ClientMessage::Send { id: None, room: Some(room), text, reply_to: None }).await?;
    }
    let stay = random.seconds(0.0, 4.0);
    // The time to stay is over, or the link is.
    _ = timeout(stay, listen(&mut link)).await;
    match random.below(3) {
        0 => link.close().await,
        1 => link.reset(),
        // Just gone, as when a process ends.
        _ => drop(link),
    }
    Ok(())
}

async fn listen(link: &mut Link) -> Result<(), Over> {
    // A slow glance at what is said: who only looks in reads not all of it.
    loop {
        link.next().await?;
        sleep(Duration::from_millis(1)).await;
    }
}
