//! What the process takes of the machine: memory as the kernel counts it and as the program asked for it, and descriptors.

use std::fs;

use rustix::process::{Resource, getrlimit};
use tikv_jemalloc_ctl::{epoch, stats};

/// A process at one moment. What the machine does not tell is not there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process {
    /// Bytes that it has in the machine's memory: what it asked for, what its allocator keeps ready, and its program.
    pub resident: Option<u64>,
    /// Bytes that it asked for and has not given back. When this stands still and `resident` grows, nothing leaks: the
    /// allocator's pages are only emptier.
    pub allocated: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// The most descriptors that may be open; nothing where there is no limit.
    pub most_descriptors: Option<u64>,
}

impl Process {
    /// This one, now.
    pub fn now() -> Self {
        Self {
            resident: resident(),
            // The allocator counts by the thread, and adds it up when it is asked to.
            allocated: epoch::advance().and_then(|_| stats::allocated::read()).ok().map(|bytes| bytes as u64),
            descriptors: descriptors(),
            most_descriptors: getrlimit(Resource::Nofile).current,
        }
    }
}

/// The second number of `/proc/self/statm` (proc(5)), which counts in pages.
fn resident() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// How many names are in `/proc/self/fd`. Linux tells it since 6.2 as the folder's size; before they have to be counted,
/// and the descriptor that they are read by is one of them.
fn descriptors() -> Option<u64> {
    let folder = "/proc/self/fd";
    match fs::metadata(folder).ok()?.len() {
        0 => Some((fs::read_dir(folder).ok()?.count() as u64).saturating_sub(1)),
        known => Some(known),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_taken_is_told() {
        let before = Process::now();
        let files: Vec<File> = (0..200).map(|_| File::open("/dev/null").unwrap()).collect();
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = Process::now();
        // Other tests open and close files at the same time, but not so many.
        assert!(after.descriptors.unwrap() >= before.descriptors.unwrap() + 150, "{before:?}, then {after:?}");
        assert!(after.resident.unwrap() >= before.resident.unwrap() + (60 << 20), "{before:?}, then {after:?}");
        assert!(after.most_descriptors.is_none_or(|most| most >= after.descriptors.unwrap()));
        drop((files, block));
        let end = Process::now();
        assert!(end.descriptors.unwrap() <= after.descriptors.unwrap() - 150, "{after:?}, then {end:?}");
    }
}
