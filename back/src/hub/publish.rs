//! The one place where what history numbered is handed to everybody, and where everybody is told what became of their
//! changes.

use std::sync::Arc;

use bytes::Bytes;
use shared::{Message, MessageId, OkBody, ServerMessage};

use super::{
    Hub, catch_up, news,
    outlet::Outlet,
    refusal::refused,
    room::{Coming, Room},
    sweep,
};
use crate::{
    frame,
    history::{Followed, Outcome, Refusal},
    metrics::Limit,
    moderation::Setting,
    sabotage,
};

/// Most rooms that are swept where they are published, one after the other.
const AT_ONCE: usize = 8;

/// Whom to tell what became of a draft.
pub struct Receipt {
    /// The sender's way out.
    pub outlet: Arc<Outlet>,
    /// The request's `id`; without one only errors are told.
    pub id: Option<MessageId>,
    /// Counts a message in its room while it is on its way.
    pub coming: Option<Coming>,
}

impl Hub {
    /// Hands a committed batch to everybody: the answers first, so that `ok` comes before the sender's own copy.
    pub fn publish(&self, batch: Vec<Followed<Receipt>>) {
        let mut touched: Vec<Arc<Room>> = Vec::new();
        let mut answered = Vec::with_capacity(batch.len());
        for followed in batch {
            match followed {
                Followed::Committed { outcome, receipt } => answered.push(self.apply(outcome, receipt, &mut touched)),
                Followed::Settled(settled) => _ = settled.send(()),
            }
        }
        self.sweep(touched);
        // Most answers have left by now, together with the message.
        answered.iter().for_each(|outlet| outlet.see_to_it());
    }

    /// Puts in force what history did, and prepares the answer, which is to be seen to. A room that has something to
    /// deliver now joins those that were `touched`.
    fn apply(&self, outcome: Outcome, receipt: Receipt, touched: &mut Vec<Arc<Room>>) -> Arc<Outlet> {
        let Receipt { outlet, id, coming } = receipt;
        match outcome {
            Outcome::Stored { epoch, message, revised } => {
                self.metrics.stored(false);
                let (room, seq, at) = (message.room.clone(), message.seq, message.at);
                let answer = ok(id, OkBody::Stored { room, epoch, seq, at, duplicate: false });
                // Who said it in the room knows which it is; the others have to look.
                let room = coming.as_ref().map(|coming| Arc::clone(coming.room()));
                match room.or_else(|| self.rooms().get(&message.room).cloned()) {
                    Some(room) => {
                        append(&room, &message, &revised, || outlet.prepare(answer));
                        if touched.last().is_none_or(|last| !Arc::ptr_eq(last, &room)) {
                            touched.push(room);
                        }
                        sabotage::pass(sabotage::Point::MidBroadcast);
                    }
                    None => outlet.prepare(answer),
                }
            }
            Outcome::Duplicate { epoch, room, seq, at } => {
                self.metrics.stored(true);
                outlet.prepare(ok(id, OkBody::Stored { room, epoch, seq, at, duplicate: true }));
            }
            Outcome::Read => outlet.prepare(ok(id, OkBody::Done {})),
            Outcome::Remembered(name) => outlet.prepare(ok(id, OkBody::Named { name })),
            Outcome::Imposed(sanction) => outlet.prepare(ok(id, self.law.impose(&self.people, &sanction))),
            Outcome::Pardoned { user, by } => {
                self.law.pardon(&self.people, &user, &by);
                outlet.prepare(ok(id, OkBody::Done {}));
            }
            Outcome::Set { room, setting, by } => {
                let Setting { topic, slow } = setting.clone();
                outlet.prepare(ok(id, OkBody::Room { room: room.clone(), topic, slow }));
                let room = self.rooms().get(&room).cloned();
                room.into_iter().for_each(|room| news::set(&room, setting.clone(), &by));
            }
            Outcome::Refused(refusal) => {
                if refusal == Refusal::TooManyRooms {
                    self.metrics.hit(Limit::HistoryRooms);
                }
                let refused = refused(refusal, id);
                self.metrics.said(&refused);
                outlet.prepare(Some(frame::message(&refused)));
            }
        }
        outlet
    }

    /// Sweeps rooms whose logs have grown: here where that is soon done, so that their members need not wait for a
    /// worker. With more to come they are swept beside this, by as many workers as there are, and what comes goes along.
    fn sweep(&self, touched: Vec<Arc<Room>>) {
        let is_alone = touched.len() <= AT_ONCE && !self.history.is_ahead();
        for room in touched {
            if !is_alone || !sweep::at_once(&room) {
                sweep::mark(&room);
            }
        }
    }
}

/// The answer to a change that was made, if it was asked for.
fn ok(id: Option<MessageId>, body: OkBody) -> Option<Bytes> {
    id.map(|id| frame::message(&ServerMessage::Ok { id, body }))
}

/// Adds a message to its room's log, where `revised` read otherwise from then on. Its sender is answered while the log
/// cannot be swept.
fn append(room: &Room, message: &Message, revised: &[Arc<Message>], answer: impl FnOnce()) {
    let frame = catch_up::encode(message);
    let mut log = room.log();
    answer();
    log.append_message(message.seq, frame);
    for message in revised {
        log.revise(message.seq, catch_up::encode(message));
    }
}
