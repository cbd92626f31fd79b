//! A history in memory that says how much it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use shared::{Message, Name, UserId};

use super::*;
use crate::history::{MemoryLimits, Query};

/// Counts the questions that would be asked of a disk.
pub struct Counting {
    memory: Memory,
    blocks: bool,
    reads: AtomicUsize,
    sizes: AtomicUsize,
}

impl Counting {
    /// Over a memory of so many messages; one that `blocks` is asked on threads of its own.
    pub fn new(messages: usize, blocks: bool) -> Self {
        let memory = Memory::new(Epoch::parse(EPOCH).unwrap(), MemoryLimits { messages, bytes: usize::MAX });
        Self { memory, blocks, reads: AtomicUsize::new(0), sizes: AtomicUsize::new(0) }
    }

    /// How often messages were read, and how often it was counted how many there are.
    pub fn asked(&self) -> (usize, usize) {
        (self.reads.load(Ordering::Relaxed), self.sizes.load(Ordering::Relaxed))
    }
}

impl Store for Counting {
    fn kind(&self) -> &'static str {
        self.memory.kind()
    }

    fn blocks(&self) -> bool {
        self.blocks
    }

    fn commit(&self, changes: Vec<Change>, now_ms: u64) -> Result<Vec<Outcome>, Fatal> {
        self.memory.commit(changes, now_ms)
    }

    fn bounds(&self, room: &RoomName) -> Result<Bounds, Unavailable> {
        self.memory.bounds(room)
    }

    fn read(&self, room: &RoomName, range: Range, limit: usize) -> Result<Vec<Arc<Message>>, Unavailable> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.memory.read(room, range, limit)
    }

    fn size_after(&self, room: &RoomName, seq: u64, limit: usize) -> Result<(usize, usize), Unavailable> {
        self.sizes.fetch_add(1, Ordering::Relaxed);
        self.memory.size_after(room, seq, limit)
    }

    fn search(
        &self,
        room: &RoomName,
        query: &Query,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, Unavailable> {
        self.memory.search(room, query, before, limit)
    }

    fn marker(&self, room: &RoomName, user: &UserId) -> Result<Option<u64>, Unavailable> {
        self.memory.marker(room, user)
    }

    fn name(&self, user: &UserId) -> Result<Option<Name>, Unavailable> {
        self.memory.name(user)
    }

    fn rooms(&self, limit: usize) -> Result<Vec<(RoomName, u64)>, Unavailable> {
        self.memory.rooms(limit)
    }
}
