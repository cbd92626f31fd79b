//! Whether something grows: a line through samples, by least squares. Pure.

use std::time::Duration;

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
    pub fn percent_per_hour(&self) -> Option<f64> {
        let mean = self.mean()?;
        let middle = self.samples.iter().map(|(at, _)| at).sum::<f64>() / self.samples.len() as f64;
        let spread: f64 = self.samples.iter().map(|(at, _)| (at - middle).powi(2)).sum();
        let rise: f64 = self.samples.iter().map(|(at, value)| (at - middle) * (value - mean)).sum();
        (spread > 0.0 && mean > 0.0).then(|| rise / spread * 3600.0 / mean * 100.0)
    }
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
        let rise = trend((0..=60_u64).map(|n| 95.0 + 10.0 * n as f64 / 60.0 + noise(n))).percent_per_hour();
        assert!((rise.unwrap() - 10.0).abs() < 0.2, "{rise:?}");
        let level = trend((0..=60_u64).map(|n| 100.0 + noise(n))).percent_per_hour();
        assert!(level.unwrap().abs() < 0.2, "{level:?}");
    }

    #[test]
    fn of_too_little_nothing_is_said() {
        assert_eq!(trend([]).percent_per_hour(), None);
        assert_eq!(trend([5.0]).percent_per_hour(), None);
        assert_eq!(trend([0.0, 0.0]).percent_per_hour(), None);
    }
}
