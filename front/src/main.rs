//! Starts the page server: arguments, configuration, build, run, exit code. Everything else is in the library.

use std::{io::Write, process::ExitCode};

use anyhow::anyhow;
use front::{
    Config, Server,
    config::{OPS, Tool},
    tools,
};
use service::{descriptors, exposure, log, refused, settings::Standing, signals, supervisor};
use tokio_util::sync::CancellationToken;

/// See `Cargo.toml` for why.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let (config, standing) = Config::from_arguments();
    let done = match &config.tool {
        Some(tool) => keep(&config, tool),
        None => serve(config, standing).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "front: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what an operator wants done beside the server.
fn keep(config: &Config, tool: &Tool) -> anyhow::Result<()> {
    let done = tools::run(config, tool)?;
    std::io::stdout().write_all(done.output.as_bytes())?;
    // What was done is done, whoever reads that it was.
    let _ = std::io::stderr().write_all(done.note.as_bytes());
    Ok(())
}

/// Binds, says where, and serves until a signal comes.
async fn serve(config: Config, standing: Standing) -> anyhow::Result<()> {
    log::begin(&config.log, config.log_format)
        .map_err(|error| anyhow!("--log {} is no filter: {error}", config.log))?;
    descriptors::raise_limit();
    let listener = front::listen(config.listen)
        .map_err(|error| anyhow!("{}", refused::listening(config.listen, &error, "--listen or FRONT_LISTEN")))?;
    let address = listener.local_addr()?;
    let place = config.ops;
    let server = Server::new(config)?;

    let ops = service::ops::listen(place, OPS, "--ops or FRONT_OPS")?;
    let stop = CancellationToken::new();
    signals::stop_on_signal(stop.clone())?;
    let is_encrypted = server.certificate().is_some();
    let scheme = if is_encrypted { "https" } else { "http" };
    exposure::warn_if_readable(address, is_encrypted);
    let access = server.access();
    signals::reload_on_hangup(server.again(), standing, move |standing| {
        if let Some(config) = Config::again(standing) {
            access.set(&config);
        }
    })?;
    if let Some(listener) = ops {
        // Until the process ends: whoever asks while it stops is told that it does.
        server.ops(stop.clone()).start(listener)?;
    }
    // Scripts and tests wait for exactly this line; a closed standard error is no reason to stop.
    let _ = writeln!(std::io::stderr(), "listening on {scheme}://{address}");
    // The listener takes connections already, and the server takes them up with its next step.
    supervisor::serves(stop.clone());
    server.run(listener, stop).await?;
    Ok(())
}
