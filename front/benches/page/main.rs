//! The driver of `scripts/bench-page`: what the room page weighs and when its first message stands on the screen, in a real
//! browser, beside a page with as much script as chat pages of this field have.

mod browser;
mod figures;
mod link;
mod site;
mod standin;
mod visit;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;

use crate::{link::Link, site::Site, visit::Visit};

/// Loads the room page and a stand-in for a heavier one, cold and warm, without and with a network between.
#[derive(Debug, Parser)]
struct Options {
    /// How often everything is measured; medians are shown
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// Folder with the programs `back` and `front`
    #[arg(long)]
    programs: PathBuf,

    /// Folder with the page's scripts, styles and words
    #[arg(long)]
    assets: PathBuf,

    /// Chromium
    #[arg(long, env = "CHROMIUM", default_value = "chromium")]
    chromium: PathBuf,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// The pages that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Madang,
    StandIn,
}

impl Page {
    const ALL: [Self; 2] = [Self::Madang, Self::StandIn];

    fn title(self) -> &'static str {
        match self {
            Self::Madang => "**Madang**, a room with 50 messages",
            Self::StandIn => "stand-in with 300 KB of script",
        }
    }

    fn address(self, site: &Site) -> &str {
        match self {
            Self::Madang => "/r/dev?lang=en",
            Self::StandIn => &site.standin,
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(&options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench-page: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A line for whoever watches.
fn say(line: &str) {
    _ = writeln!(io::stderr(), "{line}");
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let machine = figures::machine();
    let site = Site::start(&options.programs, &options.assets).await?;
    let mut measured = Vec::new();
    for link in Link::ALL {
        measured.push((link, link.open(site.address).await?, Vec::new()));
    }
    for round in 0..options.rounds {
        say(&format!("round {} of {}", round + 1, options.rounds));
        for (_, way, visits) in &mut measured {
            for at in 0..Page::ALL.len() {
                // Who is first changes from round to round.
                let page = Page::ALL[(at + usize::from(round)) % Page::ALL.len()];
                visits.push((page, Visit::twice(&options.chromium, way, page.address(&site)).await?));
            }
        }
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{machine}")?;
    for (link, _, visits) in &measured {
        write!(out, "\n**{}**\n\n{}", link.title(), figures::table(visits))?;
    }
    Ok(())
}
