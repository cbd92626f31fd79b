//! What an operator does with accounts, beside the server that runs.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use shared::Name;

use super::{book::Account, file::Accounts, password, word};

/// Adds somebody, with the password from the terminal or standard input.
///
/// # Errors
/// When the name is taken, the password is none, or the file cannot be written.
pub(crate) fn add(file: &Path, name: &Name) -> anyhow::Result<()> {
    let accounts = Accounts::open(file.to_owned())?;
    anyhow::ensure!(accounts.now().named(name).is_none(), "there is an account of that name already");
    let (id, name, password) = (word()?, name.clone(), ask()?);
    let account = Account { id, name, password, sign_ins: Vec::new(), rooms: Vec::new() };
    accounts.change(|book| book.add(account))
}

/// Gives somebody another password, and signs them out everywhere.
///
/// # Errors
/// When there is nobody of that name, the password is none, or the file cannot be written.
pub(crate) fn change(file: &Path, name: &Name) -> anyhow::Result<()> {
    let accounts = Accounts::open(file.to_owned())?;
    anyhow::ensure!(accounts.now().named(name).is_some(), "there is no account of that name");
    let password = ask()?;
    accounts.change(|book| {
        let account = book.change(name)?;
        account.password = password;
        account.sign_ins.clear();
        Ok(())
    })
}

/// Takes somebody out.
///
/// # Errors
/// When there is nobody of that name, or the file cannot be written.
pub(crate) fn remove(file: &Path, name: &Name) -> anyhow::Result<()> {
    Accounts::open(file.to_owned())?.change(|book| {
        let id = book.change(name)?.id.clone();
        book.accounts.retain(|account| account.id != id);
        Ok(())
    })
}

/// Everybody's names.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn list(file: &Path) -> anyhow::Result<Vec<Name>> {
    Ok(Accounts::open(file.to_owned())?.now().accounts.iter().map(|account| account.name.clone()).collect())
}

/// Reads a password, and says what is kept of it. On a terminal nobody sees it, and it is asked for twice.
fn ask() -> anyhow::Result<String> {
    let input = io::stdin();
    if !input.is_terminal() {
        return password::hash(&line(&mut input.lock())?);
    }
    let before = tcgetattr(&input)?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &quiet)?;
    let both = prompt("Password: ").and_then(|first| Ok((first, prompt("Once more: ")?)));
    tcsetattr(&input, OptionalActions::Flush, &before)?;
    let (first, second) = both?;
    anyhow::ensure!(first == second, "these were two passwords; nothing was changed");
    password::hash(&first)
}

fn prompt(text: &str) -> anyhow::Result<String> {
    let mut out = io::stderr();
    write!(out, "{text}")?;
    out.flush()?;
    let said = line(&mut io::stdin().lock());
    writeln!(out)?;
    said
}

/// A line without its end, and without the mark (U+FEFF) with which some editors begin a file: nobody can type it. Spaces
/// belong to a password.
fn line(input: &mut impl BufRead) -> anyhow::Result<String> {
    let mut text = String::new();
    io::Read::take(input, 2 * password::MOST as u64).read_line(&mut text)?;
    Ok(text.trim_start_matches('\u{FEFF}').trim_end_matches(['\r', '\n']).to_owned())
}
