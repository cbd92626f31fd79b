//! What a new connection meets, made of what was set and of what is there. It does not know who accepts it.

use std::{io, sync::Arc};

use service::{descriptors, tls::Certificate};
use tokio_util::sync::CancellationToken;

use crate::{
    access::Access,
    admission::Admission,
    arrivals::Arrivals,
    config::{self, Config},
    conversation::Yard,
    door::Door,
    heartbeat::Patience,
    hub::Hub,
    listener::Entrance,
};

/// The entrance of a server that begins to run.
///
/// # Errors
/// When the certificate cannot be used.
pub fn open(
    config: &Config,
    hub: &Arc<Hub>,
    door: Door,
    access: Access,
    certificate: Option<&Certificate>,
    shutdown: &CancellationToken,
) -> io::Result<Entrance> {
    let connections = config.connections.unwrap_or_else(|| config::connections_for(descriptors::limit()));
    let arrivals = Arrivals::new(config.arrivals, config.arrival_wait, Arc::clone(hub.metrics()));
    Ok(Entrance {
        yard: Arc::new(Yard {
            hub: Arc::clone(hub),
            door,
            limits: config.session,
            arrivals: Arc::clone(&arrivals),
            moderators: access.moderators,
            ping_ms: ping_ms(&config.patience),
        }),
        shutdown: shutdown.clone(),
        origins: access.origins,
        tls: certificate.map(Certificate::server).transpose().map_err(io::Error::other)?.map(Arc::new),
        admission: Admission::new(connections, config.addresses, access.trusted, arrivals),
        handshake: config.handshake,
        patience: config.patience,
    })
}

/// The silence before a ping, as clients are told; 0 when there are none.
fn ping_ms(patience: &Patience) -> u64 {
    if patience.ping_after == config::NEVER { 0 } else { patience.ping_after.as_millis() as u64 }
}
