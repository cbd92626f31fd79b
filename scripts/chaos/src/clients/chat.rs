//! A connection over which a subscriber hears `chat.v1`.

use std::time::Duration;

use shared::{Ask, GapReason, ServerMessage};
use tokio::time::{sleep, sleep_until, timeout};

use super::{
    link::{Link, Over, PATIENCE},
    subscriber::{FORGOTTEN, Kind, Subscriber},
};

impl Subscriber {
    /// Listens over one connection, until that ends or everything is there.
    pub(super) async fn chat(&mut self) -> Result<(), Over> {
        let ask = self.listener.position.clone().map_or(Ask::Last(0), Ask::Resume);
        let rooms = [(self.listener.room.clone(), ask)].into();
        let person = &mut self.listener.person;
        let mut link = Link::open(person.door, person.way, self.kind.buffer(), &person.session, rooms).await?;
        let leave = self.kind.leaves(person);
        // A link over which not even `joined` comes is a link that is broken.
        let mut joined = false;
        while !self.listener.is_done() {
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
                () = sleep_until(leave), if self.listener.is_at_ease() => {
                    self.leave_chat(link).await;
                    return Err(Over::default());
                }
            }
            if self.kind == Kind::Slow && self.listener.is_at_ease() {
                self.listener.dawdle().await;
            }
        }
        Ok(())
    }

    /// Goes, in one of three ways, and stays away for a while.
    async fn leave_chat(&mut self, link: Link) {
        match self.listener.person.random.below(3) {
            0 => link.close().await,
            1 => link.reset(),
            _ => {
                // Without a sign.
                tokio::spawn(async move {
                    sleep(FORGOTTEN).await;
                    drop(link);
                });
            }
        }
        self.listener.stay_away().await;
    }

    fn hear(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Joined { room, epoch, top, .. } if room == self.listener.room => {
                self.listener.joined(epoch, top);
            }
            ServerMessage::Message(message) if message.room == self.listener.room => {
                self.listener.given(&message);
                self.listener.reach(message.seq);
            }
            ServerMessage::Gap(gap) if gap.room == self.listener.room => {
                self.listener.told(&gap);
                if gap.reason != GapReason::Epoch {
                    self.listener.reach(gap.to);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::{Gap, RoomName};

    use super::*;
    use crate::{
        clients::tests::person,
        event::What,
        folder::Folder,
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
        let mut subscriber = Subscriber::new(person("s0", &recorder), Kind::Steady, RoomName::lobby(), 1.0);
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
        let position = subscriber.listener.position.as_ref().map(ToString::to_string);
        assert_eq!(position.as_deref(), Some("two:3"));
        recorder.finish().unwrap();
        let whats: Vec<What> = record::read(&file).unwrap().into_iter().map(|event| event.what).collect();
        let epochs = whats.iter().filter(|what| matches!(what, What::Epoch { .. })).count();
        let subs = whats.iter().filter(|what| matches!(what, What::Sub { after: 7, .. })).count();
        assert_eq!((epochs, subs), (1, 1), "{whats:?}");
    }
}
