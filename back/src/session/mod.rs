//! What a client's messages mean: a pure machine of (message, state, instant) to actions. It touches no socket, no room
//! and no clock; [`crate::conversation`] carries its actions out.

mod action;
mod newcomer;
mod refusal;

use std::time::{Duration, Instant};

use shared::{Ask, ClientMessage, ErrorBody, ErrorCode, MessageId, Name, Person, Refusal, RoomName, Sight, limits};

use crate::{
    history::{Draft, Query, Range, Says},
    limits::{Pace, Rates},
    metrics::Limit,
};

pub use action::{Action, Order};
pub use newcomer::{Hello, Malformed, Newcomer, no_binary};
use refusal::{Refused, check_seconds, check_seq, not_joined, nothing_to_look_for, said};

/// Typing is passed on once in so long per room.
const TYPING_EVERY: Duration = Duration::from_secs(3);

/// What an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// Bytes of UTF-8 in a text.
    pub text_bytes: usize,
    /// Rooms that one connection may be in.
    pub rooms: usize,
    /// How fast it may do what it does.
    pub rates: Rates,
}

/// A connection that said who it is.
#[derive(Debug)]
pub struct Session {
    person: Person,
    limits: SessionLimits,
    /// In the order in which they were joined: the last one is meant where a message names none.
    rooms: Vec<Joined>,
    pace: Pace,
    malformed: Malformed,
    /// The answer to whatever others would hear, while a moderator forbids that.
    silenced: Option<Refusal>,
    sight: Sight,
    /// Whether the name is the ticket's.
    is_named: bool,
}

/// A room that a session is in.
#[derive(Debug)]
struct Joined {
    room: RoomName,
    /// When typing there was passed on last.
    typed: Option<Instant>,
}

impl Session {
    /// Somebody who is in no room yet.
    pub fn new(person: Person, limits: SessionLimits, pace: Pace) -> Self {
        let (malformed, silenced, sight) = (Malformed::default(), None, Sight::everything());
        Self { person, limits, rooms: Vec::new(), pace, malformed, silenced, sight, is_named: false }
    }

    /// Only these rooms are there for this session, and it keeps its name if that `is_named` by a ticket.
    pub fn confine(&mut self, sight: Sight, is_named: bool) {
        (self.sight, self.is_named) = (sight, is_named);
    }

    /// What this session may see.
    pub fn sight(&self) -> &Sight {
        &self.sight
    }

    /// What one may not see answers as what is not there, whether or not it is.
    ///
    /// # Errors
    /// `no_room`.
    pub fn find(&self, room: &RoomName) -> Result<(), Refusal> {
        if self.sight.covers(room) {
            return Ok(());
        }
        let error = ErrorBody::new(ErrorCode::NoRoom, "there is no such room").field("room").got(room.as_str());
        Err(error.hint(r#"{"type":"rooms","id":"1"} lists those that there are"#).into())
    }

    /// Who this is.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// Whether the name is the ticket's.
    pub fn is_named(&self) -> bool {
        self.is_named
    }

    /// This person is called so from now on.
    pub fn is_called(&mut self, name: Name) {
        self.person.name = name;
    }

    /// What others would hear is refused with this from now on, until this is called with nothing.
    pub fn silence(&mut self, refusal: Option<Refusal>) {
        self.silenced = refusal;
    }

    /// Whether others may hear of this session.
    fn may_speak(&self) -> Result<(), Refusal> {
        self.silenced.as_ref().map_or(Ok(()), |refusal| Err(refusal.clone()))
    }

    /// The session is in this room now, and means it where it names none.
    pub fn joined(&mut self, room: &RoomName) {
        let typed = self.leave(room);
        if self.rooms.is_empty() {
            // Most are in one room.
            self.rooms.reserve_exact(1);
        }
        self.rooms.push(Joined { room: room.clone(), typed });
    }

    fn is_in(&self, room: &RoomName) -> bool {
        self.rooms.iter().any(|joined| joined.room == *room)
    }

    /// Not in this room any more; says when typing there was passed on last.
    fn leave(&mut self, room: &RoomName) -> Option<Instant> {
        let at = self.rooms.iter().position(|joined| joined.room == *room)?;
        self.rooms.remove(at).typed
    }

    /// What to do about a text that should be JSON.
    pub fn hear(&mut self, text: &str, now: Instant) -> Vec<Action> {
        match ClientMessage::parse(text) {
            Ok(message) => self.act(message, now).into_iter().collect(),
            Err(error) => self.refuse(error),
        }
    }

    /// What to do about a message that was refused before it was one.
    pub fn refuse(&mut self, error: Box<ErrorBody>) -> Vec<Action> {
        self.malformed.refuse(error)
    }

    /// What to do about a message.
    pub fn act(&mut self, message: ClientMessage, now: Instant) -> Option<Action> {
        self.malformed.reset();
        let id = message.id().cloned();
        self.decide(message, now).unwrap_or_else(|refused| Some(refused.answer(id)))
    }

    /// What to do about a room that its hello names.
    pub fn arrive(&mut self, room: RoomName, ask: Ask) -> Action {
        self.join(None, room, ask).unwrap_or_else(|refused| refused.answer(None))
    }

    fn join(&self, id: Option<MessageId>, room: RoomName, ask: Ask) -> Result<Action, Refused> {
        self.find(&room)?;
        if self.limits.rooms > 0 && !self.is_in(&room) && self.rooms.len() >= self.limits.rooms {
            let error = ErrorBody::new(ErrorCode::RoomLimit, "this connection is in too many rooms");
            let error = error.limit(self.limits.rooms as u64).hint("leave one first");
            return Err(Refused::by(Limit::RoomsPerConnection, error));
        }
        Ok(Action::Join(id, room, ask))
    }

    fn decide(&mut self, message: ClientMessage, now: Instant) -> Result<Option<Action>, Refused> {
        if is_request(&message) {
            self.pace.request(now).map_err(|too_fast| Refused::for_pace(&too_fast))?;
        }
        Ok(Some(match message {
            ClientMessage::Hello { .. } => {
                let error = ErrorBody::new(ErrorCode::BadField, "hello was said already").field("type");
                return Err(error.hint("use name and join").into());
            }
            ClientMessage::Join { id, room, ask } => self.join(id, room, ask)?,
            ClientMessage::Leave { id, room } => {
                let room = self.room(room)?;
                self.leave(&room);
                Action::Leave(id, room)
            }
            ClientMessage::Send { id, room, text, reply_to } => {
                self.may_speak()?;
                self.check_text(&text)?;
                if let Some(seq) = reply_to {
                    check_seq("reply_to", seq)?;
                }
                self.say(id, room, Says::Text { text, reply_to }, now)?
            }
            ClientMessage::Edit { id, room, seq, text } => {
                self.may_speak()?;
                self.check_text(&text)?;
                check_seq("seq", seq)?;
                self.say(id, room, Says::Edit { seq, text }, now)?
            }
            ClientMessage::Delete { id, room, seq } => {
                check_seq("seq", seq)?;
                self.say(id, room, Says::Delete { seq }, now)?
            }
            ClientMessage::Read { id, room, seq } => {
                let room = self.room(room)?;
                if seq > 0 {
                    check_seq("seq", seq)?;
                }
                Action::Read(id, room, seq)
            }
            ClientMessage::Name { id, name } => self.rename(id, name)?,
            ClientMessage::Typing { room } => return self.typing(room, now),
            ClientMessage::History { id, room, before, after, around, limit } => {
                let range = range(before, after, around)?;
                Action::History(id, self.room_or_current(room)?, range, page_size(limit))
            }
            ClientMessage::Search { id, room, text, before, limit } => {
                let query = Query::parse(&text).ok_or_else(nothing_to_look_for)?;
                let before = before.unwrap_or(u64::MAX);
                Action::Search(id, self.room_or_current(room)?, query, before, page_size(limit))
            }
            ClientMessage::Who { id, room, after } => Action::Who(id, self.room_or_current(room)?, after),
            ClientMessage::Rooms { id } => Action::Rooms(id),
            ClientMessage::Moderator { id, secret } => Action::Claim(id, secret),
            ClientMessage::Kick { id, user, reason } => Action::Moderate(id, Order::Kick(user, said(reason))),
            ClientMessage::Ban { id, user, seconds, reason, address } => {
                check_seconds(seconds, 1, limits::SANCTION_SECONDS)?;
                Action::Moderate(id, Order::Ban { user, seconds, reason: said(reason), address })
            }
            ClientMessage::Mute { id, user, seconds, reason } => {
                check_seconds(seconds, 1, limits::SANCTION_SECONDS)?;
                Action::Moderate(id, Order::Mute { user, seconds, reason: said(reason) })
            }
            ClientMessage::Pardon { id, user } => Action::Moderate(id, Order::Pardon(user)),
            ClientMessage::Sanctions { id } => Action::Moderate(Some(id), Order::Sanctions),
            ClientMessage::Slow { id, room, seconds } => {
                check_seconds(seconds, 0, limits::SLOW_SECONDS)?;
                Action::Moderate(id, Order::Slow(self.room(room)?, seconds))
            }
            ClientMessage::Topic { id, room, text } => {
                let room = self.room(room)?;
                match text {
                    Some(text) => Action::Moderate(id, Order::Topic(room, text)),
                    None => Action::Topic(id, room),
                }
            }
            ClientMessage::Ping { id } => Action::Pong(id),
            ClientMessage::Quit {} => Action::Quit,
        }))
    }

    fn rename(&mut self, id: Option<MessageId>, name: Name) -> Result<Action, Refused> {
        self.may_speak()?;
        if self.is_named {
            let error = ErrorBody::new(ErrorCode::Forbidden, "your name comes with your ticket").field("name");
            return Err(error.hint("change it where you signed in").into());
        }
        self.person.name = name.clone();
        Ok(Action::Rename(id, name))
    }

    /// Nothing where it was passed on just now: that is no reason to refuse it.
    fn typing(&mut self, room: Option<RoomName>, now: Instant) -> Result<Option<Action>, Refused> {
        let room = self.room(room)?;
        let Some(joined) = self.rooms.iter_mut().find(|joined| joined.room == room) else { return Ok(None) };
        if joined.typed.is_some_and(|last| now.duration_since(last) < TYPING_EVERY) {
            return Ok(None);
        }
        joined.typed = Some(now);
        self.may_speak()?;
        Ok(Some(Action::Typing(room)))
    }

    fn check_text(&self, text: &str) -> Result<(), Refused> {
        if text.trim().is_empty() {
            return Err(ErrorBody::new(ErrorCode::BadField, "there is nothing to say").field("text").into());
        }
        if self.limits.text_bytes > 0 && text.len() > self.limits.text_bytes {
            let error = ErrorBody::new(ErrorCode::TooBig, format!("the text has {} bytes", text.len())).field("text");
            let error = error.limit(self.limits.text_bytes as u64).hint("send it in parts");
            return Err(Refused::by(Limit::TextBytes, error));
        }
        Ok(())
    }

    fn say(
        &mut self,
        id: Option<MessageId>,
        room: Option<RoomName>,
        says: Says,
        now: Instant,
    ) -> Result<Action, Refused> {
        let room = self.room(room)?;
        let bytes = match &says {
            Says::Text { text, .. } | Says::Edit { text, .. } => text.len(),
            Says::Delete { .. } | Says::Remove { .. } => 0,
        };
        self.pace.send(bytes, now).map_err(|too_fast| Refused::for_pace(&too_fast))?;
        let Person { user, name } = self.person.clone();
        Ok(Action::Append(Box::new(Draft { room, user, name, id, says })))
    }

    /// A room that the session is in: the one that is named, or the one joined last.
    fn room(&self, named: Option<RoomName>) -> Result<RoomName, Refusal> {
        let room = self.room_or_current(named)?;
        if self.is_in(&room) { Ok(room) } else { Err(not_joined().got(room.as_str()).into()) }
    }

    fn room_or_current(&self, named: Option<RoomName>) -> Result<RoomName, Refusal> {
        if let Some(room) = &named {
            self.find(room)?;
        }
        named.or_else(|| self.rooms.last().map(|joined| joined.room.clone())).ok_or_else(|| not_joined().into())
    }
}

/// Whether it is one of those requests that have a rate of their own. What is said has another, and a goodbye none.
fn is_request(message: &ClientMessage) -> bool {
    use ClientMessage::{Delete, Edit, Hello, Quit, Send};
    !matches!(message, Hello { .. } | Send { .. } | Edit { .. } | Delete { .. } | Quit {})
}

/// Which page of a room's history is asked for: the newest, where nothing is said.
fn range(before: Option<u64>, after: Option<u64>, around: Option<u64>) -> Result<Range, Refused> {
    match (before, after, around) {
        (Some(seq), None, None) => Ok(Range::Before(seq)),
        (None, Some(seq), None) => Ok(Range::After(seq)),
        (None, None, Some(seq)) => Ok(Range::Around(seq)),
        (None, None, None) => Ok(Range::Before(u64::MAX)),
        _ => {
            let error = ErrorBody::new(ErrorCode::BadField, "more than one of before, after and around");
            Err(error.hint("ask for one page at a time").into())
        }
    }
}

fn page_size(limit: Option<u32>) -> usize {
    limit.unwrap_or(limits::DEFAULT_LAST).clamp(1, limits::PAGE_MESSAGES) as usize
}

#[cfg(test)]
mod tests;
