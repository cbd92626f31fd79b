//! Starts the page server: arguments, configuration, build, run, exit code. Everything else is in the library.

use std::{io::Write, process::ExitCode};

use anyhow::Context;
use front::{Config, Server};
use service::{exposure, signals};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    match serve(Config::from_arguments()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "front: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Binds, says where, and serves until a signal comes.
async fn serve(config: Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log).with_context(|| format!("--log {} is no filter", config.log))?;
    // A closed standard error is no reason to stop: by default a log line that cannot be written panics where it is
    // made.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.log_internal_errors(false).init();
    let listener = front::listen(config.listen).with_context(|| {
        format!("cannot listen on {}; choose another address with --listen or FRONT_LISTEN", config.listen)
    })?;
    let address = listener.local_addr()?;
    let server = Server::new(config)?;

    let stop = CancellationToken::new();
    signals::stop_on_signal(stop.clone())?;
    let certificate = server.certificate();
    let scheme = if certificate.is_some() { "https" } else { "http" };
    exposure::warn_if_readable(address, certificate.is_some());
    if let Some(certificate) = certificate {
        signals::on_hangup(move || certificate.reload())?;
    }
    // Scripts and tests wait for exactly this line; a closed standard error is no reason to stop.
    let _ = writeln!(std::io::stderr(), "listening on {scheme}://{address}");
    server.run(listener, stop).await?;
    Ok(())
}
