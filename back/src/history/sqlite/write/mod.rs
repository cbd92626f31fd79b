//! The writing side: one transaction per batch, on the one connection that writes, and what becomes of a batch while the
//! disk takes nothing. `transaction` knows what a failure means, `change` makes rows of what was said.

mod change;
mod transaction;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use shared::{Epoch, RoomName};
pub(super) use transaction::{Failure, Reason, is_damage};

use super::{SqliteLimits, backlog::Backlog, checkpoint::Log, place::Place, rows::Room};
use crate::{
    history::{Change, Fatal, Outcome, Refusal},
    sabotage::{self, Point, Sabotage},
};

/// Rooms whose rows are remembered between batches; with more of them all are read again.
const ROOMS_REMEMBERED: usize = 10_000;

/// Rooms that keys have room for.
const MOST_ROOMS: usize = 1 << 22;

/// While it cannot write, it tries again so often.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// The writing side.
pub struct Write {
    pub(super) connection: Connection,
    log: Log,
    place: Arc<Place>,
    pub(super) epoch: Epoch,
    pub(super) limits: SqliteLimits,
    /// Rows of rooms as they are in the file; between two transactions never newer.
    pub(super) rooms: HashMap<RoomName, Room>,
    room_count: usize,
    pub(super) backlog: Backlog,
    /// While nothing can be stored.
    down: Option<Down>,
    dedup: bool,
}

/// Nothing can be stored.
#[derive(Clone, Copy)]
struct Down {
    /// When to try again.
    until: Instant,
    /// Whether that is because the file is not where it was: what was stored is then not known to the next start either.
    moved: bool,
}

impl Write {
    pub(super) fn new(
        mut connection: Connection,
        place: Arc<Place>,
        epoch: Epoch,
        limits: SqliteLimits,
    ) -> rusqlite::Result<Self> {
        let room_count: i64 = connection.query_row("SELECT count(*) FROM rooms", [], |row| row.get(0))?;
        if sabotage::asked_for(Sabotage::SyncNormal) {
            connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        }
        let backlog = Backlog::read(&connection)?;
        let log = Log::watch(&mut connection)?;
        // A key has 23 bits for its room.
        let limits = SqliteLimits { rooms: limits.rooms.min(MOST_ROOMS), ..limits };
        Ok(Self {
            connection,
            log,
            place,
            epoch,
            limits,
            rooms: HashMap::new(),
            room_count: room_count as usize,
            backlog,
            down: None,
            dedup: !sabotage::asked_for(Sabotage::NoDedup),
        })
    }

    /// Stores a batch: all of it, or nothing that was not stored before.
    pub fn commit(&mut self, changes: &[Change], now_ms: u64) -> Result<Vec<Outcome>, Fatal> {
        if self.down.is_some_and(|down| Instant::now() < down.until) {
            return self.refuse(changes);
        }
        // Changes to what is on a damaged page are refused; the others of the batch have nothing to do with it.
        let mut damaged = BTreeSet::new();
        loop {
            let mut last = 0;
            match self.try_commit(changes, now_ms, &damaged, &mut last) {
                Ok(outcomes) => {
                    self.came_up();
                    return Ok(outcomes);
                }
                Err(Failure::Unknown(fatal)) => return Err(fatal),
                Err(Failure::NotStored(error)) if is_damage(&error) && damaged.insert(last) => {
                    tracing::error!(%error, "the file is damaged; `back check` tells more");
                }
                Err(Failure::NotStored(error)) => {
                    self.went_down(&error);
                    return self.refuse(changes);
                }
            }
        }
    }

    /// How long until it should be tried whether the disk takes anything again.
    pub(super) fn next_probe(&self) -> Option<Duration> {
        self.down.map(|down| down.until.saturating_duration_since(Instant::now()))
    }

    /// Looks whether the file is where it was. While nothing can be stored, that is tried again as it is.
    pub(super) fn look(&mut self) {
        if self.down.is_none()
            && let Err(moved) = self.place.look()
        {
            self.went_down(&moved.into());
        }
    }

    /// Tries whether the disk takes anything again.
    pub(super) fn probe(&mut self) -> Result<(), Fatal> {
        let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('probe', hex(randomblob(2048)))";
        match self.transact(|write| write.connection.execute(sql, []).map(drop)) {
            Ok(()) => self.came_up(),
            Err(Failure::NotStored(error)) => self.went_down(&error),
            Err(Failure::Unknown(fatal)) => return Err(fatal),
        }
        Ok(())
    }

    /// Whether it cannot write just now.
    pub fn is_degraded(&self) -> bool {
        self.down.is_some()
    }

    pub(super) fn went_down(&mut self, error: &Reason) {
        let moved = matches!(error, Reason::Moved(_));
        if self.down.is_none_or(|down| down.moved != moved) {
            tracing::error!(%error, "history cannot be written; it is tried again every second");
        }
        self.down = Some(Down { until: Instant::now() + PROBE_EVERY, moved });
    }

    fn came_up(&mut self) {
        if self.down.take().is_some() {
            tracing::info!("history can be written again");
        }
    }

    /// Refuses what is not stored. What was stored before is still known, but in a file that the next start does not find.
    fn refuse(&self, changes: &[Change]) -> Result<Vec<Outcome>, Fatal> {
        let moved = self.down.is_some_and(|down| down.moved);
        let outcomes = changes.iter().map(|change| {
            let known = match change {
                Change::Say(_) if moved => None,
                Change::Say(draft) => self.known(draft)?,
                Change::Read { .. } | Change::Impose(_) | Change::Pardon { .. } | Change::Set { .. } => None,
                // People are called what they say; that a restart may forget it is no reason to refuse.
                Change::Remember(person) => Some(Outcome::Remembered(person.name.clone())),
            };
            Ok(known.unwrap_or(Outcome::Refused(Refusal::Unavailable)))
        });
        outcomes.collect::<rusqlite::Result<_>>().map_err(|error| Fatal(format!("history cannot be read: {error}")))
    }

    /// Stores a batch but for those that are `damaged`; `last` is the change that was dealt with last.
    fn try_commit(
        &mut self,
        changes: &[Change],
        now_ms: u64,
        damaged: &BTreeSet<usize>,
        last: &mut usize,
    ) -> Result<Vec<Outcome>, Failure> {
        if self.rooms.len() > ROOMS_REMEMBERED {
            self.rooms.clear();
        }
        let (count, mut touched) = (self.room_count, Vec::new());
        let outcomes = self.transact(|write| {
            let mut outcomes = Vec::with_capacity(changes.len());
            for (index, change) in changes.iter().enumerate() {
                *last = index;
                outcomes.push(if damaged.contains(&index) {
                    Outcome::Refused(Refusal::Unavailable)
                } else {
                    write.store(change, now_ms, &mut touched)?
                });
            }
            write.save_rooms(&mut touched)?;
            sabotage::pass(Point::BeforeCommit);
            Ok(outcomes)
        });
        match &outcomes {
            Ok(_) => {
                sabotage::pass(Point::AfterCommit);
                for name in touched {
                    if let Some(room) = self.rooms.get(&name) {
                        self.backlog.note(room);
                    }
                }
            }
            Err(_) => self.room_count = count,
        }
        outcomes
    }
}
