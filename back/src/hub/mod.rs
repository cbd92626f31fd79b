//! The registry of who is connected and which rooms are open, and the one place where what history numbered is handed
//! to everybody. It knows no WebSocket: a member is an outlet for bytes.

mod catch_up;
mod log;
mod outlet;
mod people;
mod presence;
mod resume;
mod room;
mod segment;
mod vitals;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use shared::{Ask, ErrorBody, ErrorCode, MessageId, OkBody, Person, RoomEntry, RoomName, ServerMessage};

pub use catch_up::Cursor;
pub use outlet::{Next, Outlet};
pub use people::{Arrival, People, Registration};
pub use presence::PresenceTimes;
pub use room::Room;
pub use segment::Member;
pub use vitals::{Ages, Vitals};

use crate::{
    frame,
    history::{self, Committed, Outcome, Refusal},
};

/// History as the hub uses it: every draft carries whom to tell.
pub type History = history::History<Receipt>;

/// Rooms in one answer to `rooms`: the fullest.
const ROOMS_LISTED: usize = 200;

/// The answer to `rooms` may be so old: making it looks at every room there is.
const LISTED_FOR: Duration = Duration::from_millis(500);

/// Every room's log may have so many bytes, however many rooms there are; one frame stays in any case.
const LOG_SHARE: usize = 16 * 1024;

/// Whom to tell what became of a draft.
pub struct Receipt {
    /// The sender's way out.
    pub outlet: Arc<Outlet>,
    /// The request's `id`; without one only errors are told.
    pub id: Option<MessageId>,
}

/// What an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct HubLimits {
    /// Rooms in memory, with people in them or with news to tell.
    pub rooms: usize,
    /// Bytes of all rooms' logs together.
    pub log_bytes: usize,
    /// What presence waits for.
    pub presence: PresenceTimes,
}

/// Connected clients and open rooms.
pub struct Hub {
    history: History,
    limits: HubLimits,
    rooms: Mutex<HashMap<RoomName, Arc<Room>>>,
    people: Arc<People>,
    /// The last answer to `rooms`, and when it was made.
    listed: Mutex<Option<(Instant, Vec<RoomEntry>)>>,
}

/// Somebody in a room; dropping it is leaving, with the grace of a lost connection.
pub struct Membership {
    room: Arc<Room>,
    member: Arc<Member>,
    person: Person,
    inside: bool,
}

impl Hub {
    /// An empty hub over a history.
    pub fn new(history: History, limits: HubLimits) -> Self {
        Self { history, limits, rooms: Mutex::default(), people: Arc::default(), listed: Mutex::default() }
    }

    /// What was said.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Who is connected.
    pub fn people(&self) -> &Arc<People> {
        &self.people
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomName, Arc<Room>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds a room, or brings it into memory.
    ///
    /// # Errors
    /// `room_limit` when there are as many as the server holds.
    pub async fn open(&self, name: &RoomName) -> Result<Arc<Room>, Box<ErrorBody>> {
        if let Some(room) = self.rooms().get(name) {
            return Ok(Arc::clone(room));
        }
        let top = self.history.bounds(name).await.top;
        let room = {
            let mut rooms = self.rooms();
            if !rooms.contains_key(name) && rooms.len() >= self.limits.rooms {
                let error = ErrorBody::new(ErrorCode::RoomLimit, "this server holds no more rooms just now");
                return Err(Box::new(
                    error.limit(self.limits.rooms as u64).hint("join a room that exists, or try later"),
                ));
            }
            let new = || Arc::new(Room::new(name.clone(), top, self.limits.presence));
            Arc::clone(rooms.entry(name.clone()).or_insert_with(new))
        };
        // What was published between the look at history and the room's appearance passed it by.
        let top = self.history.bounds(name).await.top;
        room.log().skip_to(top);
        room.mark();
        Ok(room)
    }

    /// Lets somebody into a room: says `joined` and the gaps, and has the outlet catch up from there. `before` is the
    /// membership that this one follows, if there was one. `None` when the connection is ending: it must not take the
    /// seat of the one that replaced it.
    pub async fn enter(
        &self,
        room: Arc<Room>,
        outlet: &Arc<Outlet>,
        person: Person,
        ask: &Ask,
        mut before: Option<Membership>,
    ) -> Option<Membership> {
        let name = room.name();
        let mut bounds = self.history.bounds(name).await;
        let missed = match ask {
            Ask::Resume(at) if at.epoch == bounds.epoch => {
                self.history.size_after(name, at.seq, resume::RESUME_MESSAGES + 1).await
            }
            _ => (0, 0),
        };
        let member = Arc::new(Member::new(Arc::clone(outlet)));
        let inside = room.with_presence(|presence| {
            if !outlet.is_open() {
                return false;
            }
            if let Some(before) = before.take() {
                before.hand_over();
            }
            presence.join(&person.user, &person.name, outlet.connection(), Instant::now());
            // While presence is locked nothing is told of it, so what follows `head` in the log follows this state.
            let head = room.log().head();
            bounds.top = head.seq;
            bounds.first = bounds.first.min(head.seq + 1);
            let plan = resume::plan(name, ask, &bounds, missed);
            let (users, _) = presence.page(None);
            outlet.say(&ServerMessage::Joined {
                room: name.clone(),
                epoch: bounds.epoch.clone(),
                first: bounds.first,
                top: bounds.top,
                resume: plan.resume,
                count: presence.count(),
                users,
            });
            for gap in plan.gaps {
                outlet.say(&ServerMessage::Gap(gap));
            }
            outlet.fall_behind(Box::new(Cursor::joining(&room, &member, plan.after, head.offset)));
            true
        });
        // Where nothing followed it, the membership before ends here, with the grace of a lost connection.
        drop(before);
        inside.then_some(Membership { room, member, person, inside })
    }

    /// Hands a committed batch to everybody: the answers first, so that `ok` comes before the sender's own copy.
    pub fn publish(&self, batch: Vec<Committed<Receipt>>) {
        let mut touched: Vec<Arc<Room>> = Vec::new();
        for Committed { outcome, receipt: Receipt { outlet, id } } in batch {
            let ok = |body| id.clone().map(|id| frame::text(&ServerMessage::Ok { id, body }.to_json()));
            match outcome {
                Outcome::Stored { epoch, message } => {
                    let (room, seq, at) = (message.room.clone(), message.seq, message.at);
                    let answer = ok(OkBody::Stored { room, epoch, seq, at, duplicate: false });
                    let room = self.rooms().get(&message.room).cloned();
                    let Some(room) = room else {
                        outlet.answer(answer);
                        continue;
                    };
                    let frame = catch_up::encode(&message);
                    let mut log = room.log();
                    outlet.answer(answer);
                    log.append_message(seq, frame);
                    drop(log);
                    if touched.last().is_none_or(|last| !Arc::ptr_eq(last, &room)) {
                        touched.push(room);
                    }
                }
                Outcome::Duplicate { epoch, room, seq, at } => {
                    outlet.answer(ok(OkBody::Stored { room, epoch, seq, at, duplicate: true }));
                }
                Outcome::Refused(refusal) => outlet.answer(Some(refused(refusal, id))),
            }
        }
        for room in touched {
            room.mark();
        }
    }

    /// The rooms with people or messages in them, the fullest first.
    pub async fn list(&self) -> Vec<RoomEntry> {
        let listed = || self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, rooms)) = &*listed()
            && made.elapsed() < LISTED_FOR
        {
            return rooms.clone();
        }
        let rooms = self.list_now().await;
        *listed() = Some((Instant::now(), rooms.clone()));
        rooms
    }

    async fn list_now(&self) -> Vec<RoomEntry> {
        let mut tops: HashMap<RoomName, u64> = self.history.rooms().await.into_iter().collect();
        let open: Vec<Arc<Room>> = self.rooms().values().cloned().collect();
        let mut rooms: Vec<RoomEntry> = open
            .iter()
            .map(|room| RoomEntry {
                room: room.name().clone(),
                count: room.presence().count(),
                top: tops.remove(room.name()).unwrap_or(0),
            })
            .filter(|entry| entry.count > 0 || entry.top > 0)
            .collect();
        rooms.extend(tops.into_iter().map(|(room, top)| RoomEntry { room, count: 0, top }));
        rooms.sort_by(|a, b| (b.count, b.top).cmp(&(a.count, a.top)).then_with(|| a.room.cmp(&b.room)));
        rooms.truncate(ROOMS_LISTED);
        rooms
    }

    /// Who is in a room, a page at a time: how many, who, and whether there are more.
    pub fn who(&self, name: &RoomName, after: Option<&shared::UserId>) -> OkBody {
        let room = self.rooms().get(name).cloned();
        let Some(room) = room else { return OkBody::Who { count: 0, users: Vec::new(), more: false } };
        let presence = room.presence();
        let (users, more) = presence.page(after);
        OkBody::Who { count: presence.count(), users, more }
    }

    /// How many rooms are in memory.
    pub fn open_rooms(&self) -> usize {
        self.rooms().len()
    }

    /// Lets go of rooms that nobody is in and that have nothing to tell, and of what the other rooms' logs hold beyond
    /// their share. What was said stays in history.
    pub fn tidy(&self) {
        let mut rooms = self.rooms();
        rooms.retain(|_, room| Arc::strong_count(room) > 1 || !room.presence().is_idle());
        let share = (self.limits.log_bytes / rooms.len().max(1)).max(LOG_SHARE);
        for room in rooms.values() {
            room.log().trim(share);
        }
    }
}

fn refused(refusal: Refusal, id: Option<MessageId>) -> bytes::Bytes {
    let code = match refusal {
        Refusal::TooManyRooms => ErrorCode::RoomLimit,
    };
    let body = ErrorBody::new(code, refusal.to_string()).hint("nothing was stored; say it in a room that exists");
    frame::text(&ServerMessage::Error(Box::new(body.id(id))).to_json())
}

impl Membership {
    /// Which room.
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Passes on that this person is typing.
    pub fn typing(&self) {
        let message = ServerMessage::Typing {
            room: self.room.name().clone(),
            user: self.person.user.clone(),
            name: self.person.name.clone(),
        };
        self.room.tell_typing(frame::text(&message.to_json()), Instant::now());
    }

    /// Changes this person's name in the room.
    pub fn rename(&mut self, name: &shared::Name) {
        self.person.name = name.clone();
        self.room.with_presence(|presence| presence.rename(&self.person.user, name, Instant::now()));
    }

    /// Leaves so that the room is told at once. No message of the room is written after this returns.
    pub fn leave(mut self) {
        self.end(true);
    }

    /// Ends the fan-out to this member and leaves its seat among the people for the membership that follows.
    fn hand_over(mut self) {
        self.inside = false;
        self.member.leave(&self.room);
    }

    fn end(&mut self, at_once: bool) {
        if std::mem::take(&mut self.inside) {
            self.member.leave(&self.room);
            let connection = self.member.outlet().connection();
            self.room.with_presence(|presence| {
                presence.leave(&self.person.user, connection, at_once, Instant::now());
            });
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.end(false);
    }
}
