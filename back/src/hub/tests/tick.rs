//! How many system calls a burst costs each client, and a message that comes alone.

use serde_json::Value;

use super::{script::frames, *};

const PUBLISHERS: usize = 16;
const EACH: usize = 4;

#[tokio::test]
async fn what_comes_in_one_tick_leaves_in_few_sends() {
    let yard = Yard::new(Counting::new(100_000, false), QUIET).publish();
    let room = yard.hub.open(&RoomName::lobby()).await.ok().unwrap();
    let mut clients = Vec::new();
    // The publishers are in the room too; they are answered before they read what they said.
    for n in 0..2 * PUBLISHERS {
        let (script, outlet, _) = connect(&yard.hub);
        let membership = yard.hub.enter(Arc::clone(&room), &outlet, person(n), true, &Ask::Default, None).await;
        clients.push((script, outlet, membership.ok().unwrap()));
    }
    let is_synced = |script: &Script| contains(&script.take(), "synced");
    for (script, _, _) in &clients {
        until(|| is_synced(script)).await;
    }
    let before: Vec<usize> = clients.iter().map(|(script, _, _)| script.calls().all).collect();
    for (n, (_, outlet, _)) in clients.iter().enumerate().take(PUBLISHERS) {
        let (hub, outlet) = (Arc::clone(&yard.hub), Arc::clone(outlet));
        tokio::spawn(async move {
            for i in 0..EACH {
                let change = says(n, Says::Text { text: format!("{n}:{i}"), reply_to: None });
                let id = shared::MessageId::parse(&format!("{n}-{i}")).unwrap();
                let receipt = Receipt { outlet: Arc::clone(&outlet), id: Some(id), coming: None };
                assert!(hub.history().append(Append { change, receipt }).await.is_ok());
            }
        });
    }
    let top = PUBLISHERS * EACH;
    for (n, (script, _, _)) in clients.iter().enumerate() {
        let mut written = Vec::new();
        until(|| {
            written.extend(script.take());
            contains(&written, &format!("\"type\":\"message\",\"room\":\"lobby\",\"seq\":{top},"))
        })
        .await;
        let heard: Vec<Value> =
            frames(&written).0.iter().map(|(_, json)| serde_json::from_slice(json).unwrap()).collect();
        let seqs = |kind: &str| -> Vec<u64> {
            heard
                .iter()
                .filter(|message| message["type"] == kind)
                .map(|message| message["seq"].as_u64().unwrap())
                .collect()
        };
        assert_eq!(seqs("message"), (1..=top as u64).collect::<Vec<u64>>());
        let is_publisher = n < PUBLISHERS;
        assert_eq!(seqs("ok").len(), if is_publisher { EACH } else { 0 });
        let sends = script.calls().all - before[n];
        assert!(sends > 0 && sends <= 4, "client {n}: {sends} sends");
        println!("client {n}: {sends} sends");
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn in_a_small_room_the_answer_leaves_together_with_the_message() {
    const MEMBERS: usize = 4;
    let yard = Yard::new(Counting::new(100_000, false), QUIET).publish();
    let room = yard.hub.open(&RoomName::lobby()).await.ok().unwrap();
    let mut clients = Vec::new();
    for n in 0..MEMBERS {
        let (script, outlet, _) = connect(&yard.hub);
        let membership = yard.hub.enter(Arc::clone(&room), &outlet, person(n), true, &Ask::Default, None).await;
        clients.push((script, outlet, membership.ok().unwrap()));
    }
    for (script, _, _) in &clients {
        until(|| contains(&script.take(), "synced")).await;
    }
    for seq in 1..=20 {
        // Long enough that nobody has just been heard: who speaks then is alone.
        until(|| room.pace().is_quiet(Instant::now())).await;
        let before: Vec<usize> = clients.iter().map(|(script, _, _)| script.calls().all).collect();
        let sender = Arc::clone(&clients[seq % MEMBERS].1);
        let id = shared::MessageId::parse(&seq.to_string()).unwrap();
        let receipt = Receipt { outlet: sender, id: Some(id), coming: None };
        assert!(yard.hub.history().append(Append { change: say(seq), receipt }).await.is_ok());
        for (n, (script, _, _)) in clients.iter().enumerate() {
            let mut written = Vec::new();
            until(|| {
                written.extend(script.take());
                contains(&written, &format!("message {seq}\""))
            })
            .await;
            let heard = String::from_utf8_lossy(&written);
            let ok = heard.find(r#""type":"ok""#);
            assert_eq!(ok.is_some(), n == seq % MEMBERS, "{heard}");
            assert!(ok < heard.find(r#""type":"message""#), "the answer comes first: {heard}");
            assert_eq!(script.calls().all - before[n], 1, "client {n}");
        }
    }
}
