//! Somebody who reads a room from a position on: a cursor over the room's feed, and over history where the feed does not
//! reach. It says what it finds as events and knows no format.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use shared::{Address, ErrorBody, Gap, GapReason, Position, RoomName, limits};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Bridge, Page, Reading,
    departure::Departure,
    encoded::Encoded,
    feed::{Here, Stage, View},
    ring::{BYTES, MESSAGES},
    told::{gap, overloaded, unavailable},
};

/// After so long without an event there is a sign of life.
const IDLE: Duration = Duration::from_secs(15);

/// Time for a room that nobody has read yet to be there.
const READY: Duration = Duration::from_secs(10);

/// Pause before history is asked again that gave nothing.
const AGAIN: Duration = Duration::from_secs(1);

/// Messages on the first page of history, doubled while they are small: who does not read holds on to little.
const FIRST_PAGE: u32 = 8;

/// Bytes of a page above which the next is no larger.
const LARGE_PAGE: usize = 32 * 1024;

/// Messages that are shown after too many were missed.
const NEWEST: u64 = limits::PAGE_MESSAGES as u64;

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// After this position.
    After(Position),
    /// After this number of the present history.
    AfterSeq(u64),
    /// With so many of the newest.
    Last(u64),
}

/// What a reader is told.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A message.
    Message(Encoded),
    /// These will not be delivered; and where to go on from.
    Gap(Position, Gap),
    /// The replay is over.
    Synced(Position, RoomName),
    /// Nothing happened for a while.
    Idle,
}

/// A cursor.
pub(crate) struct Reader {
    bridge: Arc<Bridge>,
    reading: Reading,
    changes: watch::Receiver<u64>,
    at: Position,
    events: VecDeque<Event>,
    /// Where the replay ends, while it goes on.
    replay: Option<u64>,
    page: u32,
    /// Bytes read from history since the feed was reached last.
    paged: usize,
    /// When there was an event last.
    spoke: Instant,
    departure: Departure,
    /// In how many milliseconds to come back, once the server has stopped.
    advice: Option<u64>,
}

/// Waits until a room is up to date.
///
/// # Errors
/// `unavailable` when back cannot be reached, and what back says where it does not let us in.
pub(crate) async fn ready(reading: &Reading) -> Result<Here, Box<ErrorBody>> {
    let mut changes = reading.watch();
    let waiting = async {
        loop {
            changes.borrow_and_update();
            match reading.glance() {
                (Stage::Live, Some(here)) => return Ok(here),
                (Stage::Away, _) => return Err(unavailable()),
                (Stage::Refused(error), _) => return Err(error),
                _ => {}
            }
            if changes.changed().await.is_err() {
                return Err(unavailable());
            }
        }
    };
    timeout(READY, waiting).await.unwrap_or_else(|_| Err(overloaded("the chat server takes long to answer")))
}

/// Whether this position is of another history than the one that is here.
///
/// # Errors
/// When history cannot be asked.
pub(crate) async fn is_foreign(
    bridge: &Bridge,
    from: Option<Address>,
    room: &RoomName,
    at: &Position,
    here: &Here,
) -> Result<bool, Box<ErrorBody>> {
    if at.epoch != here.epoch || at.seq <= here.top {
        return Ok(at.epoch != here.epoch);
    }
    // Another way may have been faster than ours: only history knows whether there is such a number.
    let page = bridge.page(from, room, None, 1).await?;
    Ok(page.epoch != at.epoch || page.top < at.seq)
}

/// Where a number leads that names no history: to itself, or where there is none such yet, to the newest message.
///
/// # Errors
/// When history cannot be asked.
pub(crate) async fn reached(
    bridge: &Bridge,
    from: Option<Address>,
    room: &RoomName,
    seq: u64,
    here: &Here,
) -> Result<u64, Box<ErrorBody>> {
    let at = Position { epoch: here.epoch.clone(), seq };
    // Whoever has it from another front is ahead of this one.
    Ok(if is_foreign(bridge, from, room, &at, here).await? { here.top } else { seq })
}

impl Reader {
    /// Begins to read, for somebody at an address that is counted.
    ///
    /// # Errors
    /// As [`ready`], and [`Bridge::may_ask`].
    pub(crate) async fn open(
        bridge: Arc<Bridge>,
        from: Option<Address>,
        reading: Reading,
        start: Start,
    ) -> Result<Self, Box<ErrorBody>> {
        let here = ready(&reading).await?;
        let changes = reading.watch();
        let Here { epoch, first, top } = here.clone();
        let (seq, foreign) = match start {
            Start::After(at) => (at.seq, is_foreign(&bridge, from, reading.room(), &at, &here).await?),
            Start::AfterSeq(seq) => (reached(&bridge, from, reading.room(), seq, &here).await?, false),
            Start::Last(last) => (top.saturating_sub(last).max(first.saturating_sub(1)).min(top), false),
        };
        let at = Position { epoch, seq };
        let replay = Some(top);
        let (events, departure) = (VecDeque::new(), bridge.enter());
        let mut reader = Self {
            bridge,
            reading,
            changes,
            at,
            events,
            replay,
            page: FIRST_PAGE,
            paged: 0,
            spoke: Instant::now(),
            departure,
            advice: None,
        };
        if foreign {
            reader.begin_anew(here);
        } else if top.saturating_sub(seq) > MESSAGES as u64 {
            reader.skip_to_newest(top);
        }
        Ok(reader)
    }

    /// The next event; nothing when there will be none any more.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let event = self.find().await;
        self.spoke = Instant::now();
        event
    }

    /// In how many milliseconds to come back, where there is nothing more because the server stops.
    pub(crate) fn advice(&self) -> Option<u64> {
        self.advice
    }

    async fn find(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            // The wake-up is asked for before the state is looked at.
            self.changes.borrow_and_update();
            let View { stage, here, after } = self.reading.look(self.at.seq);
            if let Stage::Refused(_) = stage {
                return None;
            }
            match (here, after) {
                (Some(here), _) if here.epoch != self.at.epoch => {
                    if matches!(stage, Stage::Live) {
                        self.begin_anew(here);
                    } else if !self.wait(IDLE).await? {
                        return Some(Event::Idle);
                    }
                }
                _ if self.replay.is_some_and(|end| self.at.seq >= end) => {
                    self.replay = None;
                    self.events.push_back(Event::Synced(self.at.clone(), self.reading.room().clone()));
                }
                (Some(_), Some(messages)) if !messages.is_empty() => {
                    self.paged = 0;
                    self.page = FIRST_PAGE;
                    messages.into_iter().for_each(|message| self.take(message));
                }
                (Some(here), None) if here.top > self.at.seq => {
                    if !self.read_history().await && !self.wait(AGAIN).await? {
                        return Some(Event::Idle);
                    }
                }
                _ => {
                    if !self.wait(IDLE).await? {
                        return Some(Event::Idle);
                    }
                }
            }
        }
    }

    /// Waits for a change, or so long: whether it is worth a look, and no sign of life is due yet. Nothing when the server
    /// stops.
    async fn wait(&mut self, at_most: Duration) -> Option<bool> {
        let due = self.spoke + IDLE;
        tokio::select! {
            changed = self.changes.changed() => changed.ok()?,
            () = sleep_until(due.min(Instant::now() + at_most)) => {}
            advice = self.departure.due() => {
                self.advice = Some(advice);
                return None;
            }
        }
        Some(Instant::now() < due)
    }

    fn take(&mut self, message: Encoded) {
        let next = self.at.seq + 1;
        if message.seq() > next {
            self.miss(message.seq() - 1, GapReason::Lost);
        }
        self.at.seq = message.seq();
        self.events.push_back(Event::Message(message));
    }

    /// Tells that everything up to `to` will not come.
    fn miss(&mut self, to: u64, reason: GapReason) {
        let from = self.at.seq + 1;
        if from <= to {
            self.at.seq = to;
            self.events.push_back(Event::Gap(self.at.clone(), gap(self.reading.room(), from, to, reason)));
        }
    }

    /// Reads another history from its newest messages on.
    fn begin_anew(&mut self, here: Here) {
        let Here { epoch, first, top } = here;
        let shown = top.saturating_sub(u64::from(limits::DEFAULT_LAST)).max(first.saturating_sub(1)).min(top);
        let gap = gap(self.reading.room(), 1, top, GapReason::Epoch);
        self.at = Position { epoch, seq: shown };
        // Whoever is cut off after it still gets what follows it.
        self.events.push_back(Event::Gap(self.at.clone(), gap));
        self.replay = Some(top);
        (self.paged, self.page) = (0, FIRST_PAGE);
    }

    fn skip_to_newest(&mut self, top: u64) {
        self.miss(top.saturating_sub(NEWEST), GapReason::TooMany);
        self.paged = 0;
    }

    /// Reads a page after the cursor; false when that was of no use.
    async fn read_history(&mut self) -> bool {
        // A stream has a place, and goes no faster than its reader.
        let asked = self.bridge.page(None, self.reading.room(), Some(("after", self.at.seq)), self.page).await;
        let Ok(Page { epoch, first, top, messages, .. }) = asked else { return false };
        if epoch != self.at.epoch {
            // The feed will hear of it too.
            return false;
        }
        self.reading.kept_from(&epoch, first);
        let bytes: usize = messages.iter().map(Encoded::cost).sum();
        self.paged += bytes;
        let newest = top.saturating_sub(NEWEST);
        if (top.saturating_sub(self.at.seq) > MESSAGES as u64 || self.paged > BYTES) && newest > self.at.seq {
            self.skip_to_newest(top);
            return true;
        }
        if bytes < LARGE_PAGE {
            self.page = (self.page * 2).min(limits::PAGE_MESSAGES);
        }
        let before = self.at.seq;
        self.miss(first.saturating_sub(1).min(top), GapReason::Expired);
        messages.into_iter().for_each(|message| self.take(message));
        self.at.seq > before
    }
}
