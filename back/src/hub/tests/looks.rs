//! When history is asked, and what is shown of it.

use std::pin::pin;

use futures_util::FutureExt;

use super::*;

#[tokio::test]
async fn nobody_is_shown_a_message_before_its_sender_is_answered() {
    let mut yard = Yard::on_disk();
    let receipt = Receipt { outlet: connect(&yard.hub).1, id: None };
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
    let receipt = Receipt { outlet: connect(&yard.hub).1, id: None };
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
            let membership = hub.enter(room, &connect(&hub).1, person(n), &resume(seq), None).await.unwrap();
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
