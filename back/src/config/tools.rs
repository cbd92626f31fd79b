//! The commands that need no server, and what the process is to do.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use service::settings::{self, Standing};
use shared::{Name, RoomName};

use super::{Config, args::Args};
use crate::history::sqlite::Format;

#[derive(Debug, Subcommand)]
pub(super) enum ToolArgs {
    /// Copy history to a file, also while the server runs
    Backup {
        /// The copy; must not be there yet
        file: PathBuf,
    },
    /// Write a room's messages to standard output, oldest first
    Export {
        /// The room's name
        #[arg(value_parser = room)]
        room: RoomName,
        /// As lines for people, or as the wire's messages
        #[arg(long, value_enum, default_value_t = FormatArg::Txt)]
        format: FormatArg,
    },
    /// Look whether history is whole; ends with 1 if it is not
    Check,
    /// Name moderators, also while the server runs
    #[command(subcommand)]
    Moderator(ModeratorArgs),
    /// Make the key that tickets are signed with, or a ticket by hand
    #[command(subcommand)]
    Ticket(TicketArgs),
}

#[derive(Debug, Subcommand)]
pub(super) enum TicketArgs {
    /// Write a new key to a file
    Key {
        /// The file; must not be there yet
        file: PathBuf,
    },
    /// Write a ticket for one hello within 30 s to standard output; signed with --ticket-key
    Make {
        /// Whose: the account
        account: String,
        /// What they are called; without it they choose
        #[arg(long, value_parser = name)]
        name: Option<Name>,
        /// Rooms that they may see, as for --guest-rooms
        #[arg(long, value_delimiter = ',', default_value = "*")]
        rooms: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ModeratorArgs {
    /// Name a moderator, and write their new secret to standard output: once, it is not kept
    Add {
        /// What they are called, as everybody sees it
        #[arg(value_parser = name)]
        name: Name,
        /// Keep nothing; write the flag for a server with --history memory instead
        #[arg(long)]
        print: bool,
    },
    /// Write the moderators' names
    List,
    /// Take a moderator's rights, at once
    Remove {
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum FormatArg {
    Txt,
    Jsonl,
}

/// What the process is to do.
#[derive(Debug, Clone)]
pub enum Task {
    /// Run the server, with what may be read again while it runs.
    Serve(Box<Config>, Box<Standing>),
    /// Copy the history in `data` to `file`.
    Backup {
        /// The data directory.
        data: PathBuf,
        /// The copy.
        file: PathBuf,
    },
    /// Write a room's messages to standard output.
    Export {
        /// The data directory.
        data: PathBuf,
        /// Which room.
        room: RoomName,
        /// As what.
        format: Format,
    },
    /// Look whether the history in `data` is whole.
    Check {
        /// The data directory.
        data: PathBuf,
    },
    /// Name a moderator in the history in `data`; without one, only make what names them.
    AddModerator {
        /// The data directory.
        data: Option<PathBuf>,
        /// What they are called.
        name: Name,
    },
    /// Write the moderators' names.
    ListModerators {
        /// The data directory.
        data: PathBuf,
    },
    /// Take a moderator's rights.
    RemoveModerator {
        /// The data directory.
        data: PathBuf,
        /// What they are called.
        name: Name,
    },
    /// Write a new key for tickets.
    MakeKey(PathBuf),
    /// Write a ticket.
    MakeTicket {
        /// The key's file, if it was said.
        key: Option<PathBuf>,
        /// Whose.
        account: String,
        /// What they are called.
        name: Option<Name>,
        /// What they may see.
        rooms: Vec<String>,
    },
}

impl Task {
    /// Reads the process's arguments, its environment and the file that they name; ends the process with a message when
    /// they make no sense, or were a call for something that needs no server.
    pub fn from_process() -> Self {
        let (args, standing) = settings::from_process::<Args>(|args| Config::from(args).check());
        Self::of(args, standing)
    }

    fn of(mut args: Args, standing: Standing) -> Self {
        match args.tool.take() {
            None => Self::Serve(Box::new(args.into()), Box::new(standing)),
            Some(ToolArgs::Backup { file }) => Self::Backup { data: args.data, file },
            Some(ToolArgs::Export { room, format }) => {
                let format = match format {
                    FormatArg::Txt => Format::Txt,
                    FormatArg::Jsonl => Format::Jsonl,
                };
                Self::Export { data: args.data, room, format }
            }
            Some(ToolArgs::Check) => Self::Check { data: args.data },
            Some(ToolArgs::Moderator(ModeratorArgs::Add { name, print })) => {
                Self::AddModerator { data: (!print).then_some(args.data), name }
            }
            Some(ToolArgs::Moderator(ModeratorArgs::List)) => Self::ListModerators { data: args.data },
            Some(ToolArgs::Moderator(ModeratorArgs::Remove { name })) => {
                Self::RemoveModerator { data: args.data, name }
            }
            Some(ToolArgs::Ticket(TicketArgs::Key { file })) => Self::MakeKey(file),
            Some(ToolArgs::Ticket(TicketArgs::Make { account, name, rooms })) => {
                Self::MakeTicket { key: args.ticket_key, account, name, rooms }
            }
        }
    }
}

fn room(text: &str) -> Result<RoomName, String> {
    RoomName::parse(text).map_err(|error| error.to_string())
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|error| error.to_string())
}
