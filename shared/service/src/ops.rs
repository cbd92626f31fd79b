//! Where health and metrics are answered, and how readiness is told. It knows no HTTP.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    str::FromStr,
};

use serde_json::json;
use socket2::{Domain, Protocol, Socket, Type};

/// Waiting connections that the kernel holds: a scraper and a few balancers.
const BACKLOG: i32 = 64;

/// What an operator said about the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Exactly there: that it is taken is an error.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse()
            .map(Self::At)
            .map_err(|_| "give an address in numbers and a port, as in 127.0.0.1:3001, or off".to_owned())
    }
}

/// A place was named and cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot answer health and metrics at {address}: {error}; {flag} takes another address, or off")]
pub struct Taken {
    address: SocketAddr,
    flag: &'static str,
    error: io::Error,
}

/// Opens the listener, and says in the log where it is. Nobody asked for the default place in particular, so a second
/// server on the same machine goes without, and says so.
///
/// # Errors
/// When the place that was named cannot be had.
pub fn listen(place: Option<Place>, default: SocketAddr, flag: &'static str) -> Result<Option<TcpListener>, Taken> {
    let (address, is_named) = match place {
        Some(Place::Off) => return Ok(None),
        Some(Place::At(address)) => (address, true),
        None => (default, false),
    };
    match open(address) {
        Ok((listener, address)) => {
            tracing::info!("health and metrics are at http://{address}");
            Ok(Some(listener))
        }
        Err(error) if is_named => Err(Taken { address, flag, error }),
        Err(error) => {
            tracing::warn!(%error, "no health and metrics: {address} cannot be had; {flag} names another place, or off");
            Ok(None)
        }
    }
}

fn open(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that was killed may be started again at once.
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener: TcpListener = socket.into();
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Why a server should be sent nobody just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub text: &'static str,
}

/// Whether a server should be sent anybody: the status of the answer, and its JSON.
pub fn readiness(reasons: &[Reason]) -> (u16, String) {
    let why: Vec<_> = reasons.iter().map(|reason| json!({ "code": reason.code, "text": reason.text })).collect();
    match why.is_empty() {
        true => (200, json!({ "ready": true }).to_string()),
        false => (503, json!({ "ready": false, "why": why }).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_place_is_an_error_only_where_it_was_named() {
        let (_held, address) = open(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        assert!(listen(None, address, "--ops").unwrap().is_none());
        let error = listen(Some(Place::At(address)), address, "--ops").unwrap_err().to_string();
        assert!(error.contains(&address.to_string()) && error.contains("--ops"), "{error}");
        assert!(listen(Some(Place::Off), address, "--ops").unwrap().is_none());
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        assert!(listen(Some(Place::At(free)), address, "--ops").unwrap().is_some());
    }

    #[test]
    fn places_are_addresses_or_off() {
        assert_eq!("off".parse(), Ok(Place::Off));
        assert_eq!("[::1]:0".parse(), Ok(Place::At(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0)))));
        assert!("3001".parse::<Place>().unwrap_err().contains("or off"));
    }

    #[test]
    fn who_is_not_ready_says_why() {
        assert_eq!(readiness(&[]), (200, r#"{"ready":true}"#.to_owned()));
        let reason = Reason { code: "stopping", text: "the server is stopping" };
        let why = r#"{"ready":false,"why":[{"code":"stopping","text":"the server is stopping"}]}"#;
        assert_eq!(readiness(&[reason]), (503, why.to_owned()));
    }
}
