//! Where somebody comes from, as far as a ban or a limit by address goes.

use core::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// An address that can be shut out, or have limits of its own: an IPv4 address, or the 64 bits that an IPv6 network has in
/// common (RFC 4291, 2.5.4), because whoever has one address of those has all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(IpAddr);

impl Address {
    /// Where this is; nothing for this machine itself. Who connects from there may be everybody, as through a proxy that
    /// tells nothing of them.
    pub fn of(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        if address.is_loopback() || address.is_unspecified() {
            return None;
        }
        Some(Self(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        }))
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::of(text.parse().ok()?)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Address> {
        Address::of(text.parse().unwrap())
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        for text in ["192.0.2.1", "2001:db8:1:2::1"] {
            assert_eq!(Address::parse(&of(text).unwrap().to_string()), of(text));
        }
    }

    #[test]
    fn this_machine_is_nobodys_address() {
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"] {
            assert_eq!(of(local), None, "{local}");
        }
    }
}
