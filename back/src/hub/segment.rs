//! Up to 256 members of a room that are at the same place in its log. One flush moves them all to the head with one
//! identical slice; whoever would block is handed back with the place where it was.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, TryLockError,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use shared::ServerMessage;

use super::{
    log::{Log, Place, Since},
    outlet::{Left, Offer, Outlet},
};
use crate::frame;

/// Members of a segment: enough to share a batch, few enough that workers share a large room evenly. Where it is tested
/// from within, a handful of clients make several segments.
pub const MEMBERS: usize = if cfg!(test) { 4 } else { 256 };

/// Bytes of one batch. Longer ones only make more clients stop in the middle.
pub const BATCH_BYTES: usize = 64 * 1024;

/// A batch of so many bytes need not grow: what a send costs whatever it carries is less than half of its cost then
/// (measured: 3.3 µs for 2 KB, 4.5 for 15, 6.0 for 30, 8.6 for 60).
const LARGE_BYTES: usize = 16 * 1024;

/// Somebody in a room, as the room's fan-out sees them.
pub struct Member {
    outlet: Arc<Outlet>,
    left: Left,
    /// The index in its segment's list; touched only under that segment's `live`.
    slot: AtomicUsize,
    seat: Mutex<Option<Arc<Segment>>>,
}

const NO_SLOT: usize = usize::MAX;

impl Member {
    /// A member that has no segment yet.
    pub fn new(outlet: Arc<Outlet>) -> Self {
        Self { outlet, left: Left::default(), slot: AtomicUsize::new(NO_SLOT), seat: Mutex::new(None) }
    }

    /// Its way out.
    pub fn outlet(&self) -> &Arc<Outlet> {
        &self.outlet
    }

    /// Whether it has left the room.
    pub fn has_left(&self) -> bool {
        self.left.is_so()
    }

    /// Queues frames of the room for this member alone, while it is one.
    pub(super) fn push(&self, frames: Bytes) {
        self.outlet.push_unless(&self.left, frames);
    }

    /// Queues a message of the room for this member alone, while it is one.
    pub(super) fn say(&self, message: &ServerMessage) {
        self.outlet.metrics().said(message);
        self.push(frame::message(message));
    }

    /// Ends the membership. Nothing of the room is written after this returns; the seat is still to be given back.
    pub(super) fn forget(&self) {
        self.outlet.forget(&self.left);
    }

    fn seat(&self) -> MutexGuard<'_, Option<Arc<Segment>>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segment it sits in, or is about to.
    pub(super) fn stand_up(&self) -> Option<Arc<Segment>> {
        self.seat().take()
    }
}

/// A member that is no longer in its segment. Its seat there is free as soon as the room says so.
pub struct Lost {
    /// Who.
    pub member: Arc<Member>,
    /// What it has.
    pub at: Place,
    /// Whether it goes on by itself; otherwise it has left, or its connection ends.
    pub is_behind: bool,
}

enum Change {
    Join(Arc<Member>, Place),
    Leave(Arc<Member>),
}

/// Members at one place.
pub struct Segment {
    /// Members and those about to come; changed under the room's list of segments.
    reserved: AtomicUsize,
    live: Mutex<Live>,
    /// Who came or went while `live` was in use.
    inbox: Mutex<Vec<Change>>,
}

struct Live {
    at: Place,
    members: Vec<Seat>,
    /// Where the next flush begins, so that nobody is always the last.
    turn: usize,
}

/// A member beside its outlet: the way from one client to the next leads over no other memory.
struct Seat {
    outlet: Arc<Outlet>,
    member: Arc<Member>,
}

impl Seat {
    fn offer(&self, batch: &Bytes) -> Offer {
        self.outlet.offer(|| self.member.has_left(), batch)
    }
}

impl Segment {
    /// A segment at `at` with one seat taken.
    pub(super) fn new(at: Place) -> Self {
        Self {
            reserved: AtomicUsize::new(1),
            live: Mutex::new(Live { at, members: Vec::new(), turn: 0 }),
            inbox: Mutex::default(),
        }
    }

    /// Takes a seat if there is one; called under the room's list of segments.
    pub(super) fn reserve(&self) -> bool {
        let free = self.reserved.load(Ordering::Relaxed) < MEMBERS;
        if free {
            self.reserved.fetch_add(1, Ordering::Relaxed);
        }
        free
    }

    /// Members and those about to come.
    pub(super) fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Gives a seat back and says whether it was the last; called under the room's list of segments.
    pub(super) fn release(&self) -> bool {
        self.reserved.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Its members, unless a flush is under way.
    fn try_live(&self) -> Option<MutexGuard<'_, Live>> {
        match self.live.try_lock() {
            Ok(live) => Some(live),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Vec<Change>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seats a member that has everything up to `at` and for whom a seat is reserved: at once if the others are there
    /// too. Otherwise it says no, and the next flush does it.
    pub(super) fn join(self: &Arc<Self>, member: Arc<Member>, at: Place) -> bool {
        *member.seat() = Some(Arc::clone(self));
        if let Some(mut live) = self.try_live()
            && (live.at == at || live.members.is_empty())
            && !member.has_left()
        {
            live.at = at;
            live.add(member);
            return true;
        }
        self.inbox().push(Change::Join(member, at));
        false
    }

    /// Takes a member out that has left: at once if nothing hinders; then its seat is free. Otherwise it says no, and
    /// the next flush does it.
    pub(super) fn leave(&self, member: Arc<Member>) -> bool {
        if let Some(mut live) = self.try_live() {
            return live.remove(&member);
        }
        self.inbox().push(Change::Leave(member));
        false
    }

    /// Moves everybody by at most one batch, then lets members come and go; adds whoever is no longer here to `lost`.
    pub(super) fn flush(&self, log: &Mutex<Log>, lost: &mut Vec<Lost>) -> Flushed {
        let log = || log.lock().unwrap_or_else(PoisonError::into_inner);
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let before = live.at;
        let since = log().since(before, BATCH_BYTES);
        let (mut is_large, mut deliveries) = (false, 0);
        match since {
            Since::UpToDate => {}
            Since::Batch(batch, to) => {
                is_large = batch.len() >= LARGE_BYTES;
                live.at = to;
                let taken = live.deliver(before, lost, |seat| seat.offer(&batch));
                deliveries = taken * (to.seq - before.seq);
            }
            Since::Beyond => {
                live.at = log().head();
                _ = live.deliver(before, lost, |_| Offer::Behind);
            }
        }
        let changes = std::mem::take(&mut *self.inbox());
        for change in changes {
            match change {
                Change::Join(member, at) => deliveries += self.seat(&mut live, member, at, &log, lost),
                Change::Leave(member) => {
                    // Without a slot it has gone already.
                    if live.remove(&member) {
                        lost.push(Lost { member, at: live.at, is_behind: false });
                    }
                }
            }
        }
        let at = live.at;
        let frames = at.offset - before.offset;
        Flushed { frames, deliveries, is_large, to: at.offset, has_more: log().head() != at }
    }

    /// Brings a newcomer from `at` to where the others are, and adds it; returns how many messages that took.
    fn seat<'a>(
        &self,
        live: &mut Live,
        member: Arc<Member>,
        mut at: Place,
        log: &impl Fn() -> MutexGuard<'a, Log>,
        lost: &mut Vec<Lost>,
    ) -> u64 {
        let from = at.seq;
        if member.has_left() {
            lost.push(Lost { member, at, is_behind: false });
            return 0;
        }
        while at.offset < live.at.offset {
            let since = log().replay(at, 0, BATCH_BYTES);
            let (offer, to) = match since {
                Since::Batch(batch, to) => (member.outlet.offer(|| member.has_left(), &batch), to),
                Since::UpToDate | Since::Beyond => (Offer::Behind, at),
            };
            if offer != Offer::Taken {
                lost.push(Lost { member, at, is_behind: offer == Offer::Behind });
                return at.seq - from;
            }
            at = to;
        }
        if at.offset > live.at.offset {
            // The log grew after this flush had read it: the newcomer has seen that, the others will in the next one.
            self.inbox().push(Change::Join(member, at));
        } else {
            live.add(member);
        }
        at.seq - from
    }
}

/// What a flush did.
#[derive(Debug, Clone, Copy)]
pub struct Flushed {
    /// Frames that everybody was sent.
    pub frames: u64,
    /// Messages that were handed out, each counted for each member.
    pub deliveries: u64,
    /// Whether they were so many bytes that waiting for more would have saved little.
    pub is_large: bool,
    /// The offset of the log before which everybody has everything.
    pub to: u64,
    /// Whether the log has more.
    pub has_more: bool,
}

impl Flushed {
    /// A sweep of no segment: nobody lacks anything up to `head`.
    pub fn none(head: Place) -> Self {
        Self { frames: 0, deliveries: 0, is_large: false, to: head.offset, has_more: false }
    }

    /// Two flushes of one sweep.
    pub fn and(self, other: Self) -> Self {
        Self {
            frames: self.frames.max(other.frames),
            deliveries: self.deliveries + other.deliveries,
            is_large: self.is_large || other.is_large,
            to: self.to.min(other.to),
            has_more: self.has_more || other.has_more,
        }
    }
}

impl Live {
    /// Makes an offer to every member, and removes those who did not take it; returns how many did.
    fn deliver(&mut self, at: Place, lost: &mut Vec<Lost>, offer: impl Fn(&Seat) -> Offer) -> u64 {
        let count = self.members.len();
        let mut gone: Vec<(usize, Offer)> = Vec::new();
        let turn = self.turn.min(count);
        for slot in (turn..count).chain(0..turn) {
            match offer(&self.members[slot]) {
                Offer::Taken => {}
                other => gone.push((slot, other)),
            }
        }
        self.turn = if turn + 1 < count { turn + 1 } else { 0 };
        // From the back, so that the slots that are still to be removed keep their places.
        let taken = (count - gone.len()) as u64;
        gone.sort_unstable_by_key(|(slot, _)| std::cmp::Reverse(*slot));
        for (slot, offer) in gone {
            lost.push(Lost { member: self.take(slot), at, is_behind: offer == Offer::Behind });
        }
        taken
    }

    fn add(&mut self, member: Arc<Member>) {
        member.slot.store(self.members.len(), Ordering::Relaxed);
        self.members.push(Seat { outlet: Arc::clone(&member.outlet), member });
    }

    /// Takes a member out, and says whether it was here.
    fn remove(&mut self, member: &Member) -> bool {
        let slot = member.slot.load(Ordering::Relaxed);
        let is_here = slot != NO_SLOT;
        if is_here {
            self.take(slot);
        }
        is_here
    }

    fn take(&mut self, slot: usize) -> Arc<Member> {
        let Seat { member, .. } = self.members.swap_remove(slot);
        member.slot.store(NO_SLOT, Ordering::Relaxed);
        if let Some(moved) = self.members.get(slot) {
            moved.member.slot.store(slot, Ordering::Relaxed);
        }
        member
    }
}
