//! What the kernel knows: CPUs and who runs where, a program's CPU time and memory, the load.

use std::{
    collections::{HashMap, HashSet},
    fs,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use rustix::{
    process::{Pid, Resource, Rlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// The CPUs that this process may use.
pub fn cpus() -> anyhow::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// Pins this thread, and whatever it starts from now on, to these CPUs.
pub fn pin(cpus: &[usize]) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|&cpu| set.set(cpu));
    sched_setaffinity(None, &set).context("cannot choose a CPU")
}

/// Allows this process and its children as many descriptors as it may, and says how many.
pub fn raise_descriptor_limit() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let hard = limit.maximum;
    let raised = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard });
    let now = if raised.is_ok() { hard } else { limit.current };
    now.map_or(usize::MAX, |now| usize::try_from(now).unwrap_or(usize::MAX))
}

/// A process and its descendants.
pub fn family(pid: Pid) -> Vec<i32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold anything; the state and the parent come behind the last one.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse::<i32>().ok()) {
            parents.push((pid, parent));
        }
    }
    let mut family = vec![pid.as_raw_nonzero().get()];
    let mut next = 0;
    while let Some(&one) = family.get(next) {
        family.extend(parents.iter().filter(|(_, parent)| *parent == one).map(|(child, _)| *child));
        next += 1;
    }
    family
}

/// CPU time of every thread of a process and its descendants, by thread.
#[derive(Debug, Default)]
pub struct CpuTimes(HashMap<i32, u64>);

impl CpuTimes {
    /// Reads them from `/proc/PID/task/*/schedstat`.
    pub fn of(pid: Pid) -> Self {
        let mut times = HashMap::new();
        for pid in family(pid) {
            for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
                let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
                if let Some(nanos) = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()) {
                    times.insert(thread, nanos);
                }
            }
        }
        Self(times)
    }

    /// What was used since `before`. A thread that ended in between counts for nothing.
    pub fn since(&self, before: &Self) -> Duration {
        let used = |(thread, now): (&i32, &u64)| now.saturating_sub(before.0.get(thread).copied().unwrap_or(0));
        Duration::from_nanos(self.0.iter().map(used).sum())
    }
}

/// CPU time of the thread that asks.
pub fn thread_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// Lets every other thread of this CPU go first from now on.
pub fn be_nice() {
    // For Linux a process without a number is the thread that asks. Where it is not allowed, things go on as before.
    _ = rustix::process::setpriority_process(None, 19);
}

/// Anonymous memory of a process and its descendants, in bytes: `RssAnon` of `/proc/PID/status`.
pub fn memory(pid: Pid) -> u64 {
    let of_one = |pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    family(pid).into_iter().filter_map(of_one).sum::<u64>() * 1024
}

/// Memory that the kernel holds for all TCP sockets of this machine, in bytes, as `/proc/net/sockstat` says.
pub fn socket_memory() -> u64 {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default();
    let pages = line.split_whitespace().skip_while(|word| *word != "mem").nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * rustix::param::page_size() as u64
}

/// Connections of a process and its descendants to this port of this machine.
pub fn connections_to(pid: Pid, port: u16) -> usize {
    let mut inodes: HashSet<u64> = HashSet::new();
    for pid in family(pid) {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            let inode =
                target.to_str().and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok());
            inodes.extend(inode);
        }
    }
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    established_to(&table, port).filter(|inode| inodes.contains(inode)).count()
}

/// Inodes of the established connections to a port, as `/proc/net/tcp` lists them.
fn established_to(table: &str, port: u16) -> impl Iterator<Item = u64> {
    const ESTABLISHED: &str = "01";
    table.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let to = u16::from_str_radix(fields.get(2)?.split_once(':')?.1, 16).ok()?;
        (to == port && *fields.get(3)? == ESTABLISHED).then(|| fields.get(9)?.parse().ok())?
    })
}

/// The largest receive buffer that a program may ask for.
pub fn most_receive_buffer() -> usize {
    let text = fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// The CPU's name.
pub fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown CPU".to_owned(), |(_, model)| model.trim().to_owned())
}

/// The kernel's release.
pub fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

/// The load averages over 1, 5 and 15 minutes, as the kernel writes them.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Today in UTC, as in 2026-01-31 (Howard Hinnant's civil-from-days).
pub fn date() -> String {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let days = (seconds / 86_400) as i64 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + carry)
}

/// Under which circumstances something is measured now: the day, the CPU and the load, in one line.
pub fn conditions() -> String {
    format!("{} · {} · load {}", date(), cpu_model(), load())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn connections_to_a_port_are_counted_while_they_last() {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = door.local_addr().unwrap();
        let me = rustix::process::getpid();
        assert_eq!(connections_to(me, address.port()), 0);
        let held = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
        // The other ends are this process's too, and have another port at their far end.
        let _accepted = [door.accept().unwrap(), door.accept().unwrap()];
        assert_eq!(connections_to(me, address.port()), 2);
        drop(held);
        assert_eq!(connections_to(me, address.port()), 0);
    }

    #[test]
    fn only_established_connections_to_the_port_are_taken_from_the_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 11 1 0 100 0 0 10 0\n\
            1: 0100007F:C350 0100007F:0BB8 01 00000000:00000000 00:00000000 00000000 0 0 12 1 0 20 4 30 10 -1\n\
            2: 0100007F:0BB8 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 13 1 0 20 4 30 10 -1\n\
            3: 0100007F:C351 0100007F:0BB8 06 00000000:00000000 03:00000000 00000000 0 0 0 3 0\n";
        assert_eq!(established_to(table, 3000).collect::<Vec<_>>(), [12]);
    }
}
