//! The file: TOML, whose keys are the names of flags.

use std::{fs, path::Path};

use clap::{Arg, ArgAction, Command};
use toml::{Table, Value};

use super::settable;

/// What stands in the file of one setting.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// The setting's id on the command line.
    pub(super) id: String,
    /// As flags.
    pub(super) flags: Vec<String>,
    /// Whether a variable says something else.
    pub(super) is_overruled: bool,
}

/// A key that is this unlike every other is not taken for one of them.
const LIKE: f64 = 0.75;

/// Reads the settings in a file.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn read(file: &Path, command: &Command) -> Result<Vec<Entry>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("it cannot be read: {error}"))?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string().trim_end().to_owned())?;
    table.iter().map(|(key, value)| entry(key, value, command)).collect()
}

fn entry(key: &str, value: &Value, command: &Command) -> Result<Entry, String> {
    let arg = settable(command).find(|arg| arg.get_long() == Some(key)).ok_or_else(|| unknown(key, command))?;
    let wrong = |what: &str| format!("{key}: {what}");
    let takes_many = matches!(arg.get_action(), ArgAction::Append);
    let flags = match (value, arg.get_action()) {
        (Value::Boolean(is), ArgAction::SetTrue) => is.then(|| format!("--{key}")).into_iter().collect(),
        (_, ArgAction::SetTrue) => return Err(wrong("give true or false")),
        (Value::Array(values), _) if takes_many => {
            let texts = values.iter().map(|value| text(value).ok_or_else(|| wrong("give a list of texts")));
            texts.map(|text| Ok(format!("--{key}={}", text?))).collect::<Result<_, String>>()?
        }
        (Value::Array(_), _) => return Err(wrong("give one value, and no list")),
        (value, _) => vec![format!("--{key}={}", text(value).ok_or_else(|| wrong("give a text or a number"))?)],
    };
    let is_overruled = arg.get_env().is_some_and(|name| std::env::var_os(name).is_some());
    Ok(Entry { key: key.to_owned(), id: arg.get_id().to_string(), flags, is_overruled })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

fn unknown(key: &str, command: &Command) -> String {
    let known = settable(command).filter_map(Arg::get_long);
    let likeness = |other: &str| strsim::jaro_winkler(&key.replace('_', "-").to_lowercase(), other);
    let nearest = known.map(|other| (likeness(other), other)).max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest.filter(|(likeness, _)| *likeness >= LIKE) {
        Some((_, nearest)) => format!("there is no setting {key}; did you mean {nearest}?"),
        None => format!("there is no setting {key}; `{} config --default` lists all", command.get_name()),
    }
}
