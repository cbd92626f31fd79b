//! What somebody says, on its way to history.

use std::{sync::Arc, time::Instant};

use shared::{ErrorBody, ErrorCode, MessageId, Name, Person, ServerMessage};

use super::{Later, Talk};
use crate::{
    frame,
    history::{Append, Change, Draft, Says},
    hub::{Coming, Receipt, Room},
};

impl Talk {
    /// Hands on what somebody says, where it is their turn.
    pub(super) fn say_in_turn(&self, draft: Box<Draft>) -> Option<Later> {
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

    pub(super) fn say_now(&self, draft: Box<Draft>) -> Option<Later> {
        match self.room(&draft.room) {
            Some(room) if room.lags() => Some(Later::Say(Arc::clone(room), draft)),
            room => self.say(room, *draft).map(Later::Append),
        }
    }

    pub(super) async fn say_when_delivered(&self, room: &Arc<Room>, draft: Draft) {
        room.keeps_up().await;
        if let Some(append) = self.say(Some(room), draft) {
            self.append_in_turn(append).await;
        }
    }

    /// Hands what somebody says to history, and gives it back while the queue is full.
    pub(super) fn say(&self, room: Option<&Arc<Room>>, draft: Draft) -> Option<Append<Receipt>> {
        let id = draft.id.clone();
        self.hand_in(id, Change::Say(draft), room.map(Room::expect))
    }

    /// Hands any other change to history, and gives it back while the queue is full.
    pub(super) fn append(&self, id: Option<MessageId>, change: Change) -> Option<Append<Receipt>> {
        self.hand_in(id, change, None)
    }

    fn hand_in(&self, id: Option<MessageId>, change: Change, coming: Option<Coming>) -> Option<Append<Receipt>> {
        let receipt = Receipt { outlet: Arc::clone(&self.outlet), id, coming };
        self.outlet.expect_answer();
        self.yard.hub.history().try_append(Append { change, receipt }).err()
    }

    pub(super) async fn append_in_turn(&self, append: Append<Receipt>) {
        if let Err(append) = self.yard.hub.history().append(append).await {
            let error = ErrorBody::new(ErrorCode::StorageUnavailable, "the server is stopping");
            let error = error.id(append.receipt.id).hint("nothing was stored; send it again with the same id");
            let error = ServerMessage::Error(Box::new(error));
            self.yard.hub.metrics().said(&error);
            self.outlet.answer(Some(frame::message(&error)));
        }
    }

    pub(super) fn rename(&mut self, id: Option<MessageId>, name: Name) -> Option<Append<Receipt>> {
        let person = Person { name: name.clone(), ..self.session.person().clone() };
        self.yard.hub.people().rename(&person.user, &name);
        for membership in &mut self.memberships {
            membership.rename(&name);
        }
        // Two tabs that choose at once agree in the end.
        self.look_at_name();
        self.append(id, Change::Remember(person))
    }
}
