//! How a connection ends: with a goodbye, after the client's, or without another byte.

use std::sync::MutexGuard;

use shared::{CloseCode, Name, Sentence, ServerMessage};

use super::{
    Outlet,
    queue::{Queue, State},
};
use crate::{frame, metrics::Peer};

/// How a connection is ended.
#[derive(Debug, Clone)]
pub struct Farewell {
    /// What the Close frame says.
    pub code: CloseCode,
    /// When to come back.
    pub retry_after_ms: Option<u64>,
    /// A moderator's words.
    pub text: Option<Sentence>,
    /// That moderator.
    pub by: Option<Name>,
}

impl Outlet {
    /// Begins to end the connection: says `bye`, queues the Close frame, and lets nothing come after it.
    pub fn close(&self, code: CloseCode, retry_after_ms: Option<u64>) {
        self.say_goodbye(&Farewell { code, retry_after_ms, text: None, by: None }, false);
    }

    /// Ends the connection as [`Self::close`] does, for a moderator: its person leaves the rooms at once.
    pub fn dismiss(&self, farewell: &Farewell) {
        self.say_goodbye(farewell, true);
    }

    fn say_goodbye(&self, farewell: &Farewell, dismissed: bool) {
        let Farewell { code, retry_after_ms, text, by } = farewell;
        let mut queue = self.queue();
        if queue.state != State::Open {
            return;
        }
        queue.dismissed = dismissed;
        if self.speaks_chat {
            let bye = ServerMessage::Bye {
                code: code.code(),
                reason: code.word().to_owned(),
                reconnect: code.reconnect(),
                retry_after_ms: *retry_after_ms,
                text: text.clone(),
                by: by.clone(),
            };
            queue.push(frame::message(&bye));
        }
        queue.push(frame::close(*code, *retry_after_ms));
        self.end(queue);
        self.metrics.closed(*code);
    }

    /// Whether a moderator ended it.
    pub fn is_dismissed(&self) -> bool {
        self.queue().dismissed
    }

    /// The client has said its last, and the WebSocket layer has queued its answer if there is one: what waits still
    /// leaves, and nothing comes after it.
    pub fn seal(&self, how: Peer) {
        let queue = self.queue();
        if queue.state == State::Open {
            self.end(queue);
            self.metrics.left(how);
        }
    }

    fn end(&self, mut queue: MutexGuard<'_, Queue>) {
        queue.state = State::Closing;
        let backlogs = std::mem::take(&mut queue.behind);
        queue.wake();
        drop(queue);
        self.vitals.closing();
        // A backlog may hold the last reference to its room; it is dropped outside the lock.
        drop(backlogs);
    }

    /// Gives the connection up without another byte.
    pub fn abort(&self) {
        let mut queue = self.queue();
        let before = std::mem::replace(&mut queue.state, State::Broken);
        let backlogs = std::mem::take(&mut queue.behind);
        queue.wake();
        drop(queue);
        drop(backlogs);
        if before == State::Open {
            self.metrics.left(Peer::Lost);
        }
    }

    /// Whether the connection is still open for anything but its end.
    pub fn is_open(&self) -> bool {
        self.queue().state == State::Open
    }
}
