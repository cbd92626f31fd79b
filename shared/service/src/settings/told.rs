//! What a mistake on the command line is told as: what to do, where the standard library only says what is wrong.

use std::{
    error::Error as _,
    net::AddrParseError,
    num::{IntErrorKind, ParseIntError},
};

use clap::{
    Arg, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::settable;

/// The error, in words that help.
pub(super) fn helpful(command: &Command, error: clap::Error) -> clap::Error {
    match value(&error).or_else(|| place(command, &error)) {
        Some(told) => command.clone().error(error.kind(), told),
        None => error,
    }
}

/// A value that is none of its kind.
fn value(error: &clap::Error) -> Option<String> {
    let source = error.source()?;
    let what = if source.is::<AddrParseError>() {
        "give an address in numbers and a port, as in 127.0.0.1:3000"
    } else if source.downcast_ref::<ParseIntError>()?.kind() == &IntErrorKind::InvalidDigit {
        "give a whole number from 0 on, as in 100"
    } else {
        return None;
    };
    let told = error.to_string();
    let told = told.lines().next()?.trim_start_matches("error: ").strip_suffix(&source.to_string())?;
    Some(format!("{told}{what}"))
}

/// A flag of the program that stands behind a command, which does not know it.
fn place(command: &Command, error: &clap::Error) -> Option<String> {
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return None;
    };
    let is_known = settable(command).filter_map(Arg::get_long).any(|known| flag.strip_prefix("--") == Some(known));
    let name = command.get_name();
    is_known.then(|| format!("{flag} stands before the command: {name} {flag} … COMMAND"))
}
