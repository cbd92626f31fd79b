//! A file with all settings, each with what the command line says of it.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use super::settable;

/// Longest line of a comment.
const WIDTH: usize = 100;

/// Everything as it is when nothing is set, commented out.
pub(super) fn default(command: &Command) -> String {
    let name = command.get_name();
    let about = format!(
        "Settings of {name}. Give this file with --config or {}; `{name} check-config` looks whether it makes sense. A flag \
         wins over a variable, a variable over this file, and a list is taken whole from one of them. Take the # away from \
         what is to be set.",
        super::variable_of(command)
    );
    let mut out = String::new();
    comment(&about, &mut out);
    for arg in settable(command) {
        out.push('\n');
        comment(&explanation(arg), &mut out);
        // Nothing in writing to a string can fail.
        _ = writeln!(out, "#{} = {}", arg.get_long().unwrap_or_default(), value(arg));
    }
    out
}

fn explanation(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut text = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let words: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !matches!(arg.get_action(), ArgAction::SetTrue) && !value.is_hide_set())
        .map(|value| match value.get_help() {
            Some(help) => format!("{} ({help})", value.get_name()),
            None => value.get_name().to_owned(),
        })
        .collect();
    if !words.is_empty() {
        text += &format!(". One of: {}", words.join(", "));
    }
    if let Some(name) = arg.get_env() {
        text += &format!(" [{}]", name.to_string_lossy());
    }
    text
}

fn value(arg: &Arg) -> String {
    let defaults = arg.get_default_values().first().map(|text| text.to_string_lossy().into_owned());
    let name = || arg.get_value_names().and_then(|names| names.first()).map_or("VALUE".to_owned(), ToString::to_string);
    match (arg.get_action(), defaults) {
        (ArgAction::SetTrue, _) => "false".to_owned(),
        (ArgAction::Append, _) => format!("[{}]", quoted(&name())),
        (_, Some(text)) if is_number(&text) => text,
        (_, Some(text)) => quoted(&text),
        (_, None) => quoted(&name()),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn is_number(text: &str) -> bool {
    format!("n = {text}")
        .parse::<toml::Table>()
        .is_ok_and(|table| table.get("n").is_some_and(|value| value.is_integer() || value.is_float()))
}

fn comment(text: &str, out: &mut String) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            _ = writeln!(out, "# {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    _ = writeln!(out, "# {line}");
}
