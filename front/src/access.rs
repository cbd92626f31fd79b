//! Whose pages and whose proxies are believed, as far as the settings say so. They may change while the server runs:
//! streams that live go on, and whoever asks from then on meets what holds.

use service::live::Live;
use shared::{TrustedProxies, origin::AllowedOrigin};

use crate::config::Config;

/// A clone is the same one.
#[derive(Debug, Clone)]
pub struct Access {
    /// Pages that may use the HTTP API; their hosts are names of this server.
    pub origins: Live<Vec<AllowedOrigin>>,
    /// Proxies whose word about a connection counts.
    pub trusted: Live<TrustedProxies>,
}

impl Access {
    /// As it is at the beginning.
    pub(crate) fn new(config: &Config) -> Self {
        Self { origins: Live::new(config.allow_origin.clone()), trusted: Live::new(config.trusted_proxy.clone()) }
    }

    /// As it is from now on.
    pub fn set(&self, config: &Config) {
        self.origins.set(config.allow_origin.clone());
        self.trusted.set(config.trusted_proxy.clone());
    }
}
