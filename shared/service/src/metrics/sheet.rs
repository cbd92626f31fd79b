//! What was counted, written as OpenMetrics text (version 1.0.0), which Prometheus reads. The format is
//! `prometheus-client`'s; here it is only given names and numbers.

use std::{fmt, time::SystemTime};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet, text::encode},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use super::Times;
use crate::process::Process;

/// The type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Labels of one number. Their values are words of the program, so their number is known before it runs.
type Labels = Vec<(&'static str, &'static str)>;

#[derive(Debug)]
enum Samples {
    Counter(Vec<(Labels, u64)>),
    Gauge(Vec<(Labels, f64)>),
    Times(f64, Vec<(f64, u64)>),
    Info(Labels),
}

/// Numbers that have a name in common.
#[derive(Debug)]
pub struct Family {
    name: String,
    help: &'static str,
    unit: Option<Unit>,
    samples: Samples,
}

impl Family {
    fn new(name: &str, help: &'static str, samples: Samples) -> Self {
        Self { name: name.to_owned(), help, unit: None, samples }
    }

    /// A number that only grows.
    pub fn counter(name: &str, help: &'static str, value: u64) -> Self {
        Self::new(name, help, Samples::Counter(vec![(Labels::new(), value)]))
    }

    /// Numbers that only grow, told apart by one label.
    pub fn counters(
        name: &str,
        help: &'static str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> Self {
        let values = values.into_iter().map(|(word, value)| (vec![(label, word)], value));
        Self::new(name, help, Samples::Counter(values.collect()))
    }

    /// Numbers that only grow, told apart by two labels.
    pub fn counters_by_two(
        name: &str,
        help: &'static str,
        labels: [&'static str; 2],
        values: impl IntoIterator<Item = ([&'static str; 2], u64)>,
    ) -> Self {
        let values = values.into_iter().map(|(words, value)| (labels.into_iter().zip(words).collect(), value));
        Self::new(name, help, Samples::Counter(values.collect()))
    }

    /// A number as it is now.
    pub fn gauge(name: &str, help: &'static str, value: f64) -> Self {
        Self::new(name, help, Samples::Gauge(vec![(Labels::new(), value)]))
    }

    /// A number as it is now, if there is one.
    pub fn gauge_if_known(name: &str, help: &'static str, value: Option<f64>) -> Self {
        Self::new(name, help, Samples::Gauge(value.map(|value| (Labels::new(), value)).into_iter().collect()))
    }

    /// Numbers as they are now, told apart by one label.
    pub fn gauges(
        name: &str,
        help: &'static str,
        label: &'static str,
        values: impl IntoIterator<Item = (&'static str, f64)>,
    ) -> Self {
        let values = values.into_iter().map(|(word, value)| (vec![(label, word)], value));
        Self::new(name, help, Samples::Gauge(values.collect()))
    }

    /// Numbers as they are now, told apart by two labels.
    pub fn gauges_by_two(
        name: &str,
        help: &'static str,
        labels: [&'static str; 2],
        values: impl IntoIterator<Item = ([&'static str; 2], f64)>,
    ) -> Self {
        let values = values.into_iter().map(|(words, value)| (labels.into_iter().zip(words).collect(), value));
        Self::new(name, help, Samples::Gauge(values.collect()))
    }

    /// How long something takes, in seconds.
    pub fn times(name: &str, help: &'static str, times: &Times) -> Self {
        Self::new(name, help, Samples::Times(times.sum(), times.buckets())).unit(Unit::Seconds)
    }

    /// In this unit, which becomes the end of the name.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = Some(unit);
        self
    }

    fn kind(&self) -> MetricType {
        match self.samples {
            Samples::Counter(_) => MetricType::Counter,
            Samples::Gauge(_) => MetricType::Gauge,
            Samples::Times(..) => MetricType::Histogram,
            Samples::Info(_) => MetricType::Info,
        }
    }

    fn write(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = encoder.encode_descriptor(&self.name, self.help, self.unit.as_ref(), self.kind())?;
        match &self.samples {
            Samples::Counter(values) => values.iter().try_for_each(|(labels, value)| {
                // Empty braces would be a label set too, only an odd one.
                if labels.is_empty() {
                    return metric.encode_counter::<NoLabelSet, _, u64>(value, None);
                }
                metric.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(value, None)
            }),
            Samples::Gauge(values) => values.iter().try_for_each(|(labels, value)| {
                if labels.is_empty() {
                    return metric.encode_gauge(value);
                }
                metric.encode_family(labels)?.encode_gauge(value)
            }),
            Samples::Times(sum, buckets) => {
                let count = buckets.iter().map(|(_, count)| count).sum();
                metric.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
            }
            Samples::Info(labels) => metric.encode_info(labels),
        }
    }
}

/// Everything that one program tells of itself, at one moment.
#[derive(Debug, Default)]
pub struct Sheet {
    families: Vec<Family>,
}

impl Sheet {
    /// A sheet that says which program this is, since when it runs, and what it takes of the machine: by the names that
    /// Prometheus's own clients have for that.
    pub fn of(program: &str, version: &'static str, begun: SystemTime, process: &Process) -> Self {
        let info = Samples::Info(vec![("version", version)]);
        let seconds = begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let gauge =
            |name: &str, help, value: Option<u64>| Family::gauge_if_known(name, help, value.map(|value| value as f64));
        let allocated = format!("{program}_allocated");
        Self {
            families: vec![
                Family::gauge("process_start_time", "When the process began, since 1970", seconds).unit(Unit::Seconds),
                gauge("process_resident_memory", "Memory in use", process.resident).unit(Unit::Bytes),
                gauge("process_open_fds", "Open descriptors", process.descriptors),
                gauge("process_max_fds", "Descriptors that may be open", process.most_descriptors),
                gauge(&allocated, "Memory asked for and not given back", process.allocated).unit(Unit::Bytes),
                Family::new(&format!("{program}_build"), "Which version runs", info),
            ],
        }
    }

    /// Adds numbers.
    pub fn add(&mut self, family: Family) {
        self.families.push(family);
    }

    /// The whole of it.
    ///
    /// # Errors
    /// When a value cannot be written.
    pub fn to_text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Collector for Sheet {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.families.iter().try_for_each(|family| family.write(&mut encoder))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_text_is_open_metrics() {
        let process = Process { resident: Some(4_096), descriptors: Some(9), ..Process::default() };
        let mut sheet = Sheet::of("yard", "1.2.3", SystemTime::UNIX_EPOCH + Duration::from_millis(1_500), &process);
        sheet.add(Family::counter("yard_messages", "Messages", 7));
        sheet.add(Family::counters("yard_errors", "Errors", "code", [("slow", 1), ("full", 0)]));
        let ways = [(["a", "b"], 2.0)];
        sheet.add(Family::gauges_by_two("yard_people", "People", ["x", "y"], ways));
        sheet.add(Family::gauge("yard_file", "The file", 512.0).unit(Unit::Bytes));
        let text = sheet.to_text().unwrap();
        assert_eq!(
            text,
            "# HELP process_start_time_seconds When the process began, since 1970\n\
             # TYPE process_start_time_seconds gauge\n\
             # UNIT process_start_time_seconds seconds\n\
             process_start_time_seconds 1.5\n\
             # HELP process_resident_memory_bytes Memory in use\n\
             # TYPE process_resident_memory_bytes gauge\n\
             # UNIT process_resident_memory_bytes bytes\n\
             process_resident_memory_bytes 4096.0\n\
             # HELP process_open_fds Open descriptors\n\
             # TYPE process_open_fds gauge\n\
             process_open_fds 9.0\n\
             # HELP process_max_fds Descriptors that may be open\n\
             # TYPE process_max_fds gauge\n\
             # HELP yard_allocated_bytes Memory asked for and not given back\n\
             # TYPE yard_allocated_bytes gauge\n\
             # UNIT yard_allocated_bytes bytes\n\
             # HELP yard_build Which version runs\n\
             # TYPE yard_build info\n\
             yard_build_info{version=\"1.2.3\"} 1\n\
             # HELP yard_messages Messages\n\
             # TYPE yard_messages counter\n\
             yard_messages_total 7\n\
             # HELP yard_errors Errors\n\
             # TYPE yard_errors counter\n\
             yard_errors_total{code=\"slow\"} 1\n\
             yard_errors_total{code=\"full\"} 0\n\
             # HELP yard_people People\n\
             # TYPE yard_people gauge\n\
             yard_people{x=\"a\",y=\"b\"} 2.0\n\
             # HELP yard_file_bytes The file\n\
             # TYPE yard_file_bytes gauge\n\
             # UNIT yard_file_bytes bytes\n\
             yard_file_bytes 512.0\n\
             # EOF\n"
        );
    }

    #[test]
    fn a_histogram_counts_what_its_last_bucket_holds() {
        let times = Times::default();
        times.note(Duration::from_micros(70));
        times.note(Duration::from_secs(3));
        let mut sheet = Sheet::default();
        sheet.add(Family::times("yard_sweep", "Sweeps", &times));
        let text = sheet.to_text().unwrap();
        for line in [
            "yard_sweep_seconds_sum 3.00007",
            "yard_sweep_seconds_count 2",
            "yard_sweep_seconds_bucket{le=\"0.00005\"} 0",
            "yard_sweep_seconds_bucket{le=\"0.0001\"} 1",
            "yard_sweep_seconds_bucket{le=\"+Inf\"} 2",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }
}
