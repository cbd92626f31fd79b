//! `back`: arguments → configuration → server → run until a signal → exit code. The tools for its history are beside it.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Context;
use back::{
    Server,
    config::{Config, OPS, Task},
    door,
    history::{
        sqlite::{self, Moderators, Progress, ToolError},
        unix_ms,
    },
    identity, listen,
    moderation::{Known, hash_of},
    ops,
};
use service::{descriptors, exposure, log, refused, settings::Standing, signals, supervisor};
use shared::Name;
use tokio_util::sync::CancellationToken;

/// See `Cargo.toml` for why.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let done = match Task::from_process() {
        Task::Serve(config, standing) => serve(*config, *standing).map(|()| ExitCode::SUCCESS),
        Task::Backup { data, file } => backup(&data, &file),
        Task::Export { data, room, format } => {
            let out = &mut io::BufWriter::new(io::stdout().lock());
            sqlite::export(&data, &room, format, out, progress()).map(|_| ExitCode::SUCCESS).map_err(sentence)
        }
        Task::Check { data } => check(&data),
        Task::AddModerator { data, name } => add_moderator(data.as_deref(), &name),
        Task::ListModerators { data } => list_moderators(&data),
        Task::RemoveModerator { data, name } => remove_moderator(&data, &name),
        Task::MakeKey(file) => make_key(&file),
        Task::MakeTicket { key, account, name, rooms } => make_ticket(key.as_deref(), &account, name, &rooms),
    };
    done.unwrap_or_else(|error| {
        say(&format!("back: {error:#}"));
        ExitCode::FAILURE
    })
}

/// Standard error may be closed; that is no reason to stop.
fn say(line: &str) {
    _ = writeln!(io::stderr(), "{line}");
}

/// These errors say their causes themselves.
fn sentence(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}

fn progress() -> Progress {
    Progress::new(say)
}

fn backup(data: &Path, file: &Path) -> anyhow::Result<ExitCode> {
    let bytes = sqlite::backup(data, file, progress()).map_err(sentence)?;
    say(&format!("{}: {} KiB", file.display(), bytes.div_ceil(1024)));
    Ok(ExitCode::SUCCESS)
}

fn check(data: &Path) -> anyhow::Result<ExitCode> {
    let report = sqlite::check(data, progress()).map_err(sentence)?;
    report.problems.iter().for_each(|problem| say(problem));
    let verdict = if report.problems.is_empty() { "sound" } else { "damaged" };
    say(&format!("{verdict}: {} messages in {} rooms", report.messages, report.rooms));
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The secret goes to standard output alone, so that it can be passed on; what it is goes to standard error.
fn add_moderator(data: Option<&Path>, name: &Name) -> anyhow::Result<ExitCode> {
    let secret = identity::new_moderator()?;
    let hash = hash_of(&secret);
    match data {
        Some(data) => {
            let moderators = Moderators::open(data).map_err(sentence)?;
            moderators.add(name, &hash, unix_ms()).map_err(sentence)?;
            say(&format!("{name} is a moderator. The secret, which is not kept and not shown again:"));
        }
        None => {
            say(&format!("start back with --moderator '{}'", Known { name: name.clone(), hash }));
            say("The secret, which is not shown again:");
        }
    }
    writeln!(io::stdout(), "{}", secret.as_str())?;
    Ok(ExitCode::SUCCESS)
}

fn list_moderators(data: &Path) -> anyhow::Result<ExitCode> {
    for name in Moderators::of(data).and_then(|moderators| moderators.list()).map_err(sentence)? {
        writeln!(io::stdout(), "{name}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn remove_moderator(data: &Path, name: &Name) -> anyhow::Result<ExitCode> {
    if !Moderators::of(data).and_then(|moderators| moderators.remove(name)).map_err(sentence)? {
        return Err(sentence(ToolError::NoModerator(name.to_string())));
    }
    say(&format!("{name} is no moderator any more"));
    Ok(ExitCode::SUCCESS)
}

fn make_key(file: &Path) -> anyhow::Result<ExitCode> {
    door::tool::new_key(file)?;
    say(&format!("{}: a new key; whoever has it can make tickets for anybody", file.display()));
    Ok(ExitCode::SUCCESS)
}

fn make_ticket(key: Option<&Path>, account: &str, name: Option<Name>, rooms: &[String]) -> anyhow::Result<ExitCode> {
    let key = key.context("say with --ticket-key or BACK_TICKET_KEY which key signs it")?;
    writeln!(io::stdout(), "{}", door::tool::ticket(key, account, name, rooms, unix_ms())?)?;
    Ok(ExitCode::SUCCESS)
}

fn serve(config: Config, standing: Standing) -> anyhow::Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = config.workers {
        builder.worker_threads(workers);
    }
    let runtime = builder.enable_all().build()?;
    let done = runtime.block_on(run(config, standing));
    // A disk that hangs holds the writer's thread: the process ends all the same.
    runtime.shutdown_background();
    done
}

async fn run(config: Config, standing: Standing) -> anyhow::Result<()> {
    log::begin(&config.log, config.log_format)
        .map_err(|error| sentence(format!("--log {} is no filter: {error}", config.log)))?;
    config.agree().map_err(sentence)?;
    descriptors::raise_limit();
    let (address, patience, place) = (config.listen, config.patience, config.ops);
    let server = Server::build(config).map_err(sentence)?;
    let listener = listen(address, &patience)
        .map_err(|error| sentence(refused::listening(address, &error, "--listen or BACK_LISTEN")))?;
    let ops = service::ops::listen(place, OPS, "--ops or BACK_OPS").map_err(sentence)?;
    let shutdown = CancellationToken::new();
    signals::stop_on_signal(shutdown.clone())?;
    let is_encrypted = server.certificate().is_some();
    let scheme = if is_encrypted { "wss" } else { "ws" };
    let address = listener.local_addr()?;
    exposure::warn_if_readable(address, is_encrypted);
    let access = server.access();
    signals::reload_on_hangup(server.again(), standing, move |standing| {
        if let Some(config) = Config::again(standing) {
            access.set(&config);
        }
    })?;
    if let Some(listener) = ops {
        // Until the process ends: whoever asks while it says goodbye is told that it does.
        tokio::spawn(ops::serve(listener, server.hub(), shutdown.clone()));
    }
    // This exact line is what scripts wait for; see docs/protocol.md.
    writeln!(io::stderr(), "listening on {scheme}://{address}")?;
    // The listener takes connections already, and the server takes them up with its next step.
    supervisor::serves(shutdown.clone());
    server.run(listener, shutdown).await?;
    Ok(())
}
