//! PEM files as what rustls takes (RFC 7468).

use std::path::Path;

use rustls::{
    InconsistentKeys,
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{Error as PemError, PemObject},
    },
    sign::CertifiedKey,
};

use super::{Files, TlsError};

/// More than any chain or bundle of authorities has; what is larger is another file, as a device that never ends.
const FILE_BYTES: u64 = 4 << 20;

/// A certificate chain with its key, of which the key fits the certificate.
pub fn pair(files: &Files, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&files.cert)?;
    let key = key(&files.key)?;
    let unusable = |file: &Path, error| TlsError::Unusable { file: file.to_owned(), error };
    let key = provider.key_provider.load_private_key(key).map_err(|error| unusable(&files.key, error))?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        // Some kinds of key cannot tell.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { cert: files.cert.clone(), key: files.key.clone() })
        }
        Err(error) => Err(unusable(&files.cert, error)),
    }
}

/// All certificates of a file; at least one.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    let found = found.map_err(|error| damaged(file, &error))?;
    if found.is_empty() { Err(TlsError::NoCertificate { file: file.to_owned() }) } else { Ok(found) }
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(file)?;
    let text = String::from_utf8_lossy(&bytes);
    // As PKCS #8 names it, and as OpenSSL wrote it before (RFC 1421).
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::Encrypted { file: file.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        PemError::NoItemsFound => TlsError::NoKey { file: file.to_owned() },
        error => damaged(file, &error),
    })
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).and_then(|open| open.take(FILE_BYTES).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(TlsError::Read { file: file.to_owned(), error }),
    }
}

/// The library shows lines as lists of numbers, and a line may be part of a key.
fn damaged(file: &Path, error: &PemError) -> TlsError {
    let error = match error {
        PemError::MissingSectionEnd { .. } => "a section has no end",
        PemError::IllegalSectionStart { .. } => "the first line of a section is not as it must be",
        PemError::Base64Decode(_) => "a section is not base64",
        _ => "it cannot be read",
    };
    TlsError::Damaged { file: file.to_owned(), error: error.to_owned() }
}
