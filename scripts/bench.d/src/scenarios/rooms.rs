//! Many small rooms where everybody talks, against one room of all of them, at the same deliveries per second.

use super::{Case, Figures, Size, talk};
use crate::{client::Buffer, crowd::Crowd, load, peer::Place, server::Server};

/// The case with many rooms.
pub const ROOMS: &str = "rooms of 10";
/// Members of a small room.
pub const MEMBERS: usize = 10;

/// Measures rooms, or the one room they are compared with.
pub fn run(case: Case, size: &Size, place: &Place) -> anyhow::Result<Figures> {
    let server = Server::start(case.peer, 1, place)?;
    let mut crowd = Crowd::new(server.dialect(), server.address())?;
    let clients = size.rooms as usize * MEMBERS;
    let rooms = if case.variant == ROOMS { size.rooms } else { 1 };
    crowd.gather(clients, rooms, |_| Buffer::Usual)?;
    crowd.settle()?;
    let speakers: Vec<usize> = (0..clients).collect();
    let rate = size.rooms_rate * f64::from(rooms);
    load::paced(&mut crowd, &speakers, rate, size.bytes, size.warm)?;
    crowd.drain(load::DRAIN)?;
    let cost = load::measure(&mut crowd, &server, |crowd| load::paced(crowd, &speakers, rate, size.bytes, size.time))?;
    Ok(talk::figures(cost))
}
