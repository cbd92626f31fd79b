//! Whether the files are still where they were opened. One that was removed or replaced can be written as before, and
//! nothing of that is found again. It knows names and numbers of files, and nothing of what is in them.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The files that were opened.
pub struct Place {
    files: Vec<Opened>,
}

/// A file's name, and by which device and number there it was known. The number is given to no other file for as long
/// as this one is open.
struct Opened {
    path: PathBuf,
    id: (u64, u64),
}

/// What happened to a file. Says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Moved {
    /// There is none of its name.
    #[error(
        "{} is not there any more. Put back in its place, it is gone on with; until this back is stopped, what was in it \
        can be saved (docs/operations.md, \"When a file was taken away\")",
        .0.display()
    )]
    Gone(PathBuf),
    /// There is another of its name.
    #[error(
        "{} is another file than the one that this back has open. Put that one back in its place, and it is gone on with; \
        before you stop this back to go on with the new one, see docs/operations.md, \"When a file was taken away\"",
        .0.display()
    )]
    Another(PathBuf),
    /// It cannot be told.
    #[error("cannot see whether {} is still there: {error}", path.display())]
    Unseen {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Place {
    /// Remembers these files, but for those that are not there.
    ///
    /// # Errors
    /// When it cannot be told of one.
    pub fn of(paths: impl IntoIterator<Item = PathBuf>) -> Result<Self, (PathBuf, io::Error)> {
        let mut files = Vec::new();
        for path in paths {
            match id(&path) {
                Ok(id) => files.push(Opened { path, id }),
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err((path, error)),
            }
        }
        Ok(Self { files })
    }

    /// Looks whether each is still there: a question to the kernel for each, of a millionth of a second.
    ///
    /// # Errors
    /// When one is not.
    pub fn look(&self) -> Result<(), Moved> {
        self.files.iter().try_for_each(|file| match id(&file.path) {
            Ok(id) if id == file.id => Ok(()),
            Ok(_) => Err(Moved::Another(file.path.clone())),
            Err(error) if is_absence(&error) => Err(Moved::Gone(file.path.clone())),
            Err(error) => Err(Moved::Unseen { path: file.path.clone(), error }),
        })
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
