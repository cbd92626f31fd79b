//! Which pages may open a connection. A browser sends `Origin` with every handshake and lets no page forge it; without
//! this check any page on the web could chat as its visitor (cross-site WebSocket hijacking).

use std::{net::IpAddr, str::FromStr};

use super::{Head, Reply};

/// An origin, compared whole: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedOrigin(String);

/// The text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an origin is scheme://host or scheme://host:port, as in https://chat.example.org")]
pub struct OriginError;

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

/// Refuses a page from elsewhere.
///
/// Without an `Origin` it is no browser. A loopback page belongs to whoever sits at this machine. A page whose origin
/// is the very address that the request was sent to came from this machine too: an address, unlike a name, cannot be
/// rebound by DNS. Everything else, `null` included, has to be listed.
///
/// # Errors
/// 403 with a sentence that names the flag.
pub(super) fn check(head: &Head<'_>, allowed: &[AllowedOrigin]) -> Result<(), Reply> {
    let origin = match head.count("origin") {
        0 => return Ok(()),
        1 => head.value("origin").map(|origin| origin.trim().to_ascii_lowercase()).unwrap_or_default(),
        _ => return Err(refusal()),
    };
    let origin = Origin::parse(&origin).map_err(|_| refusal())?;
    let whole = origin.whole();
    let same_address = || {
        let host = head.value("host").and_then(|host| host_and_port(host.trim())).and_then(|(host, _)| address(host));
        host.is_some() && host == address(origin.host)
    };
    if is_loopback(origin.host) || same_address() || allowed.iter().any(|AllowedOrigin(other)| *other == whole) {
        return Ok(());
    }
    Err(refusal())
}

fn refusal() -> Reply {
    Reply::refuse(
        403,
        "Pages of this origin may not connect. The operator can allow one with --allow-origin https://chat.example.org.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(host: &str, origins: &[&str], allowed: &[&str]) -> bool {
        let lines: String = origins.iter().map(|origin| format!("Origin: {origin}\r\n")).collect();
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n");
        let mut space = Head::space();
        let head = Head::parse(request.as_bytes(), &mut space).unwrap();
        let allowed: Vec<AllowedOrigin> = allowed.iter().map(|origin| origin.parse().unwrap()).collect();
        check(&head, &allowed).is_ok()
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
}
