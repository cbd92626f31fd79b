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

use crate::{browser::Browser, figures::Table, link::Link, site::Site, visit::Visit};

/// Loads the room page and a stand-in for a heavier one, cold and warm, without and with a network between.
#[derive(Debug, Parser)]
struct Options {
    /// How often everything is measured; medians are shown
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
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

    /// Where it is, and which elements are its messages.
    fn address(self) -> (&'static str, &'static str) {
        match self {
            Self::Madang => ("/r/dev?lang=en", "#messages .message"),
            Self::StandIn => ("/static/standin/index.html", "#messages .message"),
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
    let site = Site::start(&options.programs, &options.assets).await?;
    let mut browser = Browser::start(&options.chromium).await?;
    let mut tables: Vec<(Link, Table)> = Link::ALL.into_iter().map(|link| (link, Table::new())).collect();
    for round in 0..options.rounds {
        say(&format!("round {} of {}", round + 1, options.rounds));
        for (link, table) in &mut tables {
            let way = link.open(site.address()).await?;
            for at in 0..Page::ALL.len() {
                // Who is first changes from round to round.
                let page = Page::ALL[(at + usize::from(round)) % Page::ALL.len()];
                let (cold, warm) = Visit::twice(&mut browser, &way, page.address()).await?;
                table.push(page, "cold", cold);
                table.push(page, "warm", warm);
            }
        }
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{}", figures::head(&browser.version).await)?;
    for (link, table) in &tables {
        write!(out, "\n**{}**\n\n{}", link.title(), table.to_markdown())?;
    }
    writeln!(out, "\n{}", site.weight().await?)?;
    Ok(())
}
