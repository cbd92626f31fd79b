//! The registry of who is connected and which rooms are open, and the one place where what history numbered is handed
//! to everybody. It knows no WebSocket: a member is an outlet for bytes.

mod catch_up;
mod law;
mod listing;
mod log;
mod membership;
mod news;
mod outlet;
mod pace;
mod people;
mod presence;
mod resume;
mod room;
mod segment;
mod sweep;
#[cfg(test)]
mod tests;
mod vitals;
mod wire;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use shared::{ErrorBody, ErrorCode, MessageId, OkBody, RoomEntry, RoomName, ServerMessage};

pub use law::{Law, farewell};
pub use membership::Membership;
pub use outlet::{Backlog, Farewell, Next, Outlet};
pub use people::{Arrival, People, Registration};
pub use presence::PresenceTimes;
pub use room::{Coming, Room};
pub use segment::Member;
pub use vitals::{Ages, Vitals};
pub use wire::Wire;

use crate::{
    frame,
    history::{self, Bounds, Followed, Outcome, Range, Refusal, Unavailable},
    metrics::{Limit, Metrics},
    moderation::Setting,
    sabotage,
};

/// History as the hub uses it: every draft carries whom to tell.
pub type History = history::History<Receipt>;

/// Messages that are read at once when a room is brought into memory: a page of the longest is 1.6 MB.
const LOOK_UP_PAGE: usize = 100;

/// When to try again what history could not do.
const RETRY_MS: u64 = 1_000;

/// Every room's log may have so many bytes, however many rooms there are; one frame stays in any case.
const LOG_SHARE: usize = 16 * 1024;

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

/// What an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct HubLimits {
    /// Rooms in memory, with people in them or with news to tell.
    pub rooms: usize,
    /// Sessions without a connection that are known without asking history.
    pub sessions: usize,
    /// Bytes of all rooms' logs together.
    pub log_bytes: usize,
    /// The longest rest of a busy room between two sweeps.
    pub rest: Duration,
    /// What presence waits for.
    pub presence: PresenceTimes,
}

/// Connected clients and open rooms.
pub struct Hub {
    history: History,
    limits: HubLimits,
    rooms: Mutex<HashMap<RoomName, Arc<Room>>>,
    people: Arc<People>,
    law: Law,
    metrics: Arc<Metrics>,
    /// The last answer to `rooms`, and when it was made.
    listed: Mutex<Option<(Instant, Vec<RoomEntry>)>>,
}

impl Hub {
    /// An empty hub over a history.
    pub fn new(history: History, limits: HubLimits, metrics: Arc<Metrics>) -> Self {
        let people = Arc::new(People::new(Arc::clone(&metrics), limits.sessions));
        Self {
            history,
            limits,
            rooms: Mutex::default(),
            people,
            law: Law::default(),
            metrics,
            listed: Mutex::default(),
        }
    }

    /// What this server counts of itself.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What was said.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Who is connected.
    pub fn people(&self) -> &Arc<People> {
        &self.people
    }

    /// What moderators imposed.
    pub fn law(&self) -> &Law {
        &self.law
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomName, Arc<Room>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds a room, or brings it into memory.
    ///
    /// # Errors
    /// `room_limit` when there are as many as the server holds, `storage_unavailable` when history cannot be read.
    pub async fn open(&self, name: &RoomName) -> Result<Arc<Room>, Box<ErrorBody>> {
        let room = {
            let mut rooms = self.rooms();
            if !rooms.contains_key(name) && rooms.len() >= self.limits.rooms {
                self.metrics.hit(Limit::Rooms);
                let error = ErrorBody::new(ErrorCode::RoomLimit, "this server holds no more rooms just now");
                return Err(Box::new(
                    error.limit(self.limits.rooms as u64).hint("join a room that exists, or try later"),
                ));
            }
            let HubLimits { presence, rest, .. } = self.limits;
            let new = || Arc::new(Room::new(name.clone(), presence, rest, Arc::clone(&self.metrics)));
            Arc::clone(rooms.entry(name.clone()).or_insert_with(new))
        };
        room.looked_up().get_or_try_init(|| self.look_up(&room)).await.map_err(unavailable)?;
        Ok(room)
    }

    /// What of a room may be shown: history may hold messages whose senders are not answered yet.
    pub fn published(&self, name: &RoomName, mut bounds: Bounds) -> Bounds {
        if let Some(room) = self.rooms().get(name).filter(|room| room.looked_up().initialized()) {
            bounds.top = bounds.top.min(room.top());
        }
        bounds
    }

    /// Fills a room's log with the newest messages of history: as many as a resume replays, so that a crowd that comes
    /// back after a restart is served from there.
    async fn look_up(&self, room: &Arc<Room>) -> Result<(), Unavailable> {
        let name = room.name();
        let (Bounds { top, .. }, setting) = self.history.look_up(name).await?;
        room.look_up_setting(setting);
        // The room is in the list already, so what is numbered from here on comes through its log. What history has
        // now may still be on its way: nobody may see it before its sender is answered.
        self.history.settle().await?;
        loop {
            let revisions = room.log().revisions();
            let newest = self.newest(name, top).await?;
            let mut log = room.log();
            if log.revisions() == revisions {
                log.open(top, newest);
                return Ok(());
            }
        }
    }

    async fn newest(&self, name: &RoomName, top: u64) -> Result<Vec<(u64, Bytes)>, Unavailable> {
        let (mut newest, mut bytes) = (VecDeque::new(), 0);
        let mut before = top + 1;
        while newest.len() < log::LOG_FRAMES && bytes < log::LOG_BYTES {
            let page = self.history.read(name, Range::Before(before), LOOK_UP_PAGE).await?;
            let Some(first) = page.first() else { break };
            before = first.seq;
            for message in page.iter().rev() {
                let frame = catch_up::encode(message);
                bytes += frame.len();
                newest.push_front((message.seq, frame));
            }
        }
        Ok(newest.into())
    }

    /// Hands a committed batch to everybody: the answers first, so that `ok` comes before the sender's own copy.
    pub fn publish(&self, batch: Vec<Followed<Receipt>>) {
        let mut touched: Vec<Arc<Room>> = Vec::new();
        let mut answered = Vec::with_capacity(batch.len());
        for followed in batch {
            let (outcome, Receipt { outlet, id, coming }) = match followed {
                Followed::Committed { outcome, receipt } => (outcome, receipt),
                Followed::Settled(settled) => {
                    _ = settled.send(());
                    continue;
                }
            };
            let ok = |body| id.clone().map(|id| frame::message(&ServerMessage::Ok { id, body }));
            match outcome {
                Outcome::Stored { epoch, message, revised } => {
                    let (room, seq, at) = (message.room.clone(), message.seq, message.at);
                    let answer = ok(OkBody::Stored { room, epoch, seq, at, duplicate: false });
                    self.metrics.stored(false);
                    // Who said it in the room knows which it is; the others have to look.
                    let room = coming.as_ref().map(|coming| Arc::clone(coming.room()));
                    let Some(room) = room.or_else(|| self.rooms().get(&message.room).cloned()) else {
                        outlet.prepare(answer);
                        answered.push(outlet);
                        continue;
                    };
                    let frame = catch_up::encode(&message);
                    let mut log = room.log();
                    outlet.prepare(answer);
                    log.append_message(seq, frame);
                    for message in revised {
                        log.revise(message.seq, catch_up::encode(&message));
                    }
                    drop(log);
                    if touched.last().is_none_or(|last| !Arc::ptr_eq(last, &room)) {
                        touched.push(room);
                    }
                    sabotage::pass(sabotage::Point::MidBroadcast);
                }
                Outcome::Duplicate { epoch, room, seq, at } => {
                    self.metrics.stored(true);
                    outlet.prepare(ok(OkBody::Stored { room, epoch, seq, at, duplicate: true }));
                }
                Outcome::Read => outlet.prepare(ok(OkBody::Done {})),
                Outcome::Remembered(name) => outlet.prepare(ok(OkBody::Named { name })),
                Outcome::Imposed(sanction) => outlet.prepare(ok(self.law.impose(&self.people, &sanction))),
                Outcome::Pardoned { user, by } => {
                    self.law.pardon(&self.people, &user, &by);
                    outlet.prepare(ok(OkBody::Done {}));
                }
                Outcome::Set { room, setting, by } => {
                    let Setting { topic, slow } = setting.clone();
                    outlet.prepare(ok(OkBody::Room { room: room.clone(), topic, slow }));
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
            answered.push(outlet);
        }
        // With more to come, rooms are swept beside this, by as many workers as there are, and what comes goes along.
        let is_alone = touched.len() <= AT_ONCE && !self.history.is_ahead();
        for room in touched {
            if !is_alone || !sweep::at_once(&room) {
                sweep::mark(&room);
            }
        }
        // Most answers have left by now, together with the message.
        answered.iter().for_each(|outlet| outlet.see_to_it());
    }

    /// How many rooms are in memory.
    pub fn open_rooms(&self) -> usize {
        self.rooms().len()
    }

    /// Lets go of rooms that nobody is in and that have nothing to tell, and of what the other rooms' logs hold beyond
    /// their share. What was said stays in history.
    pub fn tidy(&self) {
        let mut rooms = self.rooms();
        rooms.retain(|_, room| Arc::strong_count(room) > 1 || !room.presence().is_idle());
        let share = (self.limits.log_bytes / rooms.len().max(1)).max(LOG_SHARE);
        for room in rooms.values() {
            room.log().trim(share);
        }
    }
}

/// The answer to a change that was refused.
fn refused(refusal: Refusal, id: Option<MessageId>) -> ServerMessage {
    let (code, hint) = match refusal {
        Refusal::TooManyRooms => (ErrorCode::RoomLimit, "nothing was stored; say it in a room that exists"),
        Refusal::Unavailable => (ErrorCode::StorageUnavailable, "nothing was stored; send it again with the same id"),
        Refusal::NoSuchMessage => {
            (ErrorCode::NoSuchSeq, "seq is that of a message; edits and deletions are not changed")
        }
        Refusal::Expired => (ErrorCode::Expired, "it cannot be changed any more"),
        Refusal::NotYours => (ErrorCode::Forbidden, "only its sender can change it"),
        Refusal::NotYet => (ErrorCode::NoSuchSeq, "mark a message that you were sent"),
    };
    let body = ErrorBody::new(code, refusal.to_string()).hint(hint);
    let body = if body.retry { body.retry_after_ms(RETRY_MS) } else { body };
    ServerMessage::Error(Box::new(body.id(id)))
}

/// The answer to whatever needs to read history when that cannot be read.
pub fn unavailable(error: Unavailable) -> Box<ErrorBody> {
    let body = match error {
        Unavailable::Broken(_) => {
            tracing::error!(%error, "a request was not answered");
            let body = ErrorBody::new(ErrorCode::StorageUnavailable, "history cannot be read just now");
            body.hint("ask again later")
        }
        Unavailable::TooLong => ErrorBody::new(ErrorCode::Overloaded, error.to_string()).hint("look for longer words"),
    };
    Box::new(body.retry_after_ms(RETRY_MS))
}
