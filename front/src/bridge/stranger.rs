//! What the chat server shows to whoever brings no ticket: asked for as a stranger would.

use std::time::Duration;

use serde_json::json;
use shared::{ErrorCode, RoomName};
use tokio::time::timeout;

use super::{
    told::{Told, error_of},
    upstream::{self, Heard},
};
use crate::dial::Back;

/// Time for all of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a stranger sees one of these rooms; nothing where that cannot be told just now.
pub(super) async fn sees(back: &Back, rooms: &[RoomName]) -> Option<bool> {
    timeout(PATIENCE, look(back, rooms)).await.ok()?
}

async fn look(back: &Back, rooms: &[RoomName]) -> Option<bool> {
    let (mut speaking, mut hearing) = upstream::open(back, None).await.ok()?;
    speaking.say(json!({ "type": "hello", "presence": false }).to_string()).await.ok()?;
    let mut rooms = rooms.iter();
    loop {
        let Heard::Text(text) = hearing.hear().await else { return None };
        let Ok(told) = serde_json::from_slice::<Told<'_>>(&text) else { continue };
        let sees = match (&*told.kind, told.id.is_some()) {
            ("welcome", _) => None,
            ("page", _) => Some(true),
            ("error", true) if error_of(&text).code == ErrorCode::NoRoom => None,
            ("error", false) if error_of(&text).code == ErrorCode::Unauthorized => Some(false),
            ("error", _) => return None,
            _ => continue,
        };
        // One after the other: a stranger may not ask many things at once.
        let sees = match (sees, rooms.next()) {
            (None, Some(room)) => {
                let question = json!({ "type": "history", "id": "1", "room": room, "limit": 1 });
                speaking.say(question.to_string()).await.ok()?;
                continue;
            }
            (sees, _) => sees.unwrap_or(false),
        };
        _ = speaking.say(r#"{"type":"quit"}"#.to_owned()).await;
        return Some(sees);
    }
}
