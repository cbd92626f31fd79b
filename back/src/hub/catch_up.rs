//! How somebody who is not at the head of a room's log gets there: slow, late and resumed are the same code.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use shared::{CloseCode, Gap, GapReason, Message, ServerMessage};

use super::{
    History,
    log::{BEFORE_ALL, Place, Since},
    outlet::Outlet,
    resume,
    room::Room,
    segment::{BATCH_BYTES, Member},
};
use crate::{
    frame,
    history::{Range, Unavailable},
    metrics::{Metrics, Way},
    sabotage,
};

/// Messages that one step reads from history.
const PAGE: usize = 100;

/// How far a step brought somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// There is more to tell.
    Behind,
    /// It has what the log has.
    Arrived,
    /// It has left, or its connection ends.
    Over,
}

/// A member that is not in a segment: what it has, and what it still has to be told.
pub struct Cursor {
    room: Arc<Room>,
    member: Arc<Member>,
    at: Place,
    /// Frames of state before this offset are older than what the member was told when it came.
    state_from: u64,
    /// It came in and waits for its `synced`.
    joining: bool,
    /// It read from history, which knows messages only, and may have missed who came and went since it was told.
    missed_state: bool,
    _late: Option<Late>,
}

/// A member that was in a segment and is behind, while it lives.
struct Late(Arc<Metrics>);

impl Late {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.fell_behind();
        Self(Arc::clone(metrics))
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.0.caught_up();
    }
}

impl Cursor {
    /// A member that the room left behind at `at`.
    pub(super) fn behind(room: &Arc<Room>, member: &Arc<Member>, at: Place) -> Self {
        Self {
            room: Arc::clone(room),
            member: Arc::clone(member),
            at,
            state_from: 0,
            joining: false,
            missed_state: false,
            _late: Some(Late::new(room.metrics())),
        }
    }

    /// A member that has everything up to message `after` and was told the room's state as of `state_from`.
    pub(super) fn joining(room: &Arc<Room>, member: &Arc<Member>, after: u64, state_from: u64) -> Self {
        let at = Self::place(room, after);
        let (room, member) = (Arc::clone(room), Arc::clone(member));
        Self { room, member, at, state_from, joining: true, missed_state: false, _late: None }
    }

    /// Where message `seq + 1` is in the log; before everything when it is not there any more.
    fn place(room: &Room, seq: u64) -> Place {
        room.log().locate(seq).unwrap_or(Place { offset: BEFORE_ALL, seq })
    }

    /// Whether it waits for its `synced`, and what it lacks is at hand.
    pub(super) fn is_short(&self) -> bool {
        self.joining && self.at.offset != BEFORE_ALL
    }

    /// Brings the member forward by one batch: from the log where it reaches, from history beyond.
    pub(super) async fn advance(&mut self, outlet: &Outlet, history: &History) -> Advance {
        if self.member.has_left() {
            return Advance::Over;
        }
        let since = self.room.log().replay(self.at, self.state_from, BATCH_BYTES);
        match since {
            Since::Batch(batch, to) => {
                self.member.push(batch);
                self.room.metrics().delivered(Way::CatchUp, to.seq - self.at.seq);
                self.at = to;
                sabotage::pass(sabotage::Point::MidReplay);
            }
            Since::UpToDate => {
                if self.missed_state && !self.room.tell_roster(&self.member, self.at) {
                    return Advance::Behind;
                }
                if self.joining {
                    let room = self.room.name().clone();
                    self.member.say(&ServerMessage::Synced { room, seq: self.at.seq });
                }
                return Advance::Arrived;
            }
            Since::Beyond => {
                if let Err(error) = Box::pin(self.read_history(history)).await {
                    tracing::error!(conn = outlet.connection(), %error, "a client cannot be told what it missed");
                    outlet.close(CloseCode::Storage, None);
                    return Advance::Over;
                }
            }
        }
        Advance::Behind
    }

    /// Who it is about, and the place up to which they have everything.
    pub(super) fn into_parts(self) -> (Arc<Room>, Arc<Member>, Place) {
        (self.room, self.member, self.at)
    }

    async fn read_history(&mut self, history: &History) -> Result<(), Unavailable> {
        let name = self.room.name();
        let seq = self.at.seq;
        // History may be ahead of what was published; that comes through the log.
        let published = self.room.log().head().seq;
        let mut bounds = history.bounds(name).await?;
        bounds.top = bounds.top.min(published);
        bounds.first = bounds.first.min(published + 1);
        // A joining client's replay was measured when it joined; what came since is not counted against it.
        let missed =
            if self.joining { (0, 0) } else { history.size_after(name, seq, resume::RESUME_MESSAGES + 1).await? };
        let (mut gaps, after) = resume::catch_up(name, seq, &bounds, missed, GapReason::Slow);
        let messages = history.read(name, Range::After(after), PAGE).await?;
        let kept_from = history.bounds(name).await?.first;
        if self.member.has_left() {
            return Ok(());
        }
        let mut batch = BytesMut::new();
        let mut last = after;
        let mut count = 0;
        for message in messages.into_iter().take_while(|message| message.seq <= published) {
            if message.seq != last + 1 {
                if !batch.is_empty() {
                    // What comes before a hole goes out before it is told.
                    break;
                }
                gaps.push(self.hole(last + 1, message.seq - 1, kept_from));
            }
            last = message.seq;
            count += 1;
            batch.extend_from_slice(&encode(&message));
            if batch.len() >= BATCH_BYTES {
                break;
            }
        }
        if last == after && last < published {
            gaps.push(self.hole(last + 1, published, kept_from));
            last = published;
        }
        for gap in gaps {
            self.member.say(&ServerMessage::Gap(gap));
        }
        if !batch.is_empty() {
            self.member.push(batch.freeze());
            self.room.metrics().delivered(Way::CatchUp, count);
        }
        self.at = Self::place(&self.room, last);
        // Whatever was told of the people in between is passed over.
        self.missed_state |= !self.joining || self.at.offset > self.state_from;
        sabotage::pass(sabotage::Point::MidReplay);
        Ok(())
    }

    /// What history does not have although it was numbered: no longer kept, or lost. It is never passed over in silence.
    fn hole(&self, from: u64, to: u64, kept_from: u64) -> Gap {
        let room = self.room.name().clone();
        let reason = if to < kept_from { GapReason::Expired } else { GapReason::Lost };
        if reason == GapReason::Lost {
            tracing::error!(%room, from, to, "messages are missing in history; `back check` tells more");
        }
        Gap { room, from, to, reason }
    }
}

/// The frame of a message; the same bytes whenever it is made.
pub(super) fn encode(message: &Message) -> Bytes {
    frame::message(message)
}
