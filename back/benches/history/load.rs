//! Fills a history without a server, for scenarios that begin with a full one.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;
use back::history::{
    Change, Draft, Outcome, Says, Sqlite, Store,
    sqlite::{CACHE, SqliteLimits},
};
use shared::{MessageId, Name, RoomName, UserId};

use crate::texts::Lines;

/// Drafts of one commit: more than the server takes, because nobody waits.
const BATCH: usize = 2_000;

const PEOPLE: usize = 1_000;

const ANY: SqliteLimits =
    SqliteLimits { messages: usize::MAX, age: None, rooms: usize::MAX, names: usize::MAX, cache: CACHE };

/// Stores so many messages, in turn in each of these rooms; the search index sees none of them.
pub fn fill(data: &Path, rooms: &[String], messages: usize) -> anyhow::Result<()> {
    let store = Sqlite::open(data, ANY)?;
    let rooms: Vec<RoomName> = rooms.iter().map(|room| RoomName::parse(room)).collect::<Result<_, _>>()?;
    let people =
        (0..PEOPLE).map(|n| Ok((UserId::parse(&format!("person{n:010}"))?, Name::parse(&format!("사람{n}"))?)));
    let people: Vec<(UserId, Name)> = people.collect::<Result<_, shared::NameError>>()?;
    let mut lines = Lines::new(2);
    let mut done = 0;
    while done < messages {
        let mut changes = Vec::with_capacity(BATCH);
        for n in done..messages.min(done + BATCH) {
            let (user, name) = people[n % PEOPLE].clone();
            changes.push(Change::Say(Draft {
                room: rooms[n % rooms.len()].clone(),
                user,
                name,
                id: Some(MessageId::parse(&format!("{n:08x}"))?),
                says: Says::Text { text: lines.line(), reply_to: None },
            }));
        }
        done += changes.len();
        let outcomes = store.commit(changes, 1_800_000_000_000 + done as u64)?;
        ensure!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored { .. })), "a message was not stored");
    }
    store.close();
    Ok(())
}

/// Lets the search index see everything: how long that took.
pub fn index(data: &Path) -> anyhow::Result<Duration> {
    let store = Sqlite::open(data, ANY)?;
    let began = Instant::now();
    while store.next_chore().is_some() {
        store.do_chore()?;
    }
    let elapsed = began.elapsed();
    store.close();
    Ok(elapsed)
}
