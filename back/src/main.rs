//! `back`: arguments → configuration → server → run until a signal → exit code.

use std::{io::Write, process::ExitCode};

use anyhow::Context;
use back::{Server, config::Config, listen, raise_descriptor_limit, shutdown};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let config = Config::from_process();
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(std::io::stderr(), "back: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log).with_context(|| format!("--log {} is no filter", config.log))?;
    // A closed standard error is no reason to stop: by default a log line that cannot be written panics where it is
    // made.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.log_internal_errors(false).init();
    raise_descriptor_limit();
    let address = config.listen;
    let server = Server::build(config)?;
    let listener = listen(address).with_context(|| {
        format!("cannot listen on {address}; is another back running? --listen or BACK_LISTEN takes another address")
    })?;
    let shutdown = CancellationToken::new();
    shutdown::on_signal(shutdown.clone())?;
    // This exact line is what scripts wait for; see docs/protocol.md.
    writeln!(std::io::stderr(), "listening on ws://{}", listener.local_addr()?)?;
    server.run(listener, shutdown).await?;
    Ok(())
}
