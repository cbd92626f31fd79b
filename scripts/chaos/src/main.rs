//! `chaos`: breaks Madang on purpose and judges what everybody was told. Arguments → rounds → histories → verdicts →
//! exit code: 0 valid, 1 invalid, 2 unknown.

mod abilities;
mod arguments;
mod body;
mod clients;
mod event;
mod faults;
mod folder;
mod prove;
mod random;
mod record;
mod round;
mod soak;
mod verdict;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use abilities::Abilities;
use arguments::{Arguments, Command, Run};
use folder::Folder;
use prove::servers::{BROADCAST, PROGRAMS, Trial};
use record::Recorder;
use round::{Round, history_in};
use tokio::signal::unix::{SignalKind, signal};
use verdict::{Outcome, Verdict, judge};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::from_process();
    // What is dropped takes its processes and folders with it.
    let done = tokio::select! {
        done = carry_out(arguments.command) => done,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        () = terminated() => Err(anyhow::anyhow!("terminated")),
    };
    match done {
        Ok(Outcome::Valid) => ExitCode::SUCCESS,
        Ok(Outcome::Invalid) => ExitCode::from(1),
        Ok(Outcome::Unknown) => ExitCode::from(2),
        Err(error) => {
            _ = writeln!(std::io::stderr(), "chaos: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn carry_out(command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Run(run) => rounds(&run).await,
        Command::Soak(soak) => soak::run(&soak).await,
        Command::Judge { file } => judge_file(&file),
        Command::Prove { programs } => prove(programs.as_deref()).await,
    }
}

/// Waits for SIGTERM.
async fn terminated() {
    match signal(SignalKind::terminate()) {
        Ok(mut asked) => _ = asked.recv().await,
        Err(_) => std::future::pending().await,
    }
}

fn judge_file(file: &Path) -> anyhow::Result<Outcome> {
    let verdict = judge(&record::read(file)?);
    say(&verdict.to_string())?;
    Ok(verdict.outcome())
}

/// Runs one round after the other; the worst outcome is the outcome of all.
async fn rounds(run: &Run) -> anyhow::Result<Outcome> {
    let mut abilities = Abilities::of(&run.programs)?;
    abilities.disk &= !run.memory;
    let rounds = run.rounds(&abilities)?;
    let mut outcomes = Vec::new();
    for round in &rounds {
        let (verdict, kept) = one_round(round, run, &abilities).await?;
        say(&format!("seed {}: {verdict}", round.seed))?;
        if let Some(kept) = kept {
            say(&format!("kept in {}", kept.display()))?;
        }
        outcomes.push(verdict.outcome());
    }
    let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    let (valid, invalid, unknown) = (count(Outcome::Valid), count(Outcome::Invalid), count(Outcome::Unknown));
    say(&format!("{valid} valid, {invalid} invalid, {unknown} unknown"))?;
    Ok(match (invalid, unknown, valid) {
        (0, 0, 1..) => Outcome::Valid,
        (1.., ..) => Outcome::Invalid,
        _ => Outcome::Unknown,
    })
}

/// Runs a round: its verdict, and where its files are if they were kept.
async fn one_round(round: &Round, run: &Run, abilities: &Abilities) -> anyhow::Result<(Verdict, Option<PathBuf>)> {
    let mut folder = Folder::create(&format!("seed-{}", round.seed))?;
    let history = history_in(folder.path());
    let recorder = Arc::new(Recorder::create(&history)?);
    if let Err(error) = round.against_programs(abilities, folder.path(), &recorder).await {
        // What was recorded has no end, so it is judged as unknown at best.
        _ = writeln!(std::io::stderr(), "seed {}: the round broke off: {error:#}", round.seed);
    }
    recorder.finish()?;
    let verdict = judge(&record::read(&history)?);
    if let Some(file) = &run.record {
        let mut name = file.clone().into_os_string();
        if run.seeds > 1 {
            name.push(format!(".{}", round.seed));
        }
        std::fs::copy(&history, name)?;
    }
    let kept = (run.keep || verdict.outcome() != Outcome::Valid).then(|| {
        folder.keep();
        folder.path().to_owned()
    });
    Ok((verdict, kept))
}

async fn prove(programs: Option<&Path>) -> anyhow::Result<Outcome> {
    let (right, wrong) = prove::on_paper();
    for sentence in &wrong {
        say(sentence)?;
    }
    say(&format!("made-up histories: {right} judged rightly, {} wrongly", wrong.len()))?;
    let mut proven = wrong.is_empty();
    let abilities = programs.map(Abilities::of).transpose()?;
    let of_programs = abilities.as_ref().map(|abilities| PROGRAMS.iter().map(move |trial| (trial, Some(abilities))));
    let trials: Vec<_> = BROADCAST.iter().map(|trial| (trial, None)).chain(of_programs.into_iter().flatten()).collect();
    // Two at a time: they mostly wait.
    let (one, other) = trials.split_at(trials.len() / 2);
    let (one, other) = tokio::join!(try_trials(1, one), try_trials(11, other));
    proven &= one? & other?;
    say(if proven { "the checker is proven" } else { "the checker is NOT proven" })?;
    Ok(if proven { Outcome::Valid } else { Outcome::Invalid })
}

/// Runs these trials one after the other; whether each came to what it must.
async fn try_trials(seed: u64, trials: &[(&Trial, Option<&Abilities>)]) -> anyhow::Result<bool> {
    let mut proven = true;
    for (seed, (trial, abilities)) in (seed..).zip(trials) {
        proven &= tell(trial, &trial.run(seed, *abilities).await?)?;
    }
    Ok(proven)
}

fn tell(trial: &Trial, verdict: &Verdict) -> anyhow::Result<bool> {
    let as_expected = trial.is_met_by(verdict);
    let word = if as_expected { "as it must be" } else { "NOT as it must be" };
    say(&format!("{}: {verdict}, {word}", trial.name))?;
    Ok(as_expected)
}

/// Writes a line to standard output.
fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}
