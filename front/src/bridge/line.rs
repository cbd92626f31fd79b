//! A connection to back that is kept: it reads rooms for everybody here, answers questions, and comes back by itself.
//! It is counted among the people of no room.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use shared::{ErrorBody, RoomName, limits};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    backoff::{Backoff, random},
    feed::Feed,
    session::LOST,
    told::{Told, error_of, overloaded, unavailable},
    upstream::{self, Heard, Hearing, PING_EVERY, Speaking},
};
use crate::dial::Back;

/// Questions that back has not answered; it reads no more of a connection with so many.
pub(crate) const UNANSWERED: usize = 32;

/// Questions that were not answered yet, those that wait for their turn too. Whoever comes then is told so at once.
const WAITING: usize = 512;

/// Time for an answer, waiting included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Rooms that one connection reads: a few less than back allows, whose limit an operator may have lowered a little.
pub(crate) const ROOMS: usize = 60;

const _: () = assert!(ROOMS <= limits::ROOMS_PER_CONNECTION);

/// A connection without rooms and questions ends after this.
const IDLE: Duration = Duration::from_secs(60);

/// An answer, as it came.
pub(crate) type Answer = Result<Bytes, Box<ErrorBody>>;

/// A request that waits for its answer.
struct Question {
    message: Value,
    answer: oneshot::Sender<Answer>,
    /// Held until back has answered, also where nobody waits any more.
    permit: OwnedSemaphorePermit,
}

/// What an `id` stands for.
enum Asked {
    Question(oneshot::Sender<Answer>, OwnedSemaphorePermit),
    Join(Arc<Feed>),
}

/// A connection that is kept.
pub(crate) struct Line {
    feeds: Mutex<HashMap<RoomName, Arc<Feed>>>,
    changed: Notify,
    questions: mpsc::Sender<Question>,
    unanswered: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    away: AtomicBool,
}

impl Line {
    /// A line that connects as soon as somebody needs it, and the task that runs it until the line is dropped. From `stop`
    /// on it is no news that back is gone: it is mostly stopped together with this server.
    /// Back is asked so many questions at a time, at most [`UNANSWERED`].
    pub(crate) fn new(
        back: Back,
        stop: CancellationToken,
        at_a_time: usize,
    ) -> (Arc<Self>, impl Future<Output = ()> + Send) {
        let (questions, asked) = mpsc::channel(at_a_time);
        let line = Arc::new(Self {
            feeds: Mutex::default(),
            changed: Notify::new(),
            questions,
            unanswered: Arc::new(Semaphore::new(at_a_time)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            away: AtomicBool::new(false),
        });
        (Arc::clone(&line), run(line, back, stop, asked))
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<RoomName, Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many rooms it reads.
    pub(crate) fn rooms(&self) -> usize {
        self.feeds().len()
    }

    /// Whether it reads this room.
    pub(crate) fn has(&self, room: &RoomName) -> bool {
        self.feeds().contains_key(room)
    }

    /// How many questions somebody here waits for the answer of.
    pub(crate) fn under_way(&self) -> usize {
        WAITING - self.waiting.available_permits()
    }

    /// Reads a room from now on.
    pub(crate) fn join(&self, feed: Arc<Feed>) {
        if self.away.load(Ordering::Relaxed) {
            feed.away();
        }
        self.feeds().insert(feed.room().clone(), feed);
        self.changed.notify_one();
    }

    /// Reads it no more.
    pub(crate) fn leave(&self, room: &RoomName) {
        self.feeds().remove(room);
        self.changed.notify_one();
    }

    /// Asks back, in an object without `id`.
    ///
    /// # Errors
    /// What back answered; `unavailable` when it cannot be reached, `overloaded` when it is asked too much.
    pub(crate) async fn ask(&self, message: Value) -> Answer {
        let Ok(_waiting) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return Err(overloaded("too many questions wait for the chat server"));
        };
        let asking = async {
            let Ok(permit) = Arc::clone(&self.unanswered).acquire_owned().await else { return Err(unavailable()) };
            let (answer, answered) = oneshot::channel();
            let question = Question { message, answer, permit };
            if self.questions.send(question).await.is_err() {
                return Err(unavailable());
            }
            answered.await.unwrap_or_else(|_| Err(unavailable()))
        };
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(overloaded("the chat server takes long to answer")))
    }

    fn set_away(&self) {
        self.away.store(true, Ordering::Relaxed);
        let feeds: Vec<_> = self.feeds().values().cloned().collect();
        feeds.iter().for_each(|feed| feed.away());
    }
}

/// Keeps the connection.
async fn run(line: Arc<Line>, back: Back, stop: CancellationToken, mut questions: mpsc::Receiver<Question>) {
    let mut backoff = Backoff::default();
    let mut first = None;
    loop {
        if line.rooms() == 0 && first.is_none() {
            // Nobody needs a connection, so nobody knows whether there could be one.
            line.away.store(false, Ordering::Relaxed);
            tokio::select! {
                question = questions.recv() => first = question,
                () = line.changed.notified() => continue,
            }
        }
        match upstream::open(&back, None).await {
            Ok((speaking, hearing)) => {
                line.away.store(false, Ordering::Relaxed);
                let talk = Talk { line: &line, back: &back, stop: &stop, asked: Mutex::default() };
                let begun = Instant::now();
                talk.run(speaking, hearing, &mut questions, first.take()).await;
                // What ends at once may do so again and again.
                if begun.elapsed() > PING_EVERY || line.rooms() == 0 {
                    backoff.reset();
                }
            }
            Err(error) => {
                if !stop.is_cancelled() {
                    tracing::warn!(%error, "back cannot be reached at {}, where --back says that it is", back.url());
                }
                if let Some(Question { answer, .. }) = first.take() {
                    let _ = answer.send(Err(unavailable()));
                }
            }
        }
        if line.rooms() == 0 {
            continue;
        }
        line.set_away();
        let again = Instant::now() + backoff.next(random());
        loop {
            tokio::select! {
                () = sleep_until(again) => break,
                question = questions.recv() => match question {
                    Some(Question { answer, .. }) => { let _ = answer.send(Err(unavailable())); }
                    None => return,
                },
            }
        }
    }
}

/// One connection's life.
struct Talk<'a> {
    line: &'a Line,
    back: &'a Back,
    stop: &'a CancellationToken,
    asked: Mutex<HashMap<u64, Asked>>,
}

impl Talk<'_> {
    async fn run(
        &self,
        speaking: Speaking,
        mut hearing: Hearing,
        questions: &mut mpsc::Receiver<Question>,
        first: Option<Question>,
    ) {
        // Side by side: back may not read before it was read.
        tokio::select! {
            () = self.hear(&mut hearing) => {}
            () = self.speak(speaking, questions, first) => {}
        }
        for (_, asked) in self.asked().drain() {
            if let Asked::Question(answer, _) = asked {
                let _ = answer.send(Err(unavailable()));
            }
        }
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<u64, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says hello, joins what is to be read and asks what is asked, until nobody needs it or it is lost.
    async fn speak(&self, mut speaking: Speaking, questions: &mut mpsc::Receiver<Question>, first: Option<Question>) {
        let mut ids = 0;
        let mut joined: HashMap<RoomName, Arc<Feed>> = HashMap::new();
        if speaking.say(self.back.hello()).await.is_err() {
            return;
        }
        if let Some(question) = first
            && speaking.say(self.register(&mut ids, question)).await.is_err()
        {
            return;
        }
        let mut busy = Instant::now();
        loop {
            for text in self.reconcile(&mut ids, &mut joined) {
                if speaking.say(text).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = self.line.changed.notified() => {}
                question = questions.recv() => match question {
                    Some(question) => {
                        busy = Instant::now();
                        if speaking.say(self.register(&mut ids, question)).await.is_err() {
                            return;
                        }
                    }
                    None => return,
                },
                () = tokio::time::sleep(PING_EVERY) => {
                    let over = joined.is_empty() && busy.elapsed() > IDLE;
                    let said =
                        if over { speaking.say(r#"{"type":"quit"}"#.to_owned()).await } else { speaking.ping().await };
                    if over || said.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn register(&self, ids: &mut u64, question: Question) -> String {
        *ids += 1;
        let Question { mut message, answer, permit } = question;
        message["id"] = ids.to_string().into();
        self.asked().insert(*ids, Asked::Question(answer, permit));
        message.to_string()
    }

    /// What to say so that exactly the rooms that should be read are.
    fn reconcile(&self, ids: &mut u64, joined: &mut HashMap<RoomName, Arc<Feed>>) -> Vec<String> {
        let wanted = self.line.feeds();
        let mut say = Vec::new();
        joined.retain(|room, _| {
            let stays = wanted.contains_key(room);
            if !stays {
                say.push(json!({ "type": "leave", "room": room }).to_string());
            }
            stays
        });
        for (room, feed) in wanted.iter() {
            if joined.get(room).is_some_and(|before| Arc::ptr_eq(before, feed)) {
                continue;
            }
            *ids += 1;
            let mut join = json!({ "type": "join", "id": ids.to_string(), "room": room });
            match feed.reached() {
                Some((epoch, seq)) => {
                    join["epoch"] = epoch.as_str().into();
                    join["seq"] = seq.into();
                }
                None => join["last"] = limits::PAGE_MESSAGES.into(),
            }
            self.asked().insert(*ids, Asked::Join(Arc::clone(feed)));
            joined.insert(room.clone(), Arc::clone(feed));
            say.push(join.to_string());
        }
        say
    }

    async fn hear(&self, hearing: &mut Hearing) {
        loop {
            match hearing.hear().await {
                Heard::Text(text) => self.take(&text),
                Heard::End(why) => {
                    let (code, reason) = why.unwrap_or((LOST, "lost".to_owned()));
                    if !self.stop.is_cancelled() {
                        tracing::warn!(code, reason, "the connection to back ended");
                    }
                    return;
                }
            }
        }
    }

    /// Hands a message to whom it is for.
    fn take(&self, text: &Bytes) {
        let Ok(told) = serde_json::from_slice::<Told<'_>>(text) else { return };
        if let Some(id) = told.id.as_deref().and_then(|id| id.parse().ok()) {
            let error = told.kind == "error";
            match self.asked().remove(&id) {
                Some(Asked::Question(answer, _permit)) => {
                    let _ = answer.send(if error { Err(error_of(text)) } else { Ok(text.clone()) });
                }
                Some(Asked::Join(feed)) if error => feed.refused(error_of(text)),
                _ => {}
            }
            return;
        }
        let Some(feed) = told.room.and_then(|room| RoomName::parse(&room).ok()).and_then(|room| self.feed(&room))
        else {
            return;
        };
        match &*told.kind {
            "message" => {
                if let (Ok(json), Ok(message)) = (std::str::from_utf8(text), serde_json::from_slice(text)) {
                    feed.message(json, &message);
                }
            }
            "joined" => {
                if let (Some(epoch), Some(first), Some(top)) = (told.epoch, told.first, told.top) {
                    feed.joined(epoch, first, top);
                }
            }
            "synced" => feed.synced(told.seq.unwrap_or_default()),
            // A gap shows itself as a hole in the numbers; presence and typing are nobody's business here.
            _ => {}
        }
    }

    fn feed(&self, room: &RoomName) -> Option<Arc<Feed>> {
        self.line.feeds().get(room).cloned()
    }
}
