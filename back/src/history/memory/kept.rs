//! What is kept: rooms with their newest messages, and what is known of them. It counts what it costs, and gives up the
//! oldest.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use shared::{Message, MessageId, RoomName, UserId};

use crate::moderation::Setting;

/// About what a room costs that holds no message: its name, its numbers and its place in the table. They are never
/// dropped, because a room that began at 1 again would give numbers twice.
pub(super) const ROOM_COST: usize = 300;

/// All of it.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) rooms: HashMap<RoomName, Log>,
    /// Where each `id` was stored, for as long as its message is kept.
    pub(super) ids: HashMap<(UserId, MessageId), (RoomName, u64)>,
    /// Up to where each person has read each room.
    pub(super) markers: HashMap<(UserId, RoomName), u64>,
    /// What moderators have set.
    pub(super) settings: HashMap<RoomName, Setting>,
    pub(super) bytes: usize,
}

/// A room's newest messages, without a hole up to the newest.
#[derive(Default)]
pub(super) struct Log {
    pub(super) top: u64,
    /// When the newest message was numbered.
    pub(super) at: u64,
    pub(super) messages: VecDeque<Entry>,
}

/// A message, and the `id` under which its sender said it.
pub(super) struct Entry {
    pub(super) message: Arc<Message>,
    pub(super) id: Option<MessageId>,
}

impl Log {
    pub(super) fn first(&self) -> u64 {
        self.top + 1 - self.messages.len() as u64
    }

    /// The index of message `seq`, or of the first one after it, or the length.
    pub(super) fn index(&self, seq: u64) -> usize {
        (seq.saturating_sub(self.first()) as usize).min(self.messages.len())
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Arc<Message>> {
        let entry = self.messages.get(usize::try_from(seq.checked_sub(self.first())?).ok()?);
        entry.map(|entry| &entry.message)
    }
}

/// About what a message costs in memory: its text, and what it takes to hold it (name, ids, their allocations and their
/// entries in the tables).
pub(super) fn cost(message: &Message) -> usize {
    message.text.len() + 300
}

impl Kept {
    pub(super) fn get(&self, room: &RoomName, seq: u64) -> Option<Arc<Message>> {
        self.rooms.get(room).and_then(|log| log.get(seq)).cloned()
    }

    /// Puts another version of a message in its place.
    pub(super) fn replace(&mut self, message: &Arc<Message>) {
        let Some(log) = self.rooms.get_mut(&message.room) else { return };
        let index = log.index(message.seq);
        if let Some(entry) = log.messages.get_mut(index) {
            self.bytes = self.bytes + cost(message) - cost(&entry.message);
            entry.message = Arc::clone(message);
        }
    }

    /// Gives up the oldest `count` messages of a room.
    pub(super) fn expire(&mut self, room: &RoomName, count: usize) {
        let Some(log) = self.rooms.get_mut(room) else { return };
        for entry in log.messages.drain(..count.min(log.messages.len())) {
            self.bytes -= cost(&entry.message);
            if let Some(id) = entry.id {
                self.ids.remove(&(entry.message.user.clone(), id));
            }
        }
    }

    /// Over this limit of `bytes` every room gives up its oldest eighth: one look at all rooms pays for many messages.
    /// Rooms of a few messages keep them as long as the large ones have enough to give.
    pub(super) fn shrink(&mut self, bytes: usize) {
        for round_up in [false, true] {
            let mut gave = true;
            while self.bytes > bytes && gave {
                gave = false;
                let rooms: Vec<RoomName> = self.rooms.keys().cloned().collect();
                for room in rooms {
                    let held = self.rooms.get(&room).map_or(0, |log| log.messages.len());
                    let share = if round_up { held.div_ceil(8) } else { held / 8 };
                    gave |= share > 0;
                    self.expire(&room, share);
                }
            }
        }
    }
}
