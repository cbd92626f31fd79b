//! Who has not said hello yet, and what nobody understands.

use std::collections::BTreeMap;

use shared::{
    Ask, ClientMessage, CloseCode, ErrorBody, ErrorCode, ModeratorSecret, Name, RoomName, ServerMessage, SessionToken,
};

use super::Action;

/// Malformed messages in a row after which a connection is closed with 4000: somebody speaks another language.
const MALFORMED_IN_A_ROW: u32 = 10;

/// Counts malformed messages in a row.
#[derive(Debug, Default)]
pub struct Malformed(u32);

impl Malformed {
    /// A message that could be understood.
    pub fn reset(&mut self) {
        self.0 = 0;
    }

    /// A message that could not: what to answer, and what else to do.
    pub fn refuse(&mut self, error: Box<ErrorBody>) -> Vec<Action> {
        let malformed = matches!(error.code, ErrorCode::BadJson | ErrorCode::BadField | ErrorCode::NoBinary);
        let mut actions = vec![Action::Say(ServerMessage::Error(error))];
        if malformed {
            self.0 += 1;
            if self.0 >= MALFORMED_IN_A_ROW {
                actions.push(Action::Close(CloseCode::BadRequest));
            }
        }
        actions
    }
}

/// The error for a binary message.
pub fn no_binary() -> Box<ErrorBody> {
    let error = ErrorBody::new(ErrorCode::NoBinary, "binary messages mean nothing here");
    Box::new(error.hint("send a text message; /echo takes both"))
}

/// A `chat.v1` connection that has not said hello: there is nothing else that it can do.
#[derive(Debug, Default)]
pub struct Newcomer {
    /// What it said that was no hello.
    pub malformed: Malformed,
}

/// The parts of a hello.
#[derive(Debug)]
pub struct Hello {
    /// The name to show.
    pub name: Option<Name>,
    /// The secret of an earlier connection.
    pub session: Option<SessionToken>,
    /// What lets somebody in where guests are not, and says who they are.
    pub ticket: Option<String>,
    /// The secret of a moderator.
    pub moderator: Option<ModeratorSecret>,
    /// Whether it is one of the people.
    pub presence: bool,
    /// Where to go at once.
    pub rooms: BTreeMap<RoomName, Ask>,
}

impl Newcomer {
    /// Waits for a hello.
    ///
    /// # Errors
    /// What to do about anything else.
    pub fn hear(&mut self, text: &str) -> Result<Hello, Vec<Action>> {
        match ClientMessage::parse(text) {
            Ok(ClientMessage::Hello { name, session, ticket, moderator, presence, rooms }) => {
                Ok(Hello { name, session, ticket, moderator, presence, rooms })
            }
            Ok(other) => {
                let error = ErrorBody::new(ErrorCode::BadField, "the first message of chat.v1 is hello").field("type");
                let error = error.id(other.id().cloned()).hint(r#"{"type":"hello","name":"kim","rooms":{"lobby":{}}}"#);
                Err(self.malformed.refuse(Box::new(error)))
            }
            Err(error) => Err(self.malformed.refuse(error)),
        }
    }
}
