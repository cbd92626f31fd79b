//! Which rooms there are, and who is in one.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use shared::{OkBody, RoomEntry, RoomName, Sight, UserId};

use super::{Hub, Room};
use crate::history::Unavailable;

/// Rooms in one answer to `rooms`: the fullest.
const ROOMS_LISTED: usize = 200;

/// The answer to `rooms` may be so old: making it looks at every room there is.
const LISTED_FOR: Duration = Duration::from_millis(500);

impl Hub {
    /// The rooms with people or messages in them, the fullest first.
    ///
    /// # Errors
    /// When history cannot be read.
    pub async fn list(&self) -> Result<Vec<RoomEntry>, Unavailable> {
        let listed = || self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, rooms)) = &*listed()
            && made.elapsed() < LISTED_FOR
        {
            return Ok(rooms.clone());
        }
        let rooms = self.list_now().await?;
        *listed() = Some((Instant::now(), rooms.clone()));
        Ok(rooms)
    }

    /// The rooms of [`Self::list`] that this lets somebody see, and every one that it names.
    ///
    /// # Errors
    /// When history cannot be read.
    pub async fn list_for(&self, sight: &Sight) -> Result<Vec<RoomEntry>, Unavailable> {
        let mut rooms = self.list().await?;
        if sight.is_everything() {
            return Ok(rooms);
        }
        rooms.retain(|entry| sight.covers(&entry.room));
        // The list has the fullest rooms only; others' must not crowd out what somebody was given by name.
        for name in sight.names() {
            if rooms.iter().any(|entry| entry.room == *name) {
                continue;
            }
            let top = self.published(name, self.history.bounds(name).await?).top;
            let count = self.rooms().get(name).map_or(0, |room| room.presence().count());
            if count > 0 || top > 0 {
                rooms.push(RoomEntry { room: name.clone(), count, top });
            }
        }
        Ok(rooms)
    }

    async fn list_now(&self) -> Result<Vec<RoomEntry>, Unavailable> {
        let mut tops: HashMap<RoomName, u64> = self.history.rooms(ROOMS_LISTED).await?.into_iter().collect();
        let open: Vec<Arc<Room>> = self.rooms().values().cloned().collect();
        let mut rooms: Vec<RoomEntry> = open
            .iter()
            .map(|room| RoomEntry {
                room: room.name().clone(),
                count: room.presence().count(),
                top: tops.remove(room.name()).unwrap_or_else(|| room.log().head().seq),
            })
            .filter(|entry| entry.count > 0 || entry.top > 0)
            .collect();
        rooms.extend(tops.into_iter().map(|(room, top)| RoomEntry { room, count: 0, top }));
        rooms.sort_by(|a, b| (b.count, b.top).cmp(&(a.count, a.top)).then_with(|| a.room.cmp(&b.room)));
        rooms.truncate(ROOMS_LISTED);
        Ok(rooms)
    }

    /// Who is in a room, a page at a time: how many, who, and whether there are more.
    pub fn who(&self, name: &RoomName, after: Option<&UserId>) -> OkBody {
        let room = self.rooms().get(name).cloned();
        let Some(room) = room else { return OkBody::Who { count: 0, users: Vec::new(), more: false } };
        let presence = room.presence();
        let (users, more) = presence.page(after);
        OkBody::Who { count: presence.count(), users, more }
    }
}
