//! A program's settings, from its arguments, its environment and a file: a flag wins over a variable, a variable over the
//! file, the file over the default. What there is to set is what the program's command line knows; this adds the file, by
//! giving what stands in it as flags, so that everything that holds for a flag holds for it.

mod file;
mod print;
mod standing;
mod told;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, ArgMatches, Command, Parser, error::ErrorKind, parser::ValueSource, value_parser};

use file::Entry;
pub use standing::{Change, Standing};
use told::helpful;

/// The flag that names the file.
const CONFIG: &str = "config";
/// The command that looks whether the settings make sense.
const CHECK: &str = "check-config";

/// What a process was asked to do.
#[derive(Debug)]
pub enum Asked<T> {
    /// What its arguments say.
    Run(Settings<T>),
    /// Only to look whether they make sense.
    Check(Settings<T>),
    /// To write this to standard output.
    Print(String),
}

/// Settings that make sense.
#[derive(Debug, Clone)]
pub struct Settings<T> {
    /// As the program knows them.
    pub value: T,
    /// The file that they come from, if there is one.
    pub file: Option<PathBuf>,
    values: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Value {
    texts: Vec<String>,
    from: From,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Flag,
    Variable,
    File,
    Default,
}

impl<T> Settings<T> {
    /// Where everything that is not left to the program comes from, for people: without the values.
    pub fn sources(&self) -> String {
        let named = |from| {
            let keys = self.values.iter().filter(|(_, value)| value.from == from).map(|(key, _)| key.as_str());
            keys.collect::<Vec<_>>().join(", ")
        };
        let from_file = self.file.as_ref().map(|file| (format!("from {}", file.display()), named(From::File)));
        let others =
            [("from variables".to_owned(), named(From::Variable)), ("from flags".to_owned(), named(From::Flag))];
        let lines = from_file.into_iter().chain(others).filter(|(_, keys)| !keys.is_empty());
        lines.map(|(from, keys)| format!("{from}: {keys}\n")).collect()
    }

    /// The settings, and what is known of them without them.
    fn apart(self) -> (T, Settings<()>) {
        (self.value, Settings { value: (), file: self.file, values: self.values })
    }

    /// What is set otherwise here than there, by its flag's name.
    fn changed<'a>(&'a self, before: &'a Self) -> Vec<&'a str> {
        let texts = |settings: &'a Self, key: &str| settings.values.get(key).map(|value| &value.texts);
        let keys = self.values.keys().chain(before.values.keys().filter(|key| !self.values.contains_key(*key)));
        keys.filter(|key| texts(self, key) != texts(before, key)).map(String::as_str).collect()
    }
}

/// Reads this process's arguments, its environment and the file that they name; ends the process with a sentence when they
/// make no sense, or were a call for something else. Whoever asks whether they do is told what `check` finds too.
pub fn from_process<T: Parser>(check: impl FnOnce(T) -> Result<(), String>) -> (T, Standing) {
    let said = match from_args::<T>(std::env::args_os()).unwrap_or_else(|error| error.exit()) {
        Asked::Run(settings) => {
            let (value, settings) = settings.apart();
            return (value, Standing::new(settings));
        }
        Asked::Print(text) => text,
        Asked::Check(settings) => {
            let sources = settings.sources();
            match check(settings.value) {
                Ok(()) => format!("{sources}The settings make sense.\n"),
                Err(error) => command::<T>().error(ErrorKind::InvalidValue, error).exit(),
            }
        }
    };
    // Standard output may be closed; that is no reason to complain.
    _ = std::io::stdout().write_all(said.as_bytes());
    std::process::exit(0)
}

/// The same of these arguments, the first of which is the program's name.
///
/// # Errors
/// What is wrong with them, or what was asked for instead of them.
pub fn from_args<T: Parser>(args: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Asked<T>, clap::Error> {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let command = command::<T>();
    // What flags say, as far as they can be understood: the file may hold what makes sense of them.
    let said = without_variables(command.clone()).ignore_errors(true).try_get_matches_from(&args);
    let is_print = |said: &ArgMatches| said.subcommand_name() == Some(CONFIG);
    let file = match &said {
        Ok(said) if !is_print(said) => flag_of(said, CONFIG)
            .map(PathBuf::from)
            .or_else(|| std::env::var_os(variable_of(&command)).map(PathBuf::from)),
        _ => None,
    };
    let entries = match &file {
        Some(file) => file::read(file, &command).map_err(|error| sentence(&command, file, &error))?,
        None => Vec::new(),
    };
    if let Some(file) = &file {
        for entry in &entries {
            check(&command, entry).map_err(|error| sentence(&command, file, &error))?;
        }
    }
    let is_said = |entry: &Entry| said.as_ref().is_ok_and(|said| is_flag(said, &entry.id)) || entry.is_overruled;
    let used: Vec<&Entry> = entries.iter().filter(|entry| !is_said(entry)).collect();
    let mut all = args.clone();
    all.splice(
        1.min(args.len())..1.min(args.len()),
        used.iter().flat_map(|entry| entry.flags.iter().map(OsString::from)),
    );
    let matches = command.clone().try_get_matches_from(all).map_err(|error| helpful(&command, error));
    let matches = matches.map_err(|error| match &file {
        Some(file) if error.use_stderr() && !used.is_empty() => {
            let told = error.to_string();
            let told = told.trim_start_matches("error: ").trim_end();
            command.clone().error(error.kind(), format!("{told}\n\nWhat stands in {} counts as flags.", file.display()))
        }
        _ => error,
    })?;
    if let Some((CONFIG, _)) = matches.subcommand() {
        return Ok(Asked::Print(print::default(&command)));
    }
    let values = values(&command, &matches, &used);
    let checks = matches.subcommand_name() == Some(CHECK);
    let mut plain = matches;
    if checks {
        _ = plain.remove_subcommand();
    }
    let settings = Settings { value: T::from_arg_matches_mut(&mut plain)?, file, values };
    Ok(if checks { Asked::Check(settings) } else { Asked::Run(settings) })
}

/// The program's command line with what this adds to it.
fn command<T: Parser>() -> Command {
    let command = T::command();
    let name = command.get_name().to_owned();
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .env(variable_of(&command))
        .value_parser(value_parser!(PathBuf))
        .global(true)
        .help(format!(
            "A file with settings, as `{name} config --default` prints one; flags and variables win over it"
        ));
    let default = Arg::new("default").long("default").required(true).action(ArgAction::SetTrue);
    let default = default.help("With everything as it is when nothing is set");
    command
        // Whatever the program's last flags stand under.
        .next_help_heading(None::<&str>)
        .arg(config)
        .subcommand(Command::new(CONFIG).about("Write a file with all settings to standard output").arg(default))
        .subcommand(
            Command::new(CHECK)
                .about("Look whether flags, variables and file make sense, and say where settings come from"),
        )
}

fn variable_of(command: &Command) -> String {
    format!("{}_CONFIG", command.get_name().to_uppercase())
}

fn without_variables(command: Command) -> Command {
    command.mut_args(|arg| arg.env(None::<&'static str>))
}

/// Everything that can be set: what has a name and is shown to people.
fn settable(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|arg| arg.get_id() != CONFIG && arg.get_long().is_some() && !arg.is_hide_set())
        .filter(|arg| {
            !matches!(
                arg.get_action(),
                ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
            )
        })
}

fn is_flag(said: &ArgMatches, id: &str) -> bool {
    let here = said.try_contains_id(id).unwrap_or(false) && said.value_source(id) == Some(ValueSource::CommandLine);
    here || said.subcommand().is_some_and(|(_, said)| is_flag(said, id))
}

fn flag_of(said: &ArgMatches, id: &str) -> Option<OsString> {
    let below = said.subcommand().and_then(|(_, said)| flag_of(said, id));
    below.or_else(|| said.try_get_raw(id).ok()??.next().map(OsString::from))
}

/// Whether a setting of the file makes sense by itself.
fn check(command: &Command, entry: &Entry) -> Result<(), String> {
    let name = OsString::from(command.get_name());
    let args = [name].into_iter().chain(entry.flags.iter().map(OsString::from));
    match without_variables(command.clone()).try_get_matches_from(args) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::TooManyValues
            ) =>
        {
            let told = helpful(command, error).to_string();
            let told = told.lines().next().unwrap_or_default().trim_start_matches("error: ");
            Err(format!("{}: {told}", entry.key))
        }
        _ => Ok(()),
    }
}

fn sentence(command: &Command, file: &Path, told: &str) -> clap::Error {
    command.clone().error(ErrorKind::InvalidValue, format!("{}: {told}", file.display()))
}

/// What holds, as text.
fn values(command: &Command, matches: &ArgMatches, used: &[&Entry]) -> BTreeMap<String, Value> {
    let value = |arg: &Arg| {
        let id = arg.get_id().as_str();
        let texts = matches.get_raw(id)?.map(|text| text.to_string_lossy().into_owned()).collect();
        let from = match matches.value_source(id)? {
            ValueSource::CommandLine if used.iter().any(|entry| entry.id == id) => From::File,
            ValueSource::CommandLine => From::Flag,
            ValueSource::EnvVariable => From::Variable,
            _ => From::Default,
        };
        Some((arg.get_long()?.to_owned(), Value { texts, from }))
    };
    settable(command).filter_map(value).collect()
}

#[cfg(test)]
mod tests;
