//! Whose connection it is when a proxy stands before the server. A proxy tells in `X-Forwarded-For`, but so can anybody:
//! only what a trusted proxy wrote counts. It knows addresses (`core::net`) and opens nothing.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The proxies that are trusted when nobody says otherwise: those on the same machine.
pub const LOOPBACK: &str = "127.0.0.0/8,::1";

/// Addresses that begin with the same bits, as in `10.0.0.0/8`; a single address is all of its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

/// The networks whose word about others counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// The text is no network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkError(String);

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no address or network; write them as in 127.0.0.1,10.0.0.0/8,2001:db8::/32", self.0)
    }
}

impl core::error::Error for NetworkError {}

impl Network {
    /// Whether the address lies in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.checked_shr(u32::BITS - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.checked_shr(u128::BITS - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let read = || {
            let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { u32::BITS } else { u128::BITS };
            let bits = match bits {
                None => most,
                Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                    bits.parse().ok().filter(|bits| *bits <= most)?
                }
                Some(_) => return None,
            };
            Some(Self { address, bits })
        };
        read().ok_or_else(|| NetworkError(text.to_owned()))
    }
}

impl Default for TrustedProxies {
    /// Those of [`LOOPBACK`].
    fn default() -> Self {
        let v4 = Network { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), bits: 8 };
        let v6 = Network { address: IpAddr::V6(Ipv6Addr::LOCALHOST), bits: u128::BITS };
        Self(vec![v4, v6])
    }
}

impl FromStr for TrustedProxies {
    type Err = NetworkError;

    /// Reads networks between commas; nothing at all trusts nobody.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let networks = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
        networks.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl TrustedProxies {
    /// Whether this peer's word about others counts.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(peer))
    }

    /// The address of the client behind `peer`, from the lines of `X-Forwarded-For` in their order, as they came: a client
    /// may have begun a line with bytes that are no text, and a proxy's word behind them counts nevertheless.
    ///
    /// Each proxy appends the address that it saw, so the list is believed from its end, for as long as whoever wrote an
    /// entry is trusted: the first that is not is the client. What stands before it, the client may have made up.
    pub fn client<'a>(&self, peer: IpAddr, lines: impl DoubleEndedIterator<Item = &'a [u8]>) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in lines.rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            if !self.trusts(client) {
                break;
            }
            // A proxy that hides the address behind it is the last one that is known.
            let Some(address) = core::str::from_utf8(hop).ok().and_then(|hop| address(hop.trim())) else { break };
            client = address.to_canonical();
        }
        client
    }
}

/// The address of a list's entry, which some proxies write with a port.
fn address(hop: &str) -> Option<IpAddr> {
    if let Ok(address) = hop.parse() {
        return Some(address);
    }
    if let Some(inner) = hop.strip_prefix('[') {
        let (address, _) = inner.split_once(']')?;
        return address.parse().ok().map(IpAddr::V6);
    }
    let (address, _) = hop.split_once(':')?;
    address.parse().ok().map(IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &str, peer: &str, lines: &[&str]) -> String {
        let trusted: TrustedProxies = trusted.parse().unwrap();
        trusted.client(peer.parse().unwrap(), lines.iter().map(|line| line.as_bytes())).to_string()
    }

    #[test]
    fn a_network_holds_what_begins_like_it() {
        let holds =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.1.2") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("192.0.2.128/25", "192.0.2.129") && !holds("192.0.2.128/25", "192.0.2.127"));
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("::/0", "2001:db8::1") && !holds("::/0", "10.0.0.1"));
        assert!(holds("127.0.0.0/8", "::ffff:127.0.0.1"), "an IPv4 peer of a socket that speaks IPv6");
    }

    #[test]
    fn only_networks_are_networks() {
        for bad in ["x", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "10.0.0.1:80", "a,b"] {
            assert!(bad.parse::<TrustedProxies>().is_err(), "{bad}");
        }
        assert!("10.0.0.0/8,".parse::<TrustedProxies>().is_err());
        assert_eq!("".parse::<TrustedProxies>().unwrap(), TrustedProxies(vec![]));
        assert_eq!(LOOPBACK.parse::<TrustedProxies>().unwrap(), TrustedProxies::default());
    }

    #[test]
    fn the_client_is_the_last_one_who_is_not_trusted() {
        let nets = "127.0.0.0/8,10.0.0.0/8";
        assert_eq!(client(nets, "127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client(nets, "127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(nets, "127.0.0.1", &["203.0.113.9, 10.0.0.1"]), "203.0.113.9");
        assert_eq!(client(nets, "127.0.0.1", &["203.0.113.9", "10.0.0.1,10.0.0.2"]), "203.0.113.9");
        assert_eq!(client(nets, "127.0.0.1", &["10.0.0.3, 10.0.0.1"]), "10.0.0.3", "everybody is trusted");
        assert_eq!(client(nets, "127.0.0.1", &["203.0.113.9:1234"]), "203.0.113.9");
        assert_eq!(client(nets, "127.0.0.1", &["[2001:db8::1]:1234"]), "2001:db8::1");
        assert_eq!(client(nets, "::ffff:127.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn what_a_client_makes_up_does_not_count() {
        let nets = "127.0.0.0/8,10.0.0.0/8";
        assert_eq!(client(nets, "203.0.113.9", &["192.0.2.1"]), "203.0.113.9", "no proxy at all");
        assert_eq!(client(nets, "127.0.0.1", &["192.0.2.1, 203.0.113.9"]), "203.0.113.9", "before the proxy's entry");
        assert_eq!(client(nets, "127.0.0.1", &["192.0.2.1", "203.0.113.9, 10.0.0.1"]), "203.0.113.9");
        assert_eq!(client("", "127.0.0.1", &["192.0.2.1"]), "127.0.0.1", "nobody is trusted");
        assert_eq!(client(nets, "10.0.0.1", &["192.0.2.1, unknown"]), "10.0.0.1", "a proxy that hides it");
        assert_eq!(client(nets, "10.0.0.1", &["\u{1b}[31m", ""]), "10.0.0.1");
    }

    #[test]
    fn bytes_that_are_no_text_hide_nobody() {
        let client = |lines: &[&[u8]]| {
            TrustedProxies::default().client("127.0.0.1".parse().unwrap(), lines.iter().copied()).to_string()
        };
        assert_eq!(client(&[b"\xff, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&[b"\xff", b"\xc3\xa9,203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&[b"203.0.113.9", b"\xff"]), "127.0.0.1", "a proxy that hides it");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", bits in 0_u32..200) {
            let _ = text.parse::<TrustedProxies>();
            let _ = client("0.0.0.0/0,::/0", "127.0.0.1", &[&text]);
            if let Ok(network) = format!("10.0.0.0/{bits}").parse::<Network>() {
                let _ = network.contains("10.0.0.1".parse().unwrap());
            }
        }
    }
}
