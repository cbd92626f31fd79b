//! Rounds: in each, everybody has a turn, and who is first changes, so that what else the machine does falls on all.

use crate::{
    chart, machine,
    options::Options,
    peer::Place,
    report::{Conditions, Report, Turn},
    say,
    scenarios::{Case, Scenario},
};

/// Runs everything, prints the report and writes the results; false when a run failed.
pub fn run(options: &Options) -> anyhow::Result<bool> {
    let size = options.size(machine::raise_descriptor_limit());
    std::fs::create_dir_all(&options.results)?;
    let place = Place {
        scripts: options.scripts.clone(),
        cache: options.cache.clone(),
        ..Place::pinned(&options.programs, &options.results)?
    };
    let conditions = Conditions {
        date: machine::date(),
        cpu: machine::cpu_model(),
        cpus: machine::cpus()?.len(),
        kernel: machine::kernel(),
        commit: options.commit.clone(),
        load: machine::load(),
        rounds: options.rounds(),
        seconds: size.time.as_secs_f64(),
        quick: options.quick,
    };
    let mut report = Report::new(conditions);
    for scenario in Scenario::ALL {
        if !options.only.is_empty() && !options.only.contains(&scenario) {
            continue;
        }
        if let Some(why) = scenario.impossible() {
            say(&format!("{}: left out: {why}", scenario.name()));
            report.leave_out(scenario.name(), &why);
            continue;
        }
        let cases = cases(scenario, options, &place, &mut report);
        for round in 0..options.rounds() {
            for step in 0..cases.len() {
                let case = cases[(step + round) % cases.len()];
                let figures = scenario.run(case, &size, &place);
                let name = format!("{} {}", case.peer.name(), case.variant);
                let first = match &figures {
                    Ok(figures) => {
                        format!("{:.*} {}", scenario.metrics()[0].digits, figures[0], scenario.metrics()[0].title)
                    }
                    Err(error) => format!("FAILED: {error:#}"),
                };
                say(&format!("{} {}/{}: {name}: {first}", scenario.name(), round + 1, options.rounds()));
                report.add(Turn { scenario, case, round, figures: figures.map_err(|error| format!("{error:#}")) });
            }
        }
    }
    report.print(&size)?;
    std::fs::write(options.results.join("results.json"), report.json(&size))?;
    std::fs::write(options.results.join("fanout.svg"), chart::draw(&report))?;
    say(&format!("results.json and fanout.svg are in {}", options.results.display()));
    Ok(!report.has_failures())
}

/// Who takes part: those asked for and their partners, as far as they are here.
fn cases(scenario: Scenario, options: &Options, place: &Place, report: &mut Report) -> Vec<Case> {
    let all = scenario.cases();
    let asked = |case: Case| options.peers.is_empty() || options.peers.contains(&case.peer);
    let is_partner = |case: Case, of: Case| scenario.partners(of).iter().any(|(_, partner)| *partner == case);
    let wanted = |case: Case| asked(case) || all.iter().any(|&one| asked(one) && is_partner(case, one));
    let mut cases = Vec::new();
    for &case in all.iter().filter(|&&case| wanted(case)) {
        match case.peer.missing(place) {
            Some(why) => report.leave_out(case.peer.name(), &why),
            None => cases.push(case),
        }
    }
    cases
}
