//! Why nobody can listen at an address, and what to do about it.

use std::{
    io::{Error, ErrorKind},
    net::SocketAddr,
};

/// The sentence; `flag` names another address, as in `--listen or BACK_LISTEN`.
pub fn listening(address: SocketAddr, error: &Error, flag: &str) -> String {
    let why = match error.kind() {
        ErrorKind::AddrInUse => "something listens there already, perhaps another of this program".to_owned(),
        ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        ErrorKind::PermissionDenied if address.port() < 1024 => {
            "a port below 1024 is root's, or asks for CAP_NET_BIND_SERVICE".to_owned()
        }
        _ => error.to_string(),
    };
    format!("cannot listen on {address}: {why}; {flag} takes another address")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn each_reason_is_told_with_what_to_do() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = held.local_addr().unwrap();
        // TEST-NET-1: an address of nobody (RFC 5737).
        let nobodys = SocketAddr::from(([192, 0, 2, 1], 0));
        for (address, hint) in
            [(taken, "something listens there already"), (nobodys, "this machine does not have that address")]
        {
            let told = listening(address, &TcpListener::bind(address).unwrap_err(), "--listen");
            assert!(
                told.contains(&format!("on {address}: {hint}")) && told.ends_with("; --listen takes another address"),
                "{told}"
            );
        }
        let low = SocketAddr::from(([127, 0, 0, 1], 80));
        let told = listening(low, &Error::from(ErrorKind::PermissionDenied), "--listen");
        assert!(told.contains("CAP_NET_BIND_SERVICE"), "{told}");
    }
}
