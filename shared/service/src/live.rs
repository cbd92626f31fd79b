//! Something that is set while a program runs: whoever needs it takes what holds at that moment.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// A clone is the same one.
#[derive(Debug)]
pub struct Live<T>(Arc<ArcSwap<T>>);

impl<T> Live<T> {
    /// Holds this for now.
    pub fn new(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// What holds now.
    pub fn now(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Holds this from now on.
    pub fn set(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
