//! Reads OpenMetrics text (version 1.0.0) as strictly as its grammar is written, for tests that ask what a server tells.
//! Whatever is wrong panics with the line.

#![allow(dead_code, reason = "each program's tests ask for their part of it")]

use std::collections::{BTreeMap, BTreeSet};

/// What a scrape said.
#[derive(Debug, Default)]
pub struct Scrape {
    /// By name, without what the type adds to it.
    pub families: BTreeMap<String, Family>,
}

/// Numbers that have a name in common.
#[derive(Debug, Default)]
pub struct Family {
    pub kind: String,
    pub unit: String,
    pub help: String,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Scrape {
    /// Reads the text.
    pub fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF and a line feed");
        let mut scrape = Self::default();
        let mut current: Option<(String, Family)> = None;
        for line in body.lines() {
            assert!(!line.is_empty() && line.trim() == line, "{line:?}");
            if let Some(said) = line.strip_prefix("# ") {
                let (keyword, said) = said.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                let (name, value) = said.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert!(is_name(name), "{line}");
                if current.as_ref().is_none_or(|(before, _)| before != name) {
                    scrape.end(current.replace((name.to_owned(), Family::default())));
                }
                let (_, family) = current.as_mut().expect("set above");
                assert!(family.samples.is_empty(), "{line}: it comes before the numbers");
                let field = match keyword {
                    "HELP" => &mut family.help,
                    "TYPE" => &mut family.kind,
                    "UNIT" => &mut family.unit,
                    _ => panic!("{line}"),
                };
                assert!(field.is_empty(), "{line}: said twice");
                value.clone_into(field);
            } else {
                let sample = Sample::parse(line);
                let (name, family) = current.as_mut().unwrap_or_else(|| panic!("{line}: of no family"));
                let suffix = sample.name.strip_prefix(name.as_str()).unwrap_or_else(|| panic!("{line}: not of {name}"));
                let allowed: &[&str] = match family.kind.as_str() {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    "info" => &["_info"],
                    _ => panic!("{line}: of no type"),
                };
                assert!(allowed.contains(&suffix), "{line}: in a {}", family.kind);
                family.samples.push(sample);
            }
        }
        scrape.end(current);
        scrape
    }

    fn end(&mut self, family: Option<(String, Family)>) {
        let Some((name, family)) = family else { return };
        assert!(!family.kind.is_empty() && !family.help.is_empty(), "{name}: without TYPE or HELP");
        assert!(family.unit.is_empty() || name.ends_with(&format!("_{}", family.unit)), "{name}: not in its unit");
        let series: BTreeSet<_> = family.samples.iter().map(|sample| (&sample.name, &sample.labels)).collect();
        assert_eq!(series.len(), family.samples.len(), "{name}: a series stands twice");
        match family.kind.as_str() {
            "counter" => {
                assert!(family.samples.iter().all(|sample| sample.value >= 0.0 && sample.value.is_finite()), "{name}");
            }
            "info" => assert!(family.samples.iter().all(|sample| sample.value == 1.0), "{name}"),
            "histogram" => family.check_histogram(&name),
            _ => {}
        }
        assert!(self.families.insert(name.clone(), family).is_none(), "{name}: in two places");
    }

    /// The number with this name and these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted = |sample: &&Sample| {
            sample.name == name
                && sample.labels.len() == labels.len()
                && labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|other| other == value))
        };
        let found = self.families.values().flat_map(|family| &family.samples).find(wanted);
        found.unwrap_or_else(|| panic!("there is no {name} with {labels:?}")).value
    }

    /// The values of this label, of all samples with this name.
    pub fn labels(&self, name: &str, label: &str) -> BTreeSet<String> {
        let samples = self.families.values().flat_map(|family| &family.samples);
        samples.filter(|sample| sample.name == name).filter_map(|sample| sample.labels.get(label).cloned()).collect()
    }

    /// The sum of all numbers with this name.
    pub fn sum(&self, name: &str) -> f64 {
        let samples = self.families.values().flat_map(|family| &family.samples);
        samples.filter(|sample| sample.name == name).map(|sample| sample.value).sum()
    }

    /// Names as a query writes them, with what the type adds.
    pub fn sample_names(&self) -> BTreeSet<String> {
        self.families
            .iter()
            .flat_map(|(name, family)| {
                let suffixes: &[&str] = match family.kind.as_str() {
                    "counter" => &["_total"],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    "info" => &["_info"],
                    _ => &[""],
                };
                suffixes.iter().map(move |suffix| format!("{name}{suffix}"))
            })
            .collect()
    }

    /// Each metric as a table names it: with what the type adds to a counter's or an info's name, its type, its unit and
    /// its labels.
    pub fn rows(&self) -> BTreeSet<[String; 4]> {
        let row = |(name, family): (&String, &Family)| {
            let suffix = match family.kind.as_str() {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            let labels: BTreeSet<&str> =
                family.samples.iter().flat_map(|sample| sample.labels.keys()).map(String::as_str).collect();
            let labels: Vec<&str> = labels.into_iter().filter(|label| *label != "le").collect();
            [format!("{name}{suffix}"), family.kind.clone(), family.unit.clone(), labels.join(", ")]
        };
        self.families.iter().map(row).collect()
    }

    /// Every word that is the value of a label.
    pub fn label_values(&self) -> BTreeSet<&str> {
        let samples = self.families.values().flat_map(|family| &family.samples);
        samples.flat_map(|sample| sample.labels.values()).map(String::as_str).collect()
    }
}

impl Family {
    fn check_histogram(&self, name: &str) {
        let of =
            |suffix: &'static str| self.samples.iter().filter(move |sample| sample.name == format!("{name}{suffix}"));
        let buckets: Vec<(f64, f64)> = of("_bucket")
            .map(|sample| (number(&sample.labels["le"]).expect("a bound"), sample.value))
            .collect::<Vec<_>>();
        assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{name}: {buckets:?}");
        let count = of("_count").next().expect("a count").value;
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{name}: the last bucket is all of them");
        assert!(of("_sum").next().is_some_and(|sum| sum.value >= 0.0), "{name}: no sum");
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
        let (name, mut rest) = line.split_at(end);
        assert!(is_name(name), "{line}");
        let mut labels = BTreeMap::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.starts_with('}') {
                let (key, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
                assert!(is_name(key) && !key.contains(':') && !key.starts_with("__"), "{line}");
                let (value, after) = quoted(after).unwrap_or_else(|| panic!("{line}"));
                assert!(labels.insert(key.to_owned(), value).is_none(), "{line}: {key} stands twice");
                rest = after.strip_prefix(',').unwrap_or(after);
                assert!(rest.starts_with('}') != after.starts_with(','), "{line}: a comma");
            }
            rest = &rest[1..];
        }
        let value = rest.strip_prefix(' ').and_then(number).unwrap_or_else(|| panic!("{line}: no number"));
        Self { name: name.to_owned(), labels, value }
    }
}

/// Up to the closing quotation mark, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('"' | '\\') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        // Rust reads more words than the grammar has.
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => text.parse().ok(),
        _ => None,
    }
}

/// The rows of a document's table whose first column is the name of a metric with this beginning: see [`Scrape::rows`].
pub fn documented(document: &str, beginning: &str) -> BTreeSet<[String; 4]> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    document
        .lines()
        .filter(|line| line.starts_with(&format!("| `{beginning}")))
        .map(|line| (line, cells(line)))
        // Not the rows whose first cell is a query.
        .filter(|(_, cells)| is_name(&cells[0]))
        .map(|(line, cells)| {
            assert!(cells.len() == 5 && !cells[4].is_empty(), "{line}: a name, a type, a unit, labels and a meaning");
            [cells[0].clone(), cells[1].clone(), cells[2].clone(), cells[3].clone()]
        })
        .collect()
}

/// Names with this beginning in the queries of a dashboard.
pub fn queried(dashboard: &serde_json::Value, beginning: &str) -> BTreeSet<String> {
    let mut queries = Vec::new();
    gather(dashboard, &mut queries);
    assert!(queries.len() > 10, "{queries:?}");
    let words = queries.iter().flat_map(|query| query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    words.filter(|word| word.starts_with(beginning)).map(str::to_owned).collect()
}

fn gather<'a>(value: &'a serde_json::Value, queries: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::Object(fields) => fields.iter().for_each(|(key, value)| match value.as_str() {
            Some(query) if matches!(key.as_str(), "expr" | "query" | "definition") => queries.push(query),
            _ => gather(value, queries),
        }),
        serde_json::Value::Array(values) => values.iter().for_each(|value| gather(value, queries)),
        _ => {}
    }
}
