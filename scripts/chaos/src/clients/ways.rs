//! Where the people go in: through proxies that break on demand, in front of back and in front of front, and one more
//! between the two.

use std::net::SocketAddr;

use super::{door::Door, subscriber::Kind};
use crate::faults::{plan::Whose, proxy::Proxy};

/// The ways to one server.
struct Three {
    /// For senders.
    talk: Proxy,
    /// For subscribers.
    listen: Proxy,
    /// For slow subscribers: little fits into it.
    narrow: Proxy,
}

impl Three {
    fn start(server: SocketAddr) -> std::io::Result<Self> {
        let [talk, listen] = [Proxy::start(server, false)?, Proxy::start(server, false)?];
        Ok(Self { talk, listen, narrow: Proxy::start(server, true)? })
    }
}

/// All ways of a round.
pub struct Ways {
    /// The doors that may be taken.
    pub open: Vec<Door>,
    back: Three,
    front: Option<Three>,
    /// From front to back.
    bridge: Option<Proxy>,
}

impl Ways {
    /// Ways to back alone.
    ///
    /// # Errors
    /// When there is no port.
    pub fn to_back(back: SocketAddr) -> std::io::Result<Self> {
        Ok(Self { open: vec![Door::Back], back: Three::start(back)?, front: None, bridge: None })
    }

    /// With ways to a front, which has these doors.
    ///
    /// # Errors
    /// When there is no port.
    pub fn and_front(mut self, front: SocketAddr, doors: &[Door]) -> std::io::Result<Self> {
        self.front = Some(Three::start(front)?);
        self.open.extend(doors);
        Ok(self)
    }

    /// With a way for front itself; it is where front finds back.
    ///
    /// # Errors
    /// When there is no port.
    pub fn and_bridge(mut self, back: SocketAddr) -> std::io::Result<(Self, SocketAddr)> {
        let bridge = Proxy::start(back, false)?;
        let address = bridge.address();
        self.bridge = Some(bridge);
        Ok((self, address))
    }

    /// Where somebody goes in: a subscriber of this kind, or a sender.
    pub fn of(&self, door: Door, kind: Option<Kind>) -> SocketAddr {
        let three = self.front.as_ref().filter(|_| door.is_fronts()).unwrap_or(&self.back);
        match kind {
            None => three.talk.address(),
            Some(Kind::Slow) => three.narrow.address(),
            Some(_) => three.listen.address(),
        }
    }

    /// The proxies that a fault of the network meets.
    pub fn proxies(&self, whose: Whose) -> Vec<&Proxy> {
        let both = || [Some(&self.back), self.front.as_ref()].into_iter().flatten();
        match whose {
            Whose::Senders => both().map(|three| &three.talk).collect(),
            Whose::Subscribers => both().flat_map(|three| [&three.listen, &three.narrow]).collect(),
            Whose::All => both().flat_map(|three| [&three.talk, &three.listen, &three.narrow]).collect(),
            Whose::Visitors => {
                self.front.iter().flat_map(|three| [&three.talk, &three.listen, &three.narrow]).collect()
            }
            Whose::Front => self.bridge.iter().collect(),
        }
    }
}
