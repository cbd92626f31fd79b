//! The floor: an epoll loop in one thread that encodes a message once and hands it to each client of the room with one
//! `send`, and does nothing else. What cannot be taken at once is dropped together with the client: a floor has no
//! queues. There is no `unsafe` in it; system calls are std's and rustix's.

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
    /// `None` until the handshake is over.
    room: Option<String>,
    rest: Vec<u8>,
}

#[derive(Default)]
struct Floor {
    /// By number; `None` for those who left.
    clients: Vec<Option<Client>>,
    /// Who is in a room.
    rooms: HashMap<String, Vec<u64>>,
}

/// Serves until it is killed.
pub fn serve(port: u16) -> anyhow::Result<()> {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    door.set_nonblocking(true)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &door, epoll::EventData::new_u64(DOOR), epoll::EventFlags::IN)?;
    let mut floor = Floor::default();
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
            client.room = Some(path.clone());
            self.rooms.entry(path).or_default().push(number);
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
                frame::server(frame::TEXT, &payload, &mut out);
                let members = client.room.as_ref().and_then(|room| self.rooms.get(room)).cloned().unwrap_or_default();
                for member in members {
                    let Some(client) = self.clients.get_mut(member as usize).and_then(Option::as_mut) else { continue };
                    if !client.stream.write(&out).is_ok_and(|count| count == out.len()) {
                        self.drop(member);
                    }
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

    fn drop(&mut self, number: u64) {
        let room = self.clients.get_mut(number as usize).and_then(Option::take).and_then(|client| client.room);
        if let Some(members) = room.and_then(|room| self.rooms.get_mut(&room)) {
            members.retain(|&member| member != number);
        }
    }
}
