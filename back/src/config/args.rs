//! The command line of the server, as typed.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};
use service::{log, ops};
use shared::{TrustedProxies, forwarded, limits, origin::AllowedOrigin};

use super::{NEVER, tools::ToolArgs};
use crate::{history::sqlite::CACHE, moderation::Known, sabotage::Sabotage};

/// Madang's chat server. Every flag has an environment variable; a flag wins over it. 0 means no limit; for arriving,
/// closing, draining and presence it means at once.
#[derive(Debug, Parser)]
#[command(name = "back", version)]
pub(super) struct Args {
    /// Without a command the server runs
    #[command(subcommand)]
    pub(super) tool: Option<ToolArgs>,

    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "BACK_LISTEN", default_value = "127.0.0.1:3000", value_name = "ADDRESS")]
    pub(super) listen: SocketAddr,

    /// Certificate chain for TLS, as a PEM file; the port then speaks wss:// only. Read anew when the file changes
    #[arg(long, env = "BACK_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,

    /// Private key of the certificate, as a PEM file without a password
    #[arg(long, env = "BACK_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,

    /// Directory of what is kept: the file chat.db
    #[arg(long, env = "BACK_DATA", default_value = "./data", value_name = "DIRECTORY", global = true)]
    pub(super) data: PathBuf,

    /// Where history is kept
    #[arg(long, env = "BACK_HISTORY", value_enum, default_value_t = HistoryKind::Sqlite)]
    pub(super) history: HistoryKind,

    /// Mebibytes of the newest messages that all rooms together hold ready to send
    #[arg(long, env = "BACK_LOGS_MIB", default_value_t = 256, value_name = "MIB")]
    pub(super) logs_mib: usize,

    /// Messages that are kept per room
    #[arg(long, env = "BACK_HISTORY_MESSAGES", default_value_t = 100_000, value_name = "N")]
    pub(super) history_messages: usize,

    /// Days for which messages are kept; 0 is for ever. Only with --history sqlite
    #[arg(long, env = "BACK_HISTORY_DAYS", default_value_t = 0.0, value_parser = days, value_name = "DAYS")]
    pub(super) history_days: f64,

    /// Rooms that may ever have a message, because no number is given twice. Only with --history sqlite
    #[arg(long, env = "BACK_HISTORY_ROOMS", default_value_t = 100_000, value_name = "N")]
    pub(super) history_rooms: usize,

    /// Names of people that are remembered, and ten times as many read markers: those used last. Only with --history
    /// sqlite
    #[arg(long, env = "BACK_HISTORY_NAMES", default_value_t = 100_000, value_name = "N")]
    pub(super) history_names: usize,

    /// Mebibytes of the file that are held in memory, at most; the kernel holds what it has room for. Only with
    /// --history sqlite
    #[arg(long, env = "BACK_HISTORY_CACHE_MIB", default_value_t = CACHE >> 20, value_parser = cache, value_name = "MIB")]
    pub(super) history_cache_mib: usize,

    /// Mebibytes of history that are kept in memory. Only with --history memory
    #[arg(long, env = "BACK_HISTORY_MIB", default_value_t = 256, value_name = "MIB")]
    pub(super) history_mib: usize,

    /// Threads that serve connections [default: one for each CPU that the process may use]
    #[arg(long, env = "BACK_WORKER_THREADS", value_parser = workers, value_name = "N")]
    pub(super) worker_threads: Option<usize>,

    /// Longest rest, in milliseconds, of a busy large room between two deliveries, in which messages gather; 0 for none
    #[arg(long, env = "BACK_REST_MS", default_value_t = 5, value_name = "MS",
        value_parser = clap::value_parser!(u64).range(0..=1_000))]
    pub(super) rest_ms: u64,

    /// Rooms that are open at once
    #[arg(long, env = "BACK_ROOMS", default_value_t = 100_000, value_name = "N")]
    pub(super) rooms: usize,

    /// Sessions that are known for an hour after their last connection: what they are called, and how much they may
    /// still send. Others are asked of history
    #[arg(long, env = "BACK_SESSIONS", default_value_t = 100_000, value_name = "N")]
    pub(super) sessions: usize,

    /// Origin of pages that may connect, as in https://chat.example.org; may be given several times. Loopback pages may
    /// always
    #[arg(long, env = "BACK_ALLOW_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    pub(super) allow_origin: Vec<AllowedOrigin>,

    /// Proxies whose X-Forwarded-For counts: addresses and networks between commas; an empty text trusts nobody
    #[arg(long, env = "BACK_TRUSTED_PROXY", default_value = forwarded::LOOPBACK, value_name = "NETWORKS")]
    pub(super) trusted_proxy: TrustedProxies,

    /// A moderator, as `back moderator add --print` writes one; may be given several times. For --history memory: with
    /// sqlite, `back moderator add` names them while the server runs
    #[arg(long, env = "BACK_MODERATOR", value_delimiter = ',', value_name = "NAME=SHA256")]
    pub(super) moderator: Vec<Known>,

    /// Keys that tickets are signed with, as a file with one line, or two, that others cannot read: `back ticket key FILE`
    /// makes one. Read again on SIGHUP
    #[arg(long, env = "BACK_TICKET_KEY", value_name = "FILE", global = true)]
    pub(super) ticket_key: Option<PathBuf>,

    /// Key that JSON Web Tokens of another application are checked with, as a file: one line for HS256, or an Ed25519 public
    /// key in PEM for EdDSA. They are tickets then
    #[cfg(feature = "jwt")]
    #[arg(long, env = "BACK_JWT_KEY", value_name = "FILE", requires = "ticket_key")]
    pub(super) jwt_key: Option<PathBuf>,

    /// What these tokens have to name as their audience (aud)
    #[cfg(feature = "jwt")]
    #[arg(long, env = "BACK_JWT_AUDIENCE", default_value = "madang", value_name = "AUDIENCE")]
    pub(super) jwt_audience: String,

    /// Whether whoever has no ticket comes in as a guest; no asks for --ticket-key
    #[arg(long, env = "BACK_GUESTS", value_enum, default_value_t = Guests::Yes, requires_if("no", "ticket_key"))]
    pub(super) guests: Guests,

    /// Rooms that guests may see: names, where * at the end stands for whatever follows
    #[arg(long, env = "BACK_GUEST_ROOMS", value_delimiter = ',', default_value = "*", value_name = "ROOMS")]
    pub(super) guest_rooms: Vec<String>,

    /// Connections at once [default: nine tenths of the descriptor limit]
    #[arg(long, env = "BACK_CONNECTIONS", value_name = "N")]
    pub(super) connections: Option<usize>,

    /// Connections at once from one address (of IPv6, from one /64). This machine, and proxies that name no address, have
    /// no limits by address
    #[arg(long, env = "BACK_CONNECTIONS_PER_ADDRESS", default_value_t = 100, value_name = "N")]
    pub(super) connections_per_address: u32,

    /// Connections per second from one address, over a burst of five times as many
    #[arg(long, env = "BACK_CONNECTS_PER_SECOND_PER_ADDRESS", default_value_t = 20, value_name = "N")]
    pub(super) connects_per_second_per_address: u32,

    /// Clients that are let in at once, from hello until they are in their rooms; others wait in line
    #[arg(long, env = "BACK_ARRIVALS", default_value_t = 1_000, value_name = "N")]
    pub(super) arrivals: usize,

    /// Time in that line; whoever would wait longer is told when to come back
    #[arg(long, env = "BACK_ARRIVAL_WAIT", default_value = "5", value_parser = seconds, value_name = "SECONDS")]
    pub(super) arrival_wait: Duration,

    /// Messages per second and session, over a burst of twice as many
    #[arg(long, env = "BACK_SENDS_PER_SECOND", default_value_t = 10, value_name = "N")]
    pub(super) sends_per_second: u32,

    /// Bytes of text per second and session, over a burst of twice as many [default: 65536, and no limit with
    /// --sends-per-second 0]
    #[arg(long, env = "BACK_SEND_BYTES_PER_SECOND", value_name = "BYTES")]
    pub(super) send_bytes_per_second: Option<u32>,

    /// Messages per second from one address, over a burst of twice as many
    #[arg(long, env = "BACK_SENDS_PER_SECOND_PER_ADDRESS", default_value_t = 100, value_name = "N")]
    pub(super) sends_per_second_per_address: u32,

    /// Other requests per second and connection (joins, pages, searches, names), over a burst of five times as many; not
    /// for this machine, and proxies that name no address
    #[arg(long, env = "BACK_REQUESTS_PER_SECOND", default_value_t = 20, value_name = "N")]
    pub(super) requests_per_second: u32,

    /// Bytes of a message's text; a message as a whole has at most 65536
    #[arg(long, env = "BACK_TEXT_BYTES", default_value_t = limits::TEXT_BYTES, value_parser = text_bytes, value_name = "BYTES")]
    pub(super) text_bytes: usize,

    /// Rooms that one connection may be in
    #[arg(long, env = "BACK_ROOMS_PER_CONNECTION", default_value_t = limits::ROOMS_PER_CONNECTION, value_name = "N")]
    pub(super) rooms_per_connection: usize,

    /// Time for the request's head
    #[arg(long, env = "BACK_HANDSHAKE_TIMEOUT", default_value = "5", value_parser = patience, value_name = "SECONDS")]
    pub(super) handshake_timeout: Duration,

    /// Time for a chat.v1 client's hello
    #[arg(long, env = "BACK_HELLO_TIMEOUT", default_value = "10", value_parser = patience, value_name = "SECONDS")]
    pub(super) hello_timeout: Duration,

    /// Silence before a ping
    #[arg(long, env = "BACK_PING_AFTER", default_value = "25", value_parser = patience, value_name = "SECONDS")]
    pub(super) ping_after: Duration,

    /// Silence before a connection counts as dead
    #[arg(long, env = "BACK_DEAD_AFTER", default_value = "40", value_parser = patience, value_name = "SECONDS")]
    pub(super) dead_after: Duration,

    /// Time in which a client may read nothing of what waits for it
    #[arg(long, env = "BACK_STALL_TIMEOUT", default_value = "10", value_parser = patience, value_name = "SECONDS")]
    pub(super) stall_timeout: Duration,

    /// Time for a message from its first byte to its last
    #[arg(long, env = "BACK_MESSAGE_TIMEOUT", default_value = "30", value_parser = patience, value_name = "SECONDS")]
    pub(super) message_timeout: Duration,

    /// Time for each step of closing a connection
    #[arg(long, env = "BACK_CLOSE_TIMEOUT", default_value = "1", value_parser = seconds, value_name = "SECONDS")]
    pub(super) close_timeout: Duration,

    /// Time in which all clients are told goodbye when the server stops
    #[arg(long, env = "BACK_DRAIN", default_value = "4", value_parser = seconds, value_name = "SECONDS")]
    pub(super) drain: Duration,

    /// Time over which comings and goings are gathered
    #[arg(long, env = "BACK_PRESENCE_INTERVAL", default_value = "0.25", value_parser = seconds, value_name = "SECONDS")]
    pub(super) presence_interval: Duration,

    /// Time in which somebody whose connection ended still counts as present
    #[arg(long, env = "BACK_PRESENCE_GRACE", default_value = "15", value_parser = seconds, value_name = "SECONDS")]
    pub(super) presence_grace: Duration,

    /// What to log: error, warn, info, debug, trace, or a filter of tracing
    #[arg(long, env = "BACK_LOG", default_value = "info", value_name = "FILTER")]
    pub(super) log: String,

    /// How to log: text for people, or json, one object a line
    #[arg(long, env = "BACK_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub(super) log_format: log::Format,

    /// Address and port of /healthz, /readyz and /metrics, in plain HTTP; off for none [default: 127.0.0.1:3001, and none
    /// where that is taken]
    #[arg(long, env = "BACK_OPS", value_name = "ADDRESS")]
    pub(super) ops: Option<ops::Place>,

    /// Break a promise on purpose, or die at a place: for the program that checks whether anybody would notice
    #[arg(long, env = "BACK_SABOTAGE", value_delimiter = ',', value_name = "WHAT", hide = true)]
    pub(super) sabotage: Vec<Sabotage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Guests {
    Yes,
    No,
}

/// Where history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryKind {
    /// In the file chat.db of --data: ok means on the disk
    Sqlite,
    /// In memory: a restart forgets it
    Memory,
}

/// Most threads that serve connections: more than any machine has CPUs for, and few enough to be started.
const MOST_WORKERS: usize = 1024;

/// What SQLite counts in kibibytes has to fit into 31 bits.
const MOST_CACHE_MIB: usize = 65_536;

/// Seconds in a day.
pub(super) const DAY: f64 = 24.0 * 60.0 * 60.0;

fn days(text: &str) -> Result<f64, String> {
    let days: f64 = text.parse().map_err(|_| "give days, as in 30 or 0.5".to_owned())?;
    let most = NEVER.as_secs_f64() / DAY;
    if (0.0..=most).contains(&days) { Ok(days) } else { Err(format!("give days from 0 (for ever) to {most}")) }
}

/// Not 0, which elsewhere means no limit: SQLite cannot work without a page.
fn cache(text: &str) -> Result<usize, String> {
    let mebibytes = text.parse().ok().filter(|mebibytes| (1..=MOST_CACHE_MIB).contains(mebibytes));
    mebibytes.ok_or_else(|| format!("give mebibytes from 1 to {MOST_CACHE_MIB}"))
}

/// Not 0, which elsewhere means no limit: without a thread nothing happens.
fn workers(text: &str) -> Result<usize, String> {
    let workers = text.parse().ok().filter(|workers| (1..=MOST_WORKERS).contains(workers));
    workers.ok_or_else(|| format!("give a number of threads from 1 to {MOST_WORKERS}"))
}

/// A text that no message can hold would be promised to clients, and end whoever sends it.
fn text_bytes(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| *bytes <= limits::MESSAGE_BYTES);
    bytes.ok_or_else(|| format!("give bytes, at most the {} of a whole message", limits::MESSAGE_BYTES))
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
