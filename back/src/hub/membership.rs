//! Somebody's place in a room: coming in, being called something there, and going.

use std::{sync::Arc, time::Instant};

use shared::{Ask, Name, Person, ServerMessage, server::Joined};

use super::{Hub, Member, Outlet, Room, catch_up::Cursor, news, resume, sweep};
use crate::{frame, history::Unavailable, moderation::Setting};

/// Somebody in a room; dropping it is leaving, with the grace of a lost connection.
pub struct Membership {
    room: Arc<Room>,
    member: Arc<Member>,
    person: Person,
    /// Whether this person has a seat among the people.
    present: bool,
    inside: bool,
}

impl Hub {
    /// Lets somebody into a room: says `joined` and the gaps, and has the outlet catch up from there. Only who is
    /// `present` is one of the room's people. `before` is the membership that this one follows, if there was one.
    /// `None` when the connection is ending: it must not take the seat of the one that replaced it.
    ///
    /// # Errors
    /// When history cannot be read; the membership before is over then.
    pub async fn enter(
        &self,
        room: Arc<Room>,
        outlet: &Arc<Outlet>,
        person: Person,
        present: bool,
        ask: &Ask,
        mut before: Option<Membership>,
    ) -> Result<Option<Membership>, Unavailable> {
        let name = room.name();
        let (mut bounds, read) = self.history.meet(name, &person.user).await?;
        let missed = match ask {
            // What the log holds is never too much for a resume.
            Ask::Resume(at) if at.epoch == bounds.epoch && room.log().locate(at.seq).is_none() => {
                self.history.size_after(name, at.seq, resume::RESUME_MESSAGES + 1).await?
            }
            _ => (0, 0),
        };
        let member = Arc::new(Member::new(Arc::clone(outlet)));
        let inside = news::with_presence(&room, |presence| {
            if !outlet.is_open() {
                return false;
            }
            if let Some(before) = before.take() {
                before.hand_over();
            }
            if present {
                let (user, name, connection, now) = (&person.user, &person.name, outlet.connection(), Instant::now());
                if outlet.may_have_others() {
                    presence.join_beside(user, name, connection, now);
                } else {
                    presence.join(user, name, connection, now);
                }
            }
            // While presence is locked nothing is told of it, so what follows `head` in the log follows this state.
            let head = room.log().head();
            bounds.top = head.seq;
            bounds.first = bounds.first.min(head.seq + 1);
            let plan = resume::plan(name, ask, &bounds, missed);
            let Setting { topic, slow } = room.setting();
            let joined = Joined {
                room: name,
                epoch: &bounds.epoch,
                first: bounds.first,
                top: bounds.top,
                resume: plan.resume,
                count: presence.count(),
                users: &presence.first_page(),
                read,
                topic,
                slow,
            };
            outlet.push(frame::message(&joined));
            self.metrics.joined(plan.resume);
            for gap in plan.gaps {
                outlet.say(&ServerMessage::Gap(gap));
            }
            outlet.fall_behind(Box::new(Cursor::joining(&room, &member, plan.after, head.offset)));
            true
        });
        // Where nothing followed it, the membership before ends here, with the grace of a lost connection.
        drop(before);
        if inside {
            self.metrics.seated();
        }
        Ok(inside.then_some(Membership { room, member, person, present, inside }))
    }
}

impl Membership {
    /// Which room.
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Passes on that this person is typing.
    pub fn typing(&self) {
        if !self.present {
            return;
        }
        let message = ServerMessage::Typing {
            room: self.room.name().clone(),
            user: self.person.user.clone(),
            name: self.person.name.clone(),
        };
        news::typing(&self.room, frame::message(&message), Instant::now());
    }

    /// Changes this person's name in the room.
    pub fn rename(&mut self, name: &Name) {
        self.person.name = name.clone();
        if !self.present {
            return;
        }
        news::with_presence(&self.room, |presence| presence.rename(&self.person.user, name, Instant::now()));
    }

    /// Leaves so that the room is told at once. No message of the room is written after this returns.
    pub fn leave(mut self) {
        self.end(true);
    }

    /// Ends the fan-out to this member and leaves its seat among the people for the membership that follows.
    fn hand_over(mut self) {
        self.inside = false;
        self.room.metrics().unseated();
        sweep::leave(&self.room, &self.member);
    }

    fn end(&mut self, at_once: bool) {
        if std::mem::take(&mut self.inside) {
            self.room.metrics().unseated();
            sweep::leave(&self.room, &self.member);
            if !self.present {
                return;
            }
            let connection = self.member.outlet().connection();
            news::with_presence(&self.room, |presence| {
                presence.leave(&self.person.user, connection, at_once, Instant::now());
            });
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // Whom a moderator sent away is not waited for.
        self.end(self.member.outlet().is_dismissed());
    }
}
