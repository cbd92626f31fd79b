//! A connection over which a subscriber hears by plain HTTP: server-sent events, lines of JSON or polls. It goes on from
//! the position that the server told, as a browser or a script does, and knows nothing better.

use std::time::Duration;

use hyper::{
    StatusCode,
    body::Incoming,
    header::{ACCEPT, ETAG, HeaderName, IF_NONE_MATCH},
};
use serde::Deserialize;
use shared::{Epoch, Gap, Message, Position, ServerMessage};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    api::{Messages, of_room},
    door::Door,
    http::{self, Call, Connection},
    lines::Lines,
    link::{Over, PATIENCE, understood},
    sse::{Event, Parser},
    subscriber::{FORGOTTEN, Kind, Subscriber},
};

/// A stream on which not even a comment comes for so long is dead: they come every 15 s.
const SILENCE: Duration = Duration::from_secs(25);

/// Most messages of a poll.
const LIMITS: [u32; 3] = [50, 100, 200];

/// What came over a stream, and what of it is whole.
enum Content {
    Events(Parser),
    Lines(Lines),
}

impl Subscriber {
    /// Listens over one connection, until that ends or everything is there.
    pub(super) async fn feed(&mut self) -> Result<(), Over> {
        let leave = self.kind.leaves(&mut self.listener.person);
        let mut connection = Connection::open(self.listener.person.way, self.kind.buffer()).await?;
        // What begins with polls asks where it is; streams tell it by themselves.
        if self.listener.position.is_none() && self.listener.person.door == Door::Polls {
            let answer = connection.ask(&Call::get(self.address("messages?limit=1")), PATIENCE).await?;
            let position = messages(&answer)?.position().ok_or(Over::default())?;
            self.listener.stands_at(position);
        }
        match self.listener.person.door {
            Door::Polls => self.polls(connection, leave).await,
            _ => self.stream(connection, leave).await,
        }
    }

    fn address(&self, rest: &str) -> String {
        of_room(&self.listener.room, rest)
    }

    /// Asks for a stream as a browser's `EventSource` does, or as a script: the first address stays, and what was heard
    /// last is told beside it.
    fn call(&mut self) -> (Call, Content) {
        let position = self.listener.position.as_ref().map(ToString::to_string);
        let lines = self.listener.person.door == Door::Stream;
        match position {
            _ if lines => {
                let from = position.map_or("last=0".to_owned(), |position| format!("after={position}"));
                (Call::get(self.address(&format!("stream?{from}"))), Content::Lines(Lines::default()))
            }
            // A page that was loaded again knows its position and no `Last-Event-ID`.
            Some(position) if self.listener.person.random.chance(0.3) => {
                let call = Call::get(self.address(&format!("events?after={position}")));
                (call, Content::Events(Parser::new(&position)))
            }
            position => {
                let mut call = Call::get(self.address("events?last=0")).header(ACCEPT, "text/event-stream");
                if let Some(position) = &position {
                    call = call.header(HeaderName::from_static("last-event-id"), position);
                }
                (call, Content::Events(Parser::new(&position.unwrap_or_default())))
            }
        }
    }

    async fn stream(&mut self, mut connection: Connection, leave: Instant) -> Result<(), Over> {
        let (call, mut content) = self.call();
        let response = connection.begin(&call, PATIENCE).await?;
        if response.status() != StatusCode::OK {
            return Err(http::whole(response).await?.over());
        }
        let mut body = response.into_body();
        while !self.listener.is_done() {
            tokio::select! {
                bytes = timeout(SILENCE, http::more(&mut body)) => {
                    let bytes = bytes.unwrap_or(Err(Over::default()))?.ok_or(Over::default())?;
                    self.take_in(&mut content, &bytes).await?;
                }
                () = sleep_until(leave), if self.listener.is_at_ease() => {
                    self.leave_feed(connection, Some(body)).await;
                    return Err(Over::default());
                }
                () = self.listener.done() => {}
            }
        }
        Ok(())
    }

    async fn take_in(&mut self, content: &mut Content, bytes: &[u8]) -> Result<(), Over> {
        match content {
            Content::Events(parser) => parser.push(bytes),
            Content::Lines(lines) => lines.push(bytes),
        }
        .map_err(|_| Over::default())?;
        loop {
            match content {
                Content::Events(parser) => {
                    let Some(event) = parser.next() else { return Ok(()) };
                    self.event(&event);
                }
                Content::Lines(lines) => {
                    let Some(line) = lines.next() else { return Ok(()) };
                    self.line(&line)?;
                }
            }
            if self.kind == Kind::Slow && self.listener.is_at_ease() {
                self.listener.dawdle().await;
            }
        }
    }

    fn event(&mut self, event: &Event) {
        match event.name.as_str() {
            "message" => {
                if let Ok(message) = serde_json::from_str::<Message>(&event.data) {
                    self.listener.given(&message);
                }
            }
            "gap" => {
                if let Ok(gap) = serde_json::from_str::<Gap>(&event.data) {
                    self.listener.told(&gap);
                }
            }
            "synced" => {}
            _ => return,
        }
        if let Ok(position) = event.last_id.parse::<Position>() {
            self.listener.stands_at(position);
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Over> {
        match understood(line)? {
            Some(ServerMessage::Message(message)) => {
                self.listener.given(&message);
                self.listener.reach(message.seq);
            }
            Some(ServerMessage::Gap(gap)) => {
                self.listener.told(&gap);
                self.stands_at(line, gap.to);
            }
            Some(ServerMessage::Synced { seq, .. }) => self.stands_at(line, seq),
            _ => {}
        }
        Ok(())
    }

    /// The position that a line tells: messages are counted from there.
    fn stands_at(&mut self, line: &str, seq: u64) {
        #[derive(Deserialize)]
        struct Told {
            epoch: Epoch,
        }
        if let Ok(Told { epoch }) = serde_json::from_str(line) {
            self.listener.stands_at(Position { epoch, seq });
        }
    }

    async fn polls(&mut self, mut connection: Connection, leave: Instant) -> Result<(), Over> {
        let mut tag: Option<String> = None;
        while !self.listener.is_done() {
            let Some(position) = self.listener.position.clone() else { return Err(Over::default()) };
            let person = &mut self.listener.person;
            // The slow ones ask at intervals, the others wait for an answer.
            let wait = if self.kind == Kind::Slow { 0 } else { 1 + person.random.below(25) };
            let limit = person.random.pick(&LIMITS).copied().unwrap_or(100);
            let mut call = Call::get(self.address(&format!("messages?after={position}&wait={wait}&limit={limit}")));
            if let Some(tag) = &tag {
                call = call.header(IF_NONE_MATCH, tag);
            }
            let patience = Duration::from_secs(wait) + PATIENCE;
            tokio::select! {
                answer = connection.ask(&call, patience) => {
                    let answer = answer?;
                    tag = answer.headers.get(ETAG).and_then(|tag| Some(tag.to_str().ok()?.to_owned()));
                    if answer.status != StatusCode::NOT_MODIFIED {
                        self.answer(&messages(&answer)?)?;
                    }
                }
                () = sleep_until(leave), if self.listener.is_at_ease() => {
                    self.leave_feed(connection, None).await;
                    return Err(Over::default());
                }
                () = self.listener.done() => {}
            }
            if self.kind == Kind::Slow && self.listener.is_at_ease() {
                let pause = self.listener.person.random.seconds(0.1, 1.0);
                sleep(pause).await;
            }
        }
        Ok(())
    }

    fn answer(&mut self, messages: &Messages) -> Result<(), Over> {
        if let Some(gap) = &messages.gap {
            self.listener.told(gap);
        }
        for message in &messages.messages {
            self.listener.given(message);
        }
        self.listener.stands_at(messages.position().ok_or(Over::default())?);
        Ok(())
    }

    /// Goes, in one of three ways, and stays away for a while.
    async fn leave_feed(&mut self, connection: Connection, body: Option<Incoming>) {
        match self.listener.person.random.below(3) {
            0 => drop(connection),
            1 => connection.reset(),
            _ => {
                // Without a sign.
                tokio::spawn(async move {
                    sleep(FORGOTTEN).await;
                    drop((connection, body));
                });
            }
        }
        self.listener.stay_away().await;
    }
}

/// The messages of an answer that has some.
fn messages(answer: &http::Answer) -> Result<Messages, Over> {
    if answer.status != StatusCode::OK {
        return Err(answer.over());
    }
    serde_json::from_slice(&answer.body).map_err(|_| Over::default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::RoomName;

    use super::*;
    use crate::{
        clients::tests::person,
        event::What,
        folder::Folder,
        record::{self, Recorder},
    };

    /// What is written down of this, and the position that is left.
    async fn heard(mut content: Content, bytes: &str) -> (Vec<What>, Option<String>) {
        let folder = Folder::create("feed").unwrap();
        let file = folder.path().join("history.jsonl");
        let recorder = Arc::new(Recorder::create(&file).unwrap());
        let mut feed = Subscriber::new(person("s0", &recorder), Kind::Steady, RoomName::lobby(), 1.0);
        feed.take_in(&mut content, bytes.as_bytes()).await.unwrap();
        recorder.finish().unwrap();
        let whats = record::read(&file).unwrap().into_iter().map(|event| event.what).collect();
        (whats, feed.listener.position.as_ref().map(ToString::to_string))
    }

    fn events() -> Content {
        Content::Events(Parser::new(""))
    }

    fn json(seq: u64) -> String {
        format!(
            r#"{{"type":"message","room":"lobby","seq":{seq},"user":"AAAAAAAAAAAAAAAA","name":"n","text":"p0-1 x","at":0}}"#
        )
    }

    fn message(id: &str, seq: u64) -> String {
        format!("id: {id}\nevent: message\ndata: {}\n\n", json(seq))
    }

    #[tokio::test]
    async fn lines_are_counted_from_where_they_say_that_they_begin() {
        let gap = r#"{"type":"gap","room":"lobby","from":6,"to":8,"reason":"too_many","epoch":"e"}"#;
        let synced = r#"{"type":"synced","room":"lobby","seq":4,"epoch":"e"}"#;
        let stream = format!("{synced}\n\n{}\n{gap}\n{}\n", json(5), json(9));
        let (whats, position) = heard(Content::Lines(Lines::default()), &stream).await;
        assert_eq!(position.as_deref(), Some("e:9"));
        assert!(matches!(&whats[0], What::Sub { after: 4, .. }), "{whats:?}");
        assert_eq!(whats.len(), 4, "{whats:?}");
    }

    #[tokio::test]
    async fn where_a_reader_goes_on_is_what_the_last_event_said() {
        let stream = format!(
            "retry: 1000\n\nid: e:4\nevent: synced\ndata: {{}}\n\n: still here\n\n{}{}",
            message("e:5", 5),
            // An id that skips one is believed: a browser would miss number 6 too.
            message("e:7", 6),
        );
        let (whats, position) = heard(events(), &stream).await;
        assert_eq!(position.as_deref(), Some("e:7"));
        let [What::Sub { after: 4, .. }, What::Recv { seq: 5, .. }, What::Recv { seq: 6, .. }] = &whats[..] else {
            panic!("{whats:?}");
        };
    }

    #[tokio::test]
    async fn a_gap_is_told_and_passed_over() {
        let gap = r#"{"type":"gap","room":"lobby","from":5,"to":90,"reason":"too_many"}"#;
        let stream = format!(
            "id: e:4\nevent: synced\ndata: {{}}\n\nid: e:90\nevent: gap\ndata: {gap}\n\n{}",
            message("e:91", 91)
        );
        let (whats, position) = heard(events(), &stream).await;
        assert_eq!(position.as_deref(), Some("e:91"));
        assert!(matches!(&whats[1], What::Gap { from: 5, to: 90, .. }), "{whats:?}");
    }
}
