//! Secrets in a file: lines of text that two programs share. It does not know what they are for.

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
    #[error("{file}: a line is shorter than {least} characters, or there is none")]
    Short {
        /// Which.
        file: PathBuf,
        /// What it should have.
        least: usize,
    },
    /// It is no text, or has more lines, and so is another file.
    #[error("{file}: this is no file with at most {most} lines of text, and so something else")]
    Other {
        /// Which.
        file: PathBuf,
        /// As many as it may have.
        most: usize,
    },
}

/// Reads secrets: the lines of the file, without the spaces around them, in their order; at most so many.
///
/// # Errors
/// When the file cannot be read, others may read it too, there is none in it, or one has fewer than `least` bytes.
pub fn read(file: &Path, least: usize, most: usize) -> Result<Vec<Vec<u8>>, SecretError> {
    let wrong = |error| SecretError::File { file: file.to_owned(), error };
    let open = File::open(file).map_err(wrong)?;
    // Of the file that is open: the name may lead to another one by now.
    if open.metadata().map_err(wrong)?.permissions().mode() & 0o007 != 0 {
        return Err(SecretError::Open(file.to_owned()));
    }
    let mut bytes = Vec::new();
    open.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(wrong)?;
    let lines = bytes.trim_ascii().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_owned).collect();
    let is_text = lines.iter().flatten().all(|byte| !byte.is_ascii_control());
    if bytes.len() as u64 > FILE_BYTES || !is_text || lines.len() > most {
        return Err(SecretError::Other { file: file.to_owned(), most });
    }
    if lines.iter().any(|line| line.len() < least) {
        return Err(SecretError::Short { file: file.to_owned(), least });
    }
    Ok(lines)
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
        assert_eq!(read(&file, 32, 1).unwrap(), ["k".repeat(43).as_bytes()]);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        for (mode, is_fine) in
            [(0o600, true), (0o400, true), (0o640, true), (0o604, false), (0o602, false), (0o644, false)]
        {
            put(&file, &"k".repeat(43), mode);
            assert_eq!(read(&file, 32, 1).is_ok(), is_fine, "{mode:o}");
        }
        assert!(write_new(&file, "another").is_err(), "a key that is in use is not overwritten");
    }

    #[test]
    fn secrets_are_lines_that_are_long_enough_and_not_many() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let line = |letter: &str| letter.repeat(40);
        let three = [line("a"), line("b"), line("c")].join("\n");
        for text in
            ["", "\n", "short", &"k".repeat(31), &three, &"k".repeat(5000), &format!("{}\t{}", line("a"), line("b"))]
        {
            put(&file, text, 0o600);
            assert!(read(&file, 32, 2).is_err(), "{text}");
        }
        put(&file, &format!("{}\nshort", line("a")), 0o600);
        assert!(matches!(read(&file, 32, 2), Err(SecretError::Short { .. })), "half of a second line");
        put(&file, &format!("{}\n\n{}", line("a"), line("b")), 0o600);
        assert!(read(&file, 32, 3).is_err(), "an empty line between them");
        put(&file, &format!(" {}\r\n{} \n\n", line("a"), line("b")), 0o600);
        assert_eq!(read(&file, 32, 2).unwrap(), [line("a").as_bytes(), line("b").as_bytes()]);
        assert!(matches!(read(&file, 32, 1), Err(SecretError::Other { .. })));
        assert!(matches!(read(&folder.path().join("none"), 32, 2), Err(SecretError::File { .. })));
    }
}
