//! Names without end, and such as deceive.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::Others;
use crate::{
    client::{Client, DEADLINE},
    ops::scrape,
    process::{Back, resident_bytes},
    server::TestServer,
};

/// Joins, says something in and leaves rooms of these numbers, as fast as it is let; says how many were refused.
async fn through_rooms(client: &mut Client, numbers: std::ops::Range<u64>) -> u64 {
    let (mut writing, mut reading) = (&mut client.websocket).split();
    let count = numbers.end - numbers.start;
    let write = async {
        for n in numbers {
            let room = format!("{n:x}-{}", "r".repeat(40));
            for said in [
                json!({"type": "join", "room": room, "last": 0}),
                json!({"type": "send", "id": n.to_string(), "room": room, "text": "x"}),
                json!({"type": "leave", "room": room}),
            ] {
                writing.feed(Message::text(said.to_string())).await.unwrap();
            }
        }
        writing.flush().await.unwrap();
    };
    let read = async {
        let (mut stored, mut refused) = (0, 0);
        while stored + refused < count {
            let said = timeout(DEADLINE, reading.next()).await.expect("no answer").unwrap().unwrap();
            let Message::Text(text) = said else { continue };
            let said: Value = serde_json::from_str(&text).unwrap();
            match said["type"].as_str().unwrap() {
                "ok" => stored += 1,
                "error" => {
                    // Who may not open a room is not in it.
                    assert!(["room_limit", "not_joined"].contains(&said["code"].as_str().unwrap()), "{said}");
                    refused += u64::from(said["id"].is_string());
                }
                _ => {}
            }
        }
        refused
    };
    tokio::join!(write, read).1
}

/// `scripts/names` is the attack in its full size, by every door; `NAMES=` makes this one larger.
#[tokio::test(flavor = "multi_thread")]
async fn room_names_without_end() {
    let count: u64 = std::env::var("NAMES").map_or(2_500, |count| count.parse().unwrap());
    let limit = count / 10;
    let (rooms, kept) = (format!("--rooms={}", limit + 50), format!("--history-rooms={limit}"));
    let flags = [&*rooms, &*kept, "--presence-grace=0", "--sends-per-second=0", "--ops=127.0.0.1:0"];
    let back = Back::start(&flags);
    let mut others = Others::come(back.address).await;
    let mut eve = Client::in_room(back.address, "eve", "calm").await;
    // Up to its limits the server may grow.
    others.during(through_rooms(&mut eve, 0..2 * limit)).await;
    let before = resident_bytes(back.id());
    let refused = others.during(through_rooms(&mut eve, 2 * limit..count)).await;
    let grown = resident_bytes(back.id()).saturating_sub(before);
    println!("{count} names: {before} bytes at the limit, {grown} more after the rest");
    assert_eq!(refused, count - 2 * limit, "each new name is refused");
    // The others' talk fills caches meanwhile; whoever kept the names would need a hundred bytes for each.
    assert!(grown < (2 << 20) + 16 * refused, "{grown} bytes for {refused} names");
    let seen = scrape(back.ops.unwrap()).await;
    assert!(seen.value("madang_back_rooms", &[]) <= limit as f64 + 50.0);
    let hit = |limit| seen.value("madang_back_limits_hit_total", &[("limit", limit)]);
    assert!(hit("rooms") + hit("history_rooms") >= refused as f64);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_deceive_are_refused_wherever_they_are_given() {
    let server = TestServer::start();
    let mut kim = Client::in_room(server.address, "kim", "dev").await;
    for bad in [
        "gnp\u{202E}cod.exe",
        "\u{2066}kim",
        "ki\u{200B}m",
        "ki\u{200D}m",
        "kim\u{FEFF}",
        "\u{3164}",
        "kim\r\nlee",
        "\u{1b}[2Jkim",
        "kim\u{E0041}",
    ] {
        let named = kim.ask(json!({"type": "name", "id": "1", "name": bad})).await;
        let joined = kim.ask(json!({"type": "join", "id": "2", "room": bad})).await;
        assert_eq!((&named["code"], &joined["code"]), (&json!("bad_name"), &json!("bad_name")), "{bad:?}");
    }
    // As much of it as a message holds, and more.
    let marks = "e".to_owned() + &"\u{301}".repeat(30_000);
    assert_eq!(kim.ask(json!({"type": "name", "id": "3", "name": marks})).await["code"], "bad_name");
    assert_eq!(kim.ask(json!({"type": "join", "id": "4", "room": marks})).await["code"], "bad_name");
    // Letters of other scripts are letters; people are told apart by their id.
    assert_eq!(kim.ask(json!({"type": "name", "id": "5", "name": "kіm"})).await["type"], "ok");
    let mut eve = Client::in_room(server.address, "eve", "dev").await;
    let _ = eve.websocket.send(Message::text("\u{301}".repeat(500_000))).await;
    assert_eq!(eve.close_code().await, 1009);
    kim.expect_silence().await;
}
