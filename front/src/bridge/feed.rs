//! What a room says, heard once for everybody who reads it here. Readers are cursors: nobody waits for the slowest, and
//! whoever is behind what is kept here asks history.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use shared::{Epoch, ErrorBody, Message, RoomName};
use tokio::sync::watch;

use super::{
    encoded::Encoded,
    ring::{BYTES, Ring},
};
use crate::metrics::Held;

/// Whether what is here is the present.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// It was asked for.
    Coming,
    /// It is up to date and stays so.
    Live,
    /// Back cannot be reached.
    Away,
    /// Back does not let us in.
    Refused(Box<ErrorBody>),
}

/// What a reader finds.
#[derive(Debug)]
pub(crate) struct View {
    /// Whether it is the present.
    pub(crate) stage: Stage,
    /// Which history this is; nothing before the first `joined`.
    pub(crate) here: Option<Here>,
    /// Messages after the cursor, not all of them; nothing when they are to be read from history.
    pub(crate) after: Option<Vec<Encoded>>,
}

/// Where a room is.
#[derive(Debug, Clone)]
pub(crate) struct Here {
    /// Which history.
    pub(crate) epoch: Epoch,
    /// The oldest message that is kept, as last heard.
    pub(crate) first: u64,
    /// The newest message.
    pub(crate) top: u64,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    here: Option<Here>,
    /// What follows need not be the next number.
    fresh: bool,
    ring: Ring,
}

/// One subscription to a room, however many read it.
#[derive(Debug)]
pub(crate) struct Feed {
    room: RoomName,
    state: Mutex<State>,
    /// Counts changes; readers ask for the wake-up before they look.
    changes: watch::Sender<u64>,
    /// Rooms that are read at once share a number of bytes; this is how many each may keep.
    share: std::sync::Arc<AtomicUsize>,
    readers: AtomicUsize,
    idle_since: Mutex<Instant>,
    _held: Held,
}

impl Feed {
    /// A feed that nothing has been heard of; `share` says how many bytes it may keep, and may change.
    pub(crate) fn new(room: RoomName, share: std::sync::Arc<AtomicUsize>, held: Held) -> Self {
        let state = State { stage: Stage::Coming, here: None, fresh: true, ring: Ring::default() };
        Self {
            room,
            state: Mutex::new(state),
            changes: watch::Sender::new(0),
            share,
            readers: AtomicUsize::new(0),
            idle_since: Mutex::new(Instant::now()),
            _held: held,
        }
    }

    /// Which room.
    pub(crate) fn room(&self) -> &RoomName {
        &self.room
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changes.send_modify(|count| *count += 1);
    }

    /// Wakes up after each change from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Where the room is, and whether that is the present.
    pub(crate) fn glance(&self) -> (Stage, Option<Here>) {
        let state = self.state();
        (state.stage.clone(), state.here.clone())
    }

    /// What is after `seq`, where the cursor is of this history.
    pub(crate) fn look(&self, seq: u64) -> View {
        let state = self.state();
        let after = match &state.here {
            Some(here) if seq >= here.top => Some(Vec::new()),
            _ => state.ring.some_after(seq),
        };
        View { stage: state.stage.clone(), here: state.here.clone(), after }
    }

    /// At most `limit` messages after `seq` that are here; nothing when they are to be read from history.
    pub(crate) fn page(&self, seq: u64, limit: usize) -> Option<Vec<Encoded>> {
        Some(self.state().ring.after(seq, limit)?.cloned().collect())
    }

    /// Where a join should go on: the position that was reached.
    pub(crate) fn reached(&self) -> Option<(Epoch, u64)> {
        let state = self.state();
        state.here.as_ref().filter(|_| !state.fresh).map(|here| (here.epoch.clone(), here.top))
    }

    /// Back let us in.
    pub(crate) fn joined(&self, epoch: Epoch, first: u64, top: u64) {
        self.change(|state| {
            let reached = match &state.here {
                Some(here) if here.epoch == epoch && here.top <= top && !state.fresh => here.top,
                // Nothing yet, another history, or one that went back.
                _ => {
                    state.ring.clear();
                    state.fresh = true;
                    top
                }
            };
            state.here = Some(Here { epoch, first, top: reached });
            state.stage = Stage::Coming;
        });
    }

    /// A message came: its JSON, and what it says.
    pub(crate) fn message(&self, json: &str, message: &Message) {
        let bytes = self.share.load(Ordering::Relaxed).min(BYTES);
        self.change(|state| {
            let State { here: Some(here), ring, fresh, .. } = state else { return };
            if !*fresh && message.seq <= here.top {
                return;
            }
            ring.revise(&here.epoch, message);
            // What is not the next number empties the ring: who is behind it asks history.
            let encoded = Encoded::new(&here.epoch, message.seq, json);
            ring.push(encoded, message.edits.or(message.deletes), bytes);
            here.top = message.seq;
            *fresh = false;
        });
    }

    /// The replay is over.
    pub(crate) fn synced(&self, seq: u64) {
        self.change(|state| {
            // The end of a replay that another feed of this room had asked for.
            let Some(here) = &mut state.here else { return };
            if here.top < seq {
                state.ring.clear();
            }
            here.top = here.top.max(seq);
            state.fresh = false;
            state.stage = Stage::Live;
        });
    }

    /// The connection is gone.
    pub(crate) fn away(&self) {
        self.change(|state| {
            if state.fresh {
                // A replay from nowhere was cut: begin it again.
                state.ring.clear();
            }
            state.stage = Stage::Away;
        });
    }

    /// Back does not let us in.
    pub(crate) fn refused(&self, error: Box<ErrorBody>) {
        self.change(|state| state.stage = Stage::Refused(error));
    }

    /// A page of history told what is kept now.
    pub(crate) fn kept_from(&self, epoch: &Epoch, first: u64) {
        if let Some(here) = &mut self.state().here
            && here.epoch == *epoch
        {
            here.first = here.first.max(first);
        }
    }

    /// Somebody reads it.
    pub(crate) fn open(&self) {
        self.readers.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody reads it no more.
    pub(crate) fn close(&self, now: Instant) {
        *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Since when nobody has read it.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        (self.readers.load(Ordering::Relaxed) == 0)
            .then(|| *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether back refused it.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.state().stage, Stage::Refused(_))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn feed() -> Feed {
        let held = Arc::<crate::metrics::Metrics>::default().hold(crate::metrics::Open::Room);
        Feed::new(RoomName::lobby(), Arc::new(AtomicUsize::new(BYTES)), held)
    }

    fn epoch(text: &str) -> Epoch {
        Epoch::parse(text).unwrap()
    }

    fn say(feed: &Feed, seq: u64) {
        let json =
            format!(r#"{{"room":"lobby","seq":{seq},"user":"u7Zk2mQ0aB-_x9Yc","name":"kim","text":"x","at":1}}"#);
        feed.message(&json, &serde_json::from_str(&json).unwrap());
    }

    fn after(feed: &Feed, seq: u64) -> Option<Vec<u64>> {
        Some(feed.look(seq).after?.iter().map(Encoded::seq).collect())
    }

    #[test]
    fn a_replay_begins_anywhere_and_goes_on_without_a_hole() {
        let feed = feed();
        assert!(feed.look(0).here.is_none());
        feed.joined(epoch("e1"), 1, 42);
        say(&feed, 41);
        say(&feed, 42);
        feed.synced(42);
        assert_eq!(after(&feed, 40), Some(vec![41, 42]));
        assert_eq!(after(&feed, 42), Some(vec![]));
        assert_eq!(after(&feed, 39), None, "history has it");
        assert_eq!(feed.reached(), Some((epoch("e1"), 42)));
    }

    #[test]
    fn after_a_cut_it_goes_on_where_it_was_and_takes_nothing_twice() {
        let feed = feed();
        feed.joined(epoch("e1"), 1, 2);
        say(&feed, 1);
        say(&feed, 2);
        feed.synced(2);
        feed.away();
        feed.joined(epoch("e1"), 1, 3);
        // What is replayed may overlap what was heard, and does not take its place.
        for seq in [2, 3] {
            say(&feed, seq);
        }
        feed.synced(3);
        assert_eq!(after(&feed, 0), Some(vec![1, 2, 3]));
    }

    #[test]
    fn a_hole_and_another_history_are_left_to_the_readers() {
        let feed = feed();
        feed.joined(epoch("e1"), 1, 1);
        say(&feed, 1);
        feed.synced(1);
        say(&feed, 9);
        assert_eq!((after(&feed, 1), after(&feed, 8)), (None, Some(vec![9])));
        feed.joined(epoch("e2"), 1, 0);
        feed.synced(0);
        assert_eq!(feed.look(0).here.map(|here| (here.epoch, here.top)), Some((epoch("e2"), 0)));
        assert_eq!(after(&feed, 0), Some(vec![]));
    }

    #[test]
    fn what_was_not_replayed_is_a_hole() {
        let feed = feed();
        feed.joined(epoch("e1"), 1, 1);
        say(&feed, 1);
        feed.synced(1);
        feed.joined(epoch("e1"), 1, 5);
        feed.synced(5);
        assert_eq!((after(&feed, 1), after(&feed, 5)), (None, Some(vec![])));
    }
}
