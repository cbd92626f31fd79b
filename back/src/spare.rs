//! What is done when there is no descriptor for a new connection: one that is kept for this is let go of, so that those
//! who wait can be accepted and told. Otherwise they would wait in the kernel's queue until somebody leaves.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::Shutdown,
};

use rustix::io::Errno;
use socket2::{SockRef, Socket};
use tokio::net::TcpListener;

/// Connections that are told so before the next pause.
const AT_ONCE: usize = 256;

/// A descriptor that is kept.
pub(crate) struct Spare(Option<File>);

impl Spare {
    /// Keeps one, if there is one.
    pub(crate) fn keep() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Takes one again where the last was lost.
    pub(crate) fn refill(&mut self) {
        if self.0.is_none() {
            *self = Self::keep();
        }
    }

    /// Whether this error says that there is no descriptor, for the process or for the machine.
    pub(crate) fn is_missed(error: &io::Error) -> bool {
        [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }

    /// Accepts those who wait, tells them this and lets them go; says how many there were.
    pub(crate) fn turn_away(&mut self, listener: &TcpListener, answer: &[u8]) -> usize {
        let mut told = 0;
        // Whoever takes the descriptor in between has it; then nobody can be told.
        while told < AT_ONCE && self.0.take().is_some() {
            // Past the runtime: it would have to be told first that there is something to read.
            let Ok((socket, _)) = SockRef::from(listener).accept() else { break };
            tell(&socket, answer);
            told += 1;
            drop(socket);
            self.refill();
        }
        self.refill();
        told
    }
}

/// As far as that goes without waiting: nobody may hold the one descriptor.
fn tell(socket: &Socket, answer: &[u8]) {
    if socket.set_nonblocking(true).is_ok() {
        // Bytes that nobody read would be answered with a reset, which could overtake the answer.
        _ = (&*socket).read(&mut [0; 4096]);
        _ = (&*socket).write(answer);
        _ = socket.shutdown(Shutdown::Write);
    }
}
