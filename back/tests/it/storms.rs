//! One client, or many of one mind, do a harmless thing without end; the others are served meanwhile. How much is
//! scaled down by flags, so that the limits are met within seconds.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, DEADLINE, NOTES_REQUEST, client_frame, raw_websocket, request_from},
    crowd::Numbers,
    ops::scrape,
    process::{Back, resident_bytes},
    server::TestServer,
};

/// Two people, of whom one speaks and both hear.
struct Others(Client, Client, u64);

impl Others {
    async fn come(address: SocketAddr) -> Self {
        Self(Client::in_room(address, "kim", "calm").await, Client::in_room(address, "lee", "calm").await, 0)
    }

    /// Says something and waits until the other has heard it.
    async fn talk(&mut self) {
        let Self(kim, lee, said) = self;
        *said += 1;
        kim.send(json!({"type": "send", "room": "calm", "text": said.to_string()})).await;
        let heard = lee.until("message").await;
        assert_eq!((&heard["seq"], &heard["text"]), (&json!(*said), &json!(said.to_string())));
    }

    /// Talks for as long as this goes on, and once more.
    async fn during<T>(&mut self, storm: impl Future<Output = T>) -> T {
        let mut storm = std::pin::pin!(storm);
        loop {
            tokio::select! {
                // What was said is also waited for when it ends in between.
                biased;
                ended = &mut storm => {
                    self.talk().await;
                    return ended;
                }
                () = sleep(Duration::from_millis(10)) => {}
            }
            self.talk().await;
        }
    }
}

/// The first line of the answer, or nothing where the server is gone.
async fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut line = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut line)).await.expect("somebody is left waiting").ok()?;
    std::str::from_utf8(&line[9..]).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_heads_that_come_a_byte_at_a_time() {
    let server = TestServer::with(&["--handshake-timeout", "1.5", "--sends-per-second", "0"]);
    let ops = server.ops();
    let mut others = Others::come(server.address).await;
    let drip = async |_| {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        for byte in NOTES_REQUEST.bytes() {
            if stream.write_u8(byte).await.is_err() {
                break;
            }
            let answered = timeout(Duration::from_millis(40), stream.readable()).await;
            if answered.is_ok() {
                break;
            }
        }
        status(&mut stream).await
    };
    let answers = others.during(join_all((0..500).map(drip))).await;
    assert!(answers.iter().all(|answer| *answer == Some(408)), "{answers:?}");
    let seen = scrape(ops).await;
    assert_eq!(seen.value("madang_back_handshakes_refused_total", &[("reason", "too_slow")]), 500.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_connections_from_one_address() {
    let back =
        Back::start(&["--ops", "127.0.0.1:0", "--connects-per-second-per-address", "0", "--sends-per-second", "0"]);
    let mut others = Others::come(back.address).await;
    let before = resident_bytes(back.id());
    let request = request_from("203.0.113.9");
    let come = async |_| {
        let mut stream = TcpStream::connect(back.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        (status(&mut stream).await, stream)
    };
    let mut inside = Vec::new();
    let mut refused = 0;
    for _ in 0..50 {
        for (answer, stream) in others.during(join_all((0..100).map(come))).await {
            match answer {
                Some(101) => inside.push(stream),
                Some(429) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((inside.len(), refused), (100, 4_900));
    let grown = resident_bytes(back.id()).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes");
    // Somebody else at any other address comes in.
    Client::from_there(back.address, "203.0.113.10", "/", None).await.until("welcome").await;
    let seen = scrape(back.ops.unwrap()).await;
    assert_eq!(seen.value("madang_back_limits_hit_total", &[("limit", "connections_per_address")]), 4_900.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_pings_from_somebody_who_reads_them() {
    let server = TestServer::with(&["--sends-per-second", "0"]);
    let mut others = Others::come(server.address).await;
    let stream = raw_websocket(server.address, "/echo").await;
    let (mut reading, mut writing) = stream.into_split();
    let ping = client_frame(0x89, b"x").repeat(100);
    let storm = async {
        let write = async {
            for _ in 0..1_000 {
                timeout(DEADLINE, writing.write_all(&ping)).await.unwrap().unwrap();
            }
        };
        // A pong without a mask has three bytes.
        let mut pongs = vec![0; 3 * 100_000];
        let read = timeout(4 * DEADLINE, reading.read_exact(&mut pongs));
        let ((), read) = tokio::join!(write, read);
        read.unwrap().unwrap();
        assert!(pongs.chunks(3).all(|pong| pong == [0x8A, 1, b'x']));
    };
    others.during(storm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_at_echo_comes_back_whole_at_the_rate_of_requests() {
    const MESSAGES: usize = 300;
    let server = TestServer::with(&["--requests-per-second", "50", "--sends-per-second", "0"]);
    let ops = server.ops();
    let mut others = Others::come(server.address).await;
    let flood = async |there: &str| {
        let (mut writing, mut reading) =
            Client::from_there(server.address, there, "/echo", None).await.websocket.split();
        let begun = tokio::time::Instant::now();
        let write = async {
            for n in 0..MESSAGES {
                writing.send(Message::text(n.to_string())).await.unwrap();
            }
        };
        let read = async {
            for n in 0..MESSAGES {
                let said = timeout(DEADLINE, reading.next()).await.expect("an echo is missing").unwrap().unwrap();
                assert_eq!(said, Message::text(n.to_string()));
            }
        };
        tokio::join!(write, read);
        begun.elapsed()
    };
    let took = others.during(join_all((0..20).map(|_| flood("203.0.113.9")))).await;
    // 250 at once, and 50 a second. The clocks' steps may make it a little less.
    assert!(took.iter().all(|took| *took > Duration::from_millis(900)), "{took:?}");
    let hits = async || scrape(ops).await.value("madang_back_limits_hit_total", &[("limit", "requests_per_second")]);
    let hit = hits().await;
    assert!(hit >= 20.0, "{hit}");
    // This machine has no address.
    flood("127.0.0.1").await;
    assert_eq!(hits().await, hit);
}

#[tokio::test(flavor = "multi_thread")]
async fn comings_and_goings_without_end_are_told_at_a_pace() {
    let server = TestServer::with(&["--presence-interval", "0.25", "--sends-per-second", "0"]);
    let mut others = Others::come(server.address).await;
    let mut onlooker = Client::in_room(server.address, "mo", "busy").await;
    let storm = async {
        for round in 0..10 {
            join_all((0..40).map(async |n| {
                let (mut guest, _) =
                    Client::hello(server.address, &format!("guest {round} {n}"), json!({"busy": {}})).await;
                guest.until("synced").await;
                guest.send(json!({"type": "quit"})).await;
                assert_eq!(guest.close_code().await, 1000);
            }))
            .await;
        }
    };
    let begun = tokio::time::Instant::now();
    others.during(storm).await;
    let intervals = begun.elapsed().as_millis() as usize / 250;
    onlooker.send(json!({"type": "ping", "id": "end"})).await;
    let mut deltas = 0;
    loop {
        let message = onlooker.next().await;
        match message["type"].as_str() {
            Some("pong") => break,
            Some("presence") => deltas += 1,
            _ => {}
        }
    }
    // 400 came and 400 went.
    assert!(deltas <= intervals + 2, "{deltas} deltas in {intervals} intervals");
}

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
