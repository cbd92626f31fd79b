//! Which pages may speak to a server. A browser sends `Origin` with every handshake and with every request that writes or
//! comes from another site, and lets no page forge it; without this check any page on the web could chat as its visitor
//! (cross-site WebSocket hijacking, cross-site request forgery).

use std::{fmt, net::IpAddr, str::FromStr};

/// An origin, compared whole: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedOrigin(String);

/// The text is no origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginError;

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an origin is scheme://host or scheme://host:port, as in https://chat.example.org")
    }
}

impl std::error::Error for OriginError {}

/// Why a request may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It names no origin: a tool, or a page that reads from its own server.
    Tool,
    /// Its page came from this machine, or from the very address that was asked.
    Local,
    /// The operator listed its origin.
    Listed,
}

/// What to say to a page that may not.
pub const REFUSAL: &str =
    "Pages of this origin may not connect. The operator can allow one with --allow-origin https://chat.example.org.";

/// Pages of this origin may not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

impl FromStr for AllowedOrigin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let text = text.to_ascii_lowercase();
        Origin::parse(&text).map(|origin| Self(origin.whole()))
    }
}

/// The parts of an origin (RFC 6454, section 6.2), in lower case.
struct Origin<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Result<Self, OriginError> {
        let (scheme, authority) = text.split_once("://").ok_or(OriginError)?;
        if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
            return Err(OriginError);
        }
        let (host, port) = host_and_port(authority).ok_or(OriginError)?;
        Ok(Self { scheme, host, port })
    }

    /// As it is compared: the default port is written out.
    fn whole(&self) -> String {
        let port = self.port.unwrap_or(match self.scheme {
            "https" | "wss" => 443,
            _ => 80,
        });
        format!("{}://{}:{port}", self.scheme, self.host)
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`; the host keeps its brackets. Anything else is `None`.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.rfind(']') {
        Some(end) => (&authority[..=end], &authority[end + 1..]),
        None => authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon)),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        None if port.is_empty() => None,
        _ => return None,
    };
    let named = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    (named || address(host).is_some()).then_some((host, port))
}

/// The address that a host is written as, if it is one.
fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || address(host).is_some_and(|address| address.is_loopback())
}

/// Whether a server may be called so: a loopback name, an address, or the host of an origin that the operator listed. A
/// page whose own name was made to lead here (DNS rebinding) asks in that name, and reads without an `Origin`.
pub fn is_known_host(host: &str, allowed: &[AllowedOrigin]) -> bool {
    let host = host.trim().to_ascii_lowercase();
    let Some((host, _)) = host_and_port(&host) else { return false };
    is_loopback(host)
        || address(host).is_some()
        || allowed.iter().any(|AllowedOrigin(origin)| Origin::parse(origin).is_ok_and(|origin| origin.host == host))
}

/// Refuses a page from elsewhere. `origins` are the request's `Origin` headers, `None` for one that is no text; `host` is
/// its `Host`.
///
/// Without an `Origin` it is no browser. A loopback page belongs to whoever sits at this machine. A page whose origin
/// is the very address that the request was sent to came from this machine too: an address, unlike a name, cannot be
/// rebound by DNS. Everything else, `null` included, has to be listed.
///
/// # Errors
/// [`REFUSAL`] is the sentence for it.
pub fn check<'a>(
    origins: impl IntoIterator<Item = Option<&'a str>>,
    host: Option<&str>,
    allowed: &[AllowedOrigin],
) -> Result<Passage, Refused> {
    let mut origins = origins.into_iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => return Ok(Passage::Tool),
        (Some(origin), None) => origin.unwrap_or_default().trim().to_ascii_lowercase(),
        (Some(_), Some(_)) => return Err(Refused),
    };
    let origin = Origin::parse(&origin).map_err(|_| Refused)?;
    let whole = origin.whole();
    if allowed.iter().any(|AllowedOrigin(other)| *other == whole) {
        return Ok(Passage::Listed);
    }
    let same_address = || {
        let host = host.and_then(|host| host_and_port(host.trim())).and_then(|(host, _)| address(host));
        host.is_some() && host == address(origin.host)
    };
    if is_loopback(origin.host) || same_address() { Ok(Passage::Local) } else { Err(Refused) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(host: &str, origins: &[&str], allowed: &[&str]) -> bool {
        let allowed: Vec<AllowedOrigin> = allowed.iter().map(|origin| origin.parse().unwrap()).collect();
        check(origins.iter().copied().map(Some), Some(host), &allowed).is_ok()
    }

    #[test]
    fn tools_and_pages_of_this_machine_pass() {
        assert!(passes("localhost:3000", &[], &[]));
        for origin in
            ["http://localhost:8080", "http://127.0.0.1:9", "http://127.8.8.8", "https://[::1]:1", "HTTP://LOCALHOST"]
        {
            assert!(passes("localhost:3000", &[origin], &[]), "{origin}");
        }
        assert!(passes("192.0.2.7:3000", &["http://192.0.2.7:8080"], &[]));
        assert!(passes("[2001:db8::1]:3000", &["http://[2001:db8:0::1]:8080"], &[]));
    }

    #[test]
    fn pages_from_elsewhere_do_not() {
        for origin in [
            "null",
            "",
            "http://evil.example",
            "http://localhost.evil.example",
            "http://evil-localhost",
            "http://127.0.0.1.evil.example",
            "http://127.0.0.1@evil.example",
            "http://evil.example#localhost",
            "http://evil.example/localhost",
            "http://localhost:80:80",
            "http://[::1",
            "http://192.0.2.8",
            "localhost",
            "http://chat.example.org.evil.example",
            "file://",
            "http://2130706433",
        ] {
            assert!(!passes("192.0.2.7:3000", &[origin], &["https://chat.example.org"]), "{origin}");
        }
        assert!(!passes("chat.example.org", &["http://chat.example.org"], &[]), "a name can be rebound by DNS");
        assert!(!passes("localhost:3000", &["http://localhost", "http://evil.example"], &[]), "two headers");
    }

    #[test]
    fn listed_origins_are_compared_whole() {
        let allowed = ["https://chat.example.org", "http://other.example:8080"];
        assert!(passes("back", &["https://chat.example.org"], &allowed));
        assert!(passes("back", &["https://Chat.Example.ORG:443"], &allowed));
        assert!(passes("back", &["http://other.example:8080"], &allowed));
        for origin in [
            "http://chat.example.org",
            "https://chat.example.org:8443",
            "http://other.example",
            "https://a.chat.example.org",
        ] {
            assert!(!passes("back", &[origin], &allowed), "{origin}");
        }
        assert!("chat.example.org".parse::<AllowedOrigin>().is_err());
        assert!("https://chat.example.org/path".parse::<AllowedOrigin>().is_err());
    }

    #[test]
    fn a_server_answers_to_addresses_and_to_names_that_were_listed() {
        let allowed = ["https://chat.example.org".parse().unwrap()];
        for host in [
            "localhost",
            "localhost:8080",
            "127.0.0.1",
            "192.0.2.7:80",
            "[2001:db8::1]:1",
            "Chat.Example.ORG",
            "chat.example.org:8443",
        ] {
            assert!(is_known_host(host, &allowed), "{host}");
        }
        for host in [
            "",
            "rebound.example",
            "chat.example.org.rebound.example",
            "localhost.rebound.example",
            "a@localhost",
            "2130706433",
        ] {
            assert!(!is_known_host(host, &allowed), "{host}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_origin() {
        assert_eq!(check([None], Some("localhost"), &[]), Err(Refused));
    }

    #[test]
    fn whoever_passes_is_told_why() {
        let allowed = ["http://localhost:1".parse().unwrap()];
        assert_eq!(check([], None, &allowed), Ok(Passage::Tool));
        assert_eq!(check([Some("http://localhost:1")], None, &allowed), Ok(Passage::Listed));
        assert_eq!(check([Some("http://localhost:2")], None, &allowed), Ok(Passage::Local));
    }
}
