//! The driver of `scripts/bench`: arguments → rounds → report. It also serves as those peers that are written in Rust, and
//! drives `scripts/restart`, `scripts/deaf` and `scripts/names`.

mod audience;
mod chart;
mod client;
mod crowd;
mod deaf;
mod dialect;
mod frame;
mod http;
mod load;
mod machine;
mod names;
mod ops;
mod options;
mod pair;
mod peer;
mod peers;
mod poller;
mod reader;
mod report;
mod restart;
mod rounds;
mod scenarios;
mod server;
mod site;
mod stamp;
mod stats;
mod way;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use options::Task;
use peer::Peer;
use peers::floor::Sends;

fn main() -> ExitCode {
    let done = match Task::from_process() {
        Task::Run(options) => rounds::run(&options),
        Task::Restart(options) => restart::run(&options),
        Task::Deaf(options) => deaf::run(&options),
        Task::Names(options) => names::run(&options),
        Task::Serve(peer, port) => serve(peer, port).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A line for whoever watches. Standard error may be closed; that is no reason to stop.
fn say(line: &str) {
    _ = writeln!(io::stderr(), "{line}");
}

fn serve(peer: Peer, port: u16) -> anyhow::Result<()> {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match peer {
        Peer::Floor => peers::floor::serve(port, Sends::Each),
        Peer::Batched => peers::floor::serve(port, Sends::Turn),
        Peer::Mpsc => runtime()?.block_on(peers::mpsc::serve(port)),
        Peer::Broadcast => runtime()?.block_on(peers::broadcast::serve(port)),
        _ => anyhow::bail!("{} is not served from here", peer.name()),
    }
}
