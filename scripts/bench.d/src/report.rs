//! What came of the rounds, as a table for people and as JSON for programs. Medians are of the rounds; a ratio is of
//! two turns of the same round, and its median of those.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::{
    scenarios::{Case, Figures, Metric, Scenario, Size},
    stats::Spread,
};

/// Under which circumstances.
pub struct Conditions {
    /// Today.
    pub date: String,
    /// The CPU's name.
    pub cpu: String,
    /// CPUs that could be used.
    pub cpus: usize,
    /// The kernel's release.
    pub kernel: String,
    /// What was measured.
    pub commit: String,
    /// The load averages before.
    pub load: String,
    /// Rounds.
    pub rounds: usize,
    /// Seconds of a measurement.
    pub seconds: f64,
    /// Whether it was only a look.
    pub quick: bool,
}

/// One case's turn in a round.
pub struct Turn {
    /// In which scenario.
    pub scenario: Scenario,
    /// Whose.
    pub case: Case,
    /// In which round.
    pub round: usize,
    /// Its figures, or why there are none.
    pub figures: Result<Figures, String>,
}

/// Everything.
pub struct Report {
    conditions: Conditions,
    turns: Vec<Turn>,
    left_out: Vec<(String, String)>,
}

impl Report {
    /// Nothing yet.
    pub fn new(conditions: Conditions) -> Self {
        Self { conditions, turns: Vec::new(), left_out: Vec::new() }
    }

    /// Adds a turn.
    pub fn add(&mut self, turn: Turn) {
        self.turns.push(turn);
    }

    /// Notes what was not measured, and why.
    pub fn leave_out(&mut self, name: &str, why: &str) {
        let entry = (name.to_owned(), why.to_owned());
        if !self.left_out.contains(&entry) {
            self.left_out.push(entry);
        }
    }

    /// Whether any turn failed.
    pub fn has_failures(&self) -> bool {
        self.turns.iter().any(|turn| turn.figures.is_err())
    }

    /// Scenarios with their cases, as far as there are turns of them.
    pub fn scenarios(&self) -> Vec<(Scenario, Vec<Case>)> {
        let played = |scenario, case| self.turns.iter().any(|turn| turn.scenario == scenario && turn.case == case);
        let cases = |scenario: Scenario| scenario.cases().into_iter().filter(move |&case| played(scenario, case));
        let all = Scenario::ALL.into_iter().map(|scenario| (scenario, cases(scenario).collect::<Vec<_>>()));
        all.filter(|(_, cases)| !cases.is_empty()).collect()
    }

    /// The figures of a column over the rounds.
    pub fn spread(&self, scenario: Scenario, case: Case, column: usize) -> Option<Spread> {
        let turns = self.turns.iter().filter(|turn| turn.scenario == scenario && turn.case == case);
        Spread::of(turns.filter_map(|turn| turn.figures.as_ref().ok()?.get(column).copied()))
    }

    /// The ratio of the first column to a partner's, over the rounds in which both succeeded.
    fn ratio(&self, scenario: Scenario, case: Case, partner: Case) -> Option<Spread> {
        let figure = |case: Case, round: usize| {
            let mut turns = self.turns.iter().filter(|turn| turn.scenario == scenario && turn.round == round);
            turns.find(|turn| turn.case == case)?.figures.as_ref().ok()?.first().copied()
        };
        Spread::of((0..self.conditions.rounds).filter_map(|round| Some(figure(case, round)? / figure(partner, round)?)))
    }

    fn failures(&self, scenario: Scenario, case: Case) -> Vec<&str> {
        let turns = self.turns.iter().filter(|turn| turn.scenario == scenario && turn.case == case);
        turns.filter_map(|turn| turn.figures.as_ref().err().map(String::as_str)).collect()
    }

    /// Prints the tables.
    pub fn print(&self, size: &Size) -> io::Result<()> {
        io::stdout().write_all(self.markdown(size).as_bytes())
    }

    fn markdown(&self, size: &Size) -> String {
        let Conditions { date, cpu, cpus, kernel, commit, load, rounds, seconds, quick } = &self.conditions;
        let mut out = format!(
            "{date}, {cpu}, {cpus} CPUs, Linux {kernel}, commit {commit}; {rounds} rounds of {seconds} s; load average \
             before: {load}\n"
        );
        if *quick {
            out.push_str("\n**A quick look: these figures mean nothing.**\n");
        }
        for (scenario, cases) in self.scenarios() {
            let metrics = scenario.metrics();
            out.push_str(&format!("\n**{}** (goal: {})\n\n| server", scenario.title(size), scenario.goal()));
            let partners = scenario.partners(cases[0]);
            partners.iter().for_each(|(title, _)| out.push_str(&format!(" | {title}")));
            metrics.iter().for_each(|metric| out.push_str(&format!(" | {}", metric.title)));
            out.push_str(&format!(" |\n|---{}|\n", "|---".repeat(metrics.len() + partners.len())));
            for case in cases {
                out.push_str(&self.row(scenario, case, &metrics));
            }
        }
        for (name, why) in &self.left_out {
            out.push_str(&format!("\nLeft out: {name}: {why}.\n"));
        }
        out
    }

    fn row(&self, scenario: Scenario, case: Case, metrics: &[Metric]) -> String {
        let mut name = case.peer.title().to_owned();
        if !case.variant.is_empty() {
            name.push_str(&format!(", {}", case.variant));
        }
        let mut row = format!("| {name}");
        for (_, partner) in scenario.partners(case) {
            row.push_str(&format!(" | {}", cell(self.ratio(scenario, case, partner), 2)));
        }
        for (column, metric) in metrics.iter().enumerate() {
            row.push_str(&format!(" | {}", cell(self.spread(scenario, case, column), metric.digits)));
        }
        row.push_str(" |\n");
        for failure in self.failures(scenario, case) {
            row.push_str(&format!("| {name} | **failed**: {failure} |\n"));
        }
        row
    }

    /// Everything, every round of it.
    pub fn json(&self, size: &Size) -> String {
        let turns: Vec<Value> = self
            .turns
            .iter()
            .map(|turn| {
                let mut value = json!({
                    "scenario": turn.scenario.name(), "server": turn.case.peer.name(), "variant": turn.case.variant,
                    "round": turn.round,
                });
                match &turn.figures {
                    Ok(figures) => {
                        for (metric, figure) in turn.scenario.metrics().iter().zip(figures) {
                            value[metric.key] = json!(figure);
                        }
                    }
                    Err(error) => value["failed"] = json!(error),
                }
                value
            })
            .collect();
        let Conditions { date, cpu, cpus, kernel, commit, load, rounds, seconds, quick } = &self.conditions;
        let summary: Vec<Value> = self
            .scenarios()
            .into_iter()
            .flat_map(|(scenario, cases)| cases.into_iter().map(move |case| (scenario, case)))
            .map(|(scenario, case)| {
                let spread = |spread: Option<Spread>| spread.map(|s| json!([s.median, s.min, s.max]));
                let mut value = json!({
                    "scenario": scenario.name(), "title": scenario.title(size), "server": case.peer.name(),
                    "variant": case.variant, scenario.metrics()[0].key: spread(self.spread(scenario, case, 0)),
                });
                for (title, partner) in scenario.partners(case) {
                    value[title] = json!(spread(self.ratio(scenario, case, partner)));
                }
                value
            })
            .collect();
        let all = json!({
            "date": date, "cpu": cpu, "cpus": cpus, "kernel": kernel, "commit": commit, "load_before": load,
            "rounds": rounds, "seconds": seconds, "quick": quick, "summary": summary, "turns": turns,
            "left_out": self.left_out,
        });
        format!("{all:#}\n")
    }
}

fn cell(spread: Option<Spread>, digits: usize) -> String {
    let Some(Spread { median, min, max }) = spread else { return "–".to_owned() };
    let number = |value: f64| {
        let text = format!("{value:.digits$}");
        if digits > 0 { text } else { grouped(&text) }
    };
    let (median, min, max) = (number(median), number(min), number(max));
    if min == max { median } else { format!("{median} ({min}–{max})") }
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Peer;

    fn turn(peer: Peer, round: usize, figures: Result<Figures, String>) -> Turn {
        Turn { scenario: Scenario::One, case: Case { peer, variant: "" }, round, figures }
    }

    #[test]
    fn a_ratio_is_of_two_turns_of_one_round() {
        let mut report = Report::new(Conditions {
            date: String::new(),
            cpu: String::new(),
            cpus: 2,
            kernel: String::new(),
            commit: String::new(),
            load: String::new(),
            rounds: 3,
            seconds: 1.0,
            quick: false,
        });
        for (round, (floor, back)) in [(100.0, 110.0), (200.0, 240.0), (400.0, 400.0)].into_iter().enumerate() {
            report.add(turn(Peer::Floor, round, Ok(vec![floor])));
            report.add(turn(Peer::Back, round, Ok(vec![back])));
        }
        let case = |peer| Case { peer, variant: "" };
        let ratio = report.ratio(Scenario::One, case(Peer::Back), case(Peer::Floor)).unwrap();
        assert_eq!(ratio, Spread { median: 1.1, min: 1.0, max: 1.2 });
        assert!(!report.has_failures());
        report.add(turn(Peer::Ws, 0, Err("a loss".to_owned())));
        assert!(report.has_failures());
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(["1", "1000", "123456", "1234567"].map(grouped), ["1", "1,000", "123,456", "1,234,567"]);
    }
}
