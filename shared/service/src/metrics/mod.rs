//! Numbers that are counted where things happen, by one atomic instruction each, and read when somebody asks. It knows
//! no metric by name; `sheet` writes them down.

mod sheet;
mod tally;

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

pub use prometheus_client::registry::Unit;
pub use sheet::{CONTENT_TYPE, Family, Sheet};
pub use tally::Tally;

/// Upper bounds of the times that are told apart, in microseconds: from one send to what everybody notices.
const BOUNDS_US: [u64; 15] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000];

/// A number that goes up, or up and down.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn up(&self) {
        self.add(1);
    }

    /// One less, after [`Count::up`].
    pub fn down(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How long something takes: how often within which bound, and all of it together.
#[derive(Debug, Default)]
pub struct Times {
    /// Those above the last bound come last.
    within: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

impl Times {
    /// It took so long once more. No lock and no allocation, so that it may stand where messages are handed out.
    pub fn note(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let us = ns.div_ceil(1_000);
        let index = BOUNDS_US.partition_point(|bound| *bound < us);
        self.within[index].fetch_add(1, Relaxed);
        self.sum_ns.fetch_add(ns, Relaxed);
    }

    /// The sum in seconds.
    fn sum(&self) -> f64 {
        self.sum_ns.load(Relaxed) as f64 / 1e9
    }

    /// Each bound in seconds, with how many are within it and above the one before.
    fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        bounds.zip(self.within.iter().map(|count| count.load(Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_within_its_bound() {
        let times = Times::default();
        for us in [0, 50, 51, 2_500_000, 2_500_001, 9_000_000] {
            times.note(Duration::from_micros(us));
        }
        times.note(Duration::from_nanos(50_001));
        let filled: Vec<(f64, u64)> = times.buckets().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.000_05, 2), (0.000_1, 2), (2.5, 1), (f64::INFINITY, 2)]);
        assert!((times.sum() - 14.000_152).abs() < 0.000_001, "{}", times.sum());
    }
}
