//! Carries out what the session decides.

use std::{sync::Arc, time::Instant};

use shared::{Ask, CloseCode, ErrorBody, MessageId, OkBody, RoomName, ServerMessage};

use super::{Badge, Rest, Yard};
use crate::{
    history::{Append, Change, Draft, unix_ms},
    hub::{Membership, Outlet, Receipt, Registration, Room},
    plain::{self, Line},
    session::{Action, Session},
};

/// A conversation with somebody who is known.
pub struct Talk {
    pub(super) yard: Arc<Yard>,
    pub(super) outlet: Arc<Outlet>,
    pub(super) session: Session,
    /// Whether this is one of the people of its rooms.
    pub(super) presence: bool,
    /// Few, so they are looked through.
    pub(super) memberships: Vec<Membership>,
    /// What makes it a moderator's, and what became of it.
    pub(super) badge: Badge,
    /// Dropped after the memberships, so that the session is held as long as it is somewhere.
    pub(super) registration: Registration,
}

/// What is left of an action that has to wait.
pub(super) enum Later {
    /// All of it.
    Act(Action),
    /// The queue of history is full.
    Append(Append<Receipt>),
    /// The room has to deliver what was said before.
    Say(Arc<Room>, Box<Draft>),
    /// It has to be looked whether it is still a moderator who says so.
    Vouch(Box<Draft>),
}

impl Talk {
    /// Looks whether a moderator forbids this person to be heard.
    pub(super) fn look_at_mute(&mut self) {
        let mute = self.yard.hub.law().mute_of(&self.session.person().user);
        self.session.silence(mute.map(|mute| mute.refusal(unix_ms())));
    }

    /// Looks whether this person chose another name in another tab, so that what is said here is said by that one. What a
    /// ticket calls somebody holds as long as the connection.
    pub(super) fn look_at_name(&mut self) {
        if self.session.is_named() {
            return;
        }
        if let Some(name) = self.registration.renamed_from(&self.session.person().name) {
            for membership in &mut self.memberships {
                membership.rename(&name);
            }
            self.session.is_called(name);
        }
    }

    /// What to do about a line.
    pub(super) fn read_line(&mut self, line: &str) -> Vec<Action> {
        match plain::read(line) {
            Line::Empty => Vec::new(),
            Line::Help => vec![Action::Say(ServerMessage::Notice { text: plain::HELP.to_owned() })],
            Line::Command(message) => self.session.act(message, Instant::now()).into_iter().collect(),
            Line::Refused(error) => self.session.refuse(error),
        }
    }

    /// Carries out what can be at once, and says what is left.
    pub(super) fn carry_out<I>(&mut self, actions: I) -> Option<Rest<'_>>
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
            Action::Pong(id) => self.outlet.say(&ServerMessage::Pong { id, now: unix_ms() }),
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

    pub(super) fn room(&self, name: &RoomName) -> Option<&Arc<Room>> {
        self.memberships.iter().map(Membership::room).find(|room| room.name() == name)
    }

    fn take_membership(&mut self, room: &RoomName) -> Option<Membership> {
        let at = self.memberships.iter().position(|membership| membership.room().name() == room)?;
        Some(self.memberships.swap_remove(at))
    }

    pub(super) fn ok(&self, id: Option<MessageId>, body: OkBody) {
        if let Some(id) = id {
            self.outlet.say(&ServerMessage::Ok { id, body });
        }
    }

    pub(super) fn error(&self, id: Option<MessageId>, error: ErrorBody) {
        self.outlet.say(&ServerMessage::Error(Box::new(error.id(id))));
    }

    pub(super) async fn join(&mut self, id: Option<MessageId>, name: RoomName, ask: Ask) {
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
                // It took a while: the seat has the name from before.
                self.look_at_name();
            }
            Ok(None) => {}
            Err(error) => {
                // It was told that it is in; it has to begin again.
                tracing::error!(conn = self.outlet.connection(), %error, "a client cannot be let in");
                self.outlet.close(CloseCode::Storage, None);
            }
        }
    }
}
