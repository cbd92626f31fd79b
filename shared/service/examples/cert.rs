//! Makes a local authority and a certificate that it signs; `scripts/cert` runs it, and says what for. It never runs as
//! part of a server.

use std::{
    error::Error,
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Browsers take no certificate that is good for longer than 398 days from authorities of their own, and some from none.
const DAYS: u32 = 397;

/// How long the authority lasts: trusting it is work.
const CA_DAYS: u32 = 3650;

/// Clocks differ.
const DAYS_BEFORE: u32 = 1;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().unwrap_or_default());
    let replace = arguments.next().as_deref() == Some("replace");
    match make(&directory, replace, arguments.collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "scripts/cert: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make(directory: &Path, replace: bool, names: Vec<String>) -> Result<(), Box<dyn Error>> {
    let file = |name: &str| directory.join(name);
    if !replace && (file("cert.pem").exists() || file("key.pem").exists()) {
        return Err(format!("{} has a certificate already; --force replaces it", directory.display()).into());
    }
    if let Some(name) = names.iter().find(|name| !name.is_ascii()) {
        return Err(format!("{name} is not how certificates name it; give its ASCII form, as in xn--ls5b").into());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let (ca_cert, ca_key) = (file("ca.pem"), file("ca.key"));
    let authority = match (ca_cert.exists(), ca_key.exists()) {
        (true, true) => KeyPair::from_pem(&fs::read_to_string(&ca_key)?)?,
        (false, false) => {
            let key = KeyPair::generate()?;
            put(&ca_key, &key.serialize_pem(), 0o600)?;
            put(&ca_cert, &authority()?.self_signed(&key)?.pem(), 0o644)?;
            key
        }
        _ => {
            return Err(
                format!("ca.pem or ca.key is missing in {}; keep both or remove both", directory.display()).into()
            );
        }
    };
    // The same name and the same key are the same authority, whenever it was made.
    let authority = Issuer::new(self::authority()?, authority);
    let key = KeyPair::generate()?;
    let cert = server(names)?.signed_by(&key, &authority)?;
    // The key first: a server that looks in between finds a pair that does not fit, and waits for the next look.
    put(&file("key.pem"), &key.serialize_pem(), 0o600)?;
    put(&file("cert.pem"), &cert.pem(), 0o644)?;
    Ok(())
}

fn authority() -> Result<CertificateParams, rcgen::Error> {
    let mut about = CertificateParams::new(Vec::new())?;
    about.distinguished_name.push(DnType::CommonName, "Madang local authority");
    about.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    about.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lasting(&mut about, CA_DAYS);
    Ok(about)
}

fn server(names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let first = names.first().cloned().unwrap_or_default();
    let mut about = CertificateParams::new(names)?;
    about.distinguished_name.push(DnType::CommonName, first);
    about.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    about.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    about.use_authority_key_identifier_extension = true;
    lasting(&mut about, DAYS);
    Ok(about)
}

fn lasting(about: &mut CertificateParams, days: u32) {
    let now = SystemTime::now();
    about.not_before = (now - DAYS_BEFORE * DAY).into();
    about.not_after = (now + days * DAY).into();
}

/// Writes a file whole or not at all, readable from the beginning by those who may read it in the end.
fn put(file: &Path, text: &str, mode: u32) -> io::Result<()> {
    let part = file.with_extension("part");
    _ = fs::remove_file(&part);
    let mut open = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&part)?;
    open.write_all(text.as_bytes())?;
    open.sync_all()?;
    fs::rename(&part, file)
}
