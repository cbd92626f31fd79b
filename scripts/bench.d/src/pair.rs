//! Madang's two programs together, for those who attack both, and where they say how they are.

use std::net::SocketAddr;

use crate::{
    ops::metric,
    options::Alone,
    peer::Place,
    server::{self, Server},
};

/// Both programs; they end when this is dropped.
pub struct Pair {
    /// The chat server.
    pub back: Server,
    /// The page server before it.
    pub front: Server,
    back_ops: SocketAddr,
    front_ops: SocketAddr,
}

/// Where they run: pinned, with a directory for what they write.
pub fn place(alone: &Alone) -> anyhow::Result<Place> {
    let place = Place::pinned(&alone.programs, &alone.results)?;
    std::fs::create_dir_all(&alone.results)?;
    Ok(place)
}

impl Pair {
    /// Starts both.
    pub fn open(alone: &Alone, place: &Place) -> anyhow::Result<Self> {
        let ops = || Ok::<_, anyhow::Error>(SocketAddr::from(([127, 0, 0, 1], server::free_port()?)));
        let (back_ops, front_ops) = (ops()?, ops()?);
        // Who attacks from many addresses has no limits by address; the attacker's sessions have none here.
        let mut flags = vec!["--sends-per-second=0".to_owned(), format!("--ops={back_ops}")];
        flags.extend_from_slice(&alone.back_flag);
        let back = Server::back(&flags, place)?;
        let front = Server::front(&back, &[format!("--ops={front_ops}")], place)?;
        Ok(Self { back, front, back_ops, front_ops })
    }

    /// A number that back tells.
    pub fn of_back(&self, name: &str) -> anyhow::Result<f64> {
        metric(self.back_ops, name)
    }

    /// A number that front tells.
    pub fn of_front(&self, name: &str) -> anyhow::Result<f64> {
        metric(self.front_ops, name)
    }
}
