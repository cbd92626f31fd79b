//! When history is asked, and what is shown of it.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::FutureExt;

use super::*;
use crate::moderation::Setting;

#[tokio::test]
async fn nobody_is_shown_a_message_before_its_sender_is_answered() {
    let mut yard = Yard::on_disk();
    let receipt = Receipt { outlet: connect(&yard.hub).1, id: None, coming: None };
    yard.hub.history().append(Append { change: say(1), receipt }).await.ok().unwrap();
    // It is stored, and the answer is still on its way.
    let committed = yard.follow.recv().await.unwrap();
    assert_eq!(yard.hub.history().bounds(&RoomName::lobby()).await.unwrap().top, 1);
    let hub = Arc::clone(&yard.hub);
    let opening = tokio::spawn(async move { hub.open(&RoomName::lobby()).await.map(|room| room.top()) });
    let settled = timeout(DEADLINE, yard.follow.recv()).await.expect("whoever opens the room waits for it").unwrap();
    assert!(matches!(settled[..], [Followed::Settled(_)]) && !opening.is_finished());
    yard.hub.publish(committed);
    yard.hub.publish(settled);
    assert_eq!(timeout(DEADLINE, opening).await.unwrap().unwrap().ok(), Some(1));
    // The same for a page of history.
    let receipt = Receipt { outlet: connect(&yard.hub).1, id: None, coming: None };
    yard.hub.history().append(Append { change: say(2), receipt }).await.ok().unwrap();
    let committed = yard.follow.recv().await.unwrap();
    let bounds = yard.hub.history().bounds(&RoomName::lobby()).await.unwrap();
    assert_eq!((bounds.top, yard.hub.published(&RoomName::lobby(), bounds.clone()).top), (2, 1));
    yard.hub.publish(committed);
    assert_eq!(yard.hub.published(&RoomName::lobby(), bounds).top, 2);
}

#[tokio::test]
async fn a_crowd_that_comes_back_costs_history_one_look() {
    let yard = Yard::on_disk().publish();
    yard.store.commit((1..=700).map(say).collect(), 1).unwrap();
    let mut crowd = JoinSet::new();
    for n in 0..200 {
        let hub = Arc::clone(&yard.hub);
        crowd.spawn(async move {
            let room = hub.open(&RoomName::lobby()).await.ok().unwrap();
            let seq = 3 * n as u64;
            let membership = hub.enter(room, &connect(&hub).1, person(n), true, &resume(seq), None).await.unwrap();
            assert!(membership.is_some_and(|membership| membership.room().log().locate(seq).is_some()));
        });
    }
    while let Some(done) = crowd.join_next().await {
        done.unwrap();
    }
    assert_eq!(yard.store.asked(), (8, 0));
}

#[tokio::test]
async fn who_says_more_than_a_room_can_deliver_waits_until_it_has() {
    let yard = Yard::on_disk().publish();
    let room = yard.hub.open(&RoomName::lobby()).await.ok().unwrap();
    assert!(room.keeps_up().now_or_never().is_some());
    for _ in 0..=log::LOG_FRAMES {
        room.log().append_state(Bytes::from_static(b"x"));
    }
    let mut waiting = pin!(room.keeps_up());
    assert!(room.lags() && waiting.as_mut().now_or_never().is_none());
    sweep::mark(&room);
    timeout(DEADLINE, waiting).await.expect("a sweep ends it");
    assert!(!room.lags());
}

#[tokio::test]
async fn what_is_on_its_way_through_history_counts_until_it_is_told() {
    let mut yard = Yard::on_disk();
    let hub = Arc::clone(&yard.hub);
    let opening = tokio::spawn(async move { hub.open(&RoomName::lobby()).await });
    yard.hub.publish(yard.follow.recv().await.unwrap());
    let room = opening.await.unwrap().ok().unwrap();
    let coming: Vec<_> = (0..log::LOG_FRAMES).map(|_| room.expect()).collect();
    assert!(!room.lags());
    let receipt = Receipt { outlet: connect(&yard.hub).1, id: None, coming: Some(room.expect()) };
    yard.hub.history().append(Append { change: say(1), receipt }).await.ok().unwrap();
    let committed = yard.follow.recv().await.unwrap();
    let mut waiting = pin!(room.keeps_up());
    assert!(room.lags() && waiting.as_mut().now_or_never().is_none());
    // It is in the log now, still to be swept.
    yard.hub.publish(committed);
    assert!(room.lags());
    timeout(DEADLINE, waiting).await.expect("a sweep ends it");
    // What never comes to a sweep lets the next one through as well.
    let one_too_many = (room.expect(), room.expect());
    let mut waiting = pin!(room.keeps_up());
    assert!(waiting.as_mut().now_or_never().is_none());
    drop((coming, one_too_many));
    timeout(DEADLINE, waiting).await.expect("nothing is on its way any more");
}

#[tokio::test]
async fn whoever_comes_in_over_history_is_told_who_came_meanwhile() {
    let presence = PresenceTimes { interval: Duration::from_millis(1), grace: Duration::from_millis(1) };
    let yard = Yard::new(Counting::new(100_000, true), presence).publish();
    yard.store.commit((1..=700).map(say).collect(), 1).unwrap();
    let room = yard.hub.open(&RoomName::lobby()).await.ok().unwrap();
    // Many rooms share the memory of logs: this one holds its newest message only.
    room.log().trim(0);
    let (script, outlet, task) = connect(&yard.hub);
    task.abort();
    let _newcomer =
        yard.hub.enter(Arc::clone(&room), &outlet, person(1), true, &resume(600), None).await.unwrap().unwrap();
    // Somebody else comes before the newcomer is told anything.
    let head = room.log().head();
    let other = connect(&yard.hub).1;
    let _other =
        yard.hub.enter(Arc::clone(&room), &other, person(2), true, &Ask::Last(0), None).await.unwrap().unwrap();
    until(|| room.log().head() != head).await;
    let (hub, writes) = (Arc::clone(&yard.hub), Arc::clone(&outlet));
    tokio::spawn(async move { connection::write(&writes, hub.history()).await });
    let mut written = Vec::new();
    until(|| {
        written.extend(script.take());
        String::from_utf8_lossy(&written).contains("synced")
    })
    .await;
    let told = String::from_utf8(written.clone()).unwrap_or_else(|_| String::from_utf8_lossy(&written).into_owned());
    assert!(told.contains("message 700"), "everything that was missed");
    let (_, after_joined) = told.split_once("joined").unwrap();
    assert!(after_joined.contains(user(2).as_str()), "who came is named: {}", &told[told.len() - 300..]);
}

/// Which of the two comes first is up to the machine: of so many rooms, in some they come at once.
#[test]
fn what_a_moderator_sets_while_a_room_is_looked_up_is_shown_and_kept() {
    let new = || Room::new(RoomName::lobby(), QUIET, Duration::ZERO, Arc::default());
    let rooms: Vec<Room> = std::iter::repeat_with(new).take(20_000).collect();
    // They wait without sleeping, so that neither is late.
    let come = AtomicUsize::new(0);
    let both = |round: usize| {
        come.fetch_add(1, Ordering::AcqRel);
        while come.load(Ordering::Acquire) < 2 * (round + 1) {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (round, room) in rooms.iter().enumerate() {
                both(round);
                room.look_up_setting(Setting::default());
            }
        });
        for (round, room) in rooms.iter().enumerate() {
            both(round);
            room.set(Setting { slow: Some(30), ..Setting::default() });
        }
    });
    let forgot = rooms.iter().filter(|room| !room.is_slow() || room.setting().slow != Some(30));
    assert_eq!(forgot.count(), 0);
}
