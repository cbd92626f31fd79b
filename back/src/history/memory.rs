//! History in memory: everything is forgotten when the process ends, and its epoch ends with it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use shared::{Epoch, Message, MessageId, Name, RoomName, Sentence, UserId};

use super::{Bounds, Change, Draft, Fatal, Outcome, Query, Range, Refusal, SEARCH_TIME, Store, Unavailable, revision};
use crate::moderation::Setting;

/// How much is kept. A room that passes `messages`, or the whole that passes `bytes`, gives up its oldest messages, and
/// whoever asks for them is told `gap{expired}`.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimits {
    /// Messages per room.
    pub messages: usize,
    /// Bytes of all rooms together, by the estimates of [`cost`] and [`ROOM_COST`]. Names of rooms take at most half of
    /// it.
    pub bytes: usize,
}

/// About what a room costs that holds no message: its name, its numbers and its place in the table. They are never
/// dropped, because a room that began at 1 again would give numbers twice.
const ROOM_COST: usize = 300;

/// About what a read marker costs.
const MARKER_COST: usize = 200;

/// About what a room's topic costs, at most.
const SETTING_COST: usize = 1_200;

/// Messages that a search looks at before it lets the writer go on.
const SEARCH_STEP: usize = 1_000;

/// Keeps messages in deques.
pub struct Memory {
    epoch: Epoch,
    limits: MemoryLimits,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    rooms: HashMap<RoomName, Log>,
    /// Where each `id` was stored, for as long as its message is kept.
    ids: HashMap<(UserId, MessageId), (RoomName, u64)>,
    /// Up to where each person has read each room.
    markers: HashMap<(UserId, RoomName), u64>,
    /// What moderators have set.
    settings: HashMap<RoomName, Setting>,
    bytes: usize,
}

#[derive(Default)]
struct Log {
    top: u64,
    /// When the newest message was numbered.
    at: u64,
    messages: VecDeque<Entry>,
}

struct Entry {
    message: Arc<Message>,
    id: Option<MessageId>,
}

impl Log {
    fn first(&self) -> u64 {
        self.top + 1 - self.messages.len() as u64
    }

    /// The index of message `seq`, or of the first one after it, or the length.
    fn index(&self, seq: u64) -> usize {
        (seq.saturating_sub(self.first()) as usize).min(self.messages.len())
    }

    fn get(&self, seq: u64) -> Option<&Arc<Message>> {
        let entry = self.messages.get(usize::try_from(seq.checked_sub(self.first())?).ok()?);
        entry.map(|entry| &entry.message)
    }
}

/// About what a message costs in memory: its text, and what it takes to hold it (name, ids, their allocations and their
/// entries in the tables).
fn cost(message: &Message) -> usize {
    message.text.len() + 300
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
        // A clock that was set back must not make a room's times run backwards.
        log.at = log.at.max(now_ms);
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

    fn bounds_of(&self, kept: &Kept, room: &RoomName) -> Bounds {
        let (first, top) = kept.rooms.get(room).map_or((1, 0), |log| (log.first(), log.top));
        Bounds { epoch: self.epoch.clone(), first, top }
    }

    /// Over the limit of bytes every room gives up its oldest eighth: one look at all rooms pays for many messages.
    /// Rooms of a few messages keep them as long as the large ones have enough to give.
    fn shrink(&self, kept: &mut Kept) {
        for round_up in [false, true] {
            let mut gave = true;
            while kept.bytes > self.limits.bytes && gave {
                gave = false;
                let rooms: Vec<RoomName> = kept.rooms.keys().cloned().collect();
                for room in rooms {
                    let held = kept.rooms.get(&room).map_or(0, |log| log.messages.len());
                    let share = if round_up { held.div_ceil(8) } else { held / 8 };
                    gave |= share > 0;
                    kept.expire(&room, share);
                }
            }
        }
    }
}

impl Kept {
    fn get(&self, room: &RoomName, seq: u64) -> Option<Arc<Message>> {
        self.rooms.get(room).and_then(|log| log.get(seq)).cloned()
    }

    /// Puts another version of a message in its place.
    fn replace(&mut self, message: &Arc<Message>) {
        let Some(log) = self.rooms.get_mut(&message.room) else { return };
        let index = log.index(message.seq);
        if let Some(entry) = log.messages.get_mut(index) {
            self.bytes = self.bytes + cost(message) - cost(&entry.message);
            entry.message = Arc::clone(message);
        }
    }

    fn expire(&mut self, room: &RoomName, count: usize) {
        let Some(log) = self.rooms.get_mut(room) else { return };
        for entry in log.messages.drain(..count.min(log.messages.len())) {
            self.bytes -= cost(&entry.message);
            if let Some(id) = entry.id {
                self.ids.remove(&(entry.message.user.clone(), id));
            }
        }
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
            let outcome = match change {
                Change::Say(draft) => self.say(&mut kept, draft, now_ms),
                Change::Read { user, room, seq } => self.mark(&mut kept, user, room, seq),
                // The hub remembers it as long as this does: until the process ends.
                Change::Remember(person) => Ok(Outcome::Remembered(person.name)),
                // Likewise.
                Change::Impose(sanction) => Ok(Outcome::Imposed(sanction)),
                Change::Pardon { user, by } => Ok(Outcome::Pardoned { user, by }),
                Change::Set { room, topic, slow, by } => self.set(&mut kept, room, topic, slow, by),
            };
            outcome.unwrap_or_else(Outcome::Refused)
        });
        let outcomes = outcomes.collect();
        self.shrink(&mut kept);
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

impl Memory {
    fn search_until(
        &self,
        until: Instant,
        room: &RoomName,
        query: &Query,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, Unavailable> {
        let mut found = Vec::new();
        let mut before = before;
        while found.len() < limit {
            let step = self.read(room, Range::Before(before), SEARCH_STEP)?;
            let Some(oldest) = step.first() else { break };
            if Instant::now() > until {
                return Err(Unavailable::TooLong);
            }
            before = oldest.seq;
            let hits = step.iter().rev().filter(|message| message.edits.is_none() && query.matches(&message.text));
            found.extend(hits.take(limit - found.len()).cloned());
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::contract::{room, say};

    fn memory(messages: usize, bytes: usize) -> Memory {
        Memory::new(Epoch::parse("e").unwrap(), MemoryLimits { messages, bytes })
    }

    #[test]
    fn a_search_ends_when_its_time_is_over() {
        let memory = memory(usize::MAX, 1 << 20);
        memory.commit(vec![say("a", "x", None)], 1).unwrap();
        let search = |until| memory.search_until(until, &room("a"), &Query::parse("x").unwrap(), u64::MAX, 1);
        assert_eq!(search(Instant::now() + SEARCH_TIME).unwrap().len(), 1);
        assert_eq!(search(Instant::now() - SEARCH_TIME).unwrap_err(), Unavailable::TooLong);
    }

    #[test]
    fn what_is_no_longer_kept_costs_no_memory() {
        let memory = memory(10, 1 << 20);
        for i in 0..25 {
            memory.commit(vec![say("a", "x", Some(&i.to_string()))], 1).unwrap();
        }
        assert_eq!(memory.kept().ids.len(), 10);
    }

    #[test]
    fn the_whole_is_bounded_in_bytes_and_the_large_rooms_pay() {
        let memory = memory(usize::MAX, 100_000);
        memory.commit(vec![say("small", "x", None)], 1).unwrap();
        for _ in 0..1000 {
            memory.commit(vec![say("large", &"x".repeat(1000), None)], 1).unwrap();
        }
        assert!(memory.kept().bytes <= 100_000);
        assert_eq!(memory.bounds(&room("small")).unwrap().first, 1);
        assert_eq!(memory.bounds(&room("large")).unwrap().top, 1000);
    }

    #[test]
    fn rooms_of_one_message_are_bounded_too() {
        let memory = memory(usize::MAX, 100_000);
        let changes = (0..1000).map(|room| say(&format!("r{room}"), &"x".repeat(1000), None)).collect();
        let outcomes = memory.commit(changes, 1).unwrap();
        let refused = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Refused(_))).count();
        assert!(memory.kept().bytes <= 100_000);
        assert_eq!(refused, 1000 + 1 - 100_000usize.div_ceil(2 * ROOM_COST), "names take at most half");
        // Whoever is in a room that exists, and in the lobby, goes on; and no number is given twice.
        let outcomes = memory.commit(vec![say("r0", "y", None), say("lobby", "y", None)], 1).unwrap();
        assert!(matches!(&outcomes[0], Outcome::Stored { message, .. } if message.seq == 2));
        assert!(matches!(&outcomes[1], Outcome::Stored { message, .. } if message.seq == 1));
    }

    #[test]
    fn markers_are_bounded() {
        let memory = memory(10, 80_000);
        memory.commit(vec![say("a", "x", None)], 1).unwrap();
        for n in 0..1_000 {
            let user = crate::history::contract::user(n);
            memory.commit(vec![Change::Read { user, room: room("a"), seq: 1 }], 1).unwrap();
        }
        assert!(memory.kept().markers.len() * MARKER_COST <= 80_000 / 8);
    }
}
