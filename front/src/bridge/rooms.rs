//! Rooms that are read: each once, over as few lines as hold them, until nobody reads it any more.

use std::{
    collections::HashMap,
    sync::{Arc, MutexGuard, PoisonError, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

use shared::{Address, ErrorBody, RoomName};

use super::{
    Bridge,
    feed::Feed,
    line::{self, Line},
    places::too_many,
};
use crate::metrics::{Limit, Open};

/// How often is looked for rooms that nobody reads, at least.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// Rooms that are read, and the lines over which they are.
#[derive(Default)]
pub(super) struct Rooms {
    feeds: HashMap<RoomName, Arc<Feed>>,
    lines: Vec<Arc<Line>>,
}

/// A room that is being read; dropping it is leaving.
pub(crate) struct Reading {
    feed: Arc<Feed>,
}

impl std::ops::Deref for Reading {
    type Target = Feed;

    fn deref(&self) -> &Feed {
        &self.feed
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.feed.close(Instant::now());
    }
}

impl Bridge {
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a room, for somebody at an address that is counted: the one subscription of this front, begun where nobody
    /// reads it yet. To begin one is a question.
    ///
    /// # Errors
    /// `overloaded` when as many rooms are read as may be, or as [`Self::may_ask`].
    pub(crate) fn read(&self, from: Option<Address>, room: &RoomName) -> Result<Reading, Box<ErrorBody>> {
        let mut rooms = self.rooms();
        if let Some(feed) = rooms.feeds.get(room)
            && !feed.is_refused()
        {
            return Ok(reading(feed));
        }
        self.may_ask(from)?;
        if !rooms.feeds.contains_key(room) && rooms.feeds.len() >= self.limits.rooms && !rooms.forget_one() {
            self.metrics().hit(Limit::Rooms);
            return Err(too_many("too many rooms are read at once", self.limits.rooms));
        }
        let held = self.metrics().hold(Open::Room);
        let feed = Arc::new(Feed::new(room.clone(), Arc::clone(&self.share), held));
        let reading = reading(&feed);
        rooms.feeds.insert(room.clone(), Arc::clone(&feed));
        self.share_out(rooms.feeds.len());
        self.line_for(&mut rooms, Some(room)).join(feed);
        Ok(reading)
    }

    /// The room where it is read already.
    pub(crate) fn read_already(&self, room: &RoomName) -> Option<Reading> {
        self.rooms().feeds.get(room).filter(|feed| !feed.is_refused()).map(reading)
    }

    fn share_out(&self, rooms: usize) {
        self.share.store(self.limits.buffered / rooms.max(1), Ordering::Relaxed);
    }

    /// The line of a room, or one with a place for another.
    fn line_for(&self, rooms: &mut Rooms, room: Option<&RoomName>) -> Arc<Line> {
        let has = |line: &&Arc<Line>| room.is_some_and(|room| line.has(room));
        let lines = &rooms.lines;
        if let Some(line) = lines.iter().find(has).or_else(|| lines.iter().find(|line| line.rooms() < line::ROOMS)) {
            return Arc::clone(line);
        }
        let (line, run) = Line::new(self.back.clone(), self.departures.stop(), line::UNANSWERED);
        self.spawn(run);
        rooms.lines.push(Arc::clone(&line));
        line
    }

    /// A line to ask over: that of the room, where it is read.
    pub(super) fn line(&self, room: Option<&RoomName>) -> Arc<Line> {
        self.line_for(&mut self.rooms(), room)
    }

    fn tidy(&self) {
        let now = Instant::now();
        let mut rooms = self.rooms();
        let idle: Vec<_> = rooms
            .feeds
            .values()
            .filter(|feed| {
                let idle = |since: Instant| feed.is_refused() || now.duration_since(since) >= self.limits.room_idle;
                feed.idle_since().is_some_and(idle)
            })
            .map(|feed| feed.room().clone())
            .collect();
        idle.iter().for_each(|room| rooms.forget(room));
        self.share_out(rooms.feeds.len());
    }
}

impl Rooms {
    fn forget(&mut self, room: &RoomName) {
        self.feeds.remove(room);
        self.lines.iter().filter(|line| line.has(room)).for_each(|line| line.leave(room));
    }

    /// Makes place for a room, if there is one that nobody reads.
    fn forget_one(&mut self) -> bool {
        let idle = |feed: &&Arc<Feed>| feed.idle_since().is_some();
        let oldest = self.feeds.values().filter(idle).min_by_key(|feed| feed.idle_since());
        let Some(room) = oldest.map(|feed| feed.room().clone()) else { return false };
        self.forget(&room);
        true
    }
}

fn reading(feed: &Arc<Feed>) -> Reading {
    feed.open();
    Reading { feed: Arc::clone(feed) }
}

/// Forgets what nobody reads.
pub(super) async fn tidy(bridge: Weak<Bridge>) {
    loop {
        let Some(every) =
            bridge.upgrade().map(|bridge| bridge.limits.room_idle.clamp(Duration::from_millis(100), TIDY_EVERY))
        else {
            return;
        };
        tokio::time::sleep(every).await;
        if let Some(bridge) = bridge.upgrade() {
            bridge.tidy();
        }
    }
}
