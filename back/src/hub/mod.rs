//! Who is connected, which rooms are open, and how what history numbered reaches everybody. It knows no WebSocket: a
//! member is an outlet for bytes.

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
mod publish;
mod refusal;
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
use shared::{ErrorBody, ErrorCode, RoomEntry, RoomName};

pub use law::{Law, farewell};
pub use membership::Membership;
pub use outlet::{Backlog, Farewell, Next, Outlet};
pub use people::{Arrival, People, Registration};
pub use presence::PresenceTimes;
pub use publish::Receipt;
pub use refusal::unavailable;
pub use room::{Coming, Room};
pub use segment::Member;
pub use vitals::{Ages, Vitals};
pub use wire::Wire;

use crate::{
    history::{self, Bounds, Range, Unavailable},
    metrics::{Limit, Metrics},
};

/// History as the hub uses it: every draft carries whom to tell.
pub type History = history::History<Receipt>;

/// Messages that are read at once when a room is brought into memory: a page of the longest is 1.6 MB.
const LOOK_UP_PAGE: usize = 100;

/// Every room's log may have so many bytes, however many rooms there are; one frame stays in any case.
const LOG_SHARE: usize = 16 * 1024;

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
