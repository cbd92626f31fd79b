//! Whom a client believes: the authorities of one file, and nobody else. What the system trusts has no say.

use std::{io, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{TlsError, pem, protocols, provider};

/// The authorities of a file, for clients.
#[derive(Clone)]
pub struct Trust(TlsConnector);

impl Trust {
    /// Reads the authorities' certificates; `/etc/ssl/certs/ca-certificates.crt` has those of a Debian system.
    ///
    /// # Errors
    /// When the file is missing or has no certificate of use.
    pub fn in_file(file: &Path) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in pem::certificates(file)? {
            roots.add(certificate).map_err(|error| TlsError::Unusable { file: file.to_owned(), error })?;
        }
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Shakes hands with a server that must prove to be `host`: a name or an address, without port and brackets. The
    /// caller bounds the time.
    ///
    /// # Errors
    /// When `host` is none, the server is another, or the connection ends.
    pub async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}
