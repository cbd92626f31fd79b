//! One client's conversation: hears messages, has the session decide, and carries its actions out against hub and
//! history. It knows no WebSocket.

use std::{collections::HashMap, sync::Arc, time::Instant};

use shared::{
    Ask, CloseCode, ErrorBody, ErrorCode, MessageId, Name, OkBody, Person, RoomName, SUBPROTOCOL, ServerMessage,
    SessionToken, limits,
    server::{Limits, Page, Welcome},
};

use crate::{
    frame,
    history::{Append, Bounds, Change, Query, Range, Unavailable},
    hub::{Hub, Membership, Outlet, Receipt, Registration, unavailable},
    identity::{self, IdentityError},
    plain::{self, Line},
    session::{Action, Hello, Newcomer, Session, SessionLimits, no_binary},
};

/// Program and version, in `welcome.server`.
const SERVER: &str = concat!("madang/", env!("CARGO_PKG_VERSION"));

/// Bytes of text on one page of history: what a client that asks and does not read makes the server hold.
const PAGE_BYTES: usize = 256 * 1024;

/// What a conversation needs from the server.
#[derive(Clone)]
pub struct Yard {
    /// Rooms and people.
    pub hub: Arc<Hub>,
    /// What a session may do.
    pub limits: SessionLimits,
    /// `welcome.ping_ms`.
    pub ping_ms: u64,
}

/// How a client speaks.
pub enum Speech {
    /// Every message comes back.
    Echo,
    /// `chat.v1`, before and after hello.
    Chat(Box<Chat>),
    /// A line is a message.
    Plain(Box<Talk>),
}

/// A `chat.v1` client.
pub struct Chat {
    yard: Yard,
    outlet: Arc<Outlet>,
    state: State,
}

enum State {
    New(Newcomer, Registration),
    Known(Box<Talk>),
    /// Between the two.
    Entering,
}

/// A conversation with somebody who is known.
pub struct Talk {
    yard: Yard,
    outlet: Arc<Outlet>,
    session: Session,
    memberships: HashMap<RoomName, Membership>,
    /// Dropped after the memberships, so that the session is held as long as it is somewhere.
    _registration: Registration,
}

impl Speech {
    /// A `chat.v1` client that has yet to say hello.
    pub fn chat(yard: Yard, outlet: Arc<Outlet>, registration: Registration) -> Self {
        Self::Chat(Box::new(Chat { yard, outlet, state: State::New(Newcomer::default(), registration) }))
    }

    /// A plain client: greeted at once and in its room.
    ///
    /// # Errors
    /// When the system gives no random bytes for a session.
    pub async fn plain(
        yard: Yard,
        outlet: Arc<Outlet>,
        registration: Registration,
        room: RoomName,
    ) -> Result<Self, IdentityError> {
        let mut talk = Talk::begin(yard, outlet, registration, None, None, "plain").await?;
        talk.join(None, room, &Ask::Default).await;
        Ok(Self::Plain(Box::new(talk)))
    }

    /// Hears a text message.
    pub async fn hear_text(&mut self, outlet: &Outlet, text: &str) {
        match self {
            Self::Echo => outlet.push(frame::text(text)),
            Self::Chat(chat) => chat.hear(text).await,
            Self::Plain(talk) => talk.hear_line(text).await,
        }
    }

    /// Hears a binary message.
    pub async fn hear_binary(&mut self, outlet: &Outlet, bytes: &[u8]) {
        match self {
            Self::Echo => outlet.push(frame::binary(bytes)),
            Self::Chat(chat) => chat.refuse(no_binary()).await,
            Self::Plain(talk) => {
                let actions = talk.session.refuse(no_binary());
                talk.carry_out(actions).await;
            }
        }
    }
}

impl Chat {
    async fn hear(&mut self, text: &str) {
        match &mut self.state {
            State::Known(talk) => {
                let actions = talk.session.hear(text, Instant::now());
                talk.carry_out(actions).await;
            }
            State::New(newcomer, _) => match newcomer.hear(text) {
                Ok(hello) => Box::pin(self.enter(hello)).await,
                Err(actions) => self.answer(actions),
            },
            State::Entering => {}
        }
    }

    async fn refuse(&mut self, error: Box<ErrorBody>) {
        match &mut self.state {
            State::Known(talk) => {
                let actions = talk.session.refuse(error);
                talk.carry_out(actions).await;
            }
            State::New(newcomer, _) => {
                let actions = newcomer.malformed.refuse(error);
                self.answer(actions);
            }
            State::Entering => {}
        }
    }

    /// A newcomer can only be answered or closed.
    fn answer(&self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Say(message) => self.outlet.say(&message),
                Action::Close(code) => self.outlet.close(code, None),
                _ => {}
            }
        }
    }

    async fn enter(&mut self, hello: Hello) {
        let State::New(_, registration) = std::mem::replace(&mut self.state, State::Entering) else { return };
        self.outlet.vitals().said_hello();
        let Hello { name, session, rooms } = hello;
        let (yard, outlet) = (self.yard.clone(), Arc::clone(&self.outlet));
        match Talk::begin(yard, outlet, registration, session, name, SUBPROTOCOL).await {
            Ok(mut talk) => {
                for (room, ask) in rooms {
                    let action = talk.session.act(shared::ClientMessage::Join { id: None, room, ask }, Instant::now());
                    let refused = matches!(action, Some(Action::Say(_)));
                    talk.carry_out(action).await;
                    if refused {
                        // The rest would be refused too; one answer says it.
                        break;
                    }
                }
                self.state = State::Known(Box::new(talk));
            }
            Err(error) => {
                tracing::error!(conn = self.outlet.connection(), %error, "no identity for a client");
                self.outlet.close(CloseCode::Internal, None);
            }
        }
    }
}

impl Talk {
    /// Meets somebody and says welcome.
    async fn begin(
        yard: Yard,
        outlet: Arc<Outlet>,
        mut registration: Registration,
        session: Option<SessionToken>,
        name: Option<Name>,
        protocol: &str,
    ) -> Result<Self, IdentityError> {
        let may_be_known = session.is_some();
        let token = session.map_or_else(identity::new_session, Ok)?;
        let user = identity::user_of(&token)?;
        let stored = if may_be_known && !yard.hub.people().knows(&user) {
            // Who cannot be looked up comes in all the same, as somebody new.
            yard.hub.history().name(&user).await.unwrap_or_else(|error| {
                tracing::error!(conn = outlet.connection(), %error, "a session cannot be looked up");
                None
            })
        } else {
            None
        };
        let arrival = registration.identify(&user, name, stored, yard.limits.sends());
        let SessionLimits { text_bytes, rooms, sends_per_second } = yard.limits;
        outlet.say(&ServerMessage::Welcome(Box::new(Welcome {
            server: SERVER.to_owned(),
            protocol: protocol.to_owned(),
            connection: outlet.connection(),
            session: token,
            user: user.clone(),
            name: arrival.name.clone(),
            resumed: arrival.resumed,
            now: crate::history::unix_ms(),
            ping_ms: yard.ping_ms,
            history: yard.hub.history().kind().to_owned(),
            limits: Limits { text_bytes, name_chars: limits::NAME_CHARS, rooms, sends_per_second },
        })));
        let person = Person { user, name: arrival.name };
        let session = Session::new(person.clone(), yard.limits, arrival.sends);
        let talk = Self { yard, outlet, session, memberships: HashMap::new(), _registration: registration };
        if arrival.is_new_name {
            talk.append(None, Change::Remember(person)).await;
        }
        Ok(talk)
    }

    async fn hear_line(&mut self, line: &str) {
        match plain::read(line) {
            Line::Empty => {}
            Line::Help => self.outlet.say(&ServerMessage::Notice { text: plain::HELP.to_owned() }),
            Line::Command(message) => {
                let action = self.session.act(message, Instant::now());
                self.carry_out(action).await;
            }
            Line::Refused(error) => {
                let actions = self.session.refuse(error);
                self.carry_out(actions).await;
            }
        }
    }

    /// The seldom and large among these futures are boxed: otherwise every idle connection would hold room for them.
    async fn carry_out(&mut self, actions: impl IntoIterator<Item = Action>) {
        for action in actions {
            match action {
                Action::Say(message) => self.outlet.say(&message),
                Action::Pong(id) => self.outlet.say(&ServerMessage::Pong { id, now: crate::history::unix_ms() }),
                Action::Join(id, room, ask) => Box::pin(self.join(id, room, &ask)).await,
                Action::Leave(id, room) => {
                    if let Some(membership) = self.memberships.remove(&room) {
                        membership.leave();
                    }
                    self.ok(id, OkBody::Done {});
                }
                Action::Append(draft) => self.append(draft.id.clone(), Change::Say(*draft)).await,
                Action::Rename(id, name) => self.rename(id, name).await,
                Action::Typing(room) => {
                    if let Some(membership) = self.memberships.get(&room) {
                        membership.typing();
                    }
                }
                Action::History(id, room, range, limit) => Box::pin(self.history(id, room, range, limit)).await,
                Action::Search(id, room, query, before, limit) => {
                    Box::pin(self.search(id, room, query, before, limit)).await;
                }
                Action::Read(id, room, seq) => self.read(id, room, seq).await,
                Action::Who(id, room, after) => {
                    let people = self.yard.hub.who(&room, after.as_ref());
                    self.ok(Some(id), people);
                }
                Action::Rooms(id) => match Box::pin(self.yard.hub.list()).await {
                    Ok(rooms) => self.ok(Some(id), OkBody::Rooms { rooms }),
                    Err(error) => self.error(Some(id), *unavailable(error)),
                },
                Action::Quit => {
                    self.memberships.drain().for_each(|(_, membership)| membership.leave());
                    self.outlet.close(CloseCode::Normal, None);
                }
                Action::Close(code) => self.outlet.close(code, None),
            }
        }
    }

    fn ok(&self, id: Option<MessageId>, body: OkBody) {
        if let Some(id) = id {
            self.outlet.say(&ServerMessage::Ok { id, body });
        }
    }

    fn error(&self, id: Option<MessageId>, error: ErrorBody) {
        self.outlet.say(&ServerMessage::Error(Box::new(error.id(id))));
    }

    async fn join(&mut self, id: Option<MessageId>, name: RoomName, ask: &Ask) {
        let room = match self.yard.hub.open(&name).await {
            Ok(room) => room,
            Err(error) => return self.error(id, *error),
        };
        self.ok(id, OkBody::Done {});
        self.session.joined(&name);
        let (before, person) = (self.memberships.remove(&name), self.session.person().clone());
        match self.yard.hub.enter(room, &self.outlet, person, ask, before).await {
            Ok(Some(membership)) => _ = self.memberships.insert(name, membership),
            Ok(None) => {}
            Err(error) => {
                // It was told that it is in; it has to begin again.
                tracing::error!(conn = self.outlet.connection(), %error, "a client cannot be let in");
                self.outlet.close(CloseCode::Storage, None);
            }
        }
    }

    async fn append(&self, id: Option<MessageId>, change: Change) {
        let receipt = Receipt { outlet: Arc::clone(&self.outlet), id };
        self.outlet.expect_answer();
        if let Err(append) = self.yard.hub.history().append(Append { change, receipt }).await {
            let error = ErrorBody::new(ErrorCode::StorageUnavailable, "the server is stopping");
            let error = error.id(append.receipt.id).hint("nothing was stored; send it again with the same id");
            self.outlet.answer(Some(frame::text(&ServerMessage::Error(Box::new(error)).to_json())));
        }
    }

    async fn rename(&mut self, id: Option<MessageId>, name: Name) {
        let person = Person { name: name.clone(), ..self.session.person().clone() };
        self.yard.hub.people().rename(&person.user, &name);
        for membership in self.memberships.values_mut() {
            membership.rename(&name);
        }
        self.append(id, Change::Remember(person)).await;
    }

    async fn read(&mut self, id: Option<MessageId>, room: RoomName, seq: u64) {
        let user = self.session.person().user.clone();
        self.append(id, Change::Read { user, room, seq }).await;
    }

    async fn history(&self, id: MessageId, room: RoomName, range: Range, limit: usize) {
        match self.page(id.clone(), room, range, limit).await {
            Ok(page) => self.outlet.say(&ServerMessage::Page(Box::new(page))),
            Err(error) => self.error(Some(id), *unavailable(error)),
        }
    }

    async fn search(&self, id: MessageId, room: RoomName, query: Query, before: u64, limit: usize) {
        match self.found(id.clone(), room, query, before, limit).await {
            Ok(page) => self.outlet.say(&ServerMessage::Page(Box::new(page))),
            Err(error) => self.error(Some(id), *unavailable(error)),
        }
    }

    async fn found(
        &self,
        id: MessageId,
        room: RoomName,
        query: Query,
        before: u64,
        limit: usize,
    ) -> Result<Page, Unavailable> {
        let history = self.yard.hub.history();
        let Bounds { epoch, first, top } = self.yard.hub.published(&room, history.bounds(&room).await?);
        // One more than wanted tells whether there are more.
        let mut messages = history.search(&room, query, before.min(top + 1), limit + 1).await?;
        let mut bytes = 0;
        let fit = messages.iter().take(limit).take_while(|message| {
            bytes += message.text.len();
            bytes <= PAGE_BYTES
        });
        let fit = fit.count();
        let more = messages.len() > fit;
        messages.truncate(fit);
        Ok(Page { id, room, epoch, first, top, messages, more })
    }

    async fn page(&self, id: MessageId, room: RoomName, range: Range, limit: usize) -> Result<Page, Unavailable> {
        let history = self.yard.hub.history();
        let bounds = self.yard.hub.published(&room, history.bounds(&room).await?);
        let mut messages = history.read(&room, range, limit).await?;
        messages.retain(|message| message.seq <= bounds.top);
        let mut bytes: usize = messages.iter().map(|message| message.text.len()).sum();
        while bytes > PAGE_BYTES && messages.len() > 1 {
            let farthest = match range {
                Range::Before(_) => 0,
                Range::After(_) | Range::Around(_) => messages.len() - 1,
            };
            bytes -= messages.remove(farthest).text.len();
        }
        let older = messages.first().is_some_and(|message| message.seq > bounds.first);
        let newer = messages.last().is_some_and(|message| message.seq < bounds.top);
        let more = match range {
            Range::Before(_) => older,
            Range::After(_) => newer,
            Range::Around(_) => older || newer,
        };
        Ok(Page { id, room, epoch: bounds.epoch, first: bounds.first, top: bounds.top, messages, more })
    }
}
