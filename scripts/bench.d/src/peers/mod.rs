//! Peers that are written here, each as small as people write it. None of them is meant to be used.

pub mod broadcast;
pub mod floor;
pub mod mpsc;
