//! A room while somebody is in it: its log, its segments and its people.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use shared::RoomName;
use tokio::sync::{Notify, OnceCell};

use super::{
    log::{Log, Place},
    outlet::Outlet,
    presence::{Presence, PresenceTimes},
    segment::{Member, Segment},
};
use crate::{frame, limits::Bucket};

/// Typing notices that a room passes on in a second; each costs one send per member.
const TYPING_PER_SECOND: u32 = 10;

/// A room that is in memory.
pub struct Room {
    name: RoomName,
    /// Set when the log is open: whoever comes first looks history up, the others wait for it.
    looked_up: OnceCell<()>,
    log: Mutex<Log>,
    segments: Mutex<Vec<Arc<Segment>>>,
    presence: Mutex<Presence>,
    typing: Mutex<Bucket>,
    keeper: Keeper,
}

/// The task that speaks for the room's presence; there is one only while there is something to tell.
#[derive(Default)]
struct Keeper {
    running: AtomicBool,
    earlier: Notify,
}

impl Room {
    /// A room that has not been looked up in history.
    pub(super) fn new(name: RoomName, times: PresenceTimes) -> Self {
        Self {
            name,
            looked_up: OnceCell::new(),
            log: Mutex::new(Log::new()),
            segments: Mutex::default(),
            presence: Mutex::new(Presence::new(times)),
            typing: Mutex::new(Bucket::new(TYPING_PER_SECOND, TYPING_PER_SECOND)),
            keeper: Keeper::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// Its newest message that was published.
    pub fn top(&self) -> u64 {
        self.log().head().seq
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn looked_up(&self) -> &OnceCell<()> {
        &self.looked_up
    }

    fn segments(&self) -> MutexGuard<'_, Vec<Arc<Segment>>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a member that has everything up to `at` a seat in a segment.
    pub(super) fn settle(self: &Arc<Self>, member: Arc<Member>, at: Place) {
        let segment = {
            let mut segments = self.segments();
            match segments.iter().find(|segment| segment.reserve()) {
                Some(segment) => Arc::clone(segment),
                None => {
                    let segment = Arc::new(Segment::new(at));
                    segments.push(Arc::clone(&segment));
                    segment
                }
            }
        };
        segment.join(member, at, self);
    }

    /// A seat became free; the segment goes when it was the last.
    pub(super) fn release(&self, segment: &Arc<Segment>) {
        let mut segments = self.segments();
        if segment.release() {
            segments.retain(|other| !Arc::ptr_eq(other, segment));
        }
    }

    /// Has every segment look at the log.
    pub(super) fn mark(self: &Arc<Self>) {
        for segment in self.segments().iter() {
            segment.mark(self);
        }
    }

    /// Sends a frame of state to everybody, in order with the messages.
    fn tell(self: &Arc<Self>, frame: Bytes) {
        self.log().append_state(frame);
        self.mark();
    }

    /// Tells one reader that is at `at` who is here, unless the log has moved on meanwhile.
    pub(super) fn tell_roster(&self, outlet: &Outlet, at: Place) -> bool {
        // While presence is locked no news of it comes into the log: this and the next news make a whole.
        let presence = self.presence();
        let is_head = self.log().head() == at;
        if is_head {
            outlet.say(&presence.roster(&self.name));
        }
        is_head
    }

    /// Passes a typing notice on, unless there are many or the room is busy: it is the first thing to be shed.
    pub(super) fn tell_typing(self: &Arc<Self>, frame: Bytes, now: Instant) {
        let busy = self.segments().iter().any(|segment| segment.is_busy());
        let allowed = self.typing.lock().unwrap_or_else(PoisonError::into_inner).take(now).is_ok();
        if allowed && !busy {
            self.log().append_passing(frame);
            self.mark();
        }
    }

    /// Changes the room's people, and sees to it that somebody tells of it.
    pub(super) fn with_presence<T>(self: &Arc<Self>, change: impl FnOnce(&mut Presence) -> T) -> T {
        let mut presence = self.presence();
        let before = presence.next_due();
        let result = change(&mut presence);
        let due = presence.next_due();
        if due.is_some() && !self.keeper.running.swap(true, Ordering::AcqRel) {
            tokio::spawn(Arc::clone(self).keep());
        } else if due != before {
            self.keeper.earlier.notify_one();
        }
        result
    }

    async fn keep(self: Arc<Self>) {
        loop {
            let due = {
                let mut presence = self.presence();
                if let Some(delta) = presence.tick(&self.name, Instant::now()) {
                    // Under the lock of presence: whoever joins is told the state before or after this, and where in
                    // the log.
                    self.tell(frame::text(&delta.to_json()));
                }
                let Some(due) = presence.next_due() else {
                    self.keeper.running.store(false, Ordering::Release);
                    return;
                };
                due
            };
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => {}
                () = self.keeper.earlier.notified() => {}
            }
        }
    }
}
