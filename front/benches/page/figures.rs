//! Medians of the rounds, as a table.

use std::fs;

use crate::{Page, visit::Visit};

/// A column: its title, and where its figure is.
type Column = (&'static str, fn(&Visit) -> f64, usize);

const COLUMNS: [Column; 6] = [
    ("first message, ms", |visit| visit.first_message_ms, 0),
    ("one can write, ms", |visit| visit.ready_ms, 0),
    ("first paint, ms", |visit| visit.first_paint_ms, 0),
    ("KB over the network", |visit| visit.bytes / 1_000.0, 1),
    ("answers", |visit| visit.requests, 0),
    ("connections", |visit| visit.connections, 0),
];

#[derive(Default)]
pub struct Table(Vec<(Page, &'static str, Visit)>);

impl Table {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, page: Page, cache: &'static str, visit: Visit) {
        self.0.push((page, cache, visit));
    }

    pub fn to_markdown(&self) -> String {
        let titles = COLUMNS.map(|(title, ..)| title).join(" | ");
        let mut table = format!("| page | cache | {titles} |\n|---|---|{}\n", "---:|".repeat(COLUMNS.len()));
        for cache in ["cold", "warm"] {
            for page in Page::ALL {
                let visits = || self.0.iter().filter(|(of, with, _)| *of == page && *with == cache);
                let cells = COLUMNS
                    .map(|(_, figure, digits)| spread(visits().map(|(.., visit)| figure(visit)).collect(), digits));
                table += &format!("| {} | {cache} | {} |\n", page.title(), cells.join(" | "));
            }
        }
        table
    }
}

/// The median, with the least and the greatest where they differ.
fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (values.first(), values.last()) else { return "–".to_owned() };
    let middle = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
    let [least, middle, most] = [*least, middle, *most].map(|value| format!("{value:.digits$}"));
    if least == most { middle } else { format!("{middle} ({least}–{most})") }
}

/// The machine and the browser.
pub async fn head(browser: &str) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, cpu)| cpu);
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    format!("{cpu}, {cpus} CPUs; {browser}; load average at the end: {load}")
}
