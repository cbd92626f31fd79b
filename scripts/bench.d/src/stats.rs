//! Medians, spans and a histogram of latencies. Pure.

/// Steps of the histogram within a doubling: a value is known to 1 %.
const STEPS_BITS: u32 = 7;

/// Counts of nanoseconds in steps of at most 1 %.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Counts a value `times` times.
    pub fn add(&mut self, nanos: u64, times: u64) {
        let slot = slot(nanos);
        if slot >= self.counts.len() {
            self.counts.resize(slot + 1, 0);
        }
        self.counts[slot] += times;
        self.total += times;
    }

    /// The value that `share` of the values do not pass, in nanoseconds; 0 when there are none.
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (slot, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return value(slot);
            }
        }
        0.0
    }

    /// Counts everything that another one has.
    pub fn merge(&mut self, other: &Self) {
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total += other.total;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The median of what `share` of each second's values do not pass: a machine that holds its breath once spoils one second,
/// a server that does it for long spoils them all.
pub fn typical(seconds: &[Histogram], share: f64) -> f64 {
    Spread::of(seconds.iter().map(|second| second.quantile(share))).map_or(f64::NAN, |spread| spread.median)
}

/// All seconds together.
pub fn whole(seconds: &[Histogram]) -> Histogram {
    let mut whole = Histogram::default();
    seconds.iter().for_each(|second| whole.merge(second));
    whole
}

fn slot(nanos: u64) -> usize {
    let shift = (64 - nanos.leading_zeros()).saturating_sub(STEPS_BITS + 1);
    ((u64::from(shift) << STEPS_BITS) + (nanos >> shift)) as usize
}

fn value(slot: usize) -> f64 {
    let (steps, slot) = (1_usize << STEPS_BITS, slot);
    let shift = (slot / steps).saturating_sub(1);
    ((slot - shift * steps) as f64 + 0.5) * (shift as f64).exp2()
}

/// The median of some values with the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The one in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of these values; `None` when there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        Some(Self { median, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_hundredth() {
        let mut histogram = Histogram::default();
        for nanos in 1..=100_000_u64 {
            histogram.add(nanos * 17, 1);
        }
        for share in [0.01, 0.5, 0.99, 1.0] {
            let (is, should) = (histogram.quantile(share), share * 1_700_000.0);
            assert!((is / should - 1.0).abs() < 0.01, "{share}: {is} for {should}");
        }
    }

    #[test]
    fn one_bad_second_is_seen_in_the_whole_and_not_in_what_is_typical() {
        let second = |nanos| {
            let mut histogram = Histogram::default();
            histogram.add(nanos, 100);
            histogram
        };
        let seconds = [1_000, 1_000, 90_000, 1_000, 1_000].map(second);
        assert!((typical(&seconds, 0.99) / 1_000.0 - 1.0).abs() < 0.02);
        assert!((whole(&seconds).quantile(0.99) / 90_000.0 - 1.0).abs() < 0.02);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 4.0));
        assert_eq!(Spread::of([]), None);
    }
}
