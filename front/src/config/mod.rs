//! The command line and the environment, turned into checked values. The only place that knows clap.

mod tools;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser};
use service::{
    log, ops,
    settings::{self, Standing},
    tls::{Certificate, Files},
    visitors::Allowed,
};
use shared::{TrustedProxies, forwarded, origin::AllowedOrigin};

use crate::{accounts, base::BasePath, bridge::BridgeLimits, host::BackUrl};
pub use tools::{RoomTool, Tool, UserTool};

/// Serves the pages of Madang: the form, the rooms and their assets.
#[derive(Debug, Clone, Parser)]
#[command(name = "front", version, about)]
pub struct Config {
    /// Address and port to listen on; port 0 takes any free one
    #[arg(long, env = "FRONT_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Certificate chain for TLS, as a PEM file; the port then speaks https:// only. Read anew when the file changes
    #[arg(long, env = "FRONT_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate, as a PEM file without a password
    #[arg(long, env = "FRONT_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Where browsers find the chat server [default: ws://<host of the request>:3000, wss:// with --tls-cert]
    #[arg(long, env = "FRONT_PUBLIC_BACK_URL")]
    pub public_back_url: Option<BackUrl>,

    /// Pass WebSocket connections under /ws on to the chat server, so that browsers need no other port
    #[arg(long, env = "FRONT_SAME_PORT", conflicts_with = "public_back_url")]
    pub same_port: bool,

    /// Where this server finds the chat server
    #[arg(long, env = "FRONT_BACK", default_value = BACK)]
    pub back: BackUrl,

    /// PEM file with the authority that signed the chat server's certificate, where that is at wss://
    #[arg(long, env = "FRONT_BACK_CA", value_name = "FILE")]
    pub back_ca: Option<PathBuf>,

    /// Connections passed on at once; 0 is no limit [default: four tenths of the descriptor limit, as each takes two]
    #[arg(long, env = "FRONT_RELAYS", value_name = "N")]
    pub relays: Option<usize>,

    /// Proxies whose X-Forwarded-For, -Proto and -Host count: addresses and networks between commas; an empty text trusts
    /// nobody
    #[arg(long, env = "FRONT_TRUSTED_PROXY", default_value = forwarded::LOOPBACK, value_name = "NETWORKS")]
    pub trusted_proxy: TrustedProxies,

    /// Origin of pages that may use the HTTP API, as in https://chat.example.org; may be given several times. Loopback
    /// pages may always
    #[arg(long, env = "FRONT_ALLOW_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    pub allow_origin: Vec<AllowedOrigin>,

    /// Serve everything below this path, such as /chat [default: at the root]
    #[arg(long, env = "FRONT_BASE_PATH", default_value = "", hide_default_value = true)]
    pub base_path: BasePath,

    /// Where the source of this server can be had, for its page /about: an address with http:// or https://
    #[arg(long, env = "FRONT_SOURCE_URL", value_name = "URL", value_parser = web_address)]
    pub source_url: Option<String>,

    /// Key that tickets for the chat server are signed with: the file that `back --ticket-key` has. Read again on SIGHUP.
    /// Needs --accounts
    #[arg(long, env = "FRONT_TICKET_KEY", value_name = "FILE")]
    pub ticket_key: Option<PathBuf>,

    /// Ask everybody to sign in; the accounts are in this file, which `front user add` makes. Needs --ticket-key
    #[arg(long, env = "FRONT_ACCOUNTS", value_name = "FILE", global = true)]
    pub accounts: Option<PathBuf>,

    /// Without a command the server runs
    #[command(subcommand)]
    pub tool: Option<Tool>,

    /// Folder with the page's scripts, styles and words
    #[arg(long, env = "FRONT_ASSETS", default_value_os_t = default_assets())]
    pub assets: PathBuf,

    /// Time in which all who listen, over HTTP or passed on, are let go when the server stops
    #[arg(long, env = "FRONT_DRAIN", default_value = "4", value_parser = seconds, value_name = "SECONDS")]
    pub drain: Duration,

    /// What to log: error, warn, info, debug, trace, or a filter of tracing
    #[arg(long, env = "FRONT_LOG", default_value = LOG)]
    pub log: String,

    /// How to log: text for people, or json, one object a line
    #[arg(long, env = "FRONT_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: log::Format,

    /// Address and port of /healthz, /readyz and /metrics, in plain HTTP; off for none [default: 127.0.0.1:8081, and none
    /// where that is taken]
    #[arg(long, env = "FRONT_OPS", value_name = "ADDRESS")]
    pub ops: Option<ops::Place>,

    // The last, because whatever follows would stand under their heading.
    /// Limits of the HTTP API
    #[command(flatten)]
    pub api: ApiLimits,
}

/// What may change while the server runs: the words of [`crate::Access`].
const LIVE: &[&str] = &["allow-origin", "trusted-proxy"];

/// Where health and metrics are answered unless an operator says something else.
pub const OPS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// What the HTTP API allows.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits of the HTTP API")]
pub struct ApiLimits {
    /// Streams and waiting polls at once
    #[arg(long, env = "FRONT_READERS", default_value_t = 10_000, value_name = "N")]
    pub readers: usize,

    /// Streams and waiting polls at once from one address (of IPv6, from one /64); 0 is no limit. This machine, and
    /// proxies that name no address, have no limits by address
    #[arg(long, env = "FRONT_READERS_PER_ADDRESS", default_value_t = 100, value_name = "N")]
    pub readers_per_address: u32,

    /// Pages of history, searches and lists per second and address, over a burst of five times as many; 0 is no limit
    #[arg(long, env = "FRONT_QUESTIONS_PER_SECOND_PER_ADDRESS", default_value_t = 50, value_name = "N")]
    pub questions_per_second_per_address: u32,

    /// Rooms that are read at once
    #[arg(long, env = "FRONT_ROOMS", default_value_t = 600, value_name = "N")]
    pub rooms: usize,

    /// Mebibytes of the newest messages that all rooms together keep for readers
    #[arg(long, env = "FRONT_BUFFERED_MIB", default_value_t = 64, value_name = "MIB")]
    pub buffered_mib: usize,

    /// Sessions over HTTP at once
    #[arg(long, env = "FRONT_SESSIONS", default_value_t = 1_000, value_name = "N")]
    pub sessions: usize,

    /// Requests at once that say something or begin a session
    #[arg(long, env = "FRONT_POSTS", default_value_t = 256, value_name = "N")]
    pub posts: usize,

    /// Those of one address; 0 is no limit
    #[arg(long, env = "FRONT_POSTS_PER_ADDRESS", default_value_t = 32, value_name = "N")]
    pub posts_per_address: u32,

    /// Searches at once, of which the chat server is asked two; the others wait for their turn
    #[arg(long, env = "FRONT_SEARCHES", default_value_t = 32, value_name = "N")]
    pub searches: usize,

    /// Those of one address; 0 is no limit
    #[arg(long, env = "FRONT_SEARCHES_PER_ADDRESS", default_value_t = 4, value_name = "N")]
    pub searches_per_address: u32,

    /// Seconds after which a room that nobody reads is not read any more
    #[arg(long, env = "FRONT_ROOM_IDLE", default_value = "60", value_parser = seconds, value_name = "SECONDS")]
    pub room_idle: Duration,

    /// Seconds after which a session over HTTP that nobody reads ends
    #[arg(long, env = "FRONT_SESSION_IDLE", default_value = "30", value_parser = seconds, value_name = "SECONDS")]
    pub session_idle: Duration,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            readers: 10_000,
            readers_per_address: 100,
            questions_per_second_per_address: 50,
            rooms: 600,
            buffered_mib: 64,
            sessions: 1_000,
            posts: 256,
            posts_per_address: 32,
            searches: 32,
            searches_per_address: 4,
            room_idle: Duration::from_secs(60),
            session_idle: Duration::from_secs(30),
        }
    }
}

impl ApiLimits {
    /// As the bridge counts them.
    pub(crate) fn bridge(&self, drain: Duration) -> BridgeLimits {
        BridgeLimits {
            readers: self.readers,
            addresses: Allowed {
                at_once: self.readers_per_address,
                comes_per_second: 0,
                comes_burst: 0,
                acts_per_second: self.questions_per_second_per_address,
                acts_burst: self.questions_per_second_per_address.saturating_mul(5),
            },
            rooms: self.rooms,
            sessions: self.sessions,
            posts: self.posts,
            posts_per_address: self.posts_per_address,
            searches: self.searches,
            searches_per_address: self.searches_per_address,
            buffered: self.buffered_mib.saturating_mul(1024 * 1024),
            room_idle: self.room_idle,
            session_idle: self.session_idle,
            drain,
        }
    }
}

/// A time of up to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("from 0 to 86400".to_owned())
    }
}

/// An address that a link may lead to.
fn web_address(text: &str) -> Result<String, String> {
    let leads = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    if leads { Ok(text.to_owned()) } else { Err("an address begins with http:// or https://".to_owned()) }
}

/// The chat server on the same machine.
const BACK: &str = "ws://127.0.0.1:3000";

/// Frameworks speak up when something is wrong; the program says what it does. That a peer sent nonsense is nothing wrong
/// here: with a line for each, anybody could fill the log.
const LOG: &str = "warn,front=info,service=info,actix_http::h1::dispatcher=off";

impl Config {
    /// Reads the process's arguments, its environment and the file that they name; ends the process with a message when
    /// they make no sense, or were a call for something that needs no server.
    pub fn from_arguments() -> (Self, Standing) {
        settings::from_process(Self::check)
    }

    /// Reads the process's settings again; nothing when they make no sense. What of them may be taken while the server
    /// runs is for [`crate::Access::set`], and the log says what else has changed.
    pub fn again(standing: &mut Standing) -> Option<Self> {
        standing.again(LIVE)
    }

    /// Whether the page's scripts and styles are where the settings say.
    ///
    /// # Errors
    /// What is missing, for people. A folder of something else is not read: it may be endless.
    pub fn has_assets(&self) -> Result<(), String> {
        if self.assets.join("app/main.js").is_file() {
            return Ok(());
        }
        let folder = self.assets.display();
        Err(format!(
            "there is no app/main.js in {folder}; name the folder with the page's scripts and styles with --assets"
        ))
    }

    /// Whether what the settings name makes sense too.
    fn check(self) -> Result<(), String> {
        self.has_assets()?;
        log::check(&self.log).map_err(|error| format!("--log {}: {error}", self.log))?;
        let files = Files::of(self.tls_cert, self.tls_key);
        files.map(Certificate::open).transpose().map_err(|error| format!("no TLS: {error}"))?;
        let known = accounts::open(self.ticket_key.as_deref(), self.accounts.as_deref());
        known.map(drop).map_err(|error| format!("{error:#}"))
    }
}

impl Default for Config {
    /// What the command line means when it says nothing.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls_cert: None,
            tls_key: None,
            public_back_url: None,
            same_port: false,
            back: BackUrl::local(),
            back_ca: None,
            relays: None,
            trusted_proxy: TrustedProxies::default(),
            allow_origin: Vec::new(),
            api: ApiLimits::default(),
            base_path: BasePath::default(),
            source_url: None,
            ticket_key: None,
            accounts: None,
            tool: None,
            assets: default_assets(),
            drain: Duration::from_secs(4),
            log: LOG.to_owned(),
            log_format: log::Format::Text,
            ops: None,
        }
    }
}

/// Connections that so many descriptors allow to be passed on: each takes two, and pages and files need some too.
pub fn relays_for(descriptors: u64) -> usize {
    usize::try_from(descriptors / 10 * 4).unwrap_or(usize::MAX).max(1)
}

/// The folder beside this crate's sources: right for everybody who runs from a checkout.
fn default_assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("static")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Config::command().debug_assert();
    }

    #[test]
    fn what_the_command_line_means_when_it_says_nothing_is_the_default() {
        let (said, default) = (Config::parse_from(["front"]), Config::default());
        assert_eq!(format!("{said:?}"), format!("{default:?}"));
    }

    #[test]
    fn a_base_path_that_is_none_is_refused() {
        let read = |base| Config::try_parse_from(["front", "--base-path", base]).map(|config| config.base_path);
        assert_eq!(read("/chat").unwrap().as_str(), "/chat");
        for bad in ["/", "chat", "/chat/", "/a b", "/../a"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_command_line() {
        let (typed, default) = (Config::try_parse_from(["front"]).unwrap(), Config::default());
        assert_eq!(format!("{typed:?}"), format!("{default:?}"));
    }

    #[test]
    fn one_port_and_another_ones_address_exclude_each_other() {
        assert!(Config::try_parse_from(["front", "--same-port", "--public-back-url", "ws://a"]).is_err());
    }

    #[test]
    fn a_back_address_that_would_break_the_policy_is_refused() {
        for bad in ["ws://a;script-src *", "ws://a b", "http://a", "ws://", "ws://a:99999", "ws://a/'x'"] {
            assert!(Config::try_parse_from(["front", "--public-back-url", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_source_is_at_an_address_of_the_web() {
        let read = |url| Config::try_parse_from(["front", "--source-url", url]).map(|config| config.source_url);
        assert_eq!(read("https://example.org/madang").unwrap().as_deref(), Some("https://example.org/madang"));
        for bad in ["javascript:alert(1)", "https://", "example.org", ""] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn half_of_a_certificate_is_refused() {
        for (given, missing) in [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert")] {
            let error = Config::try_parse_from(["front", given, "file.pem"]).unwrap_err().to_string();
            assert!(error.contains(&format!("{missing} <FILE>")), "{error}");
        }
    }
}
