//! Everything that can be set, and how it follows from the command line, the environment and a file. The only place that
//! knows clap.

mod args;
mod tools;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use service::{
    log, ops,
    settings::Standing,
    tls::{Certificate, Files},
    visitors::Allowed,
};
use shared::{TrustedProxies, origin::AllowedOrigin};

use crate::{
    door::{Admission, Door},
    heartbeat::Patience,
    history::{MemoryLimits, sqlite::SqliteLimits},
    hub::{HubLimits, PresenceTimes},
    limits::Rates,
    moderation::Known,
    sabotage::Sabotage,
    session::SessionLimits,
};

pub use args::HistoryKind;
use args::{Args, DAY, Guests};
pub use tools::Task;

/// Bytes of text that a session may send in a second, where nobody says otherwise.
const SEND_BYTES_PER_SECOND: u32 = 64 * 1024;

/// Connections of the descriptor limit that stay free for files, logs and refusals: a tenth.
const DESCRIPTORS_IN_TEN: u64 = 9;

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate's files; `None` is without TLS.
    pub tls: Option<Files>,
    /// Threads that serve connections; `None` is one for each CPU that the process may use.
    pub workers: Option<usize>,
    /// Where history is kept.
    pub history: HistoryKind,
    /// Its directory.
    pub data: PathBuf,
    /// How much is kept in memory.
    pub memory: MemoryLimits,
    /// How much is kept on disk.
    pub sqlite: SqliteLimits,
    /// Rooms and presence.
    pub hub: HubLimits,
    /// What a session may do.
    pub session: SessionLimits,
    /// What one address may do.
    pub addresses: Allowed,
    /// Clients that are let in at once.
    pub arrivals: usize,
    /// How long others wait for that.
    pub arrival_wait: Duration,
    /// Who may come in.
    pub admission: Admission,
    /// Moderators beside those that history knows.
    pub moderators: Vec<Known>,
    /// Pages that may connect.
    pub origins: Arc<[AllowedOrigin]>,
    /// Proxies whose word about a connection's address counts.
    pub trusted: TrustedProxies,
    /// Connections at once; `None` is [`connections_for`] the descriptor limit.
    pub connections: Option<usize>,
    /// Time for the request's head.
    pub handshake: Duration,
    /// The heartbeat's times.
    pub patience: Patience,
    /// Time to say goodbye to everybody.
    pub drain: Duration,
    /// What to log.
    pub log: String,
    /// How to log.
    pub log_format: log::Format,
    /// Where health and metrics are answered; `None` is [`OPS`], if that is free.
    pub ops: Option<ops::Place>,
    /// What to break on purpose.
    pub sabotage: Vec<Sabotage>,
}

impl Config {
    /// Reads these arguments, without the program's name.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub fn from_args(args: &[&str]) -> Result<Self, String> {
        let args = std::iter::once("back").chain(args.iter().copied());
        Args::try_parse_from(args).map(Self::from).map_err(|error| error.to_string())
    }

    /// Reads the process's settings again; nothing when they make no sense. What of them may be taken while the server
    /// runs is for [`crate::Access::set`], and the log says what else has changed.
    pub fn again(standing: &mut Standing) -> Option<Self> {
        standing.again::<Args>(LIVE).map(Self::from)
    }

    /// Whether the settings contradict each other.
    ///
    /// # Errors
    /// How they do, for people.
    pub fn agree(&self) -> Result<(), String> {
        let Patience { ping_after, dead_after, .. } = self.patience;
        if ping_after < dead_after || ping_after == NEVER {
            return Ok(());
        }
        Err("--dead-after has to be longer than --ping-after: between the two is the time to answer a ping".to_owned())
    }

    /// Whether what the settings name makes sense too.
    fn check(self) -> Result<(), String> {
        self.agree()?;
        log::check(&self.log).map_err(|error| format!("--log {}: {error}", self.log))?;
        self.tls.map(Certificate::open).transpose().map_err(|error| format!("no TLS: {error}"))?;
        let door = Door::build(&self.admission, Arc::default(), 0);
        door.map(drop).map_err(|error| format!("nobody can come in: {error}"))
    }
}

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        let none_is_all = |limit| if limit == 0 { usize::MAX } else { limit };
        // Who lets a session say as much as it likes means its bytes too.
        let send_bytes = if args.sends_per_second == 0 { 0 } else { SEND_BYTES_PER_SECOND };
        Self {
            listen: args.listen,
            tls: Files::of(args.tls_cert, args.tls_key),
            workers: args.worker_threads,
            history: args.history,
            data: args.data,
            sqlite: SqliteLimits {
                messages: none_is_all(args.history_messages),
                age: (args.history_days > 0.0).then(|| Duration::from_secs_f64(args.history_days * DAY)),
                rooms: none_is_all(args.history_rooms),
                names: none_is_all(args.history_names),
                cache: args.history_cache_mib << 20,
            },
            memory: MemoryLimits {
                messages: none_is_all(args.history_messages),
                bytes: none_is_all(args.history_mib).saturating_mul(1 << 20),
            },
            hub: HubLimits {
                rooms: none_is_all(args.rooms),
                sessions: none_is_all(args.sessions),
                log_bytes: none_is_all(args.logs_mib).saturating_mul(1 << 20),
                rest: Duration::from_millis(args.rest_ms),
                presence: PresenceTimes { interval: args.presence_interval, grace: args.presence_grace },
            },
            session: SessionLimits {
                text_bytes: args.text_bytes,
                rooms: args.rooms_per_connection,
                rates: Rates {
                    sends: args.sends_per_second,
                    send_bytes: args.send_bytes_per_second.unwrap_or(send_bytes),
                    requests: args.requests_per_second,
                },
            },
            addresses: Allowed {
                at_once: args.connections_per_address,
                comes_per_second: args.connects_per_second_per_address,
                comes_burst: args.connects_per_second_per_address.saturating_mul(5),
                acts_per_second: args.sends_per_second_per_address,
                acts_burst: args.sends_per_second_per_address.saturating_mul(2),
            },
            arrivals: none_is_all(args.arrivals),
            arrival_wait: args.arrival_wait,
            admission: Admission {
                key: args.ticket_key,
                #[cfg(feature = "jwt")]
                jwt: args.jwt_key.map(|key| crate::jwt::Settings { key, audience: args.jwt_audience }),
                #[cfg(not(feature = "jwt"))]
                jwt: None,
                tickets_only: args.guests == Guests::No,
                guests_see: args.guest_rooms,
            },
            moderators: args.moderator,
            origins: args.allow_origin.into(),
            trusted: args.trusted_proxy,
            connections: args.connections.map(none_is_all),
            handshake: args.handshake_timeout,
            patience: Patience {
                ping_after: args.ping_after,
                dead_after: args.dead_after,
                hello: args.hello_timeout,
                stall: args.stall_timeout,
                partial: args.message_timeout,
                close: args.close_timeout,
            },
            drain: args.drain,
            log: args.log,
            log_format: args.log_format,
            ops: args.ops,
            sabotage: args.sabotage,
        }
    }
}

/// What may change while the server runs: the words of [`crate::Access`].
const LIVE: &[&str] = &["allow-origin", "trusted-proxy", "moderator"];

/// Where health and metrics are answered unless an operator says something else.
pub const OPS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3001);

/// Connections that so many descriptors allow.
pub fn connections_for(descriptors: u64) -> usize {
    usize::try_from(descriptors / 10 * DESCRIPTORS_IN_TEN).unwrap_or(usize::MAX).max(1)
}

/// Longer than anybody waits, and short enough to be added to any instant: a hundred years.
pub const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests;
