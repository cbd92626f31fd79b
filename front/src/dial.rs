//! The way to the chat server: a stream of bytes, over TLS where its address says so. It knows nothing of what is said
//! over it.

use std::{io, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use serde_json::json;
use service::tls::Trust;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::{
    accounts::{Person, office::Office},
    host::BackUrl,
    metrics::Metrics,
};

/// Received bytes that the kernel keeps while nobody here reads, because a browser does not; it counts twice as many for
/// itself. By default it is megabytes, which the chat server would take for delivered. It is also the most that is on its
/// way in one round trip: over 1 ms 32 MB/s for each browser. With 128 KiB a thousand who read nothing took 370 MiB of
/// the kernel's memory instead of 160, and were found out later (`scripts/deaf`).
const UNREAD_BYTES: usize = 32 * 1024;

/// Unsent bytes that the kernel takes. By default a browser that talks and does not read hides megabytes there.
#[cfg(target_os = "linux")]
const NOT_SENT_BYTES: u32 = 32 * 1024;

/// Sent bytes that nobody acknowledges end the connection so long after (RFC 5482).
#[cfg(target_os = "linux")]
const LOST_AFTER: Duration = Duration::from_secs(30);

/// Bytes in both directions, over TCP or what is laid over it.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The chat server, as this one finds it.
#[derive(Clone)]
pub struct Back {
    url: BackUrl,
    trust: Option<Trust>,
    metrics: Arc<Metrics>,
    /// Where tickets are made, if it asks for them.
    office: Option<Arc<Office>>,
}

impl Back {
    /// The chat server at `url`, which proves itself by an authority in the file `ca` where that is `wss://`.
    ///
    /// # Errors
    /// When that file is missing, without use, or not called for.
    pub fn new(url: BackUrl, ca: Option<&Path>) -> anyhow::Result<Self> {
        ensure!(
            url.is_secure() || ca.is_none(),
            "--back-ca is for --back wss://…; {url} is not encrypted, so there is nothing to prove"
        );
        ensure!(
            !url.is_secure() || ca.is_some(),
            "--back {url} needs --back-ca FILE, with the authority that signed its certificate: data/tls/ca.pem of \
             scripts/cert, or what this system trusts, on Debian /etc/ssl/certs/ca-certificates.crt"
        );
        let trust = ca.map(Trust::in_file).transpose().context("--back-ca")?;
        Ok(Self { url, trust, metrics: Arc::default(), office: None })
    }

    /// It asks for tickets, which are made there.
    #[must_use]
    pub(crate) fn with(self, office: Option<Arc<Office>>) -> Self {
        Self { office, ..self }
    }

    /// A hello of this server's own, as nobody in a room.
    pub(crate) fn hello(&self) -> String {
        let mut hello = json!({ "type": "hello", "presence": false });
        if let Some(ticket) = self.office.as_ref().and_then(|office| office.reader()) {
            hello["ticket"] = ticket.into();
        }
        hello.to_string()
    }

    /// A ticket for somebody who signed in.
    pub(crate) fn ticket_of(&self, person: &Person) -> Option<String> {
        self.office.as_ref()?.admit(person)
    }

    /// What this server counts of itself; whoever reaches the chat server has it from here.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Its address.
    pub fn url(&self) -> &BackUrl {
        &self.url
    }

    /// Connects. It has no time limit of its own; whoever calls it has one.
    ///
    /// # Errors
    /// When it cannot be found or reached, or does not prove who it is.
    pub async fn dial(&self) -> io::Result<Box<dyn Duplex>> {
        let dialled = self.reach().await;
        self.metrics.dialled(dialled.is_ok());
        dialled
    }

    async fn reach(&self) -> io::Result<Box<dyn Duplex>> {
        let (host, port) = self.url.host_and_port();
        let stream = TcpStream::connect((host, port)).await?;
        let socket = socket2::SockRef::from(&stream);
        socket.set_tcp_nodelay(true)?;
        socket.set_recv_buffer_size(UNREAD_BYTES)?;
        #[cfg(target_os = "linux")]
        {
            socket.set_tcp_user_timeout(Some(LOST_AFTER))?;
            socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
        }
        match &self.trust {
            Some(trust) => Ok(Box::new(trust.connect(host, stream).await?)),
            None => Ok(Box::new(stream)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wss_needs_an_authority_and_ws_has_no_use_for_one() {
        let url = |text: &str| text.parse::<BackUrl>().unwrap();
        let refused = |text: &str, ca: Option<&str>| {
            let error = Back::new(url(text), ca.map(Path::new)).err().unwrap();
            format!("{error:#}")
        };
        assert!(refused("wss://localhost:3000", None).contains("needs --back-ca"));
        assert!(refused("ws://localhost:3000", Some("ca.pem")).contains("not encrypted"));
        assert!(refused("wss://localhost:3000", Some("/nowhere/ca.pem")).contains("/nowhere/ca.pem"));
        assert!(Back::new(url("ws://localhost:3000"), None).is_ok());
    }
}
