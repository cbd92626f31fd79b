//! The command line and the environment, turned into checked values. The only place that knows clap.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Parser;

use crate::host::BackUrl;

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

    /// Folder with the page's scripts, styles and words
    #[arg(long, env = "FRONT_ASSETS", default_value_os_t = default_assets())]
    pub assets: PathBuf,

    /// What to log: error, warn, info, debug, trace, or a filter of tracing
    #[arg(long, env = "FRONT_LOG", default_value = LOG)]
    pub log: String,
}

/// Frameworks speak up when something is wrong; the program says what it does.
const LOG: &str = "warn,front=info,service=info";

impl Config {
    /// Reads the process's arguments and environment; on `--help` or a mistake it prints and exits, as clap does.
    pub fn from_arguments() -> Self {
        Self::parse()
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
            assets: default_assets(),
            log: LOG.to_owned(),
        }
    }
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
    fn a_back_address_that_would_break_the_policy_is_refused() {
        for bad in ["ws://a;script-src *", "ws://a b", "http://a", "ws://", "ws://a:99999", "ws://a/'x'"] {
            assert!(Config::try_parse_from(["front", "--public-back-url", bad]).is_err(), "{bad}");
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
