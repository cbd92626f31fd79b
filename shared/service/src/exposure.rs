//! Whether what is said can be read on its way.

use std::net::SocketAddr;

/// Says so in the log when a listener that others can reach has no TLS.
pub fn warn_if_readable(address: SocketAddr, has_tls: bool) {
    if is_readable(address, has_tls) {
        tracing::warn!(
            "{address} can be reached from other machines and has no TLS: whoever is on the way can read and change \
             what is said. Give --tls-cert and --tls-key, or listen on loopback behind a proxy that has TLS"
        );
    }
}

fn is_readable(address: SocketAddr, has_tls: bool) -> bool {
    !has_tls && !address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_may_go_without_tls() {
        let readable = |address: &str| is_readable(address.parse().unwrap(), false);
        for loopback in ["127.0.0.1:3000", "127.8.0.1:3000", "[::1]:3000", "[::ffff:127.0.0.1]:3000"] {
            assert!(!readable(loopback), "{loopback}");
        }
        for open in ["0.0.0.0:3000", "[::]:3000", "192.168.0.7:3000", "[fd00::1]:3000"] {
            assert!(readable(open), "{open}");
            assert!(!is_readable(open.parse().unwrap(), true), "{open} with TLS");
        }
    }
}
