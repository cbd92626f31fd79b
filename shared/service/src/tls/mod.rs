//! TLS as both processes have it: a certificate that is read anew when its files change, and trust in the authorities of
//! one file. TLS 1.2 and 1.3 by rustls over aws-lc-rs, and HTTP/1.1 as the only protocol inside.

mod certificate;
mod pem;
mod trust;

use std::{io, path::PathBuf, sync::Arc};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use certificate::{Certificate, LOOK_EVERY};
pub use trust::Trust;

/// Where a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The chain as PEM: the server's own certificate first, then those that signed it.
    pub cert: PathBuf,
    /// Its private key as PEM, without a password.
    pub key: PathBuf,
}

impl Files {
    /// What the two flags name together; one without the other is refused before, by the command line.
    pub fn of(cert: Option<PathBuf>, key: Option<PathBuf>) -> Option<Self> {
        Some(Self { cert: cert?, key: key? })
    }
}

/// Why there is no TLS, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is damaged.
    #[error("{} is no whole PEM file: {error}", file.display())]
    Damaged {
        /// Which.
        file: PathBuf,
        /// Where.
        error: String,
    },
    /// A file without a certificate where there should be one.
    #[error("{} has no certificate; it needs a section -----BEGIN CERTIFICATE-----", file.display())]
    NoCertificate {
        /// Which.
        file: PathBuf,
    },
    /// A file without a key where there should be one.
    #[error("{} has no private key; it needs a section -----BEGIN PRIVATE KEY----- (or EC, or RSA)", file.display())]
    NoKey {
        /// Which.
        file: PathBuf,
    },
    /// A key that needs a password.
    #[error("the key in {file} has a password, and nobody is here to type it; `openssl pkey -in {file} -out plain.pem` \
        writes it without one", file = file.display())]
    Encrypted {
        /// Which.
        file: PathBuf,
    },
    /// Key and certificate belong to others.
    #[error("the key in {} is not the one of the certificate in {}; the first certificate of that file must be the \
        server's own", key.display(), cert.display())]
    Mismatch {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// A key or certificate that cannot be used.
    #[error("{} cannot be used: {error}", file.display())]
    Unusable {
        /// Which.
        file: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// Something else that rustls refuses.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// The one provider of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// What is spoken inside (RFC 7301).
fn protocols() -> Vec<Vec<u8>> {
    vec![b"http/1.1".to_vec()]
}
