//! A copy of the file while a server runs on it.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{
    open,
    tool::{Progress, ToolError},
};

/// SQLite's steps between two looks at how far it is.
const STEPS: i32 = 20_000;

/// Copies the history in `data` to `target` as it is at one moment; returns the copy's bytes. A server that is started
/// on the copy gives its rooms a new epoch, so that clients notice.
///
/// # Errors
/// When `target` is there already, or cannot be written whole.
pub fn backup(data: &Path, target: &Path, progress: Progress) -> Result<u64, ToolError> {
    if target.exists() {
        return Err(ToolError::Exists(target.to_owned()));
    }
    // Absolute, so that SQLite cannot take it for an address (`file:…`).
    let target = std::path::absolute(target).map_err(|error| ToolError::File { path: target.to_owned(), error })?;
    let target = target.as_path();
    let (mut source, _) = open::open_to_read(data)?;
    let part = part_of(target);
    let file = |error| ToolError::File { path: part.clone(), error };
    // Left behind by one that was interrupted.
    if part.exists() {
        fs::remove_file(&part).map_err(file)?;
    }
    // SQLite fills an empty file; it is there first so that only its owner can read it.
    let empty = File::create_new(&part).map_err(file)?;
    empty.set_permissions(fs::Permissions::from_mode(0o600)).map_err(file)?;
    drop(empty);
    let done = copy(&mut source, &part, progress).and_then(|()| {
        let whole = File::open(&part).map_err(file)?;
        whole.sync_all().map_err(file)?;
        fs::rename(&part, target).map_err(file)?;
        let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(file)?;
        Ok(whole.metadata().map_err(file)?.len())
    });
    if done.is_err() {
        _ = fs::remove_file(&part);
    }
    done
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn copy(source: &mut Connection, part: &Path, mut progress: Progress) -> Result<(), ToolError> {
    let name = part.to_str().ok_or_else(|| ToolError::Name(part.to_owned()))?;
    let pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let whole: i64 = source.query_row(pages, [], |row| row.get(0))?;
    let growing = part.to_owned();
    let tell = move || {
        let now = fs::metadata(&growing).map_or(0, |file| file.len());
        progress.tell(|| format!("{} of at most {} MiB", now >> 20, whole >> 20));
        false
    };
    source.progress_handler(STEPS, Some(tell))?;
    source.execute("VACUUM INTO ?", [name])?;
    let copy = Connection::open(part)?;
    // Without a log beside it, the copy is one file.
    copy.execute_batch(
        "PRAGMA journal_mode = DELETE; INSERT OR REPLACE INTO meta (key, value) VALUES ('copied', '');",
    )?;
    copy.close().map_err(|(_, error)| error)?;
    Ok(())
}
