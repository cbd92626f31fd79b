//! What one address may take of what all share, attacked: places, and how fast it may ask.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use shared::SUBPROTOCOL;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self,
        handshake::server::{Request, Response},
        http::HeaderValue,
    },
};

use crate::{
    counted::hits,
    house::House,
    http::DEADLINE,
    openmetrics::Scrape,
    ops::{OPS, scrape_until},
};

#[tokio::test]
async fn one_address_has_its_share_of_the_readers() {
    let house = House::with(&[], &["--readers-per-address", "2"]);
    let there = [("X-Forwarded-For", "203.0.113.9")];
    let one = house.stream("/api/rooms/dev/events", &there).await;
    let two = house.stream("/api/rooms/other/stream", &there).await;
    assert_eq!((one.status, two.status), (200, 200));
    for path in ["/api/rooms/dev/events", "/api/rooms/dev/stream", "/api/rooms/dev/messages?after=0&wait=20"] {
        let answer = house.ask("GET", path, &there, "").await;
        assert_eq!(answer.problem(), (429, "rate_limited".to_owned()), "{path}");
        assert_eq!((answer.header("retry-after"), answer.json()["limit"].as_u64()), ("10", Some(2)), "{path}");
    }
    // Who does not wait is served, and so are others.
    assert_eq!(house.ask("GET", "/api/rooms/dev/messages?after=0", &there, "").await.status, 200);
    assert_eq!(house.stream("/api/rooms/dev/events", &[("X-Forwarded-For", "203.0.113.10")]).await.status, 200);
    let mut local = Vec::new();
    for _ in 0..5 {
        local.push(house.stream("/api/rooms/dev/events", &[]).await);
    }
    assert!(local.iter().all(|stream| stream.status == 200));
    drop(one);
    let begun = Instant::now();
    // A place is free when front notices that somebody left: with the next message.
    loop {
        house.say("dev", "x").await;
        if house.stream("/api/rooms/dev/events", &there).await.status == 200 {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "the place stays taken");
    }
}

/// The head of a request that says something, from an address, and the first byte of its body.
async fn slow_post(house: &House, path: &str, from: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&house.front_address).await.unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {from}\r\nContent-Length: 9\r\n\r\nx");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn one_address_has_its_share_of_the_posts() {
    let house = House::with(&[], &[&OPS[..], &["--posts-per-address", "3"]].concat());
    let open = |seen: &Scrape| seen.value("madang_front_open", &[("what", "post")]);
    let there = [("X-Forwarded-For", "203.0.113.9")];
    let mut slow = Vec::new();
    // Each way to say something.
    for path in ["/api/rooms/dev/messages", "/api/rooms/dev/hook", "/api/sessions"] {
        slow.push(slow_post(&house, path, "203.0.113.9").await);
        scrape_until(&house, |seen| open(seen) == slow.len() as f64).await;
    }
    for path in ["/api/rooms/dev/messages", "/api/sessions"] {
        let refused = house.ask("POST", path, &there, "").await;
        assert_eq!(refused.problem(), (429, "rate_limited".to_owned()), "{path}");
        assert_eq!((refused.header("retry-after"), refused.json()["limit"].as_u64()), ("1", Some(3)), "{path}");
    }
    assert_eq!(house.ask("POST", "/api/rooms/dev/hook", &there, "").await.status, 429);
    assert_eq!(
        house.ask("POST", "/r/dev", &[&there[..], &[("Sec-Fetch-Site", "same-origin")]].concat(), "").await.status,
        429
    );
    for others in ["203.0.113.10", "127.0.0.1"] {
        let said = house.ask("POST", "/api/rooms/dev/messages", &[("X-Forwarded-For", others)], "hello").await;
        assert_eq!(said.status, 201, "{others}");
    }
    assert_eq!(hits(&house, "posts_per_address").await, 4.0);
    drop(slow);
    scrape_until(&house, |seen| open(seen) == 0.0).await;
    assert_eq!(house.ask("POST", "/api/rooms/dev/messages", &there, "hello").await.status, 201);
}

#[expect(clippy::result_large_err, reason = "nobody attacks a test's own server")]
async fn accept(stream: TcpStream) -> WebSocketStream<TcpStream> {
    let choose = |_: &Request, mut answer: Response| {
        answer.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
        Ok(answer)
    };
    tokio_tungstenite::accept_hdr_async(stream, choose).await.unwrap()
}

/// A chat server that answers every question at once and no search at all; it tells of each search.
async fn without_searches() -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (searched, searches) = mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let searched = searched.clone();
            tokio::spawn(async move {
                let mut socket = accept(stream).await;
                while let Some(Ok(said)) = socket.next().await {
                    let Ok(said) = serde_json::from_slice::<Value>(&said.into_data()) else { continue };
                    if said["type"] == "search" {
                        searched.try_send(()).unwrap();
                    } else if said["id"].is_string() {
                        let answer = json!({ "type": "ok", "id": said["id"], "rooms": [] }).to_string();
                        socket.send(tungstenite::Message::text(answer)).await.unwrap();
                    }
                }
            });
        }
    });
    (address, searches)
}

#[tokio::test]
async fn searches_that_take_long_hold_up_nothing_else_and_have_a_number() {
    let (address, mut searches) = without_searches().await;
    let flags = [&OPS[..], &["--searches-per-address", "3", "--searches", "5"]].concat();
    let house = House::before(address.clone(), &flags, None, address, tempfile::tempdir().unwrap());
    let open = |seen: &Scrape| seen.value("madang_front_open", &[("what", "search")]);
    let search = async |from: &str| {
        let mut stream = TcpStream::connect(&house.front_address).await.unwrap();
        let head =
            format!("GET /api/rooms/dev/search?q=x HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {from}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let mut waiting = Vec::new();
    for from in ["203.0.113.9", "203.0.113.9", "203.0.113.9", "203.0.113.10", "203.0.113.11"] {
        waiting.push(search(from).await);
        scrape_until(&house, |seen| open(seen) == waiting.len() as f64).await;
    }
    // The chat server is asked for two of them.
    for _ in 0..2 {
        timeout(DEADLINE, searches.recv()).await.unwrap().unwrap();
    }
    let there = |from| [("X-Forwarded-For", from)];
    let refused = house.ask("GET", "/api/rooms/dev/search?q=x", &there("203.0.113.9"), "").await;
    assert_eq!(refused.problem(), (429, "rate_limited".to_owned()));
    assert_eq!((refused.header("retry-after"), refused.json()["limit"].as_u64()), ("1", Some(3)));
    let refused = house.ask("GET", "/api/rooms/dev/search?q=x", &there("203.0.113.12"), "").await;
    assert_eq!((refused.problem(), refused.json()["limit"].as_u64()), ((503, "overloaded".to_owned()), Some(5)));
    assert_eq!((hits(&house, "searches_per_address").await, hits(&house, "searches").await), (1.0, 1.0));
    // Everything else is answered meanwhile, to the same address and to others.
    for from in ["203.0.113.9", "203.0.113.13"] {
        assert_eq!(house.ask("GET", "/api/rooms", &there(from), "").await.status, 200, "{from}");
    }
    assert!(searches.try_recv().is_err(), "the chat server is asked for two searches at a time");
}

#[tokio::test]
async fn one_address_asks_back_at_its_rate() {
    let house = House::with(&[], &["--questions-per-second-per-address", "1"]);
    house.say("dev", "x").await;
    let begun = Instant::now();
    let mut refused = 0;
    for n in 0..40 {
        let path = ["search?q=x", "users", "messages?before=9", "messages?around=1"][n % 4];
        let path = if n == 0 { "/api/rooms".to_owned() } else { format!("/api/rooms/dev/{path}") };
        let answer = house.ask("GET", &path, &[("X-Forwarded-For", "2001:db8::1")], "").await;
        if answer.status != 200 {
            assert_eq!(answer.problem(), (429, "rate_limited".to_owned()), "{path}");
            assert_eq!(answer.header("retry-after"), "1");
            refused += 1;
        }
    }
    assert!(refused >= 40 - 6 - begun.elapsed().as_secs(), "{refused} of 40 were refused");
    for there in ["2001:db8:0:1::1", "127.0.0.1"] {
        assert_eq!(house.ask("GET", "/api/rooms", &[("X-Forwarded-For", there)], "").await.status, 200);
    }
}

#[tokio::test]
async fn what_is_not_here_yet_is_a_question_and_what_is_here_is_none() {
    let house = House::with(&[], &["--questions-per-second-per-address", "1"]);
    house.say("dev", "x").await;
    let there = [("X-Forwarded-For", "203.0.113.9")];
    let stream = house.stream("/api/rooms/dev/events?last=0", &there).await;
    assert_eq!(stream.status, 200);
    let begun = Instant::now();
    let mut refused = 0;
    for n in 0..40 {
        let path = ["messages", "messages?after=0", "messages?after=0&wait=1", "events", "stream"][n % 5];
        let answer = house.stream(&format!("/api/rooms/room-{n}/{path}"), &there).await;
        assert!([200, 429].contains(&answer.status), "{path}: {}", answer.status);
        refused += u64::from(answer.status == 429);
    }
    assert!(refused >= 40 - 6 - begun.elapsed().as_secs(), "{refused} of 40 were refused");
    // The page without a script is not shown the messages either.
    let (mut shown, mut asked) = (0, 0);
    let begun = Instant::now();
    while asked < 10 {
        shown += u64::from(house.ask("GET", "/r/dev/live", &there, "").await.body.contains("<ol class=\"said\">"));
        asked += 1;
    }
    assert!(shown <= 1 + begun.elapsed().as_secs(), "{shown} of {asked} were shown");
    // A room that is read here costs the chat server nothing.
    for n in 0..40 {
        let path = ["messages", "messages?after=0"][n % 2];
        assert_eq!(house.ask("GET", &format!("/api/rooms/dev/{path}"), &there, "").await.status, 200, "{n}");
    }
    drop(stream);
}
