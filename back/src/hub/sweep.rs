//! Hands a room's log to its members: a sweep goes through all segments, and is the only thing that does.
//!
//! Large rooms are swept by as many workers as there are. Between two segments each lets others go first, so that no
//! room keeps another waiting for longer than a segment takes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{runtime::Handle, task::JoinSet};

use super::{
    History,
    catch_up::{Advance, Cursor},
    log::{BEFORE_ALL, Place},
    outlet::{Backlog, Outlet},
    room::Room,
    segment::{Flushed, Lost, Member, Segment},
};

/// Says that there is something to deliver, or that members come and go. Cheap when a sweep is scheduled already.
pub fn mark(room: &Arc<Room>) {
    if room.pace().ask() {
        tokio::spawn(run(Arc::clone(room)));
    }
}

/// The members of a room whose sweep takes no longer than starting a task for it is worth.
const SMALL: usize = 32;

/// Delivers what a small room has just been told, without letting others go first: with nobody else talking there, that
/// would only cost. Says what it left to [`mark`]: large rooms, and those that were swept a moment ago.
pub fn at_once(room: &Arc<Room>) -> bool {
    let began = Instant::now();
    if room.only_segment(SMALL).is_none() || !room.pace().is_quiet(began) {
        return false;
    }
    if !room.pace().ask() {
        // A sweep is on its way.
        return true;
    }
    room.pace().begin();
    match room.only_segment(SMALL) {
        Some(segment) => note(room, flush(room, &segment), began),
        // It has grown since, and another sweep has to follow.
        None => _ = room.pace().ask(),
    }
    if room.pace().end() {
        tokio::spawn(run(Arc::clone(room)));
    }
    true
}

/// Gives a member that has everything up to `at` a seat in a segment.
pub fn settle(room: &Arc<Room>, member: Arc<Member>, at: Place) {
    let is_seated = room.reserve(at).join(member, at);
    // Looked at after the seat is taken: whatever is appended later marks the room, and finds the member in it.
    if !is_seated || room.log().head() != at {
        mark(room);
    }
}

/// Ends a membership; O(1), whatever the size of the room. Nothing of the room is written after this returns.
pub fn leave(room: &Arc<Room>, member: &Arc<Member>) {
    member.forget();
    let Some(segment) = member.stand_up() else { return };
    if segment.leave(Arc::clone(member)) {
        room.release(&segment);
    } else {
        mark(room);
    }
}

impl Backlog for Cursor {
    fn is_eager(&self) -> bool {
        self.is_short()
    }

    fn step<'a>(mut self: Box<Self>, outlet: &'a Outlet, history: &'a History) -> BoxFuture<'a, ()> {
        async move {
            match self.advance(outlet, history).await {
                Advance::Behind => outlet.fall_behind(self),
                Advance::Arrived => {
                    let (room, member, at) = self.into_parts();
                    settle(&room, member, at);
                }
                Advance::Over => {}
            }
        }
        .boxed()
    }
}

async fn run(room: Arc<Room>) {
    loop {
        // Lets everything else that is ready go first: what it publishes leaves in the same write.
        tokio::task::yield_now().await;
        if let Some(until) = room.pace().rests_until() {
            tokio::time::sleep_until(until.into()).await;
        }
        room.pace().begin();
        let began = Instant::now();
        note(&room, sweep(&room).await, began);
        if !room.pace().end() {
            return;
        }
    }
}

/// A sweep that began then has done this.
fn note(room: &Arc<Room>, flushed: Flushed, began: Instant) {
    room.sweep_to(flushed.to);
    let frames = if flushed.is_large { 0 } else { flushed.frames };
    let now = Instant::now();
    room.pace().rest(frames, began, now);
    if flushed.frames > 0 || flushed.deliveries > 0 {
        room.metrics().swept(flushed.deliveries, now - began);
    }
    if flushed.has_more {
        mark(room);
    }
}

/// One pass over all segments.
async fn sweep(room: &Arc<Room>) -> Flushed {
    // Before the segments: whoever takes a seat after this looks at the log itself.
    let head = room.log().head();
    let segments = room.segments();
    if let [segment] = segments.as_slice() {
        return flush(room, segment);
    }
    let workers = Handle::current().metrics().num_workers().min(segments.len());
    let lane = Lane { room: Arc::clone(room), head, segments: segments.into(), next: Arc::default() };
    if workers < 2 {
        return lane.run().await;
    }
    // All of them as tasks: the one that is spawned last stays with this worker, each of the others is put where an idle
    // worker takes it. Run from here, the first lane would keep the second one waiting on the same worker.
    let mut lanes: JoinSet<Flushed> = (0..workers).map(|_| lane.clone().run()).collect();
    let mut flushed = Flushed::none(head);
    while let Some(lane) = lanes.join_next().await {
        // What a worker that failed has delivered is not known.
        flushed = flushed.and(lane.unwrap_or(Flushed::none(Place { offset: BEFORE_ALL, seq: 0 })));
    }
    flushed
}

/// One worker's way through a sweep: the next segment that nobody has taken, until there is none.
#[derive(Clone)]
struct Lane {
    room: Arc<Room>,
    /// The log's head when the sweep began.
    head: Place,
    segments: Arc<[Arc<Segment>]>,
    next: Arc<AtomicUsize>,
}

impl Lane {
    async fn run(self) -> Flushed {
        let mut flushed = Flushed::none(self.head);
        while let Some(segment) = self.segments.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            flushed = flushed.and(flush(&self.room, segment));
            tokio::task::yield_now().await;
        }
        flushed
    }
}

fn flush(room: &Arc<Room>, segment: &Arc<Segment>) -> Flushed {
    let mut lost = Vec::new();
    let flushed = segment.flush(room.log_lock(), &mut lost);
    for Lost { member, at, is_behind } in lost {
        member.stand_up();
        room.release(segment);
        // Last: from the moment it has its cursor, it may take a seat elsewhere.
        if is_behind {
            member.outlet().fall_behind(Box::new(Cursor::behind(room, &member, at)));
        }
    }
    flushed
}
