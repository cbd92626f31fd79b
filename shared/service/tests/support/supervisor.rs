//! What a supervisor hears of a program that it started.

use std::{
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    time::Duration,
};

/// A debug build on a busy machine says the next within this.
const PATIENCE: Duration = Duration::from_secs(20);

/// The side of systemd.
pub(crate) struct Supervisor {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Supervisor {
    /// One who listens in this folder.
    pub(crate) fn new(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    /// The variables with which it starts a program; it wants signs of life.
    pub(crate) fn variables(&self) -> [(&str, &str); 2] {
        [("NOTIFY_SOCKET", self.path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")]
    }

    /// Hears a program out that has just begun, has it read its settings again by `signal` and then end.
    pub(crate) fn hears_a_life(&self, signal: impl Fn(&str)) {
        assert_eq!(self.next(false), "READY=1");
        self.next(true);
        signal("HUP");
        let said = self.next(false);
        assert!(said.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{said}");
        assert_eq!(self.next(false), "READY=1");
        signal("TERM");
        assert_eq!(self.next(false), "STOPPING=1");
    }

    /// The next sign of life, or the next that is none.
    fn next(&self, sign: bool) -> String {
        loop {
            let mut bytes = [0; 512];
            let count = self.socket.recv(&mut bytes).unwrap();
            let said = String::from_utf8_lossy(&bytes[..count]).trim_end().to_owned();
            if sign == (said == "WATCHDOG=1") {
                return said;
            }
        }
    }
}
