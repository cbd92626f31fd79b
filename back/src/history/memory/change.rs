//! What one change does to what is kept, or why it does nothing.

use std::sync::Arc;

use shared::{Message, Name, RoomName, Sentence, UserId};

use super::{
    Memory,
    kept::{Entry, Kept, ROOM_COST, cost},
};
use crate::{
    history::{Change, Draft, Outcome, Refusal, revision},
    moderation::Setting,
};

/// About what a read marker costs.
pub(super) const MARKER_COST: usize = 200;

/// About what a room's topic costs, at most.
const SETTING_COST: usize = 1_200;

impl Memory {
    /// Does what one change wants; whoever calls looks at the limit of bytes after it.
    pub(super) fn carry_out(&self, kept: &mut Kept, change: Change, now_ms: u64) -> Result<Outcome, Refusal> {
        match change {
            Change::Say(draft) => self.say(kept, draft, now_ms),
            Change::Read { user, room, seq } => self.mark(kept, user, room, seq),
            // The hub remembers it as long as this does: until the process ends.
            Change::Remember(person) => Ok(Outcome::Remembered(person.name)),
            // Likewise.
            Change::Impose(sanction) => Ok(Outcome::Imposed(sanction)),
            Change::Pardon { user, by } => Ok(Outcome::Pardoned { user, by }),
            Change::Set { room, topic, slow, by } => self.set(kept, room, topic, slow, by),
        }
    }

    fn say(&self, kept: &mut Kept, draft: Draft, now_ms: u64) -> Result<Outcome, Refusal> {
        let key = draft.id.clone().map(|id| (draft.user.clone(), id));
        if let Some((room, seq)) = key.as_ref().and_then(|key| kept.ids.get(key))
            && let Some(message) = kept.rooms.get(room).and_then(|log| log.get(*seq))
        {
            let (room, seq, at) = (room.clone(), *seq, message.at);
            return Ok(Outcome::Duplicate { epoch: self.epoch.clone(), room, seq, at });
        }
        let target = draft.says.target().map(|seq| self.target(kept, &draft, seq)).transpose()?;
        let count = kept.rooms.len();
        let log = match kept.rooms.get_mut(&draft.room) {
            Some(log) => log,
            None if count * ROOM_COST >= self.limits.bytes / 2 => return Err(Refusal::TooManyRooms),
            None => {
                kept.bytes += ROOM_COST;
                kept.rooms.entry(draft.room.clone()).or_default()
            }
        };
        log.top += 1;
        log.at = revision::time_after(log.at, now_ms);
        let id = draft.id.clone();
        let message = Arc::new(revision::number(draft, log.top, log.at));
        kept.bytes += cost(&message);
        log.messages.push_back(Entry { message: Arc::clone(&message), id });
        let is_over = log.messages.len() > self.limits.messages;
        if let Some(key) = key {
            kept.ids.insert(key, (message.room.clone(), message.seq));
        }
        let mut revised = Vec::new();
        if let Some(target) = target {
            let overtaken = target.edited.and_then(|seq| kept.get(&message.room, seq));
            revised.push(revision::revised(&target, &message));
            revised.extend(overtaken.map(|edit| revision::overtaken(&edit, &message)));
        }
        let revised: Vec<Arc<Message>> = revised.into_iter().map(Arc::new).collect();
        revised.iter().for_each(|message| kept.replace(message));
        if is_over {
            kept.expire(&message.room, 1);
        }
        Ok(Outcome::Stored { epoch: self.epoch.clone(), message, revised })
    }

    fn target(&self, kept: &Kept, draft: &Draft, seq: u64) -> Result<Arc<Message>, Refusal> {
        let target = kept.get(&draft.room, seq);
        revision::may_change(draft, seq, &self.bounds_of(kept, &draft.room), target.as_deref())?;
        target.ok_or(Refusal::NoSuchMessage)
    }

    fn mark(&self, kept: &mut Kept, user: UserId, room: RoomName, seq: u64) -> Result<Outcome, Refusal> {
        if seq > self.bounds_of(kept, &room).top {
            return Err(Refusal::NotYet);
        }
        let full = (kept.markers.len() + 1) * MARKER_COST > self.limits.bytes / 8;
        let key = (user, room);
        if full && !kept.markers.contains_key(&key) {
            // They are a convenience: somebody begins to count anew.
            kept.markers.clear();
        }
        let marker = kept.markers.entry(key).or_default();
        *marker = seq.max(*marker);
        Ok(Outcome::Read)
    }

    fn set(
        &self,
        kept: &mut Kept,
        room: RoomName,
        topic: Option<Sentence>,
        slow: Option<u64>,
        by: Name,
    ) -> Result<Outcome, Refusal> {
        let setting = kept.settings.remove(&room).unwrap_or_default().with(topic, slow);
        if setting != Setting::default() {
            if kept.settings.len() * SETTING_COST >= self.limits.bytes / 8 {
                return Err(Refusal::TooManyRooms);
            }
            kept.settings.insert(room.clone(), setting.clone());
        }
        Ok(Outcome::Set { room, setting, by })
    }
}
