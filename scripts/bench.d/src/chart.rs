//! The chart of the results: a bar for each server, in a panel for each scenario of fan-out. SVG without a library; its
//! colours suit light and dark pages. Pure.

use crate::{
    peer::Peer,
    report::Report,
    scenarios::{Case, Scenario},
};

const WIDTH: f64 = 760.0;
/// Where bars begin.
const LEFT: f64 = 210.0;
/// Where the longest ends; its figure stands behind it.
const RIGHT: f64 = 640.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const HEAD: f64 = 44.0;

/// Draws the scenarios that measure CPU per delivery.
pub fn draw(report: &Report) -> String {
    let mut body = String::new();
    let mut top = 10.0;
    for (scenario, cases) in report.scenarios() {
        let title = match scenario {
            Scenario::One => "One message in flight: server CPU per delivery, ns (less is better)",
            Scenario::Many => "64 in flight from 16 publishers: server CPU per delivery, ns (less is better)",
            Scenario::History => "64 in flight, history on disk and in memory: server CPU per delivery, ns",
            _ => continue,
        };
        let bars: Vec<(Case, f64)> = cases
            .into_iter()
            .filter(|case| case.variant.is_empty())
            .filter_map(|case| Some((case, report.spread(scenario, case, 0)?.median)))
            .collect();
        top += panel(&mut body, title, &bars, top);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\" role=\"img\" \
         aria-label=\"Server CPU per delivery\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <style>\n\
         text {{ fill: #24292f }} .soft {{ fill: #57606a }} .line {{ stroke: #8c959f; stroke-opacity: .35 }}\n\
         .ours {{ fill: #0f7b6c }} .floor {{ fill: #8c959f }} .other {{ fill: #6e8fb8 }}\n\
         @media (prefers-color-scheme: dark) {{\n\
         text {{ fill: #e6edf3 }} .soft {{ fill: #9da7b3 }} .ours {{ fill: #3fc1ad }} .other {{ fill: #7d9cc6 }}\n\
         }}\n\
         </style>\n{body}</svg>\n"
    )
}

/// Draws one panel and says how high it is.
fn panel(out: &mut String, title: &str, bars: &[(Case, f64)], top: f64) -> f64 {
    let most = bars.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let x = |value: f64| LEFT + (RIGHT - LEFT) * value / most;
    let height = bars.len() as f64 * STEP;
    out.push_str(&format!("<text x=\"10\" y=\"{:.0}\" font-weight=\"600\">{title}</text>\n", top + 18.0));
    // Lines at round figures, three to eight of them.
    let power = 10_f64.powf(most.log10().floor());
    let every = power * if most / power < 3.0 { 0.5 } else { 1.0 };
    for line in 0..=(most / every) as usize {
        let (value, y) = (every * line as f64, top + HEAD);
        out.push_str(&format!(
            "<line class=\"line\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <text class=\"soft\" x=\"{at:.1}\" y=\"{:.1}\" font-size=\"11\" text-anchor=\"middle\">{value:.0}</text>\n",
            y - 4.0,
            y + height,
            y - 8.0,
            at = x(value)
        ));
    }
    for (row, (case, value)) in bars.iter().enumerate() {
        let y = top + HEAD + row as f64 * STEP;
        let class = match case.peer {
            Peer::Back | Peer::BackSqlite => "ours",
            Peer::Floor | Peer::Batched => "floor",
            _ => "other",
        };
        let name = case.peer.title().replace(['*', '`'], "");
        out.push_str(&format!(
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{value:.0}</text>\n",
            LEFT - 10.0,
            y + 14.0,
            y + 1.0,
            x(*value) - LEFT,
            x(*value) + 6.0,
            y + 14.0
        ));
    }
    HEAD + height + 16.0
}
