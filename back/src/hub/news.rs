//! What a room is told of its people: who comes and goes, and who is typing.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use shared::Name;
use tokio::sync::Notify;

use super::{presence::Presence, room::Room, sweep};
use crate::{frame, limits::Bucket, metrics::Limit, moderation::Setting};

/// Typing notices that a room passes on in a second; each costs one send per member.
const TYPING_PER_SECOND: u32 = 10;

/// The task that speaks for a room's presence; there is one only while there is something to tell.
pub struct Reporter {
    is_running: AtomicBool,
    earlier: Notify,
    typing: Mutex<Bucket>,
}

impl Default for Reporter {
    fn default() -> Self {
        Self {
            is_running: AtomicBool::new(false),
            earlier: Notify::new(),
            typing: Mutex::new(Bucket::new(TYPING_PER_SECOND, TYPING_PER_SECOND)),
        }
    }
}

/// Passes a typing notice on, unless there are many or the room is busy: it is the first thing to be shed.
pub fn typing(room: &Arc<Room>, frame: Bytes, now: Instant) {
    let typing = &room.reporter().typing;
    let is_allowed = typing.lock().unwrap_or_else(PoisonError::into_inner).take(now).is_ok();
    if !is_allowed {
        room.metrics().hit(Limit::Typing);
    } else if !room.pace().is_busy(now) {
        room.log().append_passing(frame);
        sweep::mark(room);
    }
}

/// Tells the room what a moderator has set.
pub fn set(room: &Arc<Room>, setting: Setting, by: &Name) {
    // As for people: whoever joins is told the state before or after this, and where in the log.
    let _presence = room.presence();
    room.set(setting);
    // Before it is looked up nobody is in it, and its log has no place for this.
    if room.looked_up().initialized() {
        room.log().append_state(frame::message(&room.told(Some(by))));
        sweep::mark(room);
    }
}

/// Changes the room's people, and sees to it that somebody tells of it.
pub fn with_presence<T>(room: &Arc<Room>, change: impl FnOnce(&mut Presence) -> T) -> T {
    let mut presence = room.presence();
    let before = presence.next_due();
    let result = change(&mut presence);
    let due = presence.next_due();
    if due.is_some() && !room.reporter().is_running.swap(true, Ordering::AcqRel) {
        tokio::spawn(report(Arc::clone(room)));
    } else if due != before {
        room.reporter().earlier.notify_one();
    }
    result
}

async fn report(room: Arc<Room>) {
    loop {
        let due = {
            let mut presence = room.presence();
            if let Some(delta) = presence.tick(room.name(), Instant::now()) {
                // Under the lock of presence: whoever joins is told the state before or after this, and where in the
                // log.
                room.log().append_state(frame::message(&delta));
                sweep::mark(&room);
            }
            let Some(due) = presence.next_due() else {
                room.reporter().is_running.store(false, Ordering::Release);
                return;
            };
            due
        };
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = room.reporter().earlier.notified() => {}
        }
    }
}
