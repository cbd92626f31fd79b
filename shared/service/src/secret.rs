//! A secret in a file: one line of text that two programs share. It does not know what the secret is for.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// More than any secret has; what is larger is another file.
const FILE_BYTES: u64 = 4096;

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or written.
    #[error("{file}: {error}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Everybody on this machine may read or change it.
    #[error("{0}: everybody on this machine may read or change it; `chmod 600` it (640 for two users of one group)")]
    Open(PathBuf),
    /// It is too short to be one.
    #[error("{file}: the first line is shorter than {least} characters")]
    Short {
        /// Which.
        file: PathBuf,
        /// What it should have.
        least: usize,
    },
    /// It is more than one line of text, and so another file.
    #[error("{0}: a secret is one line of text; this is something else")]
    NoLine(PathBuf),
}

/// Reads a secret: the file's one line, without the spaces around it.
///
/// # Errors
/// When the file cannot be read, others may read it too, or its line has fewer than `least` bytes.
pub fn read(file: &Path, least: usize) -> Result<Vec<u8>, SecretError> {
    let wrong = |error| SecretError::File { file: file.to_owned(), error };
    let open = File::open(file).map_err(wrong)?;
    // Of the file that is open: the name may lead to another one by now.
    if open.metadata().map_err(wrong)?.permissions().mode() & 0o007 != 0 {
        return Err(SecretError::Open(file.to_owned()));
    }
    let mut bytes = Vec::new();
    open.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(wrong)?;
    let line = bytes.trim_ascii();
    if bytes.len() as u64 > FILE_BYTES || line.iter().any(u8::is_ascii_control) {
        return Err(SecretError::NoLine(file.to_owned()));
    }
    if line.len() < least {
        return Err(SecretError::Short { file: file.to_owned(), least });
    }
    Ok(line.to_owned())
}

/// Writes a new secret to a file that is not there yet, for its owner alone.
///
/// # Errors
/// When there is such a file, or it cannot be written.
pub fn write_new(file: &Path, secret: &str) -> Result<(), SecretError> {
    let wrong = |error| SecretError::File { file: file.to_owned(), error };
    let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(wrong)?;
    // What a umask took away is not missed; what it left is.
    open.set_permissions(Permissions::from_mode(0o600)).map_err(wrong)?;
    writeln!(open, "{secret}").and_then(|()| open.sync_all()).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(file: &Path, text: &str, mode: u32) {
        std::fs::write(file, text).unwrap();
        std::fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_secret_that_everybody_can_read_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        write_new(&file, &"k".repeat(43)).unwrap();
        assert_eq!(read(&file, 32).unwrap(), "k".repeat(43).as_bytes());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        for (mode, is_fine) in
            [(0o600, true), (0o400, true), (0o640, true), (0o604, false), (0o602, false), (0o644, false)]
        {
            put(&file, &"k".repeat(43), mode);
            assert_eq!(read(&file, 32).is_ok(), is_fine, "{mode:o}");
        }
        assert!(write_new(&file, "another").is_err(), "a key that is in use is not overwritten");
    }

    #[test]
    fn a_secret_is_one_line_that_is_long_enough() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        for text in
            ["", "short", &"k".repeat(31), &format!("{}\n{}", "k".repeat(40), "k".repeat(40)), &"k".repeat(5000)]
        {
            put(&file, text, 0o600);
            assert!(read(&file, 32).is_err(), "{text}");
        }
        put(&file, &format!(" {}\r\n", "k".repeat(32)), 0o600);
        assert_eq!(read(&file, 32).unwrap().len(), 32);
        assert!(matches!(read(&folder.path().join("none"), 32), Err(SecretError::File { .. })));
    }
}
