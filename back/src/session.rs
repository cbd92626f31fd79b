//! What a client's messages mean: a pure machine of (message, state, instant) to actions. It touches no socket, no room
//! and no clock; [`crate::conversation`] carries its actions out.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use shared::{
    Ask, ClientMessage, CloseCode, ErrorBody, ErrorCode, MessageId, ModeratorSecret, Name, Person, Refusal, RoomName,
    Sentence, ServerMessage, SessionToken, Sight, UserId, limits,
};

use crate::{
    history::{Draft, Query, Range, Says},
    limits::{Pace, Rates, TooFast},
    metrics::Limit,
};

/// Malformed messages in a row after which a connection is closed with 4000: somebody speaks another language.
const MALFORMED_IN_A_ROW: u32 = 10;

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

/// What to do about a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Answer.
    Say(ServerMessage),
    /// Answer that this limit keeps them from it.
    Refuse(Limit, ServerMessage),
    /// Answer with the time.
    Pong(Option<MessageId>),
    /// Let the session into a room.
    Join(Option<MessageId>, RoomName, Ask),
    /// Let it out.
    Leave(Option<MessageId>, RoomName),
    /// Store a message; the answer comes from history.
    Append(Box<Draft>),
    /// Tell the rooms of another name.
    Rename(Option<MessageId>, Name),
    /// Tell the room of typing.
    Typing(RoomName),
    /// Answer with a page of history.
    History(MessageId, RoomName, Range, usize),
    /// Answer with a page of what is found before a message.
    Search(MessageId, RoomName, Query, u64, usize),
    /// Note up to where a room has been read.
    Read(Option<MessageId>, RoomName, u64),
    /// Answer with a page of people.
    Who(MessageId, RoomName, Option<UserId>),
    /// Answer with the list of rooms.
    Rooms(MessageId),
    /// Look whether this is a moderator's secret.
    Claim(MessageId, ModeratorSecret),
    /// Do this if it is a moderator who asks.
    Moderate(Option<MessageId>, Order),
    /// Answer with what moderators have set of a room.
    Topic(Option<MessageId>, RoomName),
    /// Leave every room at once and close.
    Quit,
    /// Close.
    Close(CloseCode),
}

/// What a moderator wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// End somebody's connections.
    Kick(UserId, Option<Sentence>),
    /// Keep somebody out.
    Ban {
        /// Whom.
        user: UserId,
        /// For so many seconds.
        seconds: u64,
        /// The moderator's words.
        reason: Option<Sentence>,
        /// Whether whoever comes from their addresses is kept out too.
        address: bool,
    },
    /// Keep somebody from speaking.
    Mute {
        /// Whom.
        user: UserId,
        /// For so many seconds.
        seconds: u64,
        /// The moderator's words.
        reason: Option<Sentence>,
    },
    /// Lift both.
    Pardon(UserId),
    /// Say what is in force.
    Sanctions,
    /// Set a room's pace, in seconds.
    Slow(RoomName, u64),
    /// Set what a room is about.
    Topic(RoomName, Sentence),
}

impl Order {
    /// Against whom it is.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::Kick(user, _) | Self::Ban { user, .. } | Self::Mute { user, .. } => Some(user),
            Self::Pardon(_) | Self::Sanctions | Self::Slow(..) | Self::Topic(..) => None,
        }
    }
}

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

/// Why something is not done.
struct Refused {
    error: Refusal,
    /// The limit that says so, if it is one.
    limit: Option<Limit>,
}

impl<E: Into<Refusal>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self { error: error.into(), limit: None }
    }
}

impl Refused {
    fn by(limit: Limit, error: ErrorBody) -> Self {
        Self { error: Box::new(error), limit: Some(limit) }
    }
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
        self.decide(message, now).unwrap_or_else(|refused| Some(refusal(refused, id)))
    }

    /// What to do about a room that its hello names.
    pub fn arrive(&mut self, room: RoomName, ask: Ask) -> Action {
        self.join(None, room, ask).unwrap_or_else(|refused| refusal(refused, None))
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
            self.pace.request(now).map_err(|too_fast| refuse_pace(&too_fast))?;
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
            ClientMessage::Name { id, name } => {
                self.may_speak()?;
                if self.is_named {
                    let error = ErrorBody::new(ErrorCode::Forbidden, "your name comes with your ticket").field("name");
                    return Err(error.hint("change it where you signed in").into());
                }
                self.person.name = name.clone();
                Action::Rename(id, name)
            }
            ClientMessage::Typing { room } => {
                let room = self.room(room)?;
                let Some(joined) = self.rooms.iter_mut().find(|joined| joined.room == room) else { return Ok(None) };
                if joined.typed.is_some_and(|last| now.duration_since(last) < TYPING_EVERY) {
                    return Ok(None);
                }
                joined.typed = Some(now);
                self.may_speak()?;
                Action::Typing(room)
            }
            ClientMessage::History { id, room, before, after, around, limit } => {
                let range = match (before, after, around) {
                    (Some(seq), None, None) => Range::Before(seq),
                    (None, Some(seq), None) => Range::After(seq),
                    (None, None, Some(seq)) => Range::Around(seq),
                    (None, None, None) => Range::Before(u64::MAX),
                    _ => {
                        let error = ErrorBody::new(ErrorCode::BadField, "more than one of before, after and around");
                        return Err(error.hint("ask for one page at a time").into());
                    }
                };
                let limit = limit.unwrap_or(limits::DEFAULT_LAST).clamp(1, limits::PAGE_MESSAGES);
                Action::History(id, self.room_or_current(room)?, range, limit as usize)
            }
            ClientMessage::Search { id, room, text, before, limit } => {
                let Some(query) = Query::parse(&text) else {
                    let error = ErrorBody::new(ErrorCode::BadField, "there is nothing to look for").field("text");
                    return Err(error.hint("give a word, or the beginning of one").into());
                };
                let limit = limit.unwrap_or(limits::DEFAULT_LAST).clamp(1, limits::PAGE_MESSAGES);
                let before = before.unwrap_or(u64::MAX);
                Action::Search(id, self.room_or_current(room)?, query, before, limit as usize)
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
        self.pace.send(bytes, now).map_err(|too_fast| refuse_pace(&too_fast))?;
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

fn refusal(refused: Refused, id: Option<MessageId>) -> Action {
    let Refused { error, limit } = refused;
    let error = ServerMessage::Error(Box::new(error.id(id)));
    match limit {
        Some(limit) => Action::Refuse(limit, error),
        None => Action::Say(error),
    }
}

fn refuse_pace(too_fast: &TooFast) -> Refused {
    let TooFast { limit, per_second, wait } = too_fast;
    let (text, hint) = match limit {
        Limit::SendBytesPerSecond => ("too many bytes of text", "send it again after retry_after_ms"),
        Limit::SendsPerSecondPerAddress => {
            ("too many messages come from this address", "send it again after retry_after_ms")
        }
        Limit::RequestsPerSecond => ("too many requests", "ask again after retry_after_ms"),
        _ => ("too many messages", "send it again after retry_after_ms"),
    };
    // Rounded up: who waits exactly so long is let through.
    let error = ErrorBody::new(ErrorCode::RateLimited, text).retry_after_ms(wait.as_millis() as u64 + 1);
    Refused::by(*limit, error.limit(u64::from(*per_second)).hint(hint))
}

fn check_seq(field: &str, seq: u64) -> Result<(), Refusal> {
    if seq > 0 && seq <= limits::MAX_SAFE_INTEGER {
        return Ok(());
    }
    Err(ErrorBody::new(ErrorCode::BadField, format!("{field} is the seq of a message")).field(field).into())
}

/// A reason that says something.
fn said(reason: Option<Sentence>) -> Option<Sentence> {
    reason.filter(|reason| !reason.is_empty())
}

fn check_seconds(seconds: u64, least: u64, most: u64) -> Result<(), Refusal> {
    if (least..=most).contains(&seconds) {
        return Ok(());
    }
    let error = ErrorBody::new(ErrorCode::BadField, format!("seconds is a number from {least} to {most}"));
    Err(error.field("seconds").got(&seconds.to_string()).limit(most).into())
}

fn not_joined() -> ErrorBody {
    let error = ErrorBody::new(ErrorCode::NotJoined, "you are not in that room").field("room");
    error.hint(r#"join it first: {"type":"join","room":"lobby"}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Sends;

    const LIMITS: SessionLimits =
        SessionLimits { text_bytes: 100, rooms: 3, rates: Rates { sends: 10, send_bytes: 0, requests: 0 } };

    fn session(rooms: &[&str]) -> Session {
        let person = Person { user: UserId::parse("u7Zk2mQ0aB-_x9Yc").unwrap(), name: Name::parse("kim").unwrap() };
        let mut session = Session::new(person, LIMITS, Pace::new(LIMITS.rates, Sends::new(&LIMITS.rates), None));
        for room in rooms {
            session.joined(&RoomName::parse(room).unwrap());
        }
        session
    }

    fn code(actions: &[Action]) -> ErrorCode {
        match &actions[0] {
            Action::Say(ServerMessage::Error(error)) | Action::Refuse(_, ServerMessage::Error(error)) => error.code,
            other => panic!("{other:?}"),
        }
    }

    fn room_of(actions: &[Action]) -> &str {
        match &actions[0] {
            Action::Append(draft) => draft.room.as_str(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_without_a_room_goes_to_the_one_joined_last() {
        let now = Instant::now();
        let mut session = session(&["a", "b"]);
        assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "b");
        assert_eq!(room_of(&session.hear(r#"{"type":"send","room":"a","text":"x"}"#, now)), "a");
        session.joined(&RoomName::parse("a").unwrap());
        assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "a");
        session.hear(r#"{"type":"leave"}"#, now);
        assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "b");
        assert_eq!(code(&session.hear(r#"{"type":"send","room":"a","text":"x"}"#, now)), ErrorCode::NotJoined);
    }

    #[test]
    fn texts_are_neither_empty_nor_too_long() {
        let now = Instant::now();
        let mut session = session(&["a"]);
        assert_eq!(code(&session.hear(r#"{"type":"send","text":" \n"}"#, now)), ErrorCode::BadField);
        let text = "가".repeat(34);
        assert_eq!(code(&session.hear(&format!(r#"{{"type":"send","text":"{text}"}}"#), now)), ErrorCode::TooBig);
        let text = "가".repeat(33);
        assert_eq!(room_of(&session.hear(&format!(r#"{{"type":"send","text":"{text}"}}"#), now)), "a");
    }

    #[test]
    fn too_many_messages_are_refused_with_the_time_to_wait() {
        let now = Instant::now();
        let mut session = session(&["a"]);
        for _ in 0..20 {
            assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "a");
        }
        let actions = session.hear(r#"{"type":"send","id":"7","text":"x"}"#, now);
        let [Action::Refuse(limit, ServerMessage::Error(error))] = actions.as_slice() else { panic!("{actions:?}") };
        assert_eq!(*limit, Limit::SendsPerSecond);
        assert_eq!((error.code, error.retry), (ErrorCode::RateLimited, true));
        assert_eq!(error.id.as_ref().map(MessageId::as_str), Some("7"));
        let wait = Duration::from_millis(error.retry_after_ms.unwrap());
        assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now + wait)), "a");
    }

    #[test]
    fn rooms_are_limited() {
        let now = Instant::now();
        let mut session = session(&["a", "b", "c"]);
        assert_eq!(code(&session.hear(r#"{"type":"join","room":"d"}"#, now)), ErrorCode::RoomLimit);
        assert!(matches!(session.hear(r#"{"type":"join","room":"c"}"#, now)[0], Action::Join(..)));
    }

    #[test]
    fn ten_malformed_messages_in_a_row_are_enough() {
        let now = Instant::now();
        let mut session = session(&["a"]);
        for _ in 0..9 {
            assert_eq!(session.hear("{", now).len(), 1);
        }
        session.hear(r#"{"type":"ping"}"#, now);
        for _ in 0..9 {
            assert_eq!(session.refuse(no_binary()).len(), 1);
        }
        assert_eq!(session.hear("{", now)[1], Action::Close(CloseCode::BadRequest));
    }

    #[test]
    fn typing_is_passed_on_once_in_three_seconds() {
        let now = Instant::now();
        let mut session = session(&["a"]);
        let typing = |session: &mut Session, ms| {
            matches!(
                session.hear(r#"{"type":"typing"}"#, now + Duration::from_millis(ms)).first(),
                Some(Action::Typing(_))
            )
        };
        assert!(typing(&mut session, 0));
        assert!(!typing(&mut session, 2_999));
        assert!(typing(&mut session, 3_000));
    }

    #[test]
    fn who_is_silenced_may_read_and_take_back_but_not_be_heard() {
        let now = Instant::now();
        let mut session = session(&["a"]);
        session.silence(Some(Box::new(ErrorBody::new(ErrorCode::Muted, "quiet"))));
        for text in [
            r#"{"type":"send","text":"x"}"#,
            r#"{"type":"edit","seq":1,"text":"x"}"#,
            r#"{"type":"name","name":"lee"}"#,
            r#"{"type":"typing"}"#,
        ] {
            assert_eq!(code(&session.hear(text, now)), ErrorCode::Muted, "{text}");
        }
        assert_eq!(session.person().name.as_str(), "kim");
        assert_eq!(room_of(&session.hear(r#"{"type":"delete","seq":1}"#, now)), "a");
        assert!(matches!(session.hear(r#"{"type":"history","id":"1"}"#, now)[0], Action::History(..)));
        session.silence(None);
        assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "a");
    }

    #[test]
    fn a_room_that_one_may_not_see_is_not_there_for_any_message() {
        let now = Instant::now();
        let mut session = session(&["open"]);
        session.confine(Sight::parse(["open"]).unwrap(), true);
        // Each type once, so that a new one is thought of.
        for kind in ClientMessage::TYPES {
            let fields = r#""id":"1","room":"board","text":"x","seq":1,"seconds":1,"name":"x""#;
            let fields = format!(r#"{fields},"user":"u7Zk2mQ0aB-_x9Yc","secret":"AAAAAAAAAAAAAAAAAAAAAA""#);
            let told = match *kind {
                // With `seq` alone it is no position.
                "join" => session.hear(r#"{"type":"join","id":"1","room":"board"}"#, now),
                "search" | "who" | "leave" | "topic" | "send" | "edit" | "delete" | "read" | "slow" | "typing"
                | "history" => session.hear(&format!(r#"{{"type":"{kind}",{fields}}}"#), now),
                "hello" | "name" | "rooms" | "moderator" | "kick" | "ban" | "mute" | "pardon" | "sanctions"
                | "ping" | "quit" => {
                    continue;
                }
                other => panic!("does {other} name a room?"),
            };
            assert_eq!(code(&told), ErrorCode::NoRoom, "{kind}");
        }
        assert_eq!(code(&session.hear(r#"{"type":"name","id":"1","name":"lee"}"#, now)), ErrorCode::Forbidden);
        assert_eq!(room_of(&session.hear(r#"{"type":"send","text":"x"}"#, now)), "open");
    }

    #[test]
    fn times_that_moderators_set_have_bounds() {
        let now = Instant::now();
        let mut session = session(&["a"]);
        let user = "u7Zk2mQ0aB-_x9Yc";
        for seconds in [0, limits::SANCTION_SECONDS + 1, limits::MAX_SAFE_INTEGER] {
            for kind in ["ban", "mute"] {
                let text = format!(r#"{{"type":"{kind}","user":"{user}","seconds":{seconds}}}"#);
                assert_eq!(code(&session.hear(&text, now)), ErrorCode::BadField, "{text}");
            }
        }
        let slow = |seconds: u64| format!(r#"{{"type":"slow","seconds":{seconds}}}"#);
        assert_eq!(code(&session.hear(&slow(limits::SLOW_SECONDS + 1), now)), ErrorCode::BadField);
        assert!(matches!(session.hear(&slow(0), now)[0], Action::Moderate(None, Order::Slow(..))));
        assert_eq!(code(&session.hear(r#"{"type":"slow","room":"b","seconds":1}"#, now)), ErrorCode::NotJoined);
    }

    #[test]
    fn only_hello_comes_first_and_only_once() {
        let mut newcomer = Newcomer::default();
        assert_eq!(code(&newcomer.hear(r#"{"type":"ping"}"#).unwrap_err()), ErrorCode::BadField);
        assert_eq!(newcomer.hear(r#"{"type":"hello","name":"kim"}"#).unwrap().name, Some(Name::parse("kim").unwrap()));
        assert_eq!(code(&session(&[]).hear(r#"{"type":"hello"}"#, Instant::now())), ErrorCode::BadField);
    }

    #[test]
    fn a_page_is_asked_for_in_one_direction() {
        let now = Instant::now();
        let mut session = session(&["a"]);
        let both = r#"{"type":"history","id":"1","before":3,"after":1}"#;
        assert_eq!(code(&session.hear(both, now)), ErrorCode::BadField);
        let many = session.hear(r#"{"type":"history","id":"1","before":3,"limit":9999}"#, now);
        assert!(matches!(many[0], Action::History(_, _, Range::Before(3), 200)));
    }
}
