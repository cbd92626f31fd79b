//! What the program does instead of serving: accounts and rooms, as an operator wants them.

use std::path::Path;

use anyhow::Context;

use crate::{
    Config,
    accounts::{room_tool, tool},
    config::{RoomTool, Tool, UserTool},
};

/// What came of it.
#[derive(Debug, Default)]
pub struct Done {
    /// What was asked for.
    pub output: String,
    /// What was done, for people.
    pub note: String,
}

impl Done {
    fn note(note: String) -> Self {
        Self { output: String::new(), note: note + "\n" }
    }

    fn output(output: String) -> Self {
        Self { output, note: String::new() }
    }
}

/// Does what an operator wants.
///
/// # Errors
/// When it cannot be done.
pub fn run(config: &Config, tool: &Tool) -> anyhow::Result<Done> {
    let file = config.accounts.as_deref().context("say with --accounts or FRONT_ACCOUNTS in which file")?;
    match tool {
        Tool::User(act) => user(file, act),
        Tool::Room(act) => room(config, file, act),
    }
}

fn user(file: &Path, act: &UserTool) -> anyhow::Result<Done> {
    Ok(match act {
        UserTool::Add { name } => {
            tool::add(file, name)?;
            Done::note(format!("{name} can sign in"))
        }
        UserTool::Password { name } => {
            tool::change(file, name)?;
            Done::note(format!("{name} has another password, and is signed out everywhere"))
        }
        UserTool::Remove { name } => {
            tool::remove(file, name)?;
            Done::note(format!("{name} is out"))
        }
        UserTool::List => {
            let names = tool::list(file)?;
            if names.is_empty() {
                return Ok(Done::note(format!("there is no account in {}", file.display())));
            }
            Done::output(names.iter().map(|name| format!("{name}\n")).collect())
        }
    })
}

fn room(config: &Config, file: &Path, act: &RoomTool) -> anyhow::Result<Done> {
    Ok(match act {
        RoomTool::List => Done::output(room_tool::list(file)?),
        RoomTool::Open { rooms } => {
            room_tool::open(file, rooms)?;
            Done::note(format!("{}: open to everybody who signed in", rooms.join(" ")))
        }
        RoomTool::Close { rooms } => {
            room_tool::close(file, rooms)?;
            Done::note(format!("{}: for members alone", rooms.join(" ")))
        }
        RoomTool::Add { room, name } => {
            room_tool::add(file, room, name)?;
            Done::note(format!("{name} is a member of {room}"))
        }
        RoomTool::Remove { room, name } => {
            room_tool::remove(file, room, name)?;
            Done::note(format!("{name} is no member of {room} any more"))
        }
        RoomTool::Invite { room, uses, days, site } => {
            let word = room_tool::invite(file, room, *uses, *days)?;
            let site = site.clone().unwrap_or_else(|| here(config));
            let link = format!("{}/invited/{word}\n", site.trim_end_matches('/'));
            let note = format!("makes {uses} people members of {room}, within {days} days; it is shown only now\n");
            Done { output: link, note }
        }
        RoomTool::Revoke { room } => {
            let links = room_tool::revoke(file, room)?;
            Done::note(format!("{links} links to {room} are worthless now"))
        }
    })
}

/// Where the server would be found that these settings start.
fn here(config: &Config) -> String {
    let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
    format!("{scheme}://{}{}", config.listen, config.base_path)
}
