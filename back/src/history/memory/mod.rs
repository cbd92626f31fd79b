//! History in memory: everything is forgotten when the process ends, and its epoch ends with it.
//!
//! What is held is in `kept`, what a change does to it in `change`, and how it is looked through in `search`.

mod change;
mod kept;
mod search;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use kept::{Kept, Log, ROOM_COST};
use shared::{Epoch, Message, Name, RoomName, UserId};

use super::{Bounds, Change, Fatal, Outcome, Query, Range, SEARCH_TIME, Store, Unavailable};
use crate::moderation::Setting;

/// How much is kept. A room that passes `messages`, or the whole that passes `bytes`, gives up its oldest messages, and
/// whoever asks for them is told `gap{expired}`.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimits {
    /// Messages per room.
    pub messages: usize,
    /// Bytes of all rooms together, by the estimates in `kept`. Names of rooms take at most half of it.
    pub bytes: usize,
}

/// Keeps messages in deques.
pub struct Memory {
    epoch: Epoch,
    limits: MemoryLimits,
    kept: Mutex<Kept>,
}

impl Memory {
    /// An empty history with a fresh `epoch`. The lobby is there from the beginning, so that no crowd of rooms can keep
    /// it out.
    pub fn new(epoch: Epoch, limits: MemoryLimits) -> Self {
        let rooms = HashMap::from([(RoomName::lobby(), Log::default())]);
        let kept = Kept { rooms, bytes: ROOM_COST, ..Kept::default() };
        Self { epoch, limits, kept: Mutex::new(kept) }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing between lock and unlock can leave it half changed in a way that a reader would notice.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bounds_of(&self, kept: &Kept, room: &RoomName) -> Bounds {
        let (first, top) = kept.rooms.get(room).map_or((1, 0), |log| (log.first(), log.top));
        Bounds { epoch: self.epoch.clone(), first, top }
    }
}

impl Store for Memory {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn blocks(&self) -> bool {
        false
    }

    fn commit(&self, changes: Vec<Change>, now_ms: u64) -> Result<Vec<Outcome>, Fatal> {
        let mut kept = self.kept();
        let outcomes = changes.into_iter().map(|change| {
            let outcome = self.carry_out(&mut kept, change, now_ms);
            outcome.unwrap_or_else(Outcome::Refused)
        });
        let outcomes = outcomes.collect();
        kept.shrink(self.limits.bytes);
        Ok(outcomes)
    }

    fn bounds(&self, room: &RoomName) -> Result<Bounds, Unavailable> {
        Ok(self.bounds_of(&self.kept(), room))
    }

    fn read(&self, room: &RoomName, range: Range, limit: usize) -> Result<Vec<Arc<Message>>, Unavailable> {
        let kept = self.kept();
        let Some(log) = kept.rooms.get(room) else { return Ok(Vec::new()) };
        let (from, to) = match range {
            Range::After(seq) => {
                let from = log.index(seq.saturating_add(1));
                (from, from + limit)
            }
            Range::Before(seq) => {
                let to = log.index(seq);
                (to.saturating_sub(limit), to)
            }
            Range::Around(seq) => {
                let from = log.index(seq).saturating_sub(limit / 2);
                (from, from + limit)
            }
        };
        let to = to.min(log.messages.len());
        Ok(log.messages.range(from.min(to)..to).map(|entry| Arc::clone(&entry.message)).collect())
    }

    fn size_after(&self, room: &RoomName, seq: u64, limit: usize) -> Result<(usize, usize), Unavailable> {
        let kept = self.kept();
        let Some(log) = kept.rooms.get(room) else { return Ok((0, 0)) };
        let missed = log.messages.range(log.index(seq.saturating_add(1))..).take(limit);
        Ok(missed.fold((0, 0), |(count, bytes), entry| (count + 1, bytes + entry.message.text.len())))
    }

    fn search(
        &self,
        room: &RoomName,
        query: &Query,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, Unavailable> {
        self.search_until(Instant::now() + SEARCH_TIME, room, query, before, limit)
    }

    fn marker(&self, room: &RoomName, user: &UserId) -> Result<Option<u64>, Unavailable> {
        Ok(self.kept().markers.get(&(user.clone(), room.clone())).copied())
    }

    fn name(&self, _: &UserId) -> Result<Option<Name>, Unavailable> {
        Ok(None)
    }

    fn rooms(&self, limit: usize) -> Result<Vec<(RoomName, u64)>, Unavailable> {
        let kept = self.kept();
        let held = kept.rooms.iter().filter(|(_, log)| log.top > 0);
        let mut rooms: Vec<(RoomName, u64)> = held.map(|(room, log)| (room.clone(), log.top)).collect();
        rooms.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        rooms.truncate(limit);
        Ok(rooms)
    }

    fn setting(&self, room: &RoomName) -> Result<Setting, Unavailable> {
        Ok(self.kept().settings.get(room).cloned().unwrap_or_default())
    }
}
