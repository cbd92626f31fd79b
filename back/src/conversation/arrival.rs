//! How somebody comes in: from hello to welcome and into their rooms.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use shared::{
    Ask, CloseCode, ErrorCode, Name, Person, RoomName, SUBPROTOCOL, ServerMessage, SessionToken, UserId, limits,
    server::{Limits, Welcome},
};
use tokio::sync::OwnedSemaphorePermit;

use super::{Badge, Talk, Yard};
use crate::{
    door::{Account, Entry, Outside, Parting, TurnedAway, Verdict},
    history::{Change, unix_ms},
    hub::{Outlet, Registration, farewell},
    identity,
    limits::{Pace, Sends},
    metrics::Limit,
    session::{Action, Hello, Newcomer, Session, SessionLimits},
};

/// Program and version, in `welcome.server`.
const SERVER: &str = concat!("madang/", env!("CARGO_PKG_VERSION"));

impl Yard {
    /// Begins to let somebody in when it is their turn, unless that takes too long: then they are told when to come back.
    async fn begin_arrival(&self, outlet: &Outlet) -> Option<OwnedSemaphorePermit> {
        let refused = |wait: Duration| {
            self.hub.metrics().hit(Limit::Arrivals);
            outlet.close(CloseCode::Overloaded, Some(wait.as_millis() as u64));
        };
        self.arrivals.begin().await.map_err(refused).ok()
    }
}

impl TurnedAway {
    /// Tells somebody so, and ends their connection.
    fn tell(self, outlet: &Outlet) {
        tracing::debug!(conn = outlet.connection(), code = self.code.code(), "somebody stays outside");
        outlet.say(&ServerMessage::Error(self.error));
        outlet.close(self.code, None);
    }
}

impl Outside {
    /// Tells somebody so, and ends their connection.
    fn tell(self, outlet: &Outlet) {
        match self {
            Self::TurnedAway(turned) => turned.tell(outlet),
            Self::Identity(error) => {
                tracing::error!(conn = outlet.connection(), %error, "no identity for a client");
                outlet.close(CloseCode::Internal, None);
            }
        }
    }
}

/// Somebody who was welcomed.
struct Met {
    session: Session,
    badge: Badge,
    /// Whether history has still to learn what they are called.
    is_new_name: bool,
}

/// A `chat.v1` client that has yet to say hello.
pub struct Guest {
    yard: Arc<Yard>,
    outlet: Arc<Outlet>,
    pub(super) newcomer: Newcomer,
    registration: Registration,
}

impl Guest {
    pub(super) fn new(yard: Arc<Yard>, outlet: Arc<Outlet>, registration: Registration) -> Self {
        Self { yard, outlet, newcomer: Newcomer::default(), registration }
    }

    /// A newcomer can only be answered or closed.
    pub(super) fn answer(&self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Say(message) => self.outlet.say(&message),
                Action::Close(code) => self.outlet.close(code, None),
                _ => {}
            }
        }
    }

    /// Meets who said hello, and lets them into their rooms. Who stays outside was told why.
    pub(super) async fn enter(self, hello: Hello) -> Result<Box<Talk>, Registration> {
        let Self { yard, outlet, registration, .. } = self;
        outlet.vitals().said_hello();
        let Some(_arriving) = yard.begin_arrival(&outlet).await else { return Err(registration) };
        let (mut talk, rooms) = Talk::begin(yard, outlet, registration, hello, SUBPROTOCOL).await?;
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
        Ok(talk)
    }
}

impl Talk {
    /// Greets a plain client and lets it into its room. Who stays outside was told why.
    pub(super) async fn greet(
        yard: Arc<Yard>,
        outlet: Arc<Outlet>,
        registration: Registration,
        room: RoomName,
        ticket: Option<String>,
    ) -> Result<Box<Self>, Registration> {
        let Some(_arriving) = yard.begin_arrival(&outlet).await else { return Err(registration) };
        let (name, session, moderator, rooms) = (None, None, None, BTreeMap::new());
        let hello = Hello { name, session, ticket, moderator, presence: true, rooms };
        let (mut talk, _) = Self::begin(yard, outlet, registration, hello, "plain").await?;
        match talk.session.find(&room) {
            Ok(()) => talk.join(None, room, Ask::Default).await,
            Err(error) => talk.outlet.say(&ServerMessage::Error(error)),
        }
        Ok(talk)
    }

    /// Meets somebody and says welcome; gives back where they want to go.
    async fn begin(
        yard: Arc<Yard>,
        outlet: Arc<Outlet>,
        mut registration: Registration,
        mut hello: Hello,
        protocol: &str,
    ) -> Result<(Box<Self>, BTreeMap<RoomName, Ask>), Registration> {
        let (presence, wanted) = (hello.presence, std::mem::take(&mut hello.rooms));
        let met = Self::meet(&yard, &outlet, &mut registration, hello, protocol).await;
        let Some(Met { session, badge, is_new_name }) = met else { return Err(registration) };
        let talk = Self { yard, outlet, session, presence, memberships: Vec::new(), badge, registration };
        let talk = Box::new(talk);
        if is_new_name && let Some(append) = talk.append(None, Change::Remember(talk.session.person().clone())) {
            talk.append_in_turn(append).await;
        }
        Ok((talk, wanted))
    }

    /// Learns who somebody is and says welcome; nothing of who stays outside.
    async fn meet(
        yard: &Yard,
        outlet: &Outlet,
        registration: &mut Registration,
        hello: Hello,
        protocol: &str,
    ) -> Option<Met> {
        let Hello { name, session, ticket, moderator, presence, .. } = hello;
        let Entry { session: token, user, may_be_known, sight, account } =
            Self::judge(yard, outlet, ticket.as_deref(), session)?;
        let (badge, moderator, problem) = match moderator {
            Some(secret) => Badge::shown(yard, &secret).await,
            None => (Badge::default(), None, None),
        };
        registration.moderates(moderator.is_some());
        // First whose connection it is, then whether they may come in: a ban in between finds the connection.
        registration.belongs_to(&user, account.as_ref().and_then(|account| account.sign_in.clone()));
        Self::keep_out(yard, outlet, registration, &user, account.as_ref(), moderator.is_some())?;
        let mute = yard.hub.law().mute_of(&user);
        // A name is heard too.
        let given = account.as_ref().and_then(|account| account.name.clone());
        let is_named = given.is_some();
        let name = given.or_else(|| name.filter(|_| mute.is_none()));
        let stored = if may_be_known { Self::stored_name(yard, outlet, &user).await } else { None };
        let tab = account.is_some().then(|| identity::user_of(&token)).transpose();
        let tab = tab.map_err(|error| Outside::from(error).tell(outlet)).ok()?;
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
            now: unix_ms(),
            ping_ms: yard.ping_ms,
            history: yard.hub.history().kind().to_owned(),
            limits: Limits { text_bytes, name_chars: limits::NAME_CHARS, rooms, sends_per_second: rates.sends },
            moderator,
        })));
        if let Some(mute) = mute {
            outlet.say(&mute.told(unix_ms()));
        }
        if let Some(problem) = problem {
            outlet.say(&ServerMessage::Error(problem));
        }
        let person = Person { user, name: arrival.name };
        let pace = Pace::new(rates, arrival.sends, registration.visit().cloned());
        let mut session = Session::new(person, yard.limits, pace);
        session.confine(sight, is_named);
        Some(Met { session, badge, is_new_name: arrival.is_new_name })
    }

    /// Asks the door about a hello, and tells who stays outside why.
    fn judge(yard: &Yard, outlet: &Outlet, ticket: Option<&str>, session: Option<SessionToken>) -> Option<Entry> {
        match yard.door.judge(ticket, session, unix_ms()) {
            Ok(Verdict::In(entry)) => Some(*entry),
            Ok(Verdict::End(Parting { user, sign_in, error, code })) => {
                let connections = yard.hub.people().sign_out(&user, sign_in.as_deref(), error.as_deref(), code);
                tracing::info!(conn = outlet.connection(), %user, connections, "a sign-in ended");
                outlet.close(CloseCode::Normal, None);
                None
            }
            Err(outside) => {
                outside.tell(outlet);
                None
            }
        }
    }

    /// Looks whether a sign-in that ended or a moderator's ban is against them; if so they are told, and it is nothing.
    fn keep_out(
        yard: &Yard,
        outlet: &Outlet,
        registration: &Registration,
        user: &UserId,
        account: Option<&Account>,
        is_moderator: bool,
    ) -> Option<()> {
        if let Some(Err(turned)) = account.map(|account| yard.door.still(user, account)) {
            turned.tell(outlet);
            return None;
        }
        // Who shares an address with the one who was shut out may be the one who did that.
        let address = registration.address().filter(|_| !is_moderator);
        if let Some(ban) = yard.hub.law().ban_of(Some(user), address) {
            outlet.say(&ServerMessage::Error(ban.refusal(unix_ms())));
            outlet.dismiss(&farewell(&ban));
            return None;
        }
        Some(())
    }

    /// What somebody was called who is not among the people now. Who cannot be looked up comes in all the same, as
    /// somebody new.
    async fn stored_name(yard: &Yard, outlet: &Outlet, user: &UserId) -> Option<Name> {
        if yard.hub.people().knows(user) {
            return None;
        }
        yard.hub.history().name(user).await.unwrap_or_else(|error| {
            tracing::error!(conn = outlet.connection(), %error, "a session cannot be looked up");
            None
        })
    }
}
