//! One client's conversation: hears messages, has the session decide, and carries its actions out against hub and
//! history. It knows no WebSocket.

mod arrival;
mod echo;
mod moderate;
mod questions;
mod say;
mod talk;

use std::{pin::Pin, sync::Arc, time::Instant};

use service::live::Live;
use shared::RoomName;

use crate::{
    arrivals::Arrivals,
    door::Door,
    frame,
    hub::{Hub, Outlet, Registration},
    moderation::Known,
    session::{Hello, SessionLimits, no_binary},
};

use arrival::Guest;
use echo::Echo;
use moderate::Badge;
use talk::{Later, Talk};

/// What a conversation needs from the server.
pub struct Yard {
    /// Rooms and people.
    pub hub: Arc<Hub>,
    /// Who may come in.
    pub door: Door,
    /// What a session may do.
    pub limits: SessionLimits,
    /// Those who are being let in.
    pub arrivals: Arc<Arrivals>,
    /// `welcome.ping_ms`.
    pub ping_ms: u64,
    /// Moderators that the settings name; history may know others.
    pub moderators: Live<Vec<Known>>,
}

/// How a client speaks.
pub enum Speech {
    /// Every message comes back.
    Echo(Box<Echo>),
    /// `chat.v1` before hello.
    New(Box<Guest>),
    /// `chat.v1` after it.
    Chat(Box<Talk>),
    /// A line is a message.
    Plain(Box<Talk>),
    /// Nobody is heard: a hello is being answered, or somebody was turned away. Who was stays in the registry until the
    /// connection is over: its goodbye may find no way out, and then the sweeper has to end it.
    Silent {
        /// Dropping it takes the connection out of the registry.
        _registration: Option<Box<Registration>>,
    },
}

/// What is left of hearing a message when that has to wait. Most messages leave nothing, and what some leave is large:
/// in a box, no client who says nothing holds room for it.
pub type Rest<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl Speech {
    /// A client at `/echo`.
    pub fn echo(yard: &Yard, registration: Registration) -> Self {
        Self::Echo(Box::new(Echo::new(yard, registration)))
    }

    /// A `chat.v1` client that has yet to say hello.
    pub fn chat(yard: Arc<Yard>, outlet: Arc<Outlet>, registration: Registration) -> Self {
        Self::New(Box::new(Guest::new(yard, outlet, registration)))
    }

    /// A plain client: greeted at once and in its room. Who is to stay outside is told so, and is silent.
    pub async fn plain(
        yard: Arc<Yard>,
        outlet: Arc<Outlet>,
        registration: Registration,
        room: RoomName,
        ticket: Option<String>,
    ) -> Self {
        Self::of(Talk::greet(yard, outlet, registration, room, ticket).await, Self::Plain)
    }

    /// What comes of letting somebody in.
    fn of(met: Result<Box<Talk>, Registration>, speech: fn(Box<Talk>) -> Self) -> Self {
        let silent = |registration| Self::Silent { _registration: Some(Box::new(registration)) };
        met.map_or_else(silent, speech)
    }

    /// Hears a text message.
    pub fn hear_text(&mut self, outlet: &Outlet, text: &str) -> Option<Rest<'_>> {
        match self {
            Self::Echo(echo) => return echo.hear(outlet, frame::text(text)),
            Self::New(guest) => match guest.newcomer.hear(text) {
                Ok(hello) => return Some(Box::pin(self.enter(hello))),
                Err(actions) => guest.answer(actions),
            },
            Self::Chat(talk) => {
                talk.look_at_mute();
                talk.look_at_name();
                let actions = talk.session.hear(text, Instant::now());
                return talk.carry_out(actions);
            }
            Self::Plain(talk) => {
                talk.look_at_mute();
                talk.look_at_name();
                let actions = talk.read_line(text);
                return talk.carry_out(actions);
            }
            Self::Silent { .. } => {}
        }
        None
    }

    /// Hears a binary message.
    pub fn hear_binary(&mut self, outlet: &Outlet, bytes: &[u8]) -> Option<Rest<'_>> {
        match self {
            Self::Echo(echo) => return echo.hear(outlet, frame::binary(bytes)),
            Self::New(guest) => {
                let actions = guest.newcomer.malformed.refuse(no_binary());
                guest.answer(actions);
            }
            Self::Chat(talk) | Self::Plain(talk) => {
                let actions = talk.session.refuse(no_binary());
                return talk.carry_out(actions);
            }
            Self::Silent { .. } => {}
        }
        None
    }

    async fn enter(&mut self, hello: Hello) {
        if let Self::New(guest) = std::mem::replace(self, Self::Silent { _registration: None }) {
            *self = Self::of(guest.enter(hello).await, Self::Chat);
        }
    }
}
