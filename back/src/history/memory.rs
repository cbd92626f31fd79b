//! History in memory: everything is forgotten when the process ends, and its epoch ends with it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use shared::{Epoch, Message, MessageId, RoomName, UserId};

use super::{Bounds, Draft, Outcome, Range, Refusal, Store};

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
        let kept = Kept { rooms, ids: HashMap::new(), bytes: ROOM_COST };
        Self { epoch, limits, kept: Mutex::new(kept) }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing between lock and unlock can leave it half changed in a way that a reader would notice.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit_one(&self, kept: &mut Kept, draft: Draft, now_ms: u64) -> Outcome {
        let key = draft.id.clone().map(|id| (draft.user.clone(), id));
        if let Some((room, seq)) = key.as_ref().and_then(|key| kept.ids.get(key))
            && let Some(log) = kept.rooms.get(room)
            && let Some(entry) = log.messages.get(log.index(*seq))
        {
            let (room, seq, at) = (room.clone(), *seq, entry.message.at);
            return Outcome::Duplicate { epoch: self.epoch.clone(), room, seq, at };
        }
        if !kept.rooms.contains_key(&draft.room) {
            if kept.rooms.len() * ROOM_COST >= self.limits.bytes / 2 {
                return Outcome::Refused(Refusal::TooManyRooms);
            }
            kept.bytes += ROOM_COST;
        }
        let log = kept.rooms.entry(draft.room.clone()).or_default();
        log.top += 1;
        // A clock that was set back must not make a room's times run backwards.
        log.at = log.at.max(now_ms);
        let message = Arc::new(Message {
            room: draft.room,
            seq: log.top,
            user: draft.user,
            name: draft.name,
            text: draft.text,
            at: log.at,
            reply_to: draft.reply_to,
            edits: None,
            deletes: None,
        });
        kept.bytes += cost(&message);
        log.messages.push_back(Entry { message: Arc::clone(&message), id: draft.id });
        if let Some(key) = key {
            kept.ids.insert(key, (message.room.clone(), message.seq));
        }
        if log.messages.len() > self.limits.messages {
            let room = message.room.clone();
            kept.expire(&room, 1);
        }
        Outcome::Stored { epoch: self.epoch.clone(), message }
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

    fn commit(&self, drafts: Vec<Draft>, now_ms: u64) -> Vec<Outcome> {
        let mut kept = self.kept();
        let outcomes = drafts.into_iter().map(|draft| self.commit_one(&mut kept, draft, now_ms)).collect();
        self.shrink(&mut kept);
        outcomes
    }

    fn bounds(&self, room: &RoomName) -> Bounds {
        let kept = self.kept();
        let (first, top) = kept.rooms.get(room).map_or((1, 0), |log| (log.first(), log.top));
        Bounds { epoch: self.epoch.clone(), first, top }
    }

    fn read(&self, room: &RoomName, range: Range, limit: usize) -> Vec<Arc<Message>> {
        let kept = self.kept();
        let Some(log) = kept.rooms.get(room) else { return Vec::new() };
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
        log.messages.range(from.min(to)..to).map(|entry| Arc::clone(&entry.message)).collect()
    }

    fn size_after(&self, room: &RoomName, seq: u64, limit: usize) -> (usize, usize) {
        let kept = self.kept();
        let Some(log) = kept.rooms.get(room) else { return (0, 0) };
        let missed = log.messages.range(log.index(seq.saturating_add(1))..).take(limit);
        missed.fold((0, 0), |(count, bytes), entry| (count + 1, bytes + entry.message.text.len()))
    }

    fn rooms(&self) -> Vec<(RoomName, u64)> {
        let kept = self.kept();
        kept.rooms.iter().filter(|(_, log)| log.top > 0).map(|(room, log)| (room.clone(), log.top)).collect()
    }
}

#[cfg(test)]
mod tests {
    use shared::Name;

    use super::*;

    fn memory(messages: usize, bytes: usize) -> Memory {
        Memory::new(Epoch::parse("e").unwrap(), MemoryLimits { messages, bytes })
    }

    fn draft(room: &str, text: &str, id: Option<&str>) -> Draft {
        Draft {
            room: RoomName::parse(room).unwrap(),
            user: UserId::parse("u7Zk2mQ0aB-_x9Yc").unwrap(),
            name: Name::parse("kim").unwrap(),
            text: text.to_owned(),
            reply_to: None,
            id: id.map(|id| MessageId::parse(id).unwrap()),
        }
    }

    fn seqs(messages: &[Arc<Message>]) -> Vec<u64> {
        messages.iter().map(|message| message.seq).collect()
    }

    #[test]
    fn numbers_have_no_holes_per_room() {
        let memory = memory(100, 1 << 20);
        memory.commit((0..5).map(|i| draft(if i % 2 == 0 { "a" } else { "b" }, "x", None)).collect(), 1);
        let a = RoomName::parse("a").unwrap();
        assert_eq!(seqs(&memory.read(&a, Range::After(0), 10)), [1, 2, 3]);
        assert_eq!(memory.bounds(&RoomName::parse("b").unwrap()).top, 2);
        assert_eq!(
            memory.bounds(&RoomName::parse("none").unwrap()),
            Bounds { epoch: Epoch::parse("e").unwrap(), first: 1, top: 0 }
        );
    }

    #[test]
    fn the_same_id_is_stored_once_and_answered_with_the_first_number() {
        let memory = memory(100, 1 << 20);
        let outcomes =
            memory.commit(vec![draft("a", "x", Some("1")), draft("a", "y", Some("2")), draft("a", "x", Some("1"))], 7);
        assert!(matches!(&outcomes[2], Outcome::Duplicate { seq: 1, at: 7, .. }));
        assert_eq!(memory.bounds(&RoomName::parse("a").unwrap()).top, 2);
    }

    #[test]
    fn a_room_keeps_its_newest_messages() {
        let memory = memory(10, 1 << 20);
        for i in 0..25 {
            memory.commit(vec![draft("a", "x", Some(&i.to_string()))], 1);
        }
        let a = RoomName::parse("a").unwrap();
        assert_eq!((memory.bounds(&a).first, memory.bounds(&a).top), (16, 25));
        assert_eq!(seqs(&memory.read(&a, Range::After(0), 3)), [16, 17, 18]);
        assert_eq!(seqs(&memory.read(&a, Range::Before(18), 5)), [16, 17]);
        assert_eq!(seqs(&memory.read(&a, Range::Before(26), 2)), [24, 25]);
        assert_eq!(seqs(&memory.read(&a, Range::Around(20), 5)), [18, 19, 20, 21, 22]);
        assert_eq!(seqs(&memory.read(&a, Range::After(25), 5)), [0; 0]);
        assert_eq!(seqs(&memory.read(&a, Range::After(u64::MAX), 5)), [0; 0]);
        // What is no longer kept is no longer known: its id is free again, and costs no memory.
        assert_eq!(memory.kept().ids.len(), 10);
    }

    #[test]
    fn the_whole_is_bounded_in_bytes_and_the_large_rooms_pay() {
        let memory = memory(usize::MAX, 100_000);
        memory.commit(vec![draft("small", "x", None)], 1);
        for _ in 0..1000 {
            memory.commit(vec![draft("large", &"x".repeat(1000), None)], 1);
        }
        assert!(memory.kept().bytes <= 100_000);
        assert_eq!(memory.bounds(&RoomName::parse("small").unwrap()).first, 1);
        assert_eq!(memory.bounds(&RoomName::parse("large").unwrap()).top, 1000);
    }

    #[test]
    fn rooms_of_one_message_are_bounded_too() {
        let memory = memory(usize::MAX, 100_000);
        let drafts = (0..1000).map(|room| draft(&format!("r{room}"), &"x".repeat(1000), None)).collect();
        let refused = memory.commit(drafts, 1).iter().filter(|outcome| matches!(outcome, Outcome::Refused(_))).count();
        assert!(memory.kept().bytes <= 100_000);
        assert_eq!(refused, 1000 + 1 - 100_000usize.div_ceil(2 * ROOM_COST), "names take at most half");
        // Whoever is in a room that exists, and in the lobby, goes on; and no number is given twice.
        let outcomes = memory.commit(vec![draft("r0", "y", None), draft("lobby", "y", None)], 1);
        assert!(matches!(&outcomes[0], Outcome::Stored { message, .. } if message.seq == 2));
        assert!(matches!(&outcomes[1], Outcome::Stored { message, .. } if message.seq == 1));
    }

    #[test]
    fn a_clock_set_back_does_not_turn_a_rooms_time_back() {
        let memory = memory(10, 1 << 20);
        memory.commit(vec![draft("a", "x", None)], 1000);
        let outcomes = memory.commit(vec![draft("a", "y", None)], 10);
        assert!(matches!(&outcomes[0], Outcome::Stored { message, .. } if message.at == 1000));
    }
}
