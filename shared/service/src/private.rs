//! Files that only the server's user reads, also when root makes them by one of its commands: the server may run under a
//! user that root cannot become, as systemd makes one for each start.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

use rustix::{fs::OFlags, process::geteuid};

/// Opens a file for reading and writing, and makes it, for its owner alone, if there is none. What root makes in somebody
/// else's folder is theirs: they would not get at it otherwise.
///
/// # Errors
/// When it cannot be opened or made, or is a link in somebody else's folder: root could be had to write anywhere by one.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    if !geteuid().is_root() {
        return options.open(path);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::metadata(folder)?;
    if folder.uid() == 0 {
        return options.open(path);
    }
    let file = options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path)?;
    if file.metadata()?.uid() == 0 {
        fchown(&file, Some(folder.uid()), Some(folder.gid()))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn owner(path: &Path) -> (u32, u32) {
        let about = fs::metadata(path).unwrap();
        (about.uid(), about.gid())
    }

    #[test]
    fn it_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        assert_eq!(open(&file).unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(owner(&file).0, geteuid().as_raw());
        fs::write(&file, "kept").unwrap();
        drop(open(&file).unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    }

    #[test]
    fn what_root_makes_is_the_folders_owners_and_no_link_of_theirs_is_followed() {
        if !geteuid().is_root() {
            // Nobody else can give a file away, nor has to.
            return;
        }
        let (mine, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        chown(theirs.path(), Some(12_345), Some(12_346)).unwrap();
        let file = theirs.path().join("a");
        drop(open(&file).unwrap());
        assert_eq!(owner(&file), (12_345, 12_346));
        // What somebody was given on purpose is theirs.
        chown(&file, Some(54_321), None).unwrap();
        drop(open(&file).unwrap());
        assert_eq!(owner(&file).0, 54_321);
        let aim = mine.path().join("aim");
        symlink(&aim, theirs.path().join("b")).unwrap();
        assert!(open(&theirs.path().join("b")).is_err() && !aim.exists());
        symlink(&aim, mine.path().join("b")).unwrap();
        drop(open(&mine.path().join("b")).unwrap());
        assert!(aim.exists(), "one's own link leads where one wants");
    }
}
