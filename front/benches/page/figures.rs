//! Medians of the rounds, as a table.

use std::fs;

use crate::{Page, visit::Visit};

/// A column: its title, its figure and the digits after the point.
type Column = (&'static str, fn(&Visit) -> f64, usize);

const COLUMNS: [Column; 3] = [
    ("first message, ms", |visit| visit.first_message_ms, 0),
    ("KB over the network", |visit| visit.bytes / 1_000.0, 1),
    ("answers", |visit| visit.answers, 0),
];

/// The pages with an empty cache and with a filled one, by the visits to each.
pub fn table(visits: &[(Page, [Visit; 2])]) -> String {
    let titles = COLUMNS.map(|(title, ..)| title).join(" | ");
    let mut table = format!("| page | cache | {titles} |\n|---|---|{}\n", "---:|".repeat(COLUMNS.len()));
    for (at, cache) in ["cold", "warm"].into_iter().enumerate() {
        for page in Page::ALL {
            let of_page = || visits.iter().filter(|(of, _)| *of == page).map(|(_, visits)| &visits[at]);
            let cells = COLUMNS.map(|(_, figure, digits)| spread(of_page().map(figure).collect(), digits));
            table += &format!("| {} | {cache} | {} |\n", page.title(), cells.join(" | "));
        }
    }
    table
}

/// The median, with the least and the greatest where they differ.
fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (values.first(), values.last()) else { return "–".to_owned() };
    let middle = f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2]);
    let [least, middle, most] = [*least, middle, *most].map(|value| format!("{value:.digits$}"));
    if least == most { middle } else { format!("{middle} ({least}–{most})") }
}

/// The machine, and how busy it is now.
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, cpu)| cpu);
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?");
    format!("{cpu}, {cpus} CPUs; load average before: {load}")
}
