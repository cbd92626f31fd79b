//! From signals to what they mean. It knows nothing of a server: whoever holds the token decides what stopping is.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{kept::Again, settings::Standing, supervisor};

/// What a shell reports for a program that an interrupt ended (128 + SIGINT).
const INTERRUPTED: i32 = 130;

/// Cancels `token` on the first SIGINT or SIGTERM; a second one ends the process at once.
///
/// # Errors
/// When the system takes no signal handlers.
pub fn stop_on_signal(token: CancellationToken) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        tracing::info!("shutting down; another signal stops at once");
        token.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}

/// On every SIGHUP these `files` are read again, and `again` takes the settings anew, where there is a file with any. With
/// neither, SIGHUP ends the process, as a closed terminal wants it.
///
/// # Errors
/// When the system takes no signal handlers.
pub fn reload_on_hangup(
    files: Vec<Again>,
    standing: Standing,
    again: impl Fn(&mut Standing) + Send + Sync + 'static,
) -> io::Result<()> {
    if files.is_empty() && standing.file().is_none() {
        return Ok(());
    }
    let standing = Mutex::new(standing);
    on_hangup(move || {
        files.iter().for_each(|read_again| read_again());
        let mut standing = standing.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.file().is_some() {
            again(&mut standing);
        }
    })
}

/// Calls `again` on every SIGHUP, where it may wait for a disk.
fn on_hangup(again: impl Fn() + Send + Sync + 'static) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let again = Arc::new(again);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let again = Arc::clone(&again);
            _ = tokio::task::spawn_blocking(move || supervisor::while_reloading(|| again())).await;
        }
    });
    Ok(())
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
