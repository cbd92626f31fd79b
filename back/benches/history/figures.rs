//! Figures of several rounds, and tables of them. Pure.

use std::time::Duration;

/// One figure, measured once in each round.
#[derive(Debug, Clone, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The median of the rounds, and the least and the largest: `12.3 (11.0–14.8)`.
    pub fn show(&self, digits: usize) -> String {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match (sorted.first(), sorted.last()) {
            (Some(least), Some(most)) if sorted.len() > 1 => {
                let middle = f64::midpoint(at(&sorted, (sorted.len() - 1) / 2), at(&sorted, sorted.len() / 2));
                format!("{} ({}–{})", number(middle, digits), number(*least, digits), number(*most, digits))
            }
            (Some(only), _) => number(*only, digits),
            _ => "–".to_owned(),
        }
    }
}

fn at(sorted: &[f64], index: usize) -> f64 {
    sorted.get(index).copied().unwrap_or_default()
}

/// With a space between thousands.
pub fn number(value: f64, digits: usize) -> String {
    let plain = format!("{value:.digits$}");
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut spaced = String::with_capacity(plain.len() + 3);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            spaced.push(' ');
        }
        spaced.push(digit);
    }
    spaced + rest
}

/// The time that this part of them did not exceed, in milliseconds. Sorts them.
pub fn percentile(times: &mut [Duration], part: f64) -> f64 {
    times.sort_unstable();
    let at = (times.len() as f64 * part).ceil() as usize;
    times.get(at.saturating_sub(1)).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// Rows under a title, as Markdown.
pub struct Table {
    pub title: String,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    /// Sentences below it.
    pub notes: Vec<String>,
}

impl Table {
    pub fn new(title: &str, columns: &[&'static str]) -> Self {
        Self { title: title.to_owned(), columns: columns.to_vec(), rows: Vec::new(), notes: Vec::new() }
    }

    pub fn to_markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let cells: Vec<&str> = cells.collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut out = format!("\n### {}\n\n", self.title);
        out += &line(&mut self.columns.iter().copied());
        let rules = self.columns.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" });
        out += &format!("|{}|\n", rules.collect::<Vec<_>>().join("|"));
        for row in &self.rows {
            out += &line(&mut row.iter().map(String::as_str));
        }
        for note in &self.notes {
            out += &format!("\n{note}\n");
        }
        out
    }
}
