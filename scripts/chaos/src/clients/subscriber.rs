//! Somebody who listens, over all connections: comes back with its position and writes down what its application would
//! be given. It hides nothing: what the server repeats or leaves out stands in the history as it came.

use std::time::Duration;

use shared::{Ask, Epoch, GapReason, Position, RoomName, ServerMessage};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    Person, Phase,
    link::{Link, Over, PATIENCE},
};
use crate::{body, event::What};

/// How somebody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Always there, as far as it is up to them.
    Steady,
    /// Gone every few seconds: with a Close frame, with a reset, or without a sign.
    Cut,
    /// Reads with pauses, through a narrow way.
    Slow,
    /// Comes when much has been said.
    Late,
}

/// A subscriber of one room.
pub struct Subscriber {
    person: Person,
    kind: Kind,
    room: RoomName,
    /// Comes so late.
    late: Duration,
    position: Option<Position>,
}

impl Subscriber {
    /// Somebody who listens to a room in which people talk for so many seconds.
    pub fn new(mut person: Person, kind: Kind, room: RoomName, seconds: f64) -> Self {
        let late =
            if kind == Kind::Late { person.random.seconds(seconds * 0.2, seconds * 0.8) } else { Duration::ZERO };
        Self { person, kind, room, late, position: None }
    }

    /// Listens until everything that was said is there.
    pub async fn run(mut self) {
        sleep(self.late).await;
        let mut attempt = 0;
        while !self.is_done() {
            let began = Instant::now();
            let over = self.connection().await.err().unwrap_or_default();
            attempt = if began.elapsed() > Duration::from_secs(2) { 0 } else { attempt + 1 };
            if !self.is_done() {
                self.person.back_off(attempt, over.after).await;
            }
        }
    }

    fn is_done(&self) -> bool {
        match (&*self.person.phase.borrow(), &self.position) {
            (Phase::Drain(tops), Some(position)) => tops.get(&self.room).is_some_and(|top| position.seq >= *top),
            _ => false,
        }
    }

    fn at_ease(&self) -> bool {
        matches!(*self.person.phase.borrow(), Phase::Talk)
    }

    async fn connection(&mut self) -> Result<(), Over> {
        let ask = self.position.clone().map_or(Ask::Last(0), Ask::Resume);
        let buffer = (self.kind == Kind::Slow).then_some(4096);
        let rooms = [(self.room.clone(), ask)].into();
        let mut link = Link::open(self.person.way, buffer, &self.person.session, rooms).await?;
        let stay = match self.kind {
            Kind::Cut => self.person.random.seconds(0.2, 6.0),
            _ => Duration::from_secs(24 * 60 * 60),
        };
        let leave = Instant::now() + stay;
        // A link over which not even `joined` comes is a link that is broken.
        let mut joined = false;
        while !self.is_done() {
            let patience = if joined { Duration::from_millis(500) } else { PATIENCE };
            tokio::select! {
                message = timeout(patience, link.next()) => match message {
                    Ok(message) => {
                        let Some(message) = message? else { continue };
                        joined |= matches!(message, ServerMessage::Joined { .. });
                        self.hear(message);
                    }
                    Err(_) if !joined => return Err(Over::default()),
                    Err(_) => {}
                },
                () = sleep_until(leave), if self.at_ease() => {
                    self.leave(link).await;
                    return Err(Over::default());
                }
            }
            if self.kind == Kind::Slow && self.at_ease() {
                let pause = if self.person.random.chance(0.003) { (0.5, 3.0) } else { (0.0, 0.012) };
                sleep(self.person.random.seconds(pause.0, pause.1)).await;
            }
        }
        Ok(())
    }

    /// Goes, in one of three ways, and stays away for a while.
    async fn leave(&mut self, link: Link) {
        match self.person.random.below(3) {
            0 => link.close().await,
            1 => link.reset(),
            _ => {
                // Without a sign: the connection stays, and nobody reads it any more.
                tokio::spawn(async move {
                    sleep(Duration::from_secs(15)).await;
                    drop(link);
                });
            }
        }
        // Mostly a short while; sometimes so long that more is missed than a resume replays.
        let away = if self.person.random.chance(0.1) { (10.0, 20.0) } else { (0.0, 2.0) };
        let away = sleep(self.person.random.seconds(away.0, away.1));
        let mut phase = self.person.phase.clone();
        tokio::select! { () = away => {}, _ = phase.changed() => {} }
    }

    fn hear(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Joined { room, epoch, top, .. } if room == self.room => self.joined(epoch, top),
            ServerMessage::Message(message) if message.room == self.room => {
                let (cid, h) = body::identify(&message.text);
                let (c, room, seq) = (self.person.name.clone(), self.room.to_string(), message.seq);
                self.person.recorder.note(What::Recv { c, room, seq, cid, h });
                self.reach(message.seq);
            }
            ServerMessage::Gap(gap) if gap.room == self.room => {
                let reason = serde_json::to_value(gap.reason).ok().and_then(|reason| Some(reason.as_str()?.to_owned()));
                let (c, room) = (self.person.name.clone(), self.room.to_string());
                // The numbers begin anew. `joined` has told of it, unless only the end of the history was lost.
                if gap.reason == GapReason::Epoch
                    && let Some(position) = self.position.as_mut().filter(|position| position.seq > 0)
                {
                    let (from, to) = (position.to_string(), format!("{}:{}", position.epoch, gap.to));
                    position.seq = 0;
                    self.person.recorder.note(What::Epoch { c: c.clone(), room: room.clone(), from, to });
                }
                self.person.recorder.note(What::Gap { c, room, from: gap.from, to: gap.to, reason });
                if gap.reason != GapReason::Epoch {
                    self.reach(gap.to);
                }
            }
            _ => {}
        }
    }

    fn joined(&mut self, epoch: Epoch, top: u64) {
        match &mut self.position {
            None => {
                let (c, room) = (self.person.name.clone(), self.room.to_string());
                self.person.recorder.note(What::Sub { c, room, after: top });
                self.position = Some(Position { epoch, seq: top });
            }
            Some(position) if position.epoch != epoch => {
                let (c, room) = (self.person.name.clone(), self.room.to_string());
                let (from, to) = (position.to_string(), format!("{epoch}:{top}"));
                self.person.recorder.note(What::Epoch { c, room, from, to });
                *position = Position { epoch, seq: 0 };
            }
            Some(_) => {}
        }
    }

    /// Everything up to here was given or told of.
    fn reach(&mut self, seq: u64) {
        if let Some(position) = &mut self.position {
            position.seq = position.seq.max(seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::{Gap, SessionToken};
    use tokio::sync::watch;

    use super::*;
    use crate::{
        folder::Folder,
        random::Random,
        record::{self, Recorder},
    };

    fn told(subscriber: &mut Subscriber, json: &str) {
        subscriber.hear(serde_json::from_str(json).unwrap());
    }

    #[tokio::test]
    async fn another_history_is_written_down_and_listened_to_from_its_beginning() {
        let folder = Folder::create("subscriber").unwrap();
        let file = folder.path().join("history.jsonl");
        let recorder = Arc::new(Recorder::create(&file).unwrap());
        let (_, phase) = watch::channel(Phase::Talk);
        let session = SessionToken::parse(&"s".repeat(32)).unwrap();
        let way = ([127, 0, 0, 1], 1).into();
        let (random, jitter) = (Random::new(1), Random::new(2));
        let person = Person { name: "s0".into(), session, way, random, jitter, recorder: Arc::clone(&recorder), phase };
        let mut subscriber = Subscriber::new(person, Kind::Steady, RoomName::lobby(), 1.0);
        for (epoch, top) in [("one", 7), ("two", 3)] {
            let joined = format!(
                r#"{{"type":"joined","room":"lobby","epoch":"{epoch}","first":1,"top":{top},"resume":"gap","count":1,"users":[]}}"#
            );
            told(&mut subscriber, &joined);
        }
        let gap = Gap { room: RoomName::lobby(), from: 1, to: 3, reason: GapReason::Epoch };
        subscriber.hear(ServerMessage::Gap(gap));
        let message =
            r#"{"type":"message","room":"lobby","seq":3,"user":"AAAAAAAAAAAAAAAA","name":"n","text":"p0-1 x","at":0}"#;
        told(&mut subscriber, message);
        let position = subscriber.position.as_ref().map(ToString::to_string);
        assert_eq!(position.as_deref(), Some("two:3"));
        recorder.finish().unwrap();
        let whats: Vec<What> = record::read(&file).unwrap().into_iter().map(|event| event.what).collect();
        let epochs = whats.iter().filter(|what| matches!(what, What::Epoch { .. })).count();
        let subs = whats.iter().filter(|what| matches!(what, What::Sub { after: 7, .. })).count();
        assert_eq!((epochs, subs), (1, 1), "{whats:?}");
    }
}
