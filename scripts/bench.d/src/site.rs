//! What serves readers over HTTP: Madang's two programs together, or a peer that does it alone. And somebody who talks
//! there while others listen.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;

use crate::{
    client::Buffer,
    crowd::Crowd,
    machine::CpuTimes,
    peer::{Peer, Place},
    server::Server,
};

/// Servers that belong together.
pub struct Site {
    /// Whom the speaker talks to.
    pub server: Server,
    /// Madang's front, in front of `server`.
    pub front: Option<Server>,
}

/// CPU times of a site so far.
pub struct SiteCpu {
    server: CpuTimes,
    front: Option<CpuTimes>,
}

impl Site {
    /// Starts what a peer needs, all of it on the CPUs of the server.
    pub fn start(peer: Peer, place: &Place) -> anyhow::Result<Self> {
        let server = Server::start(peer, 1, place)?;
        let is_madang = matches!(peer, Peer::Back | Peer::BackSqlite);
        let front = is_madang.then(|| Server::front(&server, &[], place)).transpose()?;
        Ok(Self { server, front })
    }

    /// The one that readers talk to.
    pub fn door(&self) -> &Server {
        self.front.as_ref().unwrap_or(&self.server)
    }

    /// CPU times so far.
    pub fn cpu(&self) -> SiteCpu {
        SiteCpu { server: self.server.cpu(), front: self.front.as_ref().map(Server::cpu) }
    }

    /// What all of it used since `before`, and what front alone did, where there is one.
    pub fn used_since(&self, before: &SiteCpu) -> (Duration, Option<Duration>) {
        let now = self.cpu();
        let front = now.front.zip(before.front.as_ref()).map(|(now, before)| now.since(before));
        (now.server.since(&before.server) + front.unwrap_or_default(), front)
    }

    /// Connections from front to the server behind it.
    pub fn upstream(&self) -> Option<usize> {
        Some(self.front.as_ref()?.connections_to(self.server.address().port()))
    }

    /// Lets somebody in who talks, and tells when their run began.
    pub fn speaker(&self) -> anyhow::Result<(Crowd, Instant)> {
        let mut speaker = Crowd::new(self.server.dialect(), self.server.address())?;
        speaker.gather(1, 1, |_| Buffer::Usual)?;
        let began = speaker.began();
        Ok((speaker, began))
    }
}

/// Has `talk` happen in a thread of its own, and lets those who listen have their turns until it is over.
pub fn beside<T: Send>(
    talk: impl FnOnce() -> anyhow::Result<T> + Send,
    mut turn: impl FnMut(Duration) -> anyhow::Result<()>,
) -> anyhow::Result<T> {
    thread::scope(|scope| {
        let talking = scope.spawn(talk);
        while !talking.is_finished() {
            turn(Duration::from_millis(20))?;
        }
        talking.join().map_err(|_| anyhow!("the speaker's thread panicked"))?
    })
}
