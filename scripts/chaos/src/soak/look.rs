//! What a process holds, looked at from outside: its memory and its descriptors as Linux tells them (proc(5)), and what
//! it says of itself in its metrics.

use std::{collections::BTreeMap, fs, net::SocketAddr};

use anyhow::Context;

use crate::clients::{
    http::{Call, Connection},
    link::PATIENCE,
};

/// Gauges of what comes with people and must go with them.
pub const GAUGES: [&str; 6] = [
    "madang_back_connections",
    "madang_back_members",
    "madang_back_late_members",
    "madang_back_rooms",
    "madang_back_queue",
    "madang_front_open",
];

/// What a program asked for and has not given back, in bytes.
const ALLOCATED: [&str; 2] = ["madang_back_allocated_bytes", "madang_front_allocated_bytes"];

/// A process at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Bytes that it asked for and has not given back, as it says itself.
    pub allocated: f64,
    /// Memory that is its own, in bytes: with what its allocator keeps ready, and without that of files.
    pub resident: f64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// Looks at a process that tells its numbers there.
///
/// # Errors
/// When there is none, or it does not answer.
pub async fn look(id: u32, ops: SocketAddr) -> anyhow::Result<Look> {
    // Before it is asked, because its end of the question's connection may still be open after the answer.
    let (resident, descriptors) = outside(id)?;
    let told = gauges(ops, &ALLOCATED).await?;
    let allocated = told.into_values().next().with_context(|| format!("{ops} does not tell its memory"))?;
    Ok(Look { allocated, resident, descriptors })
}

fn outside(id: u32) -> anyhow::Result<(f64, usize)> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).context("there is no such process")?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.split_whitespace().next());
    let resident = 1024.0 * kibibytes.and_then(|text| text.parse::<f64>().ok()).context("its memory is not told")?;
    Ok((resident, fs::read_dir(format!("/proc/{id}/fd"))?.count()))
}

/// The sums of these gauges over their labels, as far as the program has them.
///
/// # Errors
/// When it does not answer.
pub async fn gauges(ops: SocketAddr, names: &[&'static str]) -> anyhow::Result<BTreeMap<&'static str, f64>> {
    let ask = async {
        let mut connection = Connection::open(ops, None).await?;
        connection.ask(&Call::get("/metrics".to_owned()), PATIENCE).await
    };
    let answer = ask.await.map_err(|_| anyhow::anyhow!("nobody answers at {ops}"))?;
    anyhow::ensure!(answer.status.is_success(), "{ops} answers {}", answer.status);
    Ok(sums(&String::from_utf8_lossy(&answer.body), names))
}

fn sums(text: &str, names: &[&'static str]) -> BTreeMap<&'static str, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let name = series.split('{').next().unwrap_or_default();
        if let (Some(gauge), Ok(value)) = (names.iter().find(|gauge| **gauge == name), value.parse::<f64>()) {
            *sums.entry(*gauge).or_default() += value;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_summed_over_their_labels() {
        let text = "# HELP x y\nmadang_back_connections{protocol=\"plain\"} 2\nmadang_back_connections{protocol=\"echo\"} 3\n\
                    madang_back_connects_total 9\nmadang_back_rooms 1\n# EOF\n";
        assert_eq!(sums(text, &GAUGES), [("madang_back_connections", 5.0), ("madang_back_rooms", 1.0)].into());
    }

    #[test]
    fn this_process_holds_something() {
        let (resident, descriptors) = outside(std::process::id()).unwrap();
        assert!(resident > 100_000.0 && descriptors > 2, "{resident} {descriptors}");
    }
}
