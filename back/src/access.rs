//! Who may come in, and who moderates, as far as the settings say so. They may change while the server runs: connections
//! that live go on, and whoever comes or acts from then on meets what holds.

use service::live::Live;
use shared::{TrustedProxies, origin::AllowedOrigin};

use crate::{config::Config, moderation::Known};

/// A clone is the same one.
#[derive(Debug, Clone)]
pub struct Access {
    /// Pages that may connect.
    pub origins: Live<Vec<AllowedOrigin>>,
    /// Proxies whose word about a connection's address counts.
    pub trusted: Live<TrustedProxies>,
    /// Moderators beside those that history knows.
    pub moderators: Live<Vec<Known>>,
}

impl Access {
    /// As it is at the beginning.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            origins: Live::new(config.origins.to_vec()),
            trusted: Live::new(config.trusted.clone()),
            moderators: Live::new(config.moderators.clone()),
        }
    }

    /// As it is from now on.
    pub fn set(&self, config: &Config) {
        self.moderators.set(config.moderators.clone());
        self.trusted.set(config.trusted.clone());
        // Last: whoever is let in by it meets the rest of what holds.
        self.origins.set(config.origins.to_vec());
    }
}
