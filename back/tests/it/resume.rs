//! Coming back: exactly what was missed, once, or a gap that says so.

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    client::{Client, DEADLINE, seqs},
    server::TestServer,
};

/// Everything from `joined` to `synced`.
async fn rejoin(client: &mut Client, ask: Value) -> Vec<Value> {
    let mut request = json!({"type": "join", "room": "dev"});
    request.as_object_mut().unwrap().extend(ask.as_object().unwrap().clone());
    client.send(request).await;
    let mut replay = vec![client.until("joined").await];
    while replay.last().unwrap()["type"] != "synced" {
        replay.push(client.find(|message| message["type"] != "presence").await);
    }
    replay
}

fn messages(replay: &[Value]) -> Vec<u64> {
    seqs(&replay.iter().filter(|message| message["type"] == "message").cloned().collect::<Vec<_>>())
}

fn gaps(replay: &[Value]) -> Vec<(u64, u64, &str)> {
    let gaps = replay.iter().filter(|message| message["type"] == "gap");
    gaps.map(|gap| (gap["from"].as_u64().unwrap(), gap["to"].as_u64().unwrap(), gap["reason"].as_str().unwrap()))
        .collect()
}

async fn fill(server: &TestServer, count: usize) -> (Client, Value) {
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    let mut last = Value::Null;
    for number in 1..=count {
        let message = json!({"type": "send", "id": number.to_string(), "text": number.to_string()});
        if number == count { last = kim.ask(message).await } else { kim.send(message).await }
    }
    (kim, last["epoch"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_exactly_what_it_missed() {
    let server = TestServer::with(&["--sends-per-second", "0"]);
    let (_kim, epoch) = fill(&server, 100).await;
    let (mut lee, _) = Client::hello(server.address, "lee", json!({})).await;
    let replay = rejoin(&mut lee, json!({"epoch": epoch, "seq": 90})).await;
    assert_eq!((&replay[0]["resume"], &replay[0]["top"]), (&json!("ok"), &json!(100)));
    assert_eq!(messages(&replay), (91..=100).collect::<Vec<_>>());
    assert_eq!(replay.last().unwrap()["seq"], 100);
    let replay = rejoin(&mut lee, json!({"epoch": epoch, "seq": 100})).await;
    assert_eq!((&replay[0]["resume"], replay.len()), (&json!("ok"), 2));
    let replay = rejoin(&mut lee, json!({"epoch": epoch, "seq": 0})).await;
    assert_eq!(messages(&replay), (1..=100).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_reads_history_where_the_rooms_log_does_not_reach() {
    let server = TestServer::with(&["--sends-per-second", "0", "--presence-grace", "0"]);
    let (mut kim, epoch) = fill(&server, 300).await;
    kim.send(json!({"type": "quit"})).await;
    kim.end().await;
    // Nobody is in the room: it leaves memory, and its log with it.
    let (mut lee, _) = Client::hello(server.address, "lee", json!({})).await;
    let forgotten = async {
        loop {
            let rooms = lee.ask(json!({"type": "rooms", "id": "1"})).await;
            if rooms["rooms"] == json!([{"room": "dev", "count": 0, "top": 300}]) && server.hub.open_rooms() == 0 {
                break;
            }
        }
    };
    timeout(DEADLINE, forgotten).await.expect("an empty room stays in memory");
    let replay = rejoin(&mut lee, json!({"epoch": epoch, "seq": 20})).await;
    assert_eq!((&replay[0]["resume"], gaps(&replay)), (&json!("ok"), vec![]));
    assert_eq!(messages(&replay), (21..=300).collect::<Vec<_>>());
    assert_eq!(lee.ask(json!({"type": "send", "id": "2", "text": "live"})).await["seq"], 301);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_history_is_an_epoch_gap() {
    let server = TestServer::with(&["--sends-per-second", "0"]);
    let (_kim, epoch) = fill(&server, 60).await;
    let (mut lee, _) = Client::hello(server.address, "lee", json!({})).await;
    for ask in [json!({"epoch": "other", "seq": 3}), json!({"epoch": epoch, "seq": 61})] {
        let replay = rejoin(&mut lee, ask).await;
        assert_eq!((&replay[0]["resume"], gaps(&replay)), (&json!("gap"), vec![(1, 60, "epoch")]));
        assert_eq!(messages(&replay), (11..=60).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_or_no_longer_kept_is_told_as_a_gap() {
    let server = TestServer::with(&["--sends-per-second", "0", "--history-messages", "1100"]);
    let (_kim, epoch) = fill(&server, 1200).await;
    let (mut lee, _) = Client::hello(server.address, "lee", json!({})).await;
    let replay = rejoin(&mut lee, json!({"epoch": epoch, "seq": 200})).await;
    assert_eq!((messages(&replay).len(), gaps(&replay)), (1000, vec![]));
    let replay = rejoin(&mut lee, json!({"epoch": epoch, "seq": 150})).await;
    assert_eq!(gaps(&replay), [(151, 1000, "too_many")]);
    assert_eq!(messages(&replay), (1001..=1200).collect::<Vec<_>>());
    let replay = rejoin(&mut lee, json!({"epoch": epoch, "seq": 50})).await;
    assert_eq!(
        (&replay[0]["first"], gaps(&replay)),
        (&json!(101), vec![(51, 100, "expired"), (101, 1000, "too_many")])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_bytes_are_too_much_too() {
    let server = TestServer::with(&["--sends-per-second", "0"]);
    let (mut kim, epoch) = fill(&server, 1).await;
    for id in 0..300 {
        kim.ask(json!({"type": "send", "id": format!("x{id}"), "text": "x".repeat(4000)})).await;
    }
    let (mut lee, _) = Client::hello(server.address, "lee", json!({})).await;
    let replay = rejoin(&mut lee, json!({"epoch": epoch, "seq": 1})).await;
    assert_eq!((gaps(&replay), messages(&replay).len()), (vec![(2, 101, "too_many")], 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_room_has_a_position_too() {
    let server = TestServer::start();
    let (mut lee, _) = Client::hello(server.address, "lee", json!({"dev": {}})).await;
    let joined = lee.until("joined").await;
    lee.until("synced").await;
    let replay = rejoin(&mut lee, json!({"epoch": joined["epoch"], "seq": 0})).await;
    assert_eq!((&replay[0]["resume"], &replay[1]["seq"]), (&json!("ok"), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_joins_live_without_a_hole_or_an_overlap() {
    let server = TestServer::with(&["--sends-per-second", "0"]);
    let (mut kim, epoch) = fill(&server, 50).await;
    let address = server.address;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let publisher = tokio::spawn(async move {
        let mut sent = 50_u64;
        while stopped.try_recv().is_err() {
            sent += 1;
            kim.ask(json!({"type": "send", "id": sent.to_string(), "text": "x".repeat((sent % 700) as usize + 1)}))
                .await;
        }
        sent
    });
    let mut readers = Vec::new();
    for reader in 0..8 {
        let epoch = epoch.clone();
        readers.push(tokio::spawn(async move {
            for round in 0..15_u64 {
                let (mut lee, _) = Client::hello(address, &format!("r{reader}"), json!({})).await;
                let from = round * 3;
                lee.send(json!({"type": "join", "room": "dev", "epoch": epoch, "seq": from})).await;
                let mut expected = from + 1;
                let mut live = 0;
                let mut synced = false;
                while live < 30 {
                    let message = lee.next().await;
                    match message["type"].as_str().unwrap() {
                        "message" => {
                            assert_eq!(message["seq"], expected, "round {round}");
                            expected += 1;
                            live += u32::from(synced);
                        }
                        "synced" => {
                            assert_eq!(message["seq"], expected - 1);
                            synced = true;
                        }
                        "gap" => {
                            assert_eq!(message["reason"], "too_many");
                            expected = message["to"].as_u64().unwrap() + 1;
                        }
                        _ => {}
                    }
                }
            }
        }));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    stop.send(()).unwrap();
    assert!(publisher.await.unwrap() > 100);
}
