//! What a file says, for as long as a program runs: read again when somebody asks for that. What makes no sense changes
//! nothing. It does not know what is in the file.

use std::{fmt::Display, sync::Arc};

use crate::live::Live;

/// Something from a file. A clone is the same one.
pub struct Kept<T>(Arc<Inner<T>>);

struct Inner<T> {
    what: String,
    read: Box<Reading<T>>,
    now: Live<T>,
}

type Reading<T> = dyn Fn() -> Result<T, String> + Send + Sync;

/// Has something read again.
pub type Again = Box<dyn Fn() + Send + Sync>;

impl<T> Kept<T> {
    /// Reads it. The log knows it as `what`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open<E: Display>(
        what: impl Into<String>,
        read: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        let now = Live::new(read()?);
        let read = Box::new(move || read().map_err(|error| error.to_string()));
        Ok(Self(Arc::new(Inner { what: what.into(), read, now })))
    }

    /// What it said when it was read last.
    pub fn now(&self) -> Arc<T> {
        self.0.now.now()
    }

    /// Reads it again.
    pub fn reload(&self) {
        let Inner { what, read, now } = &*self.0;
        match read() {
            Ok(value) => {
                now.set(value);
                tracing::info!("read {what} again; it holds from now on as it stands there");
            }
            Err(error) => tracing::warn!("{what} stays as it was: {error}"),
        }
    }
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// What has it read again.
    pub fn again(&self) -> Again {
        let kept = self.clone();
        Box::new(move || kept.reload())
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_changes_nothing_and_what_follows_does() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");
        let put = |text: &str| std::fs::write(&file, text).unwrap();
        let from = file.clone();
        let open = move || {
            Kept::<u32>::open("the number", {
                let from = from.clone();
                move || {
                    std::fs::read_to_string(&from)
                        .map_err(|error| error.to_string())?
                        .parse()
                        .map_err(|_| "no".to_owned())
                }
            })
        };
        assert!(open().is_err());
        put("1");
        let kept = open().unwrap();
        let other = kept.clone();
        put("x");
        kept.reload();
        assert_eq!(*other.now(), 1);
        std::fs::remove_file(&file).unwrap();
        kept.reload();
        assert_eq!(*other.now(), 1);
        put("2");
        kept.again()();
        assert_eq!(*other.now(), 2);
    }
}
