//! Scripts, styles and icons from a folder, kept in memory as they are sent. It knows nothing of what the files mean, and
//! nothing of requests.

mod folder;
mod join;
mod slim;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::base::BasePath;
pub(crate) use folder::Folder;

/// The address of the folder, below the base path.
pub(crate) const AT: &str = "/static";

/// How old the last look at the folder may be when somebody asks. Who changes a file sees it with the next page.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The folder, as it was when it was last looked at.
pub struct Assets {
    root: PathBuf,
    known: Mutex<(Arc<Folder>, Instant)>,
}

impl Assets {
    /// Reads the folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let folder = Arc::new(Folder::read(root)?);
        Ok(Self { root: root.to_path_buf(), known: Mutex::new((folder, Instant::now())) })
    }

    /// The folder as it is.
    pub(crate) fn current(&self) -> Arc<Folder> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.1.elapsed() >= LOOK_EVERY {
            // What cannot be read just now, as while it is replaced, is looked at again.
            if let Ok(Some(folder)) = known.0.read_if_changed(&self.root) {
                known.0 = Arc::new(folder);
            }
            known.1 = Instant::now();
        }
        Arc::clone(&known.0)
    }
}

/// Where the files of a page are: an address that says which page it is, and changes with every change of a file.
pub(crate) fn address(base: &BasePath, folder: &Folder, page: &str) -> String {
    format!("{}{AT}/v-{}-{page}", base.as_str(), folder.version())
}
