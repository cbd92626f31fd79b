//! A server's certificate, which changes without a restart: each handshake takes the one that is there.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_util::sync::CancellationToken;

use super::{Files, TlsError, pem, protocols, provider};
use crate::kept::Again;

/// How often the files are looked at. certbot and Kubernetes put a link to new files in place of the old ones, and
/// neither sends a signal.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A certificate and the files that it comes from. A clone is the same one.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    files: Files,
    seen: Mutex<Stamps>,
    current: ArcSwap<CertifiedKey>,
}

/// What a change of the files changes, without reading them.
type Stamps = [Option<Stamp>; 2];

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Certificate {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// When a file is missing, damaged, encrypted, or the two do not fit.
    pub fn open(files: Files) -> Result<Self, TlsError> {
        let seen = Mutex::new(stamps(&files));
        let current = ArcSwap::from_pointee(pem::pair(&files, &provider())?);
        Ok(Self(Arc::new(Inner { files, seen, current })))
    }

    /// How a server with this certificate shakes hands. There is no early data, which could be replayed, and nothing is
    /// kept for clients that may come back: they bring a ticket.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn server(&self) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(&self.0) as _);
        config.alpn_protocols = protocols();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new()?;
        config.send_tls13_tickets = 1;
        Ok(config)
    }

    /// Reads the files anew, whether they seem to have changed or not. If they make no sense, the certificate stays.
    pub fn reload(&self) {
        let Inner { files, seen, current } = &*self.0;
        // Before reading: what changes meanwhile will be seen.
        let now = stamps(files);
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        match pem::pair(files, &provider()) {
            Ok(pair) => {
                let is_new = pair.cert != current.load().cert;
                current.store(Arc::new(pair));
                let file = files.cert.display();
                if is_new {
                    tracing::info!("new connections get the certificate that is in {file} now");
                } else {
                    tracing::info!("read {file} again: it is the same certificate");
                }
            }
            Err(error) => tracing::warn!("the certificate stays as it was: {error}"),
        }
    }

    /// What has them read anew.
    pub fn again(&self) -> Again {
        let certificate = self.clone();
        Box::new(move || certificate.reload())
    }

    /// Looks at the files every now and then until `shutdown`, and reads them when they have changed.
    pub async fn watch(self, every: Duration, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shutdown.cancelled() => return,
            }
            let certificate = self.clone();
            // Files may lie on a disk that hangs.
            _ = tokio::task::spawn_blocking(move || certificate.look()).await;
        }
    }

    fn look(&self) {
        let now = stamps(&self.0.files);
        let has_changed = now != *self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if has_changed {
            self.reload();
        }
    }
}

fn stamps(files: &Files) -> Stamps {
    // Through links: a link that leads to another file shows that file.
    let stamp = |file| -> io::Result<Stamp> {
        let about = fs::metadata(file)?;
        Ok(Stamp { device: about.dev(), inode: about.ino(), bytes: about.len(), modified: about.modified().ok() })
    };
    [stamp(&files.cert).ok(), stamp(&files.key).ok()]
}

impl ResolvesServerCert for Inner {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, path::Path};

    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn make(directory: &Path) -> Vec<u8> {
        let Made { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(directory.join("cert.pem"), cert.pem()).unwrap();
        fs::write(directory.join("key.pem"), signing_key.serialize_pem()).unwrap();
        cert.der().to_vec()
    }

    fn files(directory: &Path) -> Files {
        Files { cert: directory.join("cert.pem"), key: directory.join("key.pem") }
    }

    fn shown(certificate: &Certificate) -> Vec<u8> {
        certificate.0.current.load().cert[0].to_vec()
    }

    /// A directory with a certificate, which is watched closely.
    fn watched() -> (TempDir, Certificate, CancellationToken) {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let certificate = Certificate::open(files(directory.path())).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(certificate.clone().watch(Duration::from_millis(10), stop.clone()));
        (directory, certificate, stop)
    }

    async fn until(is_so: impl Fn() -> bool) {
        let waited = tokio::time::timeout(DEADLINE, async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.expect("it did not come to be so");
    }

    #[tokio::test]
    async fn a_file_that_is_written_over_is_read_again() {
        let (directory, certificate, stop) = watched();
        let new = make(directory.path());
        until(|| shown(&certificate) == new).await;
        stop.cancel();
    }

    #[tokio::test]
    async fn a_link_that_leads_elsewhere_is_followed() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&two).unwrap();
        let old = make(&one);
        let new = make(&two);
        // As Kubernetes does it: a link to a directory, replaced by another in one step.
        let (live, next) = (root.path().join("live"), root.path().join("next"));
        symlink(&one, &live).unwrap();
        let certificate = Certificate::open(files(&live)).unwrap();
        assert_eq!(shown(&certificate), old);
        certificate.look();
        assert_eq!(shown(&certificate), old);
        symlink(&two, &next).unwrap();
        fs::rename(&next, &live).unwrap();
        certificate.look();
        assert_eq!(shown(&certificate), new);
    }

    #[tokio::test]
    async fn what_makes_no_sense_changes_nothing_and_what_follows_does() {
        let (directory, certificate, stop) = watched();
        let old = shown(&certificate);
        for (name, text) in [("cert.pem", ""), ("cert.pem", "-----BEGIN CERTIFICATE-----\nx"), ("key.pem", "half")] {
            fs::write(directory.path().join(name), text).unwrap();
            certificate.reload();
            assert_eq!(shown(&certificate), old);
        }
        fs::remove_file(directory.path().join("key.pem")).unwrap();
        certificate.reload();
        assert_eq!(shown(&certificate), old);
        let new = make(directory.path());
        until(|| shown(&certificate) == new).await;
        stop.cancel();
    }

    #[test]
    fn an_error_names_the_file_and_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        make(directory.path());
        fs::copy(path("cert.pem"), path("mine.pem")).unwrap();
        fs::copy(path("key.pem"), path("mine.key")).unwrap();
        make(directory.path());
        fs::write(path("empty"), "").unwrap();
        fs::write(path("locked"), "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----\n")
            .unwrap();
        fs::write(path("old"), "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMA==\n").unwrap();
        fs::write(path("cut"), &fs::read(path("cert.pem")).unwrap()[..100]).unwrap();
        fs::write(path("odd"), "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n").unwrap();
        for (cert, key, hint) in [
            ("nowhere", "key.pem", "nowhere: No such file"),
            ("cert.pem", "nowhere", "nowhere: No such file"),
            ("mine.pem", "key.pem", "is not the one of the certificate in"),
            ("key.pem", "key.pem", "key.pem has no certificate"),
            ("empty", "key.pem", "empty has no certificate"),
            ("cert.pem", "cert.pem", "cert.pem has no private key"),
            ("cert.pem", "locked", "openssl pkey -in"),
            ("cert.pem", "old", "openssl pkey -in"),
            ("cut", "key.pem", "cut is no whole PEM file"),
            ("cert.pem", "odd", "odd cannot be used"),
        ] {
            let error = Certificate::open(Files { cert: path(cert), key: path(key) }).unwrap_err().to_string();
            assert!(error.contains(hint), "{cert}, {key}: {error}");
        }
        assert!(Certificate::open(Files { cert: path("mine.pem"), key: path("mine.key") }).is_ok());
    }
}
