//! Somebody who talks: a few messages unanswered at a time, each repeated with its id until it is answered. What is
//! unanswered is repeated in its old order before anything new, so the order of a sender's messages per room must hold.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use shared::{Ask, ClientMessage, ErrorBody, ErrorCode, MessageId, OkBody, RoomName, ServerMessage};
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    Person, Phase,
    link::{self, Link, Over, PATIENCE},
};
use crate::{body, event::What};

/// A message that is written as `{"type":"message"` is somebody's, and no answer.
const MESSAGE: &str = r#"{"type":"message""#;

/// How often it is looked whether to go on talking.
const LOOK: Duration = Duration::from_millis(50);

/// A sender, over all its connections.
pub struct Sender {
    person: Person,
    rooms: Vec<RoomName>,
    /// Most unanswered at a time.
    window: usize,
    think: Duration,
    waiting: VecDeque<Waiting>,
    /// When the server advised to ask again.
    advice: Option<Duration>,
    connections: u64,
    said: u64,
    next_at: Instant,
}

/// A message without its final answer.
struct Waiting {
    id: MessageId,
    room: RoomName,
    text: String,
    written: Instant,
    /// A connection ended before this was answered: it may be stored.
    unsure: bool,
    /// It was refused for now, for this reason, and is not on its way.
    refused: Option<ErrorCode>,
    /// It was refused once: until it is settled nothing new in its room may overtake it.
    holds: bool,
    /// Something later in its room is stored: written again, it would come too late.
    overtaken: bool,
    /// When it is written again.
    again: Option<Instant>,
}

impl Waiting {
    fn new(id: MessageId, room: RoomName, text: String) -> Self {
        let [unsure, holds, overtaken] = [false; 3];
        Self { id, room, text, written: Instant::now(), unsure, refused: None, holds, overtaken, again: None }
    }
}

impl Sender {
    /// A sender in some of these rooms.
    pub fn new(mut person: Person, rooms: &[RoomName], think: Duration) -> Self {
        let first = person.random.index(rooms.len());
        let count = 1 + person.random.index(2);
        let rooms = rooms.iter().cycle().skip(first).take(count).cloned().collect();
        let window = 1 + person.random.index(8);
        let waiting = VecDeque::new();
        let next_at = Instant::now();
        Self { person, rooms, window, think, waiting, advice: None, connections: 0, said: 0, next_at }
    }

    /// Talks until told otherwise and everything is settled.
    pub async fn run(mut self) {
        let mut attempt = 0;
        while !self.is_done() {
            let began = Instant::now();
            let over = self.connection().await.err().unwrap_or_default();
            if self.is_done() {
                break;
            }
            attempt = if began.elapsed() > Duration::from_secs(2) { 0 } else { attempt + 1 };
            self.person.back_off(attempt, over.after).await;
        }
    }

    fn is_done(&self) -> bool {
        self.waiting.is_empty() && !self.talks()
    }

    fn talks(&self) -> bool {
        matches!(*self.person.phase.borrow(), Phase::Talk)
    }

    async fn connection(&mut self) -> Result<(), Over> {
        let rooms = self.rooms.iter().map(|room| (room.clone(), Ask::Last(0))).collect();
        let Person { door, way, session, .. } = &self.person;
        let mut link = Link::open(*door, *way, None, session, rooms).await?;
        timeout(PATIENCE, self.come_in(&mut link)).await.unwrap_or(Err(Over::default()))?;
        self.connections += 1;
        self.give_up(|waiting| waiting.refused.is_some() && waiting.overtaken);
        for at in 0..self.waiting.len() {
            if let Some(waiting) = self.waiting.get_mut(at) {
                // What was refused and not written since is as little stored as before.
                waiting.unsure |= waiting.refused.is_none();
            }
            self.write_again(&mut link, at, "reconnected").await?;
        }
        while !self.is_done() {
            let now = Instant::now();
            let say = self.may_say().then_some(self.next_at);
            let again = self.waiting.iter().filter_map(|waiting| waiting.again).min();
            let oldest =
                self.waiting.iter().filter(|waiting| waiting.refused.is_none()).map(|waiting| waiting.written).min();
            let patience = oldest.map(|oldest| oldest + PATIENCE);
            let wake = [say, again, patience, Some(now + LOOK)].into_iter().flatten().min().unwrap_or(now).max(now);
            tokio::select! {
                text = link.next_text() => {
                    let text = text?;
                    if !text.starts_with(MESSAGE) && let Some(message) = link::understood(&text)? {
                        self.hear(message);
                    }
                }
                () = sleep_until(wake) => {
                    let now = Instant::now();
                    if patience.is_some_and(|patience| patience <= now) {
                        link.reset();
                        return Err(Over::default());
                    }
                    if say.is_some_and(|say| say <= now) && self.talks() {
                        self.say(&mut link).await?;
                    }
                    while let Some(at) = self.waiting.iter().position(|waiting| waiting.again.is_some_and(|again| again <= now)) {
                        self.write_again(&mut link, at, "refused for now").await?;
                    }
                }
            }
        }
        _ = link.send(&ClientMessage::Quit {}).await;
        Ok(())
    }

    /// Reads until all rooms are joined.
    async fn come_in(&self, link: &mut Link) -> Result<(), Over> {
        let mut missing: BTreeSet<&RoomName> = self.rooms.iter().collect();
        while !missing.is_empty() {
            if let Some(ServerMessage::Joined { room, .. }) = link.next().await? {
                missing.remove(&room);
            }
        }
        Ok(())
    }

    /// Rooms in which nothing was refused for now: something new there would overtake it.
    fn free_rooms(&self) -> Vec<RoomName> {
        let held = |room: &&RoomName| !self.waiting.iter().any(|waiting| waiting.holds && waiting.room == **room);
        self.rooms.iter().filter(held).cloned().collect()
    }

    fn may_say(&self) -> bool {
        self.talks() && self.waiting.len() < self.window && !self.free_rooms().is_empty()
    }

    async fn say(&mut self, link: &mut Link) -> Result<(), Over> {
        let Person { name, random, recorder, .. } = &mut self.person;
        self.said += 1;
        let cid = format!("{name}-{}", self.said);
        let text = body::compose(&cid, random);
        // The choice among rooms is made of all of them, so that it hangs on the seed and not on what is held.
        let chosen = random.pick(&self.rooms).cloned();
        // Half of the messages follow at once, so that several are unanswered at a time; the mean stays what it was.
        let mean = if random.chance(0.5) { 0.0 } else { 2.0 * self.think.as_secs_f64() };
        let pause = -(1.0 - random.unit()).ln() * mean;
        self.next_at = Instant::now() + Duration::from_secs_f64(pause.min(2.0));
        let c = name.clone();
        let recorder = std::sync::Arc::clone(recorder);
        let free = self.free_rooms();
        let Some(room) = chosen.filter(|room| free.contains(room)).or_else(|| free.first().cloned()) else {
            return Ok(());
        };
        let Ok(id) = MessageId::parse(&cid) else { return Ok(()) };
        let (room_name, h) = (room.to_string(), body::hash(&text));
        recorder.note(What::Send { c, conn: self.connections, room: room_name, cid, h });
        let message =
            ClientMessage::Send { id: Some(id.clone()), room: Some(room.clone()), text: text.clone(), reply_to: None };
        self.waiting.push_back(Waiting::new(id, room, text));
        link.send(&message).await
    }

    async fn write_again(&mut self, link: &mut Link, at: usize, why: &str) -> Result<(), Over> {
        let Some(waiting) = self.waiting.get_mut(at) else { return Ok(()) };
        waiting.written = Instant::now();
        waiting.refused = None;
        waiting.again = None;
        self.person.recorder.note(What::Retry {
            c: self.person.name.clone(),
            conn: self.connections,
            cid: waiting.id.to_string(),
            why: why.to_owned(),
        });
        let (id, room, text) = (Some(waiting.id.clone()), Some(waiting.room.clone()), waiting.text.clone());
        link.send(&ClientMessage::Send { id, room, text, reply_to: None }).await
    }

    fn hear(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Ok { id, body: OkBody::Stored { epoch, seq, .. } } => {
                self.person.recorder.note(What::Ack { cid: id.to_string(), seq, epoch: Some(epoch.to_string()) });
                let Some(at) = self.waiting.iter().position(|waiting| waiting.id == id) else { return };
                let Some(stored) = self.waiting.remove(at) else { return };
                for earlier in self.waiting.iter_mut().take(at).filter(|earlier| earlier.room == stored.room) {
                    earlier.overtaken = true;
                }
                self.begin_again(&stored.room);
            }
            ServerMessage::Error(error) => self.refused(&error),
            _ => {}
        }
    }

    /// An error says that what was asked for just now is not stored. It may be asked for again, with the same id.
    fn refused(&mut self, error: &ErrorBody) {
        let Some(waiting) = self.waiting.iter_mut().find(|waiting| error.id.as_ref() == Some(&waiting.id)) else {
            return;
        };
        waiting.refused = Some(error.code);
        waiting.holds = true;
        let (id, room) = (waiting.id.clone(), waiting.room.clone());
        if !error.retry {
            self.give_up(|waiting| waiting.id == id);
        }
        self.advice = error.retry_after_ms.map(Duration::from_millis);
        self.begin_again(&room);
    }

    /// When everything in a room has been answered, what was refused is written again, in its old order.
    fn begin_again(&mut self, room: &RoomName) {
        if self.waiting.iter().any(|waiting| waiting.room == *room && waiting.refused.is_none()) {
            return;
        }
        self.give_up(|waiting| waiting.room == *room && waiting.overtaken);
        let pause = match self.advice.take() {
            Some(advice) => advice.min(link::LONGEST_ADVICE),
            None => self.person.pause(),
        };
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.room == *room) {
            waiting.again = Some(Instant::now() + pause);
        }
    }

    /// Asks no more for some that were refused. What was on its way when a connection ended may have been stored then;
    /// the others certainly are not.
    fn give_up(&mut self, which: impl Fn(&Waiting) -> bool) {
        for waiting in self.waiting.iter().filter(|waiting| which(waiting) && !waiting.unsure) {
            let code = serde_json::to_value(waiting.refused).ok().and_then(|code| Some(code.as_str()?.to_owned()));
            let (cid, code) = (waiting.id.to_string(), code.unwrap_or_default());
            self.person.recorder.note(What::Nack { cid, code });
        }
        self.waiting.retain(|waiting| !which(waiting));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::Epoch;

    use super::*;
    use crate::{
        clients::tests::person,
        event::Event,
        folder::Folder,
        record::{self, Recorder},
    };

    /// A sender that has written some messages into one room, and where it writes down what becomes of them.
    async fn after_writing(unsure: &[bool]) -> (Sender, Arc<Recorder>, Folder) {
        let folder = Folder::create("sender").unwrap();
        let recorder = Arc::new(Recorder::create(&folder.path().join("history.jsonl")).unwrap());
        let person = person("p0", &recorder);
        let room = RoomName::lobby();
        let mut sender = Sender::new(person, std::slice::from_ref(&room), Duration::from_millis(1));
        for (n, unsure) in unsure.iter().enumerate() {
            let id = MessageId::parse(&format!("p0-{n}")).unwrap();
            sender.waiting.push_back(Waiting { unsure: *unsure, ..Waiting::new(id, room.clone(), String::new()) });
        }
        (sender, recorder, folder)
    }

    fn refuse(sender: &mut Sender, id: &str) {
        let id = MessageId::parse(id).ok();
        sender.hear(ServerMessage::Error(Box::new(ErrorBody::new(ErrorCode::StorageUnavailable, "full").id(id))));
    }

    fn noted(recorder: &Recorder, folder: &Folder) -> Vec<What> {
        recorder.finish().unwrap();
        let events: Vec<Event> = record::read(&folder.path().join("history.jsonl")).unwrap();
        events.into_iter().map(|event| event.what).collect()
    }

    fn answer(sender: &mut Sender, id: &str) {
        let (id, room, epoch) = (MessageId::parse(id).unwrap(), RoomName::lobby(), Epoch::parse("e").unwrap());
        sender.hear(ServerMessage::Ok { id, body: OkBody::Stored { room, epoch, seq: 1, at: 0, duplicate: false } });
    }

    fn waits(sender: &Sender) -> Vec<(&str, bool)> {
        sender.waiting.iter().map(|waiting| (waiting.id.as_str(), waiting.again.is_some())).collect()
    }

    #[tokio::test]
    async fn what_was_refused_is_asked_for_again_in_its_order_once_all_is_answered() {
        let (mut sender, recorder, folder) = after_writing(&[false, true]).await;
        refuse(&mut sender, "p0-0");
        assert_eq!(waits(&sender), [("p0-0", false), ("p0-1", false)]);
        refuse(&mut sender, "p0-1");
        assert_eq!(waits(&sender), [("p0-0", true), ("p0-1", true)]);
        assert!(!sender.may_say(), "something new would overtake them");
        assert!(noted(&recorder, &folder).is_empty());
    }

    #[tokio::test]
    async fn what_others_have_overtaken_is_given_up_as_certainly_not_stored() {
        let (mut sender, recorder, folder) = after_writing(&[false, false]).await;
        refuse(&mut sender, "p0-0");
        answer(&mut sender, "p0-1");
        assert!(sender.waiting.is_empty());
        let nack = What::Nack { cid: "p0-0".into(), code: "storage_unavailable".into() };
        assert_eq!(noted(&recorder, &folder).last(), Some(&nack));
    }

    #[tokio::test]
    async fn nothing_is_certain_of_what_was_on_its_way_when_a_connection_ended() {
        let (mut sender, recorder, folder) = after_writing(&[true, false]).await;
        refuse(&mut sender, "p0-0");
        answer(&mut sender, "p0-1");
        assert!(sender.waiting.is_empty());
        assert!(!noted(&recorder, &folder).iter().any(|what| matches!(what, What::Nack { .. })));
    }
}
