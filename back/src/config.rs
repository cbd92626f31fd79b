//! The command line: arguments as typed, and the configuration that follows from them. The only place that knows clap.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum};
use service::{
    log, ops,
    settings::{self, Standing},
    tls::{Certificate, Files},
    visitors::Allowed,
};
use shared::{Name, RoomName, TrustedProxies, forwarded, limits, origin::AllowedOrigin};

use crate::{
    door::Admission,
    heartbeat::Patience,
    history::{
        MemoryLimits,
        sqlite::{Format, SqliteLimits},
    },
    hub::{HubLimits, PresenceTimes},
    limits::Rates,
    moderation::Known,
    sabotage::Sabotage,
    session::SessionLimits,
};

/// Bytes of text that a session may send in a second, where nobody says otherwise.
const SEND_BYTES_PER_SECOND: u32 = 64 * 1024;

/// Connections of the descriptor limit that stay free for files, logs and refusals: a tenth.
const DESCRIPTORS_IN_TEN: u64 = 9;

/// Madang's chat server. Every flag has an environment variable; a flag wins over it. 0 means no limit; for closing,
/// draining and presence it means at once.
#[derive(Debug, Parser)]
#[command(name = "back", version, about, long_about = None)]
struct Args {
    /// Without a command the server runs
    #[command(subcommand)]
    tool: Option<ToolArgs>,

    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "BACK_LISTEN", default_value = "127.0.0.1:3000", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Certificate chain for TLS, as a PEM file; the port then speaks wss:// only. Read anew when the file changes
    #[arg(long, env = "BACK_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Private key of the certificate, as a PEM file without a password
    #[arg(long, env = "BACK_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Directory of what is kept: the file chat.db
    #[arg(long, env = "BACK_DATA", default_value = "./data", value_name = "DIRECTORY", global = true)]
    data: PathBuf,

    /// Where history is kept
    #[arg(long, env = "BACK_HISTORY", value_enum, default_value_t = HistoryKind::Sqlite)]
    history: HistoryKind,

    /// Mebibytes of the newest messages that all rooms together hold ready to send
    #[arg(long, env = "BACK_LOGS_MIB", default_value_t = 256, value_name = "MIB")]
    logs_mib: usize,

    /// Messages that are kept per room
    #[arg(long, env = "BACK_HISTORY_MESSAGES", default_value_t = 100_000, value_name = "N")]
    history_messages: usize,

    /// Days for which messages are kept; 0 is for ever. Only with --history sqlite
    #[arg(long, env = "BACK_HISTORY_DAYS", default_value_t = 0.0, value_parser = days, value_name = "DAYS")]
    history_days: f64,

    /// Rooms that may ever have a message, because no number is given twice. Only with --history sqlite
    #[arg(long, env = "BACK_HISTORY_ROOMS", default_value_t = 100_000, value_name = "N")]
    history_rooms: usize,

    /// Names of people that are remembered, and ten times as many read markers: those used last. Only with --history
    /// sqlite
    #[arg(long, env = "BACK_HISTORY_NAMES", default_value_t = 100_000, value_name = "N")]
    history_names: usize,

    /// Mebibytes of history that are kept in memory. Only with --history memory
    #[arg(long, env = "BACK_HISTORY_MIB", default_value_t = 256, value_name = "MIB")]
    history_mib: usize,

    /// Threads that serve connections [default: one for each CPU that the process may use]
    #[arg(long, env = "BACK_WORKER_THREADS", value_parser = workers, value_name = "N")]
    worker_threads: Option<usize>,

    /// Longest rest, in milliseconds, of a busy large room between two deliveries, in which messages gather; 0 for none
    #[arg(long, env = "BACK_REST_MS", default_value_t = 5, value_name = "MS",
        value_parser = clap::value_parser!(u64).range(0..=1_000))]
    rest_ms: u64,

    /// Rooms that are open at once
    #[arg(long, env = "BACK_ROOMS", default_value_t = 100_000, value_name = "N")]
    rooms: usize,

    /// Sessions that are known for an hour after their last connection: what they are called, and how much they may
    /// still send. Others are asked of history
    #[arg(long, env = "BACK_SESSIONS", default_value_t = 100_000, value_name = "N")]
    sessions: usize,

    /// Origin of pages that may connect, as in https://chat.example.org; may be given several times. Loopback pages may
    /// always
    #[arg(long, env = "BACK_ALLOW_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    allow_origin: Vec<AllowedOrigin>,

    /// Proxies whose X-Forwarded-For counts: addresses and networks between commas; an empty text trusts nobody
    #[arg(long, env = "BACK_TRUSTED_PROXY", default_value = forwarded::LOOPBACK, value_name = "NETWORKS")]
    trusted_proxy: TrustedProxies,

    /// A moderator, as `back moderator add --print` writes one; may be given several times. For --history memory: with
    /// sqlite, `back moderator add` names them while the server runs
    #[arg(long, env = "BACK_MODERATOR", value_delimiter = ',', value_name = "NAME=SHA256")]
    moderator: Vec<Known>,

    /// Key that tickets are signed with, as a file with one line that others cannot read: `back ticket key FILE` makes one
    #[arg(long, env = "BACK_TICKET_KEY", value_name = "FILE", global = true)]
    ticket_key: Option<PathBuf>,

    /// Whether whoever has no ticket comes in as a guest; no asks for --ticket-key
    #[arg(long, env = "BACK_GUESTS", value_enum, default_value_t = Guests::Yes, requires_if("no", "ticket_key"))]
    guests: Guests,

    /// Rooms that guests may see: names, where * at the end stands for whatever follows
    #[arg(long, env = "BACK_GUEST_ROOMS", value_delimiter = ',', default_value = "*", value_name = "ROOMS")]
    guest_rooms: Vec<String>,

    /// Connections at once [default: nine tenths of the descriptor limit]
    #[arg(long, env = "BACK_CONNECTIONS", value_name = "N")]
    connections: Option<usize>,

    /// Connections at once from one address (of IPv6, from one /64). This machine, and proxies that name no address, have
    /// no limits by address
    #[arg(long, env = "BACK_CONNECTIONS_PER_ADDRESS", default_value_t = 100, value_name = "N")]
    connections_per_address: u32,

    /// Connections per second from one address, over a burst of five times as many
    #[arg(long, env = "BACK_CONNECTS_PER_SECOND_PER_ADDRESS", default_value_t = 20, value_name = "N")]
    connects_per_second_per_address: u32,

    /// Clients that are let in at once, from hello until they are in their rooms; others are told when to come back
    #[arg(long, env = "BACK_ARRIVALS", default_value_t = 1_000, value_name = "N")]
    arrivals: usize,

    /// Messages per second and session, over a burst of twice as many
    #[arg(long, env = "BACK_SENDS_PER_SECOND", default_value_t = 10, value_name = "N")]
    sends_per_second: u32,

    /// Bytes of text per second and session, over a burst of twice as many [default: 65536, and no limit with
    /// --sends-per-second 0]
    #[arg(long, env = "BACK_SEND_BYTES_PER_SECOND", value_name = "BYTES")]
    send_bytes_per_second: Option<u32>,

    /// Messages per second from one address, over a burst of twice as many
    #[arg(long, env = "BACK_SENDS_PER_SECOND_PER_ADDRESS", default_value_t = 100, value_name = "N")]
    sends_per_second_per_address: u32,

    /// Other requests per second and connection (joins, pages, searches, names), over a burst of five times as many; not
    /// for this machine, and proxies that name no address
    #[arg(long, env = "BACK_REQUESTS_PER_SECOND", default_value_t = 20, value_name = "N")]
    requests_per_second: u32,

    /// Bytes of a message's text; a message as a whole has at most 65536
    #[arg(long, env = "BACK_TEXT_BYTES", default_value_t = limits::TEXT_BYTES, value_name = "BYTES")]
    text_bytes: usize,

    /// Rooms that one connection may be in
    #[arg(long, env = "BACK_ROOMS_PER_CONNECTION", default_value_t = limits::ROOMS_PER_CONNECTION, value_name = "N")]
    rooms_per_connection: usize,

    /// Time for the request's head
    #[arg(long, env = "BACK_HANDSHAKE_TIMEOUT", default_value = "5", value_parser = patience, value_name = "SECONDS")]
    handshake_timeout: Duration,

    /// Time for a chat.v1 client's hello
    #[arg(long, env = "BACK_HELLO_TIMEOUT", default_value = "10", value_parser = patience, value_name = "SECONDS")]
    hello_timeout: Duration,

    /// Silence before a ping
    #[arg(long, env = "BACK_PING_AFTER", default_value = "25", value_parser = patience, value_name = "SECONDS")]
    ping_after: Duration,

    /// Silence before a connection counts as dead
    #[arg(long, env = "BACK_DEAD_AFTER", default_value = "40", value_parser = patience, value_name = "SECONDS")]
    dead_after: Duration,

    /// Time in which a client may read nothing of what waits for it
    #[arg(long, env = "BACK_STALL_TIMEOUT", default_value = "10", value_parser = patience, value_name = "SECONDS")]
    stall_timeout: Duration,

    /// Time for a message from its first byte to its last
    #[arg(long, env = "BACK_MESSAGE_TIMEOUT", default_value = "30", value_parser = patience, value_name = "SECONDS")]
    message_timeout: Duration,

    /// Time for each step of closing a connection
    #[arg(long, env = "BACK_CLOSE_TIMEOUT", default_value = "1", value_parser = seconds, value_name = "SECONDS")]
    close_timeout: Duration,

    /// Time in which all clients are told goodbye when the server stops
    #[arg(long, env = "BACK_DRAIN", default_value = "4", value_parser = seconds, value_name = "SECONDS")]
    drain: Duration,

    /// Time over which comings and goings are gathered
    #[arg(long, env = "BACK_PRESENCE_INTERVAL", default_value = "0.25", value_parser = seconds, value_name = "SECONDS")]
    presence_interval: Duration,

    /// Time in which somebody whose connection ended still counts as present
    #[arg(long, env = "BACK_PRESENCE_GRACE", default_value = "15", value_parser = seconds, value_name = "SECONDS")]
    presence_grace: Duration,

    /// What to log: error, warn, info, debug, trace, or a filter of tracing
    #[arg(long, env = "BACK_LOG", default_value = "info", value_name = "FILTER")]
    log: String,

    /// How to log: text for people, or json, one object a line
    #[arg(long, env = "BACK_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    log_format: log::Format,

    /// Address and port of /healthz, /readyz and /metrics, in plain HTTP; off for none [default: 127.0.0.1:3001, and none
    /// where that is taken]
    #[arg(long, env = "BACK_OPS", value_name = "ADDRESS")]
    ops: Option<ops::Place>,

    /// Break a promise on purpose, or die at a place: for the program that checks whether anybody would notice
    #[arg(long, env = "BACK_SABOTAGE", value_delimiter = ',', value_name = "WHAT", hide = true)]
    sabotage: Vec<Sabotage>,
}

#[derive(Debug, Subcommand)]
enum ToolArgs {
    /// Copy history to a file, also while the server runs
    Backup {
        /// The copy; must not be there yet
        file: PathBuf,
    },
    /// Write a room's messages to standard output, oldest first
    Export {
        /// The room's name
        #[arg(value_parser = room)]
        room: RoomName,
        /// As lines for people, or as the wire's messages
        #[arg(long, value_enum, default_value_t = FormatArg::Txt)]
        format: FormatArg,
    },
    /// Look whether history is whole; ends with 1 if it is not
    Check,
    /// Name moderators, also while the server runs
    #[command(subcommand)]
    Moderator(ModeratorArgs),
    /// Make the key that tickets are signed with, or a ticket by hand
    #[command(subcommand)]
    Ticket(TicketArgs),
}

#[derive(Debug, Subcommand)]
enum TicketArgs {
    /// Write a new key to a file
    Key {
        /// The file; must not be there yet
        file: PathBuf,
    },
    /// Write a ticket for one hello within 30 s to standard output; signed with --ticket-key
    Make {
        /// Whose: the account
        account: String,
        /// What they are called; without it they choose
        #[arg(long, value_parser = name)]
        name: Option<Name>,
        /// Rooms that they may see, as for --guest-rooms
        #[arg(long, value_delimiter = ',', default_value = "*")]
        rooms: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Guests {
    Yes,
    No,
}

#[derive(Debug, Subcommand)]
enum ModeratorArgs {
    /// Name a moderator, and write their new secret to standard output: once, it is not kept
    Add {
        /// What they are called, as everybody sees it
        #[arg(value_parser = name)]
        name: Name,
        /// Keep nothing; write the flag for a server with --history memory instead
        #[arg(long)]
        print: bool,
    },
    /// Write the moderators' names
    List,
    /// Take a moderator's rights, at once
    Remove {
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Txt,
    Jsonl,
}

/// What the process is to do.
#[derive(Debug, Clone)]
pub enum Task {
    /// Run the server, with what may be read again while it runs.
    Serve(Box<Config>, Box<Standing>),
    /// Copy the history in `data` to `file`.
    Backup {
        /// The data directory.
        data: PathBuf,
        /// The copy.
        file: PathBuf,
    },
    /// Write a room's messages to standard output.
    Export {
        /// The data directory.
        data: PathBuf,
        /// Which room.
        room: RoomName,
        /// As what.
        format: Format,
    },
    /// Look whether the history in `data` is whole.
    Check {
        /// The data directory.
        data: PathBuf,
    },
    /// Name a moderator in the history in `data`; without one, only make what names them.
    AddModerator {
        /// The data directory.
        data: Option<PathBuf>,
        /// What they are called.
        name: Name,
    },
    /// Write the moderators' names.
    ListModerators {
        /// The data directory.
        data: PathBuf,
    },
    /// Take a moderator's rights.
    RemoveModerator {
        /// The data directory.
        data: PathBuf,
        /// What they are called.
        name: Name,
    },
    /// Write a new key for tickets.
    MakeKey(PathBuf),
    /// Write a ticket.
    MakeTicket {
        /// The key's file, if it was said.
        key: Option<PathBuf>,
        /// Whose.
        account: String,
        /// What they are called.
        name: Option<Name>,
        /// What they may see.
        rooms: Vec<String>,
    },
}

impl Task {
    /// Reads the process's arguments, its environment and the file that they name; ends the process with a message when
    /// they make no sense, or were a call for something that needs no server.
    pub fn from_process() -> Self {
        let (args, standing) = settings::from_process::<Args>(|args| Config::from(args).check());
        Self::of(args, standing)
    }

    fn of(mut args: Args, standing: Standing) -> Self {
        match args.tool.take() {
            None => Self::Serve(Box::new(args.into()), Box::new(standing)),
            Some(ToolArgs::Backup { file }) => Self::Backup { data: args.data, file },
            Some(ToolArgs::Export { room, format }) => {
                let format = match format {
                    FormatArg::Txt => Format::Txt,
                    FormatArg::Jsonl => Format::Jsonl,
                };
                Self::Export { data: args.data, room, format }
            }
            Some(ToolArgs::Check) => Self::Check { data: args.data },
            Some(ToolArgs::Moderator(ModeratorArgs::Add { name, print })) => {
                Self::AddModerator { data: (!print).then_some(args.data), name }
            }
            Some(ToolArgs::Moderator(ModeratorArgs::List)) => Self::ListModerators { data: args.data },
            Some(ToolArgs::Moderator(ModeratorArgs::Remove { name })) => {
                Self::RemoveModerator { data: args.data, name }
            }
            Some(ToolArgs::Ticket(TicketArgs::Key { file })) => Self::MakeKey(file),
            Some(ToolArgs::Ticket(TicketArgs::Make { account, name, rooms })) => {
                Self::MakeTicket { key: args.ticket_key, account, name, rooms }
            }
        }
    }
}

/// Where history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryKind {
    /// In the file chat.db of --data: ok means on the disk
    Sqlite,
    /// In memory: a restart forgets it
    Memory,
}

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

    /// Whether what the settings name makes sense too.
    fn check(self) -> Result<(), String> {
        log::check(&self.log).map_err(|error| format!("--log {}: {error}", self.log))?;
        self.tls.map(Certificate::open).transpose().map(drop).map_err(|error| format!("no TLS: {error}"))
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
            },
            memory: MemoryLimits {
                messages: none_is_all(args.history_messages),
                bytes: none_is_all(args.history_mib).saturating_mul(1 << 20),
            },
            hub: HubLimits {
                rooms: none_is_all(args.rooms),
                sessions: args.sessions,
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
            admission: Admission {
                key: args.ticket_key,
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

/// Most threads that serve connections: more than any machine has CPUs for, and few enough to be started.
const MOST_WORKERS: usize = 1024;

/// Seconds in a day.
const DAY: f64 = 24.0 * 60.0 * 60.0;

fn days(text: &str) -> Result<f64, String> {
    let days: f64 = text.parse().map_err(|_| "give days, as in 30 or 0.5".to_owned())?;
    let most = NEVER.as_secs_f64() / DAY;
    if (0.0..=most).contains(&days) { Ok(days) } else { Err(format!("give days from 0 (for ever) to {most}")) }
}

/// Not 0, which elsewhere means no limit: without a thread nothing happens.
fn workers(text: &str) -> Result<usize, String> {
    let workers = text.parse().ok().filter(|workers| (1..=MOST_WORKERS).contains(workers));
    workers.ok_or_else(|| format!("give a number of threads from 1 to {MOST_WORKERS}"))
}

fn room(text: &str) -> Result<RoomName, String> {
    RoomName::parse(text).map_err(|error| error.to_string())
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|error| error.to_string())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "give seconds, as in 5 or 0.25".to_owned())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration > NEVER { Err("that is more than a hundred years".to_owned()) } else { Ok(duration) }
}

/// Seconds after which patience ends; 0 is never.
fn patience(text: &str) -> Result<Duration, String> {
    seconds(text).map(|duration| if duration.is_zero() { NEVER } else { duration })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = Config::from_args(&[]).unwrap();
        assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 3000)));
        assert_eq!(config.patience.ping_after, Duration::from_secs(25));
        assert_eq!(config.hub.presence.interval, Duration::from_millis(250));
        assert_eq!((config.session.rates.sends, config.session.text_bytes), (10, 16_384));
        assert_eq!((config.session.rates.send_bytes, config.session.rates.requests), (65_536, 20));
        let Allowed { at_once, comes_per_second, acts_per_second, .. } = config.addresses;
        assert_eq!((at_once, comes_per_second, acts_per_second, config.arrivals), (100, 20, 100, 1_000));
    }

    #[test]
    fn zero_means_no_limit() {
        let config = Config::from_args(&["--rooms", "0", "--history-mib", "0", "--sends-per-second", "0"]).unwrap();
        assert_eq!((config.hub.rooms, config.memory.bytes, config.session.rates.sends), (usize::MAX, usize::MAX, 0));
    }

    #[test]
    fn who_may_say_as_much_as_they_like_may_say_as_many_bytes() {
        let bytes = |args: &[&str]| Config::from_args(args).unwrap().session.rates.send_bytes;
        assert_eq!(bytes(&["--sends-per-second", "0"]), 0);
        assert_eq!(bytes(&["--sends-per-second", "0", "--send-bytes-per-second", "9"]), 9);
        assert_eq!(bytes(&["--sends-per-second", "1"]), 65_536);
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        for (args, hint) in [
            (["--ping-after", "soon"], "give seconds"),
            (["--ping-after=-1", "--rooms=1"], "negative"),
            (["--presence-grace", "1e18"], "hundred years"),
            (["--allow-origin", "chat.example.org"], "scheme://host"),
            (["--listen", "3000"], "invalid socket address"),
            (["--ops", "3001"], "or off"),
            (["--log-format", "xml"], "text or json"),
            (["--worker-threads", "0"], "threads from 1 to 1024"),
            (["--worker-threads", "1025"], "threads from 1 to 1024"),
            (["--worker-threads", "all"], "threads from 1 to 1024"),
            (["--rest-ms", "1001"], "1001 is not in 0..=1000"),
            (["--tls-cert", "cert.pem"], "--tls-key <FILE>"),
            (["--tls-key", "key.pem"], "--tls-cert <FILE>"),
        ] {
            let error = Config::from_args(&args).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn several_origins_may_be_allowed() {
        let config = Config::from_args(&[
            "--allow-origin",
            "https://a.example,https://b.example",
            "--allow-origin",
            "http://c.example",
        ]);
        assert_eq!(config.unwrap().origins.len(), 3);
    }
}
