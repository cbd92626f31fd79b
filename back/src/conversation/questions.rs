//! Questions to history, and their answers.

use std::sync::Arc;

use shared::{Message, MessageId, OkBody, RoomName, ServerMessage, server::Page};

use super::Talk;
use crate::{
    history::{Bounds, Query, Range, Unavailable},
    hub::unavailable,
    metrics::Limit,
};

/// Bytes of text on one page of history: what a client that asks and does not read makes the server hold.
const PAGE_BYTES: usize = 256 * 1024;

impl Talk {
    pub(super) async fn rooms(&self, id: MessageId) {
        match self.yard.hub.list_for(self.session.sight()).await {
            Ok(rooms) => self.ok(Some(id), OkBody::Rooms { rooms }),
            Err(error) => self.error(Some(id), *unavailable(error)),
        }
    }

    pub(super) async fn history(&self, id: MessageId, room: RoomName, range: Range, limit: usize) {
        match self.page(id.clone(), room, range, limit).await {
            Ok(page) => self.outlet.say(&ServerMessage::Page(Box::new(page))),
            Err(error) => self.error(Some(id), *unavailable(error)),
        }
    }

    pub(super) async fn search(&self, id: MessageId, room: RoomName, query: Query, before: u64, limit: usize) {
        match self.found(id.clone(), room, query, before, limit).await {
            Ok(page) => self.outlet.say(&ServerMessage::Page(Box::new(page))),
            Err(error) => {
                let limit = match error {
                    Unavailable::TooLong => Some(Limit::SearchTime),
                    Unavailable::Crowded => Some(Limit::Searchers),
                    Unavailable::Broken(_) => None,
                };
                if let Some(limit) = limit {
                    self.yard.hub.metrics().hit(limit);
                }
                self.error(Some(id), *unavailable(error));
            }
        }
    }

    async fn found(
        &self,
        id: MessageId,
        room: RoomName,
        query: Query,
        before: u64,
        limit: usize,
    ) -> Result<Page, Unavailable> {
        let history = self.yard.hub.history();
        let Bounds { epoch, first, top } = self.yard.hub.published(&room, history.bounds(&room).await?);
        // One more than wanted tells whether there are more.
        let mut messages = history.search(&room, query, before.min(top + 1), limit + 1).await?;
        let mut bytes = 0;
        let fit = messages.iter().take(limit).take_while(|message| {
            bytes += message.text.len();
            bytes <= PAGE_BYTES
        });
        let fit = fit.count();
        let more = messages.len() > fit;
        messages.truncate(fit);
        Ok(Page { id, room, epoch, first, top, messages, more })
    }

    async fn page(&self, id: MessageId, room: RoomName, range: Range, limit: usize) -> Result<Page, Unavailable> {
        let history = self.yard.hub.history();
        let bounds = self.yard.hub.published(&room, history.bounds(&room).await?);
        let mut messages = history.read(&room, range, limit).await?;
        messages.retain(|message| message.seq <= bounds.top);
        shorten(&mut messages, range);
        let older = messages.first().is_some_and(|message| message.seq > bounds.first);
        let newer = messages.last().is_some_and(|message| message.seq < bounds.top);
        let more = match range {
            Range::Before(_) => older,
            Range::After(_) => newer,
            Range::Around(_) => older || newer,
        };
        Ok(Page { id, room, epoch: bounds.epoch, first: bounds.first, top: bounds.top, messages, more })
    }
}

/// Takes from a page what is too much for one, and first what is farthest from what was asked for.
fn shorten(messages: &mut Vec<Arc<Message>>, range: Range) {
    let mut bytes: usize = messages.iter().map(|message| message.text.len()).sum();
    while bytes > PAGE_BYTES
        && let [first, .., last] = messages.as_slice()
    {
        let farthest = match range {
            Range::Before(_) => 0,
            Range::Around(seq) if first.seq.abs_diff(seq) > last.seq.abs_diff(seq) => 0,
            Range::After(_) | Range::Around(_) => messages.len() - 1,
        };
        bytes -= messages.remove(farthest).text.len();
    }
}
