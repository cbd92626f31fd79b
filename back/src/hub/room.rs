//! A room while somebody is in it: its log, its segments and its people. It starts nothing by itself: [`super::sweep`]
//! delivers what is in the log, [`super::news`] puts in what there is to tell of the people.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use shared::{MessageId, Name, RoomName, ServerMessage, UserId};
use tokio::sync::{Notify, OnceCell};

use super::{
    log::{Log, Place},
    news::Reporter,
    pace::Pace,
    presence::{Presence, PresenceTimes},
    segment::{Member, Segment},
};
use crate::{
    metrics::Metrics,
    moderation::{Setting, Turns},
};

/// A room that is in memory.
pub struct Room {
    name: RoomName,
    /// Set when the log is open: whoever comes first looks history up, the others wait for it.
    looked_up: OnceCell<()>,
    log: Mutex<Log>,
    segments: Mutex<Vec<Arc<Segment>>>,
    pace: Pace,
    swept: Notify,
    /// Messages that were handed to history and have not come back.
    coming: AtomicUsize,
    presence: Mutex<Presence>,
    reporter: Reporter,
    order: Mutex<Order>,
    /// The same as in `order`, for those who speak: 0 for as fast as anywhere. Changed together with it.
    slow: AtomicU64,
    metrics: Arc<Metrics>,
}

/// What moderators have set.
#[derive(Default)]
struct Order {
    setting: Setting,
    /// Whether it is known; before, history has to be asked.
    known: bool,
    /// Whether it changed since the room is in memory, so that somebody may have missed that.
    changed: bool,
    turns: Turns,
}

/// A message on its way through history.
pub struct Coming(Arc<Room>);

impl Coming {
    /// Where it was said.
    pub(super) fn room(&self) -> &Arc<Room> {
        &self.0
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.coming.fetch_sub(1, Ordering::Relaxed);
        // Not every message comes to a sweep: some are refused, some were there already.
        self.0.swept.notify_waiters();
    }
}

impl Room {
    /// A room that has not been looked up in history.
    pub(super) fn new(name: RoomName, times: PresenceTimes, rest: Duration, metrics: Arc<Metrics>) -> Self {
        Self {
            name,
            looked_up: OnceCell::new(),
            log: Mutex::new(Log::new()),
            segments: Mutex::default(),
            pace: Pace::new(rest),
            swept: Notify::new(),
            coming: AtomicUsize::new(0),
            presence: Mutex::new(Presence::new(times)),
            reporter: Reporter::default(),
            order: Mutex::default(),
            slow: AtomicU64::new(0),
            metrics,
        }
    }

    /// What this server counts of itself.
    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
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

    /// The log, for those who lock it themselves.
    pub(super) fn log_lock(&self) -> &Mutex<Log> {
        &self.log
    }

    /// When its next sweep may begin.
    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// The task that speaks of its people.
    pub(super) fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// Every segment has been sent what comes before this offset of the log.
    pub(super) fn sweep_to(&self, offset: u64) {
        self.log().sweep_to(offset);
        self.swept.notify_waiters();
    }

    /// Whether more was said here than could be delivered yet: who says the next should wait for [`Room::keeps_up`].
    pub fn lags(&self) -> bool {
        self.log().lags(self.coming.load(Ordering::Relaxed))
    }

    /// Counts a message that is handed to history, until that is dropped.
    pub fn expect(self: &Arc<Self>) -> Coming {
        self.coming.fetch_add(1, Ordering::Relaxed);
        Coming(Arc::clone(self))
    }

    /// Waits until the room does not lag. A sweep never waits for a client, so this takes as long as the sends do.
    pub async fn keeps_up(&self) {
        loop {
            let mut swept = pin!(self.swept.notified());
            // Before looking: a sweep that ends in between is not missed.
            swept.as_mut().enable();
            if !self.lags() {
                return;
            }
            swept.await;
        }
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What moderators have set.
    pub fn setting(&self) -> Setting {
        self.order().setting.clone()
    }

    /// What history had; what a moderator has set meanwhile is newer.
    pub(super) fn look_up_setting(&self, setting: Setting) {
        let mut order = self.order();
        if !order.known {
            self.put(&mut order, setting);
        }
    }

    /// A moderator has set this.
    pub(super) fn set(&self, setting: Setting) {
        let mut order = self.order();
        self.put(&mut order, setting);
        order.changed = true;
    }

    /// While `order` is locked, so that of two who come at once the same one is shown and kept.
    fn put(&self, order: &mut Order, setting: Setting) {
        self.slow.store(setting.slow.unwrap_or_default(), Ordering::Relaxed);
        order.setting = setting;
        order.known = true;
    }

    /// Whether a moderator slowed it.
    pub fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed) > 0
    }

    /// Takes somebody's turn to speak, where turns are taken.
    ///
    /// # Errors
    /// How long to wait, and how many seconds lie between two turns.
    pub fn take_turn(&self, user: &UserId, id: Option<&MessageId>, now: Instant) -> Result<(), (Duration, u64)> {
        let seconds = self.slow.load(Ordering::Relaxed);
        if seconds == 0 {
            return Ok(());
        }
        let taken = self.order().turns.take(user, id, Duration::from_secs(seconds), now);
        taken.map_err(|wait| (wait, seconds))
    }

    /// How it is, for those in it.
    pub(super) fn told(&self, by: Option<&Name>) -> ServerMessage {
        let Setting { topic, slow } = self.setting();
        ServerMessage::Room { room: self.name.clone(), topic, slow, by: by.cloned() }
    }

    pub(super) fn looked_up(&self) -> &OnceCell<()> {
        &self.looked_up
    }

    pub(super) fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat for a member that has everything up to `at`.
    pub(super) fn reserve(&self, at: Place) -> Arc<Segment> {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(segment) = segments.iter().find(|segment| segment.reserve()) {
            return Arc::clone(segment);
        }
        let segment = Arc::new(Segment::new(at));
        segments.push(Arc::clone(&segment));
        segment
    }

    /// A seat became free; the segment goes when it was the last.
    pub(super) fn release(&self, segment: &Arc<Segment>) {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if segment.release() {
            segments.retain(|other| !Arc::ptr_eq(other, segment));
        }
    }

    /// Its only segment, if that has at most so many members.
    pub(super) fn only_segment(&self, members: usize) -> Option<Arc<Segment>> {
        match self.segments.lock().unwrap_or_else(PoisonError::into_inner).as_slice() {
            [segment] if segment.reserved() <= members => Some(Arc::clone(segment)),
            _ => None,
        }
    }

    /// Its segments now.
    pub(super) fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells one member that is at `at` who is here, unless the log has moved on meanwhile.
    pub(super) fn tell_roster(&self, member: &Member, at: Place) -> bool {
        // While presence is locked no news of it comes into the log: this and the next news make a whole.
        let presence = self.presence();
        let is_head = self.log().head() == at;
        if is_head {
            member.say(&presence.roster(&self.name));
            if self.order().changed {
                member.say(&self.told(None));
            }
        }
        is_head
    }
}
