//! The shim in front of the C library: compiles it, tells it what to do, and puts the disk into the state after a power
//! cut. What it does is in `faults.c`; nothing unsafe is loaded into this program.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

const SOURCE: &str = include_str!("faults.c");

/// Places of the numbers in the control file; `struct control` has the same order.
#[derive(Debug, Clone, Copy)]
pub enum Knob {
    /// Seconds by which the clock is wrong.
    Clock = 0,
    /// Nothing can be written.
    DiskFull = 1,
    /// No file can be synced.
    FsyncFails = 2,
    /// What was synced is copied.
    Shadows = 3,
}

const KNOBS: usize = 4;

/// The shim of one server.
pub struct Shim {
    library: PathBuf,
    control_path: PathBuf,
    control: File,
    data: PathBuf,
    shadow: PathBuf,
}

impl Shim {
    /// Compiles the shim into `folder`, for a server that keeps its data in `data`.
    ///
    /// # Errors
    /// When there is no C compiler, or a file cannot be made.
    pub fn build(folder: &Path, data: &Path) -> anyhow::Result<Self> {
        let [source, library] = ["faults.c", "faults.so"].map(|name| folder.join(name));
        fs::write(&source, SOURCE)?;
        let made = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .output()
            .context(
                "faults of disk and clock need a C compiler named cc; install one, or leave them out with --faults",
            )?;
        anyhow::ensure!(made.status.success(), "cc refuses faults.c: {}", String::from_utf8_lossy(&made.stderr));
        let shadow = folder.join("shadow");
        fs::create_dir_all(&shadow)?;
        let control_path = folder.join("control");
        let control = File::options().read(true).write(true).create(true).truncate(true).open(&control_path)?;
        control.set_len((KNOBS * size_of::<i64>()) as u64)?;
        Ok(Self { library, control_path, control, data: data.to_owned(), shadow })
    }

    /// The environment in which the server finds it.
    pub fn environment(&self) -> Vec<(String, PathBuf)> {
        [
            ("LD_PRELOAD", &self.library),
            ("CHAOS_CONTROL", &self.control_path),
            ("CHAOS_DATA", &self.data),
            ("CHAOS_SHADOW", &self.shadow),
        ]
        .map(|(name, path)| (name.to_owned(), path.clone()))
        .into()
    }

    /// Turns a knob; the running process feels it at once.
    ///
    /// # Errors
    /// When the control file cannot be written.
    pub fn turn(&self, knob: Knob, to: i64) -> anyhow::Result<()> {
        self.control.write_all_at(&to.to_ne_bytes(), knob as u64 * size_of::<i64>() as u64)?;
        Ok(())
    }

    /// Leaves of the data what a power cut leaves: each file as it was when it was last synced. The server must be dead.
    ///
    /// # Errors
    /// When a file cannot be removed or copied.
    pub fn lose_power(&self) -> anyhow::Result<()> {
        for entry in fs::read_dir(&self.data)? {
            let path = entry?.path();
            if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
        }
        for entry in fs::read_dir(&self.shadow)? {
            let entry = entry?;
            let name = entry.file_name();
            // A copy that was begun is none, and shared memory is no file on a disk.
            let lost = [".begun", "-shm"].iter().any(|end| name.to_string_lossy().ends_with(end));
            if !lost && entry.path().is_file() {
                fs::copy(entry.path(), self.data.join(name))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

    /// Runs a shell command line with the shim in front of it.
    fn run(shim: &Shim, line: &str) -> std::process::Output {
        Command::new("sh").args(["-c", line]).envs(shim.environment()).output().unwrap()
    }

    #[test]
    fn disk_and_clock_misbehave_as_told_and_a_power_cut_leaves_what_was_synced() {
        let folder = Folder::create("shim").unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let shim = Shim::build(folder.path(), &data).unwrap();
        let file = data.join("file");
        let write = format!("dd if=/dev/zero of={} bs=1000 count=1 conv=fsync", file.display());

        shim.turn(Knob::DiskFull, 1).unwrap();
        let full = run(&shim, &write);
        assert!(String::from_utf8_lossy(&full.stderr).contains("No space left"), "{full:?}");
        let elsewhere = run(&shim, &format!("dd if=/dev/zero of={}/x bs=10 count=1", folder.path().display()));
        assert!(elsewhere.status.success(), "{elsewhere:?}");
        shim.turn(Knob::DiskFull, 0).unwrap();

        shim.turn(Knob::FsyncFails, 1).unwrap();
        assert!(!run(&shim, &write).status.success());
        shim.turn(Knob::FsyncFails, 0).unwrap();

        shim.turn(Knob::Clock, 3_600).unwrap();
        let ahead: u64 = String::from_utf8(run(&shim, "date +%s").stdout).unwrap().trim().parse().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!((3_500..3_700).contains(&(ahead - now)), "{ahead} {now}");
        shim.turn(Knob::Clock, 0).unwrap();

        shim.turn(Knob::Shadows, 1).unwrap();
        assert!(run(&shim, &write).status.success());
        fs::write(&file, b"never synced").unwrap();
        fs::write(data.join("other"), b"never synced").unwrap();
        shim.lose_power().unwrap();
        assert_eq!(fs::read(&file).unwrap(), vec![0; 1000]);
        assert!(!data.join("other").exists());
    }
}
