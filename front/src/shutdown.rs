//! From signals to a token. It knows nothing of the server: whoever holds the token decides what stopping means.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell reports for a program that an interrupt ended (128 + SIGINT).
const INTERRUPTED: i32 = 130;

/// Cancels `token` on the first SIGINT or SIGTERM; a second one ends the process at once.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn on_signal(token: CancellationToken) -> io::Result<()> {
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

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
