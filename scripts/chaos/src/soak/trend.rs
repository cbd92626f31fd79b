//! Whether something grows: a line through samples, by least squares. Pure.

use std::time::Duration;

/// Standard deviations to either side within which the truth lies in 19 of 20 cases: Student's t, from three degrees of
/// freedom on within two percent.
fn deviations(free: f64) -> f64 {
    1.96 + 2.4 / free + 3.2 / (free * free)
}

/// Samples of one figure, in the order in which they were taken.
#[derive(Debug, Clone, Default)]
pub struct Trend {
    samples: Vec<(f64, f64)>,
}

impl Trend {
    /// One more sample.
    pub fn add(&mut self, at: Duration, value: f64) {
        self.samples.push((at.as_secs_f64(), value));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Their mean; nothing where there are none.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 = self.samples.iter().map(|(_, value)| value).sum();
        (!self.samples.is_empty()).then(|| sum / self.samples.len() as f64)
    }

    /// How much the line through them rises in an hour, in percent of their mean; nothing where that cannot be said.
    pub fn rise(&self) -> Option<Rise> {
        let mean = self.mean().filter(|mean| *mean > 0.0)?;
        let line = Line::through(&self.samples)?;
        let off: f64 = self.samples.iter().map(|(at, value)| (value - line.at(*at)).powi(2)).sum();
        let free = self.samples.len().checked_sub(2).filter(|free| *free >= 3)? as f64;
        let percent = 3600.0 / mean * 100.0;
        let margin = deviations(free) * (off / free / line.spread).sqrt();
        Some(Rise { percent_per_hour: line.slope * percent, margin: margin * percent })
    }
}

/// How much something rises.
#[derive(Debug, Clone, Copy)]
pub struct Rise {
    /// In percent of its mean.
    pub percent_per_hour: f64,
    /// By how much that may be wrong, either way, in 1 of 20 cases more.
    pub margin: f64,
}

impl Rise {
    /// Whether it is more than this; nothing where the margin leaves both possible.
    pub fn is_above(&self, percent: f64) -> Option<bool> {
        if self.percent_per_hour - self.margin > percent {
            Some(true)
        } else {
            (self.percent_per_hour + self.margin <= percent).then_some(false)
        }
    }
}

/// A line by least squares.
struct Line {
    middle: (f64, f64),
    slope: f64,
    /// Sum of the squared distances from the middle in time.
    spread: f64,
}

impl Line {
    fn through(points: &[(f64, f64)]) -> Option<Self> {
        let middle = middle(points);
        let spread: f64 = points.iter().map(|(at, _)| (at - middle.0).powi(2)).sum();
        let rise: f64 = points.iter().map(|(at, value)| (at - middle.0) * (value - middle.1)).sum();
        (spread > 0.0).then(|| Self { middle, slope: rise / spread, spread })
    }

    fn at(&self, at: f64) -> f64 {
        self.middle.1 + self.slope * (at - self.middle.0)
    }
}

/// The mean of both.
fn middle(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    (points.iter().map(|(at, _)| at).sum::<f64>() / count, points.iter().map(|(_, value)| value).sum::<f64>() / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(values: impl IntoIterator<Item = f64>) -> Trend {
        let mut trend = Trend::default();
        for (minute, value) in (0_u64..).zip(values) {
            trend.add(Duration::from_secs(60 * minute), value);
        }
        trend
    }

    #[test]
    fn what_grows_by_a_tenth_in_an_hour_is_seen_through_noise() {
        let noise = |n: u64| if n.is_multiple_of(2) { 0.3 } else { -0.3 };
        let rise = trend((0..60_u64).map(|n| 95.0 + 10.0 * n as f64 / 60.0 + noise(n))).rise().unwrap();
        assert!((rise.percent_per_hour - 10.0).abs() < 0.3 && rise.margin < 1.0, "{rise:?}");
        assert_eq!(rise.is_above(1.0), Some(true));
        let level = trend((0..60_u64).map(|n| 100.0 + noise(n))).rise().unwrap();
        assert!(level.percent_per_hour.abs() < 0.3, "{level:?}");
        assert_eq!(level.is_above(1.0), Some(false));
    }

    #[test]
    fn few_and_uneven_samples_leave_both_possible() {
        let rise = trend([100.0, 103.0, 98.0, 102.0, 99.0, 101.0]).rise().unwrap();
        assert!(rise.margin > 20.0, "{rise:?}");
        assert_eq!(rise.is_above(1.0), None);
    }

    #[test]
    fn of_too_little_nothing_is_said() {
        for values in [vec![], vec![5.0], vec![5.0, 6.0, 5.0, 6.0], vec![0.0; 9]] {
            assert!(trend(values.clone()).rise().is_none(), "{values:?}");
        }
    }
}
