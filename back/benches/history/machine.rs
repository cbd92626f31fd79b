//! Where a run happens: the head line of its report.

use std::{fs, path::Path, process::Command, thread};

use anyhow::ensure;
use rusqlite::Connection;

/// The machine, the versions and the commit, as Markdown.
pub fn head(dir: &Path) -> anyhow::Result<String> {
    let (kind, device) = file_system(dir)?;
    ensure!(kind != "tmpfs", "{} is in memory (tmpfs); --dir takes a directory on a disk", dir.display());
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, name)| name);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let date: String = Connection::open_in_memory()?.query_row("SELECT date('now')", [], |row| row.get(0))?;
    Ok(format!(
        "{date} · {cpu}, {} cores, {} GiB · Linux {} · {kind} on {device} · {} · SQLite {} · commit {}{} · load {}",
        thread::available_parallelism()?,
        memory.div_ceil(1024 * 1024),
        kernel.trim().split(['-', '+']).next().unwrap_or_default(),
        output("rustc", &["-V"]).split(" (").next().unwrap_or_default(),
        rusqlite::version(),
        output("git", &["rev-parse", "--short", "HEAD"]),
        if output("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty() { "" } else { " and changes" },
        load(),
    ))
}

/// Processes that wanted to run in the last minute, about.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("?").to_owned()
}

/// Type and device of the mount that holds this directory.
fn file_system(dir: &Path) -> anyhow::Result<(String, String)> {
    let dir = dir.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let found = mounts.lines().filter_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        let mut source = source.split(' ');
        dir.starts_with(point).then_some((point.len(), source.next()?, source.next()?))
    });
    // The last of the longest is mounted over the others.
    let (_, kind, device) = found.max_by_key(|(len, ..)| *len).unwrap_or((0, "?", "?"));
    Ok((kind.to_owned(), device.to_owned()))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
