//! The floor: an epoll loop in one thread that encodes a message once and hands it to each client of the room with one
//! `send`, and does nothing else. It sends each message at once, or all that was heard in one turn of the loop together:
//! less than the second cannot be had where many are under way. What cannot be taken at once is dropped together with the
//! client: a floor has no queues. There is no `unsafe` in it; system calls are std's and rustix's.

use std::{
    collections::HashMap,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use rustix::{buffer::spare_capacity, event::epoll};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::frame::{self, Header};

/// The listener's number among the events.
const DOOR: u64 = u64::MAX;

struct Client {
    stream: TcpStream,
    /// Its number; `None` until the handshake is over.
    room: Option<usize>,
    rest: Vec<u8>,
}

/// When what was said is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sends {
    /// Each message by itself.
    Each,
    /// What was heard in one turn of the loop together.
    Turn,
}

struct Floor {
    sends: Sends,
    /// By number; `None` for those who left.
    clients: Vec<Option<Client>>,
    /// The number of a path's room.
    paths: HashMap<String, usize>,
    rooms: Vec<Room>,
    /// Rooms in which something waits to be sent.
    waiting: Vec<usize>,
}

#[derive(Default)]
struct Room {
    members: Vec<u64>,
    /// Frames that wait to be sent.
    said: Vec<u8>,
}

/// Serves until it is killed.
pub fn serve(port: u16, sends: Sends) -> anyhow::Result<()> {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    door.set_nonblocking(true)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &door, epoll::EventData::new_u64(DOOR), epoll::EventFlags::IN)?;
    let mut floor = Floor { sends, clients: Vec::new(), paths: HashMap::new(), rooms: Vec::new(), waiting: Vec::new() };
    let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        events.clear();
        match epoll::wait(&poll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let number = event.data.u64();
            if number == DOOR {
                while let Ok((stream, _)) = door.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let next = floor.clients.len();
                    epoll::add(&poll, &stream, epoll::EventData::new_u64(next as u64), epoll::EventFlags::IN)?;
                    floor.clients.push(Some(Client { stream, room: None, rest: Vec::new() }));
                }
            } else if floor.hear(number, &mut buffer).is_err() {
                floor.drop(number);
            }
        }
        floor.send();
    }
}

impl Floor {
    fn hear(&mut self, number: u64, buffer: &mut [u8]) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(number as usize).and_then(Option::as_mut) else { return Ok(()) };
        let count = match client.stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        client.rest.extend_from_slice(&buffer[..count]);
        if client.room.is_none() {
            let Some(end) = client.rest.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(()) };
            let head = String::from_utf8_lossy(&client.rest[..end]).into_owned();
            client.rest.drain(..end + 4);
            let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
            let accept = derive_accept_key(key.trim().as_bytes());
            let reply = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            client.stream.write_all(reply.as_bytes())?;
            let room = *self.paths.entry(path).or_insert(self.rooms.len());
            if room == self.rooms.len() {
                self.rooms.push(Room::default());
            }
            client.room = Some(room);
            self.rooms[room].members.push(number);
        }
        let rest = std::mem::take(&mut client.rest);
        let mut used = 0;
        while let Some(header) = Header::read(&rest[used..]) {
            self.frame(number, &header, &rest[used..])?;
            used += header.end;
        }
        if let Some(client) = self.clients.get_mut(number as usize).and_then(Option::as_mut) {
            client.rest = rest;
            client.rest.drain(..used);
        }
        Ok(())
    }

    fn frame(&mut self, number: u64, header: &Header, bytes: &[u8]) -> io::Result<()> {
        let mask = header.mask.unwrap_or_default();
        let payload = bytes[header.begin..header.end].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let payload: Vec<u8> = payload.collect();
        let Some(client) = self.clients.get_mut(number as usize).and_then(Option::as_mut) else { return Ok(()) };
        let mut out = Vec::with_capacity(payload.len() + 10);
        match header.opcode {
            frame::TEXT => {
                let Some(room) = client.room else { return Ok(()) };
                if self.rooms[room].said.is_empty() {
                    self.waiting.push(room);
                }
                frame::server(frame::TEXT, &payload, &mut self.rooms[room].said);
                if self.sends == Sends::Each {
                    self.send();
                }
                Ok(())
            }
            frame::PING => {
                frame::server(frame::PONG, &payload, &mut out);
                client.stream.write_all(&out)
            }
            frame::CLOSE => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Hands what was said to everybody in its room.
    fn send(&mut self) {
        let mut gone = Vec::new();
        for room in self.waiting.drain(..) {
            let room = &mut self.rooms[room];
            for &member in &room.members {
                let Some(client) = self.clients.get_mut(member as usize).and_then(Option::as_mut) else { continue };
                if !client.stream.write(&room.said).is_ok_and(|count| count == room.said.len()) {
                    gone.push(member);
                }
            }
            room.said.clear();
        }
        gone.into_iter().for_each(|member| self.drop(member));
    }

    fn drop(&mut self, number: u64) {
        let room = self.clients.get_mut(number as usize).and_then(Option::take).and_then(|client| client.room);
        if let Some(room) = room {
            self.rooms[room].members.retain(|&member| member != number);
        }
    }
}
