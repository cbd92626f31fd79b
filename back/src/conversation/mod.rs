//! One client's conversation: hears messages, has the session decide, and carries its actions out against hub and
//! history. It knows no WebSocket.

mod moderate;
mod questions;

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use service::live::Live;
use shared::{
    Ask, CloseCode, ErrorBody, ErrorCode, MessageId, Name, OkBody, Person, RoomName, SUBPROTOCOL, ServerMessage,
    SessionToken, limits,
    server::{Limits, Welcome},
};

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    admission::Arrivals,
    door::{Door, Entry, Outside, TurnedAway, Verdict, signed_out},
    frame,
    history::{Append, Change, Draft, Says},
    hub::{Coming, Hub, Membership, Outlet, Receipt, Registration, Room, farewell},
    identity::{self, IdentityError},
    limits::{Pace, Sends},
    metrics::Limit,
    moderation::Known,
    plain::{self, Line},
    session::{Action, Hello, Newcomer, Session, SessionLimits, no_binary},
};

use moderate::Badge;

/// Program and version, in `welcome.server`.
const SERVER: &str = concat!("madang/", env!("CARGO_PKG_VERSION"));

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

impl Yard {
    /// Begins to let somebody in, unless too many are being let in: then they are told when to come back.
    fn begin_arrival(&self, outlet: &Outlet) -> Option<OwnedSemaphorePermit> {
        let refused = |wait: Duration| {
            self.hub.metrics().hit(Limit::Arrivals);
            outlet.close(CloseCode::Overloaded, Some(wait.as_millis() as u64));
        };
        self.arrivals.begin().map_err(refused).ok()
    }
}

impl TurnedAway {
    /// Tells somebody so, and ends their connection.
    pub fn tell(self, outlet: &Outlet) {
        tracing::debug!(conn = outlet.connection(), code = self.code.code(), "somebody stays outside");
        outlet.say(&ServerMessage::Error(self.error));
        outlet.close(self.code, None);
    }
}

/// Why somebody was not let in.
#[derive(Debug)]
pub enum Unwelcome {
    /// There is no identity for them.
    Identity(IdentityError),
    /// A moderator or the door keeps them out, there is no time for them, or they only came to end something; they were
    /// told.
    Told,
}

impl From<IdentityError> for Unwelcome {
    fn from(error: IdentityError) -> Self {
        Self::Identity(error)
    }
}

/// How a client speaks.
pub enum Speech {
    /// Every message comes back. Dropping the registration takes the connection out of the registry.
    Echo(Box<Registration>),
    /// `chat.v1` before hello.
    New(Box<Guest>),
    /// `chat.v1` after it.
    Chat(Box<Talk>),
    /// A line is a message.
    Plain(Box<Talk>),
    /// Nobody is heard: a hello is being answered, or could not be.
    Silent,
}

/// A `chat.v1` client that has yet to say hello.
pub struct Guest {
    yard: Arc<Yard>,
    outlet: Arc<Outlet>,
    newcomer: Newcomer,
    registration: Registration,
}

/// A conversation with somebody who is known.
pub struct Talk {
    yard: Arc<Yard>,
    outlet: Arc<Outlet>,
    session: Session,
    /// Whether this is one of the people of its rooms.
    presence: bool,
    /// Few, so they are looked through.
    memberships: Vec<Membership>,
    /// What makes it a moderator's, and what became of it.
    badge: Badge,
    /// Dropped after the memberships, so that the session is held as long as it is somewhere.
    registration: Registration,
}

/// What is left of hearing a message when that has to wait. Most messages leave nothing, and what some leave is large:
/// in a box, no client who says nothing holds room for it.
pub type Rest<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What is left of an action that has to wait.
enum Later {
    /// All of it.
    Act(Action),
    /// The queue of history is full.
    Append(Append<Receipt>),
    /// The room has to deliver what was said before.
    Say(Arc<Room>, Box<Draft>),
    /// It has to be looked whether it is still a moderator who says so.
    Vouch(Box<Draft>),
}

impl Speech {
    /// A `chat.v1` client that has yet to say hello.
    pub fn chat(yard: Arc<Yard>, outlet: Arc<Outlet>, registration: Registration) -> Self {
        Self::New(Box::new(Guest { yard, outlet, newcomer: Newcomer::default(), registration }))
    }

    /// A plain client: greeted at once and in its room.
    ///
    /// # Errors
    /// When the system gives no random bytes for a session, or they are to stay outside.
    pub async fn plain(
        yard: Arc<Yard>,
        outlet: Arc<Outlet>,
        registration: Registration,
        room: RoomName,
        ticket: Option<String>,
    ) -> Result<Self, Unwelcome> {
        let Some(_arriving) = yard.begin_arrival(&outlet) else { return Err(Unwelcome::Told) };
        let (name, session, moderator, rooms) = (None, None, None, BTreeMap::new());
        let hello = Hello { name, session, ticket, moderator, presence: true, rooms };
        let (mut talk, _) = Talk::begin(yard, outlet, registration, hello, "plain").await?;
        match talk.session.find(&room) {
            Ok(()) => talk.join(None, room, Ask::Default).await,
            Err(error) => talk.outlet.say(&ServerMessage::Error(error)),
        }
        Ok(Self::Plain(talk))
    }

    /// Hears a text message.
    pub fn hear_text(&mut self, outlet: &Outlet, text: &str) -> Option<Rest<'_>> {
        match self {
            Self::Echo(_) => outlet.push(frame::text(text)),
            Self::New(guest) => match guest.newcomer.hear(text) {
                Ok(hello) => return Some(Box::pin(self.enter(hello))),
                Err(actions) => guest.answer(actions),
            },
            Self::Chat(talk) => {
                talk.look_at_mute();
                let actions = talk.session.hear(text, Instant::now());
                return talk.carry_out(actions);
            }
            Self::Plain(talk) => {
                talk.look_at_mute();
                let actions = talk.read_line(text);
                return talk.carry_out(actions);
            }
            Self::Silent => {}
        }
        None
    }

    /// Hears a binary message.
    pub fn hear_binary(&mut self, outlet: &Outlet, bytes: &[u8]) -> Option<Rest<'_>> {
        match self {
            Self::Echo(_) => outlet.push(frame::binary(bytes)),
            Self::New(guest) => {
                let actions = guest.newcomer.malformed.refuse(no_binary());
                guest.answer(actions);
            }
            Self::Chat(talk) | Self::Plain(talk) => {
                let actions = talk.session.refuse(no_binary());
                return talk.carry_out(actions);
            }
            Self::Silent => {}
        }
        None
    }

    async fn enter(&mut self, hello: Hello) {
        if let Self::New(guest) = std::mem::replace(self, Self::Silent)
            && let Some(talk) = guest.enter(hello).await
        {
            *self = Self::Chat(talk);
        }
    }
}

impl Guest {
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

    /// Meets who said hello, and lets them into their rooms.
    async fn enter(self, hello: Hello) -> Option<Box<Talk>> {
        let Self { yard, outlet, registration, .. } = self;
        outlet.vitals().said_hello();
        let _arriving = yard.begin_arrival(&outlet)?;
        let (mut talk, rooms) = match Talk::begin(yard, Arc::clone(&outlet), registration, hello, SUBPROTOCOL).await {
            Ok(begun) => begun,
            Err(Unwelcome::Told) => return None,
            Err(Unwelcome::Identity(error)) => {
                tracing::error!(conn = outlet.connection(), %error, "no identity for a client");
                outlet.close(CloseCode::Internal, None);
                return None;
            }
        };
        let mut hidden = 0;
        for (room, ask) in rooms {
            let action = talk.session.arrive(room, ask);
            let refusal = match &action {
                Action::Say(ServerMessage::Error(error)) | Action::Refuse(_, ServerMessage::Error(error)) => {
                    Some(error.code)
                }
                _ => None,
            };
            if let Some(rest) = talk.carry_out([action]) {
                rest.await;
            }
            match refusal {
                // There may be others.
                Some(ErrorCode::NoRoom) if hidden < limits::ROOMS_PER_CONNECTION => hidden += 1,
                // The rest would be refused too; one answer says it.
                Some(_) => break,
                None => {}
            }
        }
        Some(talk)
    }
}

impl Talk {
    /// Meets somebody and says welcome; gives back where they want to go.
    async fn begin(
        yard: Arc<Yard>,
        outlet: Arc<Outlet>,
        mut registration: Registration,
        hello: Hello,
        protocol: &str,
    ) -> Result<(Box<Self>, BTreeMap<RoomName, Ask>), Unwelcome> {
        let Hello { name, session, ticket, moderator, presence, rooms: wanted } = hello;
        let Entry { session: token, user, may_be_known, sight, account } =
            Self::judge(&yard, &outlet, ticket.as_deref(), session)?;
        let (badge, moderator, problem) = match moderator {
            Some(secret) => Badge::shown(&yard, &secret).await,
            None => (Badge::default(), None, None),
        };
        registration.moderates(moderator.is_some());
        // First whose connection it is, then whether they may come in: a ban in between finds the connection.
        registration.belongs_to(&user, account.as_ref().and_then(|account| account.sign_in.clone()));
        if let Some(Err(turned)) = account.as_ref().map(|account| yard.door.still(&user, account)) {
            turned.tell(&outlet);
            return Err(Unwelcome::Told);
        }
        // Who shares an address with the one who was shut out may be the one who did that.
        let address = registration.address().filter(|_| moderator.is_none());
        if let Some(ban) = yard.hub.law().ban_of(Some(&user), address) {
            outlet.say(&ServerMessage::Error(ban.refusal(crate::history::unix_ms())));
            outlet.dismiss(&farewell(&ban));
            return Err(Unwelcome::Told);
        }
        let mute = yard.hub.law().mute_of(&user);
        // A name is heard too.
        let given = account.as_ref().and_then(|account| account.name.clone());
        let is_named = given.is_some();
        let name = given.or_else(|| name.filter(|_| mute.is_none()));
        let stored = if may_be_known && !yard.hub.people().knows(&user) {
            // Who cannot be looked up comes in all the same, as somebody new.
            yard.hub.history().name(&user).await.unwrap_or_else(|error| {
                tracing::error!(conn = outlet.connection(), %error, "a session cannot be looked up");
                None
            })
        } else {
            None
        };
        let tab = account.is_some().then(|| identity::user_of(&token)).transpose()?;
        let SessionLimits { text_bytes, rooms, rates } = yard.limits;
        let arrival = registration.identify(&user, tab, name, stored, Sends::new(&rates), presence);
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
            limits: Limits { text_bytes, name_chars: limits::NAME_CHARS, rooms, sends_per_second: rates.sends },
            moderator,
        })));
        if let Some(mute) = mute {
            outlet.say(&mute.told(crate::history::unix_ms()));
        }
        if let Some(problem) = problem {
            outlet.say(&ServerMessage::Error(problem));
        }
        let person = Person { user, name: arrival.name };
        let pace = Pace::new(rates, arrival.sends, registration.visit().cloned());
        let mut session = Session::new(person.clone(), yard.limits, pace);
        session.confine(sight, is_named);
        let talk = Self { yard, outlet, session, presence, memberships: Vec::new(), badge, registration };
        let talk = Box::new(talk);
        if arrival.is_new_name
            && let Some(append) = talk.append(None, Change::Remember(person))
        {
            talk.append_in_turn(append).await;
        }
        Ok((talk, wanted))
    }

    /// Asks the door about a hello, and tells who stays outside why.
    fn judge(
        yard: &Yard,
        outlet: &Outlet,
        ticket: Option<&str>,
        session: Option<SessionToken>,
    ) -> Result<Entry, Unwelcome> {
        match yard.door.judge(ticket, session, crate::history::unix_ms()) {
            Ok(Verdict::In(entry)) => Ok(*entry),
            Ok(Verdict::End(user, sign_in)) => {
                let connections = yard.hub.people().sign_out(&user, sign_in.as_deref(), &signed_out());
                tracing::info!(conn = outlet.connection(), %user, connections, "a sign-in ended");
                outlet.close(CloseCode::Normal, None);
                Err(Unwelcome::Told)
            }
            Err(Outside::TurnedAway(turned)) => {
                turned.tell(outlet);
                Err(Unwelcome::Told)
            }
            Err(Outside::Identity(error)) => Err(error.into()),
        }
    }

    /// Looks whether a moderator forbids this person to be heard.
    fn look_at_mute(&mut self) {
        let mute = self.yard.hub.law().mute_of(&self.session.person().user);
        self.session.silence(mute.map(|mute| mute.refusal(crate::history::unix_ms())));
    }

    /// What to do about a line.
    fn read_line(&mut self, line: &str) -> Vec<Action> {
        match plain::read(line) {
            Line::Empty => Vec::new(),
            Line::Help => vec![Action::Say(ServerMessage::Notice { text: plain::HELP.to_owned() })],
            Line::Command(message) => self.session.act(message, Instant::now()).into_iter().collect(),
            Line::Refused(error) => self.session.refuse(error),
        }
    }

    /// Carries out what can be at once, and says what is left.
    fn carry_out<I>(&mut self, actions: I) -> Option<Rest<'_>>
    where
        I: IntoIterator<Item = Action>,
        I::IntoIter: Send + 'static,
    {
        let mut actions = actions.into_iter();
        while let Some(action) = actions.next() {
            if let Some(later) = self.attempt(action) {
                return Some(Box::pin(self.finish(later, actions)));
            }
        }
        None
    }

    async fn finish(&mut self, later: Later, actions: impl Iterator<Item = Action>) {
        self.wait_for(later).await;
        for action in actions {
            if let Some(later) = self.attempt(action) {
                self.wait_for(later).await;
            }
        }
    }

    /// Does what can be done of an action without waiting.
    fn attempt(&mut self, action: Action) -> Option<Later> {
        match action {
            Action::Say(message) => self.outlet.say(&message),
            Action::Refuse(limit, message) => {
                self.yard.hub.metrics().hit(limit);
                self.outlet.say(&message);
            }
            Action::Pong(id) => self.outlet.say(&ServerMessage::Pong { id, now: crate::history::unix_ms() }),
            Action::Leave(id, room) => {
                if let Some(membership) = self.take_membership(&room) {
                    membership.leave();
                }
                self.ok(id, OkBody::Done {});
            }
            Action::Append(draft) => {
                return if self.badge.is_asked_for(&draft, self.room(&draft.room)) {
                    Some(Later::Vouch(draft))
                } else {
                    self.say_in_turn(draft)
                };
            }
            Action::Rename(id, name) => return self.rename(id, name).map(Later::Append),
            Action::Typing(room) => {
                if let Some(membership) = self.memberships.iter().find(|membership| membership.room().name() == &room) {
                    membership.typing();
                }
            }
            Action::Read(id, room, seq) => {
                let user = self.session.person().user.clone();
                return self.append(id, Change::Read { user, room, seq }).map(Later::Append);
            }
            Action::Who(id, room, after) => {
                let people = self.yard.hub.who(&room, after.as_ref());
                self.ok(Some(id), people);
            }
            Action::Quit => {
                self.memberships.drain(..).for_each(Membership::leave);
                self.outlet.close(CloseCode::Normal, None);
            }
            Action::Close(code) => self.outlet.close(code, None),
            Action::Topic(id, room) => {
                if let Some(room) = self.room(&room) {
                    let (setting, room) = (room.setting(), room.name().clone());
                    self.ok(id, OkBody::Room { room, topic: setting.topic, slow: setting.slow });
                }
            }
            Action::Join(..)
            | Action::History(..)
            | Action::Search(..)
            | Action::Rooms(_)
            | Action::Claim(..)
            | Action::Moderate(..) => {
                return Some(Later::Act(action));
            }
        }
        None
    }

    /// Does the rest.
    async fn wait_for(&mut self, later: Later) {
        match later {
            Later::Append(append) => self.append_in_turn(append).await,
            Later::Say(room, draft) => self.say_when_delivered(&room, *draft).await,
            Later::Vouch(draft) => self.say_as_moderator(draft).await,
            Later::Act(Action::Claim(id, secret)) => self.claim(id, &secret).await,
            Later::Act(Action::Moderate(id, order)) => self.moderate(id, order).await,
            Later::Act(Action::Join(id, room, ask)) => self.join(id, room, ask).await,
            Later::Act(Action::History(id, room, range, limit)) => self.history(id, room, range, limit).await,
            Later::Act(Action::Search(id, room, query, before, limit)) => {
                self.search(id, room, query, before, limit).await;
            }
            Later::Act(Action::Rooms(id)) => self.rooms(id).await,
            // These never wait.
            Later::Act(_) => {}
        }
    }

    fn room(&self, name: &RoomName) -> Option<&Arc<Room>> {
        self.memberships.iter().map(Membership::room).find(|room| room.name() == name)
    }

    fn take_membership(&mut self, room: &RoomName) -> Option<Membership> {
        let at = self.memberships.iter().position(|membership| membership.room().name() == room)?;
        Some(self.memberships.swap_remove(at))
    }

    fn ok(&self, id: Option<MessageId>, body: OkBody) {
        if let Some(id) = id {
            self.outlet.say(&ServerMessage::Ok { id, body });
        }
    }

    fn error(&self, id: Option<MessageId>, error: ErrorBody) {
        self.outlet.say(&ServerMessage::Error(Box::new(error.id(id))));
    }

    async fn join(&mut self, id: Option<MessageId>, name: RoomName, ask: Ask) {
        let room = match self.yard.hub.open(&name).await {
            Ok(room) => room,
            Err(error) => return self.error(id, *error),
        };
        self.ok(id, OkBody::Done {});
        // The room's own word for its name: everybody in it shares that one.
        self.session.joined(room.name());
        let (before, person) = (self.take_membership(&name), self.session.person().clone());
        match self.yard.hub.enter(room, &self.outlet, person, self.presence, &ask, before).await {
            Ok(Some(membership)) => {
                if self.memberships.is_empty() {
                    // Most are in one room.
                    self.memberships.reserve_exact(1);
                }
                self.memberships.push(membership);
            }
            Ok(None) => {}
            Err(error) => {
                // It was told that it is in; it has to begin again.
                tracing::error!(conn = self.outlet.connection(), %error, "a client cannot be let in");
                self.outlet.close(CloseCode::Storage, None);
            }
        }
    }

    /// Hands on what somebody says, where it is their turn.
    fn say_in_turn(&self, draft: Box<Draft>) -> Option<Later> {
        let room = self.room(&draft.room);
        if matches!(draft.says, Says::Text { .. })
            && let Some(Err((wait, seconds))) =
                room.map(|room| room.take_turn(&draft.user, draft.id.as_ref(), Instant::now()))
        {
            // Rounded up: who waits exactly so long is let through.
            let wait_ms = wait.as_millis() as u64 + 1;
            let text = format!("in this room everybody speaks once in {seconds} s");
            let error = ErrorBody::new(ErrorCode::RateLimited, text).retry_after_ms(wait_ms).limit(1);
            self.error(draft.id, error.hint("a moderator slowed it; send it again after retry_after_ms"));
            return None;
        }
        self.say_now(draft)
    }

    fn say_now(&self, draft: Box<Draft>) -> Option<Later> {
        match self.room(&draft.room) {
            Some(room) if room.lags() => Some(Later::Say(Arc::clone(room), draft)),
            room => self.say(room, *draft).map(Later::Append),
        }
    }

    async fn say_when_delivered(&self, room: &Arc<Room>, draft: Draft) {
        room.keeps_up().await;
        if let Some(append) = self.say(Some(room), draft) {
            self.append_in_turn(append).await;
        }
    }

    /// Hands what somebody says to history, and gives it back while the queue is full.
    fn say(&self, room: Option<&Arc<Room>>, draft: Draft) -> Option<Append<Receipt>> {
        let id = draft.id.clone();
        self.hand_in(id, Change::Say(draft), room.map(Room::expect))
    }

    /// Hands any other change to history, and gives it back while the queue is full.
    fn append(&self, id: Option<MessageId>, change: Change) -> Option<Append<Receipt>> {
        self.hand_in(id, change, None)
    }

    fn hand_in(&self, id: Option<MessageId>, change: Change, coming: Option<Coming>) -> Option<Append<Receipt>> {
        let receipt = Receipt { outlet: Arc::clone(&self.outlet), id, coming };
        self.outlet.expect_answer();
        self.yard.hub.history().try_append(Append { change, receipt }).err()
    }

    async fn append_in_turn(&self, append: Append<Receipt>) {
        if let Err(append) = self.yard.hub.history().append(append).await {
            let error = ErrorBody::new(ErrorCode::StorageUnavailable, "the server is stopping");
            let error = error.id(append.receipt.id).hint("nothing was stored; send it again with the same id");
            let error = ServerMessage::Error(Box::new(error));
            self.yard.hub.metrics().said(&error);
            self.outlet.answer(Some(frame::text(&error.to_json())));
        }
    }

    fn rename(&mut self, id: Option<MessageId>, name: Name) -> Option<Append<Receipt>> {
        let person = Person { name: name.clone(), ..self.session.person().clone() };
        self.yard.hub.people().rename(&person.user, &name);
        for membership in &mut self.memberships {
            membership.rename(&name);
        }
        self.append(id, Change::Remember(person))
    }
}
