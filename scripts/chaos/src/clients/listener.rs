//! What one listener of one room is given, over all connections and whatever they are made of, and where that leaves it.
//! It hides nothing: what the server repeats or leaves out stands in the history as it came.

use shared::{Epoch, Gap, GapReason, Message, Position, RoomName};
use tokio::time::sleep;

use super::{Person, Phase};
use crate::{body, event::What};

/// A listener of one room.
pub struct Listener {
    /// Who listens.
    pub person: Person,
    /// To what.
    pub room: RoomName,
    /// Where it goes on; nothing before it was let in for the first time.
    pub position: Option<Position>,
}

impl Listener {
    /// Somebody who has heard nothing yet.
    pub fn new(person: Person, room: RoomName) -> Self {
        Self { person, room, position: None }
    }

    /// Whether everything that was said is there.
    pub fn is_done(&self) -> bool {
        match (&*self.person.phase.borrow(), &self.position) {
            (Phase::Drain(tops), Some(position)) => tops.get(&self.room).is_some_and(|top| position.seq >= *top),
            _ => false,
        }
    }

    /// Waits until everything that was said is there, as far as that is a matter of being told what was said.
    pub async fn done(&self) {
        let mut phase = self.person.phase.clone();
        while !self.is_done() {
            if phase.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether there is time for leaving, and for reading slowly.
    pub fn is_at_ease(&self) -> bool {
        matches!(*self.person.phase.borrow(), Phase::Talk)
    }

    /// Stays away: mostly a short while, sometimes so long that more is missed than a resume replays.
    pub async fn stay_away(&mut self) {
        let away = if self.person.random.chance(0.1) { (10.0, 20.0) } else { (0.0, 2.0) };
        let away = sleep(self.person.random.seconds(away.0, away.1));
        let mut phase = self.person.phase.clone();
        tokio::select! { () = away => {}, _ = phase.changed() => {} }
    }

    /// Between two messages, for somebody who reads slowly.
    pub async fn dawdle(&mut self) {
        let pause = if self.person.random.chance(0.003) { (0.5, 3.0) } else { (0.0, 0.012) };
        sleep(self.person.random.seconds(pause.0, pause.1)).await;
    }

    /// Let in at the end of a history of this epoch.
    pub fn joined(&mut self, epoch: Epoch, top: u64) {
        match &self.position {
            None => {
                let (c, room) = self.names();
                self.person.recorder.note(What::Sub { c, room, after: top });
                self.position = Some(Position { epoch, seq: top });
            }
            Some(position) if position.epoch != epoch => {
                self.met(format!("{epoch}:{top}"));
                self.position = Some(Position { epoch, seq: 0 });
            }
            Some(_) => {}
        }
    }

    /// Given a message.
    pub fn given(&mut self, message: &Message) {
        let (cid, h) = body::identify(&message.text);
        let (c, room) = self.names();
        self.person.recorder.note(What::Recv { c, room, seq: message.seq, cid, h });
    }

    /// Told openly what it will not get.
    pub fn told(&mut self, gap: &Gap) {
        // The numbers begin anew. `joined` has told of it, unless only the end of the history was lost.
        if gap.reason == GapReason::Epoch
            && let Some(epoch) = self.position.as_ref().filter(|position| position.seq > 0).map(|at| at.epoch.clone())
        {
            self.met(format!("{epoch}:{}", gap.to));
            self.position = Some(Position { epoch, seq: 0 });
        }
        let reason = serde_json::to_value(gap.reason).ok().and_then(|reason| Some(reason.as_str()?.to_owned()));
        let (c, room) = self.names();
        self.person.recorder.note(What::Gap { c, room, from: gap.from, to: gap.to, reason });
    }

    /// Everything up to here was given or told of.
    pub fn reach(&mut self, seq: u64) {
        if let Some(position) = &mut self.position {
            position.seq = position.seq.max(seq);
        }
    }

    /// The server says that this is where it stands, as in an event's `id`. It is believed, as a browser does: what is
    /// missed for it stands in the history.
    pub fn stands_at(&mut self, position: Position) {
        self.joined(position.epoch.clone(), position.seq);
        self.position = Some(position);
    }

    fn met(&self, to: String) {
        let Some(from) = self.position.as_ref().map(ToString::to_string) else { return };
        let (c, room) = self.names();
        self.person.recorder.note(What::Epoch { c, room, from, to });
    }

    fn names(&self) -> (String, String) {
        (self.person.name.clone(), self.room.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        clients::tests::person,
        folder::Folder,
        record::{self, Recorder},
    };

    #[tokio::test]
    async fn a_position_is_believed_and_another_history_is_written_down() {
        let folder = Folder::create("listener").unwrap();
        let file = folder.path().join("history.jsonl");
        let recorder = Arc::new(Recorder::create(&file).unwrap());
        let mut listener = Listener::new(person("s0", &recorder), RoomName::lobby());
        for position in ["one:7", "one:9", "one:8", "two:3"] {
            listener.stands_at(position.parse().unwrap());
            assert_eq!(listener.position.as_ref().map(ToString::to_string).as_deref(), Some(position));
        }
        recorder.finish().unwrap();
        let whats: Vec<What> = record::read(&file).unwrap().into_iter().map(|event| event.what).collect();
        let [What::Sub { after: 7, .. }, What::Epoch { from, to, .. }] = &whats[..] else { panic!("{whats:?}") };
        assert_eq!((from.as_str(), to.as_str()), ("one:8", "two:3"));
    }
}
