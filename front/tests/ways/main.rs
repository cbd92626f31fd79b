//! One suite over every way in: the same room, read and written by WebSocket at both ports, by server-sent events, lines,
//! long and short polls and sessions over HTTP, plain and under TLS. While they talk, both programs are killed and every
//! link is cut; in the end all of them have the same transcript, with nothing lost and nothing twice.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test reports by panicking")]

mod http;
#[path = "../yard/process.rs"]
mod process;
mod readers;
mod senders;
mod socket;
mod world;

use std::{collections::HashSet, sync::Arc};

use tokio::{sync::watch, task::JoinSet, time::timeout};

use readers::Way;
use senders::Door;
use world::{DEADLINE, Talk, World};

/// What each sender says.
const TEXTS: usize = 30;

/// How often the programs are killed and the links cut.
const BLOWS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn every_way_in_tells_the_same_story_while_programs_die_and_links_break() {
    story(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_in_tells_the_same_story_under_tls() {
    story(true).await;
}

async fn story(tls: bool) {
    let mut world = World::open(tls).await;
    let talk = Arc::new(Talk::new(world.place()));
    let (goal, reached) = watch::channel(None);
    let mut readers = JoinSet::new();
    for way in Way::ALL {
        readers.spawn(readers::read(way, Arc::clone(&talk), reached.clone()));
    }
    talk.all_listen(Way::ALL.len()).await;
    let mut senders = JoinSet::new();
    for door in Door::ALL {
        senders.spawn(senders::send(door, Arc::clone(&talk), TEXTS));
    }

    let total = TEXTS * Door::ALL.len();
    for blow in 1..=BLOWS {
        talk.said_at_least(total * blow / (BLOWS + 1)).await;
        match blow % 3 {
            1 => world.kill_back(),
            2 => world.kill_front(),
            _ => world.cut(),
        }
    }
    while let Some(done) = timeout(DEADLINE, senders.join_next()).await.expect("every sender is answered") {
        done.unwrap();
    }

    // What the chat server has is the story; everybody must have been told exactly that.
    let story = socket::history(&talk.place).await;
    assert_eq!(story.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=total as u64).collect::<Vec<_>>());
    assert_eq!(story.iter().map(|(_, text)| text).collect::<HashSet<_>>().len(), total, "something is stored twice");
    for door in Door::ALL {
        let own: Vec<&String> = story.iter().map(|(_, text)| text).filter(|text| door.said(text)).collect();
        assert_eq!(own, (0..TEXTS).map(|n| door.text(n)).collect::<Vec<_>>().iter().collect::<Vec<_>>(), "{door:?}");
    }
    goal.send_replace(Some(total as u64));
    let mut told = Vec::new();
    while let Some(done) = timeout(DEADLINE, readers.join_next()).await.expect("every reader comes to the end") {
        told.push(done.unwrap());
    }
    assert_eq!(told.len(), Way::ALL.len());
    for (way, transcript) in told {
        assert_eq!(transcript, story, "{way:?}, TLS: {tls}");
    }
}
