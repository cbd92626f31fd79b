//! Sockets that one thread watches, each under its number.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

pub use rustix::event::epoll::EventFlags;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};

/// Events that are taken from the kernel at once.
const EVENTS: usize = 1024;

/// Sockets, and the numbers that they are known by.
pub struct Poller(OwnedFd);

impl Poller {
    /// No sockets yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Watches one more, until it is closed.
    pub fn add(&self, socket: impl AsFd, number: usize, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.0, socket, epoll::EventData::new_u64(number as u64), flags)?)
    }

    /// Watches it for something else from now on.
    pub fn modify(&self, socket: impl AsFd, number: usize, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.0, socket, epoll::EventData::new_u64(number as u64), flags)?)
    }

    /// Those to whom something happened; nobody, when nothing does for so long.
    pub fn wait(&self, timeout: Duration) -> io::Result<impl Iterator<Item = usize> + use<>> {
        // Not kept: an event cannot go to another thread, and whoever waits here may.
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        match epoll::wait(&self.0, spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(events.into_iter().map(|event| event.data.u64() as usize))
    }
}
