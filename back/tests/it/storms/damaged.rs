//! Messages that were damaged on their way, at random. `SEED=` repeats a run.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::Others;
use crate::{
    client::{Client, DEADLINE},
    crowd::Numbers,
    server::TestServer,
};

/// Messages of every kind, to be damaged.
const GOOD: &[&str] = &[
    r#"{"type":"hello","name":"kim","rooms":{"dev":{"epoch":"AbCdEfGh","seq":3},"a":{"last":5},"b":{}}}"#,
    r#"{"type":"join","id":"1","room":"dev","epoch":"AbCdEfGh","seq":9007199254740991}"#,
    r#"{"type":"leave","id":"2","room":"dev"}"#,
    r#"{"type":"send","id":"3","room":"dev","text":"안녕 \u0041 \ud83d\ude00","reply_to":1}"#,
    r#"{"type":"edit","id":"4","seq":1,"text":"x"}"#,
    r#"{"type":"delete","id":"5","seq":1}"#,
    r#"{"type":"name","id":"6","name":"민수"}"#,
    r#"{"type":"typing","room":"dev"}"#,
    r#"{"type":"read","id":"7","room":"dev","seq":1}"#,
    r#"{"type":"history","id":"8","room":"dev","before":10,"limit":200}"#,
    r#"{"type":"search","id":"9","room":"dev","text":"회의","before":7}"#,
    r#"{"type":"who","id":"10","room":"dev","after":"u7Zk2mQ0aB-_x9Yc"}"#,
    r#"{"type":"ban","id":"11","user":"u7Zk2mQ0aB-_x9Yc","seconds":60,"reason":"x","address":true}"#,
    r#"{"type":"slow","id":"12","seconds":5}"#,
    r#"{"type":"ping","id":"13"}"#,
    "/join dev",
    "/history 20",
    "//x",
];

/// What is put into them.
const PIECES: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\\",
    "\\u",
    "\\ud800",
    "\u{0}",
    "\u{1b}[31m",
    "\r\n",
    "\u{202E}",
    "\u{301}",
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "1.5",
    "18446744073709551616",
    "9007199254740993",
    "\"type\":\"send\",",
    "\"\":\"\"",
    "𐀀",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "\"__proto__\":{},",
    "NaN",
    " ",
    "//",
    "/",
];

fn damaged(numbers: &mut Numbers) -> String {
    let mut bytes = GOOD[numbers.below(GOOD.len() as u64) as usize].as_bytes().to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() as u64 + 1) as usize;
        let to = (at + 1 + numbers.below(12) as usize).min(bytes.len());
        match numbers.below(5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(7),
            1 => drop(bytes.drain(at..to)),
            2 => {
                let copy = bytes[at..to].repeat(1 + numbers.below(50) as usize);
                bytes.splice(at..at, copy);
            }
            _ => {
                let piece = PIECES[numbers.below(PIECES.len() as u64) as usize];
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_messages_that_were_damaged_on_their_way() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |age| age.as_nanos() as u64)
    });
    println!("SEED={seed}");
    let mut numbers = Numbers(seed);
    let server = TestServer::with(&["--sends-per-second", "0", "--history", "memory", "--presence-interval", "1"]);
    let mut others = Others::come(server.address).await;
    let storm = async {
        let mut sent = 0;
        'connections: while sent < 20_000 {
            let subprotocol = (sent % 2 == 0).then_some("chat.v1");
            let mut client = Client::open(server.address, "/rooms/dev", subprotocol).await;
            if subprotocol.is_some() && numbers.below(8) > 0 {
                client.say(r#"{"type":"hello","rooms":{"dev":{"last":0}}}"#).await;
            }
            // Ten malformed ones in a row would be the end of it.
            for round in 0..200 {
                let text = damaged(&mut numbers);
                if client.websocket.feed(Message::text(text)).await.is_err() {
                    break;
                }
                sent += 1;
                if round % 8 == 7 && client.websocket.send(Message::text(r#"{"type":"ping"}"#)).await.is_err() {
                    break;
                }
                if round % 40 == 39 {
                    _ = client.websocket.send(Message::text(r#"{"type":"ping","id":"end"}"#)).await;
                    if !reads_to_pong(&mut client).await {
                        continue 'connections;
                    }
                }
            }
            _ = client.websocket.send(Message::text(r#"{"type":"ping","id":"end"}"#)).await;
            reads_to_pong(&mut client).await;
        }
    };
    others.during(storm).await;
}

/// Whatever comes is a message of the protocol, and an end is an orderly one; says whether the connection lives.
async fn reads_to_pong(client: &mut Client) -> bool {
    let mut is_closed = false;
    loop {
        match timeout(DEADLINE, client.websocket.next()).await.expect("no answer and no end") {
            Some(Ok(Message::Text(text))) => {
                let said: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                let kind = said["type"].as_str().unwrap_or_else(|| panic!("{text}"));
                assert!(said["code"] != "internal", "{text}");
                if kind == "pong" && said["id"] == "end" {
                    return true;
                }
            }
            Some(Ok(Message::Close(close))) => is_closed = close.is_some_and(|close| u16::from(close.code) != 1011),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => {
                assert!(is_closed, "the connection was lost");
                return false;
            }
        }
    }
}
