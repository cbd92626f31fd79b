//! Everybody comes back at once.

use tokio::sync::Semaphore;

use super::*;

const PEOPLE: usize = 10_000;
const KEPT: usize = 700;
const MISSED: usize = 500;

/// How many are told at the same time: what waits for a script is in memory, as it is for a socket.
const AT_ONCE: usize = 100;

#[tokio::test]
async fn a_storm_of_ten_thousand_gets_exactly_what_it_missed_from_the_log() {
    let yard = Yard::new(Counting::new(100_000, false), QUIET).publish();
    yard.store.commit((1..=KEPT).map(say).collect(), 1).unwrap();
    let stored = yard.hub.history().read(&RoomName::lobby(), Range::After((KEPT - MISSED) as u64), KEPT).await.unwrap();
    let missed: Bytes = stored.iter().flat_map(|message| catch_up::encode(message)).collect();
    let synced = frame::text(&ServerMessage::Synced { room: RoomName::lobby(), seq: KEPT as u64 }.to_json());
    let before = yard.store.asked();
    let rest = Arc::new([missed, synced].concat());
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut crowd = JoinSet::new();
    for n in 0..PEOPLE {
        let (hub, rest, permits) = (Arc::clone(&yard.hub), Arc::clone(&rest), Arc::clone(&permits));
        crowd.spawn(async move {
            let room = hub.open(&RoomName::lobby()).await.ok().unwrap();
            let _permit = permits.acquire().await.unwrap();
            let (script, outlet, _) = connect(&hub);
            let ask = resume((KEPT - MISSED) as u64);
            let membership = hub.enter(room, &outlet, person(n), true, &ask, None).await.unwrap().unwrap();
            let mut written = Vec::new();
            until(|| {
                written.extend(script.take());
                written.ends_with(&rest[rest.len() - 20..])
            })
            .await;
            let joined = script::frames(&written).0[0].1.len();
            assert!(written.len() < rest.len() + joined + 8 && written.ends_with(&rest), "client {n}");
            (script, outlet, membership)
        });
    }
    let people = crowd.join_all().await;
    // Seven pages and the end, once for all.
    let after = yard.store.asked();
    assert_eq!((after.0 - before.0, after.1), (8, 0));
    // Each has a seat.
    let receipt = Receipt { outlet: Arc::clone(&people[0].1), id: None, coming: None };
    yard.hub.history().append(Append { change: say(KEPT + 1), receipt }).await.ok().unwrap();
    for (script, _, _) in &people {
        let mut next = Vec::new();
        until(|| {
            next.extend(script.take());
            !next.is_empty()
        })
        .await;
        assert_eq!(script::frames(&next).0.len(), 1);
    }
}
