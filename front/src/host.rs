//! What a `Host` header may say, and the addresses made of it. Strict, because it ends up in a policy header and in a
//! page: whatever parses here contains no space, quote, semicolon or bracket that could mean something else there.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use crate::base::BasePath;

/// The address, below the base path, at which this server passes on to the chat server.
pub(crate) const SAME_PORT: &str = "/ws";

/// Port of the chat server when nobody said otherwise.
const BACK_PORT: u16 = 3000;

/// Longest host name (RFC 1035, 2.3.4).
const NAME_BYTES: usize = 253;

/// A host name, an IPv4 address or a bracketed IPv6 address, with an optional port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: Option<u16>,
    v6: bool,
}

/// Why a host or an address of the chat server was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Not a host name, an IPv4 address or a bracketed IPv6 address.
    #[error("it is not a host name, an IPv4 address or an IPv6 address in brackets")]
    Name,
    /// Not a number from 1 to 65535.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// The address of a chat server begins with `ws://` or `wss://`.
    #[error("it does not begin with ws:// or wss://")]
    Scheme,
    /// The path holds a character that an address writes as `%XX`.
    #[error("its path has a character that must be percent-encoded")]
    Path,
}

impl Host {
    /// Reads `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let (name, rest, v6) = match text.strip_prefix('[') {
            Some(inner) => {
                let (address, rest) = inner.split_once(']').ok_or(HostError::Name)?;
                let address: Ipv6Addr = address.parse().map_err(|_| HostError::Name)?;
                (format!("[{address}]"), rest, true)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                let (name, rest) = text.split_at(end);
                if !is_host_name(name) {
                    return Err(HostError::Name);
                }
                (name.to_ascii_lowercase(), rest, false)
            }
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return Err(HostError::Name),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port != 0).ok_or(HostError::Port)?)
            }
            Some(_) => return Err(HostError::Port),
        };
        Ok(Self { name, port, v6 })
    }
}

/// Letters, digits, `-` and `_` (container names have it) in dot-separated labels.
fn is_host_name(name: &str) -> bool {
    name.len() <= NAME_BYTES
        && name.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Where browsers find the chat server: `ws://host:port` and perhaps a path, never ending in `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackUrl {
    scheme: &'static str,
    host: Host,
    path: String,
}

impl BackUrl {
    /// The usual place: the host that the browser asked for the page, on port 3000. A page that came by TLS may only
    /// talk by TLS (Mixed Content, section 5.1).
    pub fn beside(secure: bool, host: &Host) -> Self {
        Self { scheme: scheme(secure), host: Host { port: Some(BACK_PORT), ..host.clone() }, path: String::new() }
    }

    /// The page's own port, where this server passes connections on.
    pub fn relayed(secure: bool, host: &Host, base: &BasePath) -> Self {
        Self { scheme: scheme(secure), host: host.clone(), path: format!("{base}{SAME_PORT}") }
    }

    /// The usual place as this server sees it: the same machine, port 3000.
    pub fn local() -> Self {
        let host = Host { name: "127.0.0.1".to_owned(), port: Some(BACK_PORT), v6: false };
        Self { scheme: "ws", host, path: String::new() }
    }

    /// Whether it is reached over TLS.
    pub fn is_secure(&self) -> bool {
        self.scheme == "wss"
    }

    /// Host name or address, without brackets, and port: what a connection is made to.
    pub fn host_and_port(&self) -> (&str, u16) {
        let port = self.host.port.unwrap_or(if self.is_secure() { 443 } else { 80 });
        (self.host.name.trim_start_matches('[').trim_end_matches(']'), port)
    }

    /// What stands before every path there; empty, or `/chat`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How a content security policy names it. Such a policy has no grammar for IPv6 addresses (CSP3, `host-part`), so
    /// there it allows any host on that one port.
    pub fn source(&self) -> String {
        match (self.host.v6, self.host.port) {
            (false, _) => format!("{}://{}", self.scheme, self.host),
            (true, Some(port)) => format!("{}://*:{port}", self.scheme),
            (true, None) => format!("{}://*", self.scheme),
        }
    }
}

fn scheme(secure: bool) -> &'static str {
    if secure { "wss" } else { "ws" }
}

impl FromStr for BackUrl {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let (scheme, rest) = match (text.strip_prefix("ws://"), text.strip_prefix("wss://")) {
            (Some(rest), _) => ("ws", rest),
            (_, Some(rest)) => ("wss", rest),
            _ => return Err(HostError::Scheme),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'.' | b'_' | b'~' | b'%');
        if !path.bytes().all(plain) {
            return Err(HostError::Path);
        }
        Ok(Self { scheme, host: Host::parse(host)?, path: path.trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for BackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(host: &str) -> String {
        BackUrl::beside(false, &Host::parse(host).unwrap()).to_string()
    }

    #[test]
    fn the_chat_server_is_beside_the_page_server() {
        assert_eq!(beside("localhost:8080"), "ws://localhost:3000");
        assert_eq!(beside("192.168.0.7"), "ws://192.168.0.7:3000");
        assert_eq!(beside("[::1]:8080"), "ws://[::1]:3000");
        assert_eq!(beside("Chat.Example.ORG"), "ws://chat.example.org:3000");
        let host = Host::parse("chat.example.org").unwrap();
        assert_eq!(BackUrl::beside(true, &host).to_string(), "wss://chat.example.org:3000");
    }

    #[test]
    fn a_relayed_one_is_at_the_page_servers_own_port() {
        let relayed = |secure, host, base: &str| {
            BackUrl::relayed(secure, &Host::parse(host).unwrap(), &base.parse().unwrap()).to_string()
        };
        assert_eq!(relayed(false, "localhost:8080", ""), "ws://localhost:8080/ws");
        assert_eq!(relayed(true, "chat.example.org", "/chat"), "wss://chat.example.org/chat/ws");
    }

    #[test]
    fn a_connection_is_made_to_a_host_and_a_port() {
        let to = |text: &str| {
            let url: BackUrl = text.parse().unwrap();
            let (host, port) = url.host_and_port();
            format!("{host} {port} {}", url.path())
        };
        assert_eq!(to("ws://127.0.0.1:3000"), "127.0.0.1 3000 ");
        assert_eq!(to("ws://[::1]/chat/"), "::1 80 /chat");
        assert_eq!(to("wss://chat.example.org"), "chat.example.org 443 ");
    }

    #[test]
    fn only_hosts_are_hosts() {
        let long = "a".repeat(254);
        for bad in [
            "",
            ":80",
            "a b",
            "a;b",
            "a'b",
            "a\"b",
            "a<b>",
            "a/b",
            "a,b",
            "a@b",
            "a:",
            "a:x",
            "a:0",
            "a:65536",
            "a:+80",
            "a..b",
            ".a",
            "a.",
            "*",
            "*.a",
            "[::1",
            "[::1]x",
            "[zz]",
            "[fe80::1%25eth0]",
            "::1",
            "a\r\nb",
            "a\tb",
            "마당",
            &long,
        ] {
            assert!(Host::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_policy_names_the_origin_only() {
        let source = |text: &str| text.parse::<BackUrl>().unwrap().source();
        assert_eq!(source("wss://chat.example.org/ws/"), "wss://chat.example.org");
        assert_eq!(source("ws://10.0.0.1:3000"), "ws://10.0.0.1:3000");
        assert_eq!(source("ws://[::1]:3000"), "ws://*:3000");
    }
}
