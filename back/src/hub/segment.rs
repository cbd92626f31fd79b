//! Up to 256 members of a room that are at the same place in its log. One flush moves them all to the head with one
//! identical slice; whoever would block leaves with a cursor and catches up alone.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
};

use super::{
    catch_up::Cursor,
    log::{Place, Since},
    outlet::{Offer, Outlet},
    room::Room,
};

/// Members of a segment: enough to share a wake-up, few enough that two workers share a large room evenly.
pub const MEMBERS: usize = 256;

/// Bytes of one batch. Longer ones only make more clients stop in the middle.
pub const BATCH_BYTES: usize = 64 * 1024;

/// Somebody in a room, as the room's fan-out sees them.
pub struct Member {
    outlet: Arc<Outlet>,
    left: AtomicBool,
    /// The index in its segment's list; touched only under that segment's `live`.
    slot: AtomicUsize,
    seat: Mutex<Option<Arc<Segment>>>,
}

const NO_SLOT: usize = usize::MAX;

impl Member {
    /// A member that has no segment yet.
    pub fn new(outlet: Arc<Outlet>) -> Self {
        Self { outlet, left: AtomicBool::new(false), slot: AtomicUsize::new(NO_SLOT), seat: Mutex::new(None) }
    }

    /// Its way out.
    pub fn outlet(&self) -> &Arc<Outlet> {
        &self.outlet
    }

    /// Whether it has left the room; exact under the outlet's lock.
    pub fn has_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    pub(super) fn set_left(&self) {
        self.left.store(true, Ordering::Release);
    }

    fn seat(&self) -> MutexGuard<'_, Option<Arc<Segment>>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the membership; O(1), whatever the size of the room.
    pub(super) fn leave(self: &Arc<Self>, room: &Arc<Room>) {
        self.outlet.forget(self);
        let seat = self.seat().take();
        if let Some(segment) = seat {
            segment.change(Change::Leave(Arc::clone(self)), room);
        }
    }
}

enum Change {
    Join(Arc<Member>, Place),
    Leave(Arc<Member>),
}

/// Members at one place.
pub struct Segment {
    /// Members and those about to come; changed under the room's list of segments.
    reserved: AtomicUsize,
    inbox: Mutex<Vec<Change>>,
    live: Mutex<Live>,
    state: AtomicU8,
}

struct Live {
    at: Place,
    members: Vec<Arc<Member>>,
    /// Where the next flush begins, so that nobody is always the last.
    turn: usize,
}

const IDLE: u8 = 0;
const SCHEDULED: u8 = 1;
const RUNNING: u8 = 2;
const RUNNING_DIRTY: u8 = 3;

impl Segment {
    /// A segment at `at` with one seat taken.
    pub(super) fn new(at: Place) -> Self {
        Self {
            reserved: AtomicUsize::new(1),
            inbox: Mutex::default(),
            live: Mutex::new(Live { at, members: Vec::new(), turn: 0 }),
            state: AtomicU8::new(IDLE),
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

    /// Gives a seat back and says whether it was the last; called under the room's list of segments.
    pub(super) fn release(&self) -> bool {
        self.reserved.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Seats a member that has everything up to `at`.
    pub(super) fn join(self: &Arc<Self>, member: Arc<Member>, at: Place, room: &Arc<Room>) {
        *member.seat() = Some(Arc::clone(self));
        self.change(Change::Join(member, at), room);
    }

    fn change(self: &Arc<Self>, change: Change, room: &Arc<Room>) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).push(change);
        self.mark(room);
    }

    /// Whether a flush is under way and has to run again: the room is busy.
    pub(super) fn is_busy(&self) -> bool {
        self.state.load(Ordering::Relaxed) == RUNNING_DIRTY
    }

    /// Says that there is something to do. Cheap when a flush is scheduled already; several calls share one flush.
    pub(super) fn mark(self: &Arc<Self>, room: &Arc<Room>) {
        let before = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
            IDLE => Some(SCHEDULED),
            RUNNING => Some(RUNNING_DIRTY),
            _ => None,
        });
        if before == Ok(IDLE) {
            tokio::spawn(Arc::clone(self).run(Arc::clone(room)));
        }
    }

    async fn run(self: Arc<Self>, room: Arc<Room>) {
        loop {
            // Lets everything else that is ready go first: what it publishes leaves in the same write.
            tokio::task::yield_now().await;
            // Before the log is read: what is published from here on marks the segment dirty again.
            self.state.store(RUNNING, Ordering::Release);
            self.flush(&room);
            let idle = self.state.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire);
            if idle.is_ok() {
                return;
            }
            self.state.store(SCHEDULED, Ordering::Release);
        }
    }

    /// Moves everybody by at most one batch, then lets members come and go.
    fn flush(self: &Arc<Self>, room: &Arc<Room>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let at = live.at;
        let since = room.log().since(at, BATCH_BYTES);
        match since {
            Since::UpToDate => {}
            Since::Batch(batch, to) => {
                live.at = to;
                live.deliver(
                    |member| member.outlet.offer(member, &batch),
                    |member, offer| self.lost(member, offer, at, room),
                );
            }
            Since::Beyond => {
                live.at = room.log().head();
                live.deliver(|_| Offer::Behind, |member, offer| self.lost(member, offer, at, room));
            }
        }
        let changes = std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner));
        for change in changes {
            match change {
                Change::Join(member, at) => self.seat(&mut live, member, at, room),
                Change::Leave(member) => {
                    // Without a slot it has gone already, or will be turned away when its join is read.
                    let slot = member.slot.load(Ordering::Relaxed);
                    if slot != NO_SLOT {
                        live.remove(slot);
                        room.release(self);
                    }
                }
            }
        }
        if room.log().head() != live.at {
            self.mark(room);
        }
    }

    /// Gives the seat of a member back that is no longer here, and sends it to catch up by itself if it fell behind. In
    /// this order: from the moment it has its cursor, it may take a seat elsewhere.
    fn lost(self: &Arc<Self>, member: &Arc<Member>, offer: Offer, at: Place, room: &Arc<Room>) {
        *member.seat() = None;
        room.release(self);
        if offer == Offer::Behind {
            member.outlet.fall_behind(Box::new(Cursor::behind(room, member, at)));
        }
    }

    /// Brings a newcomer from `at` to where this segment is, and adds it.
    fn seat(self: &Arc<Self>, live: &mut Live, member: Arc<Member>, mut at: Place, room: &Arc<Room>) {
        if member.has_left() {
            return self.lost(&member, Offer::Gone, at, room);
        }
        while at.offset < live.at.offset {
            let (offer, to) = match room.log().replay(at, 0, BATCH_BYTES) {
                Since::Batch(batch, to) => (member.outlet.offer(&member, &batch), to),
                Since::UpToDate | Since::Beyond => (Offer::Behind, at),
            };
            if offer != Offer::Taken {
                return self.lost(&member, offer, at, room);
            }
            at = to;
        }
        if at.offset > live.at.offset {
            // The log grew after this flush had read it: the newcomer has seen that, the others will in the next one.
            self.inbox.lock().unwrap_or_else(PoisonError::into_inner).push(Change::Join(member, at));
            return;
        }
        member.slot.store(live.members.len(), Ordering::Relaxed);
        live.members.push(member);
    }
}

impl Live {
    /// Makes an offer to every member, and removes those who did not take it before `lost` hears of them.
    fn deliver(&mut self, offer: impl Fn(&Arc<Member>) -> Offer, lost: impl Fn(&Arc<Member>, Offer)) {
        let count = self.members.len();
        let mut gone: Vec<(usize, Offer)> = Vec::new();
        for step in 0..count {
            let slot = (self.turn + step) % count;
            match offer(&self.members[slot]) {
                Offer::Taken => {}
                other => gone.push((slot, other)),
            }
        }
        self.turn = if count == 0 { 0 } else { (self.turn + 1) % count };
        // From the back, so that the slots that are still to be removed keep their places.
        gone.sort_unstable_by_key(|(slot, _)| std::cmp::Reverse(*slot));
        for (slot, offer) in gone {
            let member = self.remove(slot);
            lost(&member, offer);
        }
    }

    fn remove(&mut self, slot: usize) -> Arc<Member> {
        let member = self.members.swap_remove(slot);
        member.slot.store(NO_SLOT, Ordering::Relaxed);
        if let Some(moved) = self.members.get(slot) {
            moved.slot.store(slot, Ordering::Relaxed);
        }
        member
    }
}
