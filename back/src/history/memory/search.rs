//! How a room is looked through, without holding up who writes.

use std::{sync::Arc, time::Instant};

use shared::{Message, RoomName};

use super::Memory;
use crate::history::{Query, Range, Store, Unavailable};

/// Messages that a search looks at before it lets the writer go on.
const SEARCH_STEP: usize = 1_000;

impl Memory {
    /// The newest messages before this one that match, newest first; given up at this instant.
    pub(super) fn search_until(
        &self,
        until: Instant,
        room: &RoomName,
        query: &Query,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Message>>, Unavailable> {
        let mut found = Vec::new();
        let mut before = before;
        while found.len() < limit {
            let step = self.read(room, Range::Before(before), SEARCH_STEP)?;
            let Some(oldest) = step.first() else { break };
            if Instant::now() > until {
                return Err(Unavailable::TooLong);
            }
            before = oldest.seq;
            let hits = step.iter().rev().filter(|message| message.edits.is_none() && query.matches(&message.text));
            found.extend(hits.take(limit - found.len()).cloned());
        }
        Ok(found)
    }
}
