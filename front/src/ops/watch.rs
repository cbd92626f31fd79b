//! Whether the chat server is there: a connection that is kept while somebody asks about readiness, so that its end is
//! news at once. Nobody in the chat sees it, and where nobody asks there is none.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    bridge::{
        backoff::{Backoff, random},
        upstream::{self, Heard, Hearing, PING_EVERY, Speaking},
    },
    dial::Back,
};

/// The connection is given up when nobody has asked for so long.
const IDLE: Duration = Duration::from_secs(60);

/// Time for the first answer to somebody who asks: balancers wait for a few seconds.
const FIRST: Duration = Duration::from_secs(2);

/// What is known of the chat server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody has looked, or nobody was found yet.
    Never,
    /// It answers.
    There,
    /// It was there, and is not now.
    Lost,
}

/// Looks, while somebody asks.
pub(super) struct Watch {
    back: Back,
    /// Counts looks, with what was seen last.
    seen: watch::Sender<(u64, Seen)>,
    asked: Mutex<Asked>,
}

struct Asked {
    last: Instant,
    is_looking: bool,
}

impl Watch {
    pub(super) fn new(back: Back) -> Arc<Self> {
        let asked = Mutex::new(Asked { last: Instant::now(), is_looking: false });
        Arc::new(Self { back, seen: watch::Sender::new((0, Seen::Never)), asked })
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now. Who asks first waits for the first look, or not for long.
    pub(super) async fn ask(self: &Arc<Self>) -> Seen {
        let mut seen = self.seen.subscribe();
        let begins = {
            let mut asked = self.asked();
            asked.last = Instant::now();
            !std::mem::replace(&mut asked.is_looking, true)
        };
        if begins {
            // What was seen when somebody asked last is old.
            self.seen.send_modify(|(looks, _)| *looks = 0);
            tokio::spawn(Arc::clone(self).look());
        }
        _ = timeout(FIRST, seen.wait_for(|(looks, _)| *looks > 0)).await;
        let (_, seen) = *self.seen.borrow();
        seen
    }

    fn see(&self, now: Seen) {
        self.seen.send_modify(|(looks, seen)| {
            *looks += 1;
            *seen = now;
        });
    }

    /// Whether nobody has asked for long; then there is nobody who looks any more.
    fn ends(&self) -> bool {
        let mut asked = self.asked();
        if asked.last.elapsed() < IDLE {
            return false;
        }
        asked.is_looking = false;
        true
    }

    async fn look(self: Arc<Self>) {
        let mut backoff = Backoff::default();
        loop {
            match upstream::open(&self.back, None).await {
                Ok((speaking, mut hearing)) => {
                    self.see(Seen::There);
                    backoff.reset();
                    if self.keep(speaking, &mut hearing).await {
                        return;
                    }
                    self.see(Seen::Lost);
                }
                Err(error) => {
                    tracing::debug!(%error, "the chat server is not there");
                    let (_, before) = *self.seen.borrow();
                    self.see(if before == Seen::Never { Seen::Never } else { Seen::Lost });
                }
            }
            if self.ends() {
                return;
            }
            sleep(backoff.next(random())).await;
        }
    }

    /// Keeps a connection until it is lost; true when nobody asks any more.
    async fn keep(&self, mut speaking: Speaking, hearing: &mut Hearing) -> bool {
        if speaking.say(self.back.hello()).await.is_err() {
            return false;
        }
        let heard = async {
            // In no room there is little to hear; reading is what answers pings.
            while let Heard::Text(_) = hearing.hear().await {}
        };
        let asked_after = async {
            loop {
                sleep(PING_EVERY).await;
                if self.ends() {
                    _ = speaking.say(r#"{"type":"quit"}"#.to_owned()).await;
                    return true;
                }
                if speaking.ping().await.is_err() {
                    return false;
                }
            }
        };
        tokio::select! {
            () = heard => false,
            ended = asked_after => ended,
        }
    }
}
