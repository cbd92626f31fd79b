//! What the program does instead of serving, as the command line has it.

use clap::Subcommand;
use shared::{Name, RoomName};

use super::web_address;

/// What the program does instead of serving.
#[derive(Debug, Clone, Subcommand)]
pub enum Tool {
    /// Accounts in --accounts, also while the server runs
    #[command(subcommand)]
    User(UserTool),
    /// Which rooms in --accounts everybody sees who signed in, and who is a member of others; also while the server runs
    #[command(subcommand)]
    Room(RoomTool),
}

/// What is done with accounts.
#[derive(Debug, Clone, Subcommand)]
pub enum UserTool {
    /// Add somebody; the password is read from the terminal, or is the first line of standard input
    Add {
        /// What they are called, and sign in as
        #[arg(value_parser = name)]
        name: Name,
    },
    /// Write everybody's names
    List,
    /// Take somebody out, at once
    Remove {
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
    },
    /// Give somebody another password, and sign them out everywhere
    Password {
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
    },
}

/// What is done with rooms.
#[derive(Debug, Clone, Subcommand)]
pub enum RoomTool {
    /// Write which rooms are open, and who is in the others, or may come by a link
    List,
    /// Open rooms to everybody who signed in
    Open {
        /// Their names; * at the end stands for whatever follows
        #[arg(required = true, value_name = "ROOM")]
        rooms: Vec<String>,
    },
    /// Close what was opened, to all but members, at once. At first everything is open, by '*'
    Close {
        /// The names, as they were opened
        #[arg(required = true, value_name = "ROOM")]
        rooms: Vec<String>,
    },
    /// Make somebody a member of a room
    Add {
        /// Which
        #[arg(value_parser = room)]
        room: RoomName,
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
    },
    /// Make somebody a member no more, at once
    Remove {
        /// Of which room
        #[arg(value_parser = room)]
        room: RoomName,
        /// What they are called
        #[arg(value_parser = name)]
        name: Name,
    },
    /// Write a link by which whoever can sign in becomes a member. It is shown once
    Invite {
        /// Of which room
        #[arg(value_parser = room)]
        room: RoomName,
        /// How many it makes members
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
        uses: u32,
        /// For how many days it holds
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=365), value_name = "N")]
        days: u32,
        /// Where people find this server, as in https://chat.example.org [default: the address of --listen]
        #[arg(long, env = "FRONT_SITE", value_name = "URL", value_parser = web_address)]
        site: Option<String>,
    },
    /// Make all links to a room worthless; who came by them stays
    Revoke {
        /// Which
        #[arg(value_parser = room)]
        room: RoomName,
    },
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|error| error.to_string())
}

fn room(text: &str) -> Result<RoomName, String> {
    RoomName::parse(text).map_err(|error| error.to_string())
}
