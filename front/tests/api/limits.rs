//! Each limit, attacked.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use serde_json::json;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, sleep},
};

use crate::{house::House, http::DEADLINE, person::Person};

#[tokio::test]
async fn streams_and_waiting_polls_have_a_number() {
    let house = House::with(&[], &["--readers", "3"]);
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(house.stream("/api/rooms/dev/events", &[]).await);
    }
    for path in ["/api/rooms/dev/events", "/api/rooms/dev/stream", "/api/rooms/dev/messages?after=0&wait=20"] {
        let answer = house.get(path).await;
        assert_eq!(answer.problem(), (503, "overloaded".to_owned()), "{path}");
        assert_eq!((answer.header("retry-after"), answer.json()["limit"].as_u64()), ("1", Some(3)));
    }
    // Who does not wait is served.
    assert_eq!(house.get("/api/rooms/dev/messages?after=0").await.status, 200);
    drop(streams.pop());
    let begun = Instant::now();
    // A place is free when front notices that somebody left: with the next message.
    loop {
        house.say("dev", "x").await;
        let stream = house.stream("/api/rooms/dev/events", &[]).await;
        if stream.status == 200 {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "the place stays taken");
    }
}

#[tokio::test]
async fn rooms_that_are_read_have_a_number_and_idle_ones_make_place() {
    let house = House::with(&[], &["--rooms", "2"]);
    let one = house.stream("/api/rooms/a/events", &[]).await;
    assert_eq!((one.status, house.get("/api/rooms/b/messages?after=0").await.status), (200, 200));
    // b is read by nobody any more.
    let two = house.stream("/api/rooms/c/events", &[]).await;
    assert_eq!(two.status, 200);
    let answer = house.get("/api/rooms/d/events").await;
    assert_eq!((answer.problem(), answer.json()["limit"].as_u64()), ((503, "overloaded".to_owned()), Some(2)));
    // Saying something, and looking, need no place.
    house.say("d", "x").await;
    assert_eq!(house.json("/api/rooms/d/messages").await["top"], 1);
}

#[tokio::test]
async fn more_rooms_than_a_connection_holds_are_read_over_several() {
    let house = House::open();
    let mut streams = Vec::new();
    for n in 0..130 {
        streams.push(house.stream(&format!("/api/rooms/r{n}/events"), &[]).await);
    }
    for (n, stream) in streams.iter_mut().enumerate() {
        assert_eq!(stream.event().await.kind, "synced", "{n}");
    }
    house.say("r0", "first").await;
    house.say("r129", "last").await;
    assert_eq!(streams[0].texts(1).await, ["first"]);
    assert_eq!(streams[129].texts(1).await, ["last"]);
}

#[tokio::test]
async fn sessions_have_a_number() {
    let house = House::with(&[], &["--sessions", "2"]);
    let begin = async || house.ask("POST", "/api/sessions", &[], "").await;
    let one = begin().await;
    assert_eq!((one.status, begin().await.status), (201, 201));
    assert_eq!(begin().await.problem(), (503, "overloaded".to_owned()));
    let secret = format!("Bearer {}", one.json()["session"].as_str().unwrap());
    assert_eq!(house.ask("DELETE", one.header("location"), &[("Authorization", &secret)], "").await.status, 204);
    let begun = Instant::now();
    while begin().await.status != 201 {
        assert!(begun.elapsed() < DEADLINE, "the place stays taken");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Whether there is a request that nobody has answered.
fn is_waiting(stream: Option<&TcpStream>) -> bool {
    stream.is_some_and(|stream| stream.readable().now_or_never().is_none())
}

#[tokio::test]
async fn bodies_that_come_slowly_take_places_and_are_given_up() {
    let house = House::with(&[], &["--posts", "2"]);
    let begin = async |path: &str| {
        let mut stream = TcpStream::connect(&house.front_address).await.unwrap();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nConnection: close\r\n\r\nx");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    // Those of the form too.
    let mut slow: [(_, Option<TcpStream>); 2] = [("/api/rooms/dev/messages", None), ("/r/dev", None)];
    let begun = Instant::now();
    // From the moment when both are being read there is no place.
    let refused = loop {
        for (path, stream) in &mut slow {
            // A place that this test took itself may have been the one that was missing: then it comes again.
            if !is_waiting(stream.as_ref()) {
                *stream = Some(begin(path).await);
            }
        }
        let answer = house.ask("POST", "/api/rooms/dev/messages", &[], "hello").await;
        if answer.status == 503 && slow.iter().all(|(_, stream)| is_waiting(stream.as_ref())) {
            break answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(8), "slow bodies take no place");
    };
    assert_eq!(refused.problem(), (503, "overloaded".to_owned()));
    assert_eq!(house.ask("POST", "/r/dev", &[], "").await.status, 503);
    for mut stream in slow.into_iter().filter_map(|(_, stream)| stream) {
        let mut answer = String::new();
        tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(house.ask("POST", "/api/rooms/dev/messages", &[], "hello").await.status, 201);
}

#[tokio::test]
async fn what_was_begun_keeps_its_place_when_the_connection_is_reset() {
    // It takes connections and answers nobody: everything that is begun goes on for seconds.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let house = House::before(address.clone(), &["--posts", "2"], None, address, data);
    let mut begun = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(&house.front_address).await.unwrap();
        let request = "POST /api/rooms/dev/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::select! {
            taken = silent.accept() => begun.push(taken.unwrap()),
            refused = stream.readable() => refused.unwrap(),
        }
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
    }
    assert_eq!(begun.len(), 2);
}

/// Bytes that a process holds in memory.
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn readers_who_do_not_read_cost_bounded_memory_and_delay_nobody() {
    let house = House::open();
    let mut kim = Person::join(&house.back_address, "kim", "dev").await;
    let mut deaf = Vec::new();
    for _ in 0..100 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(house.front_address.parse().unwrap()).await.unwrap();
        stream.write_all(b"GET /api/rooms/dev/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        deaf.push(stream);
    }
    let mut reader = house.stream("/api/rooms/dev/events?last=0", &[]).await;
    assert_eq!(reader.event().await.kind, "synced");
    let before = resident(house.front_pid());
    let text = "x".repeat(8 * 1024);
    // 16 MiB in all: a copy for each would be 1.6 GiB.
    for n in 0..2_000 {
        let said = json!({ "type": "send", "id": n.to_string(), "text": text });
        if n % 20 < 19 {
            kim.send(said).await;
        } else {
            assert_eq!(kim.ask(said).await["type"], "ok");
            // Somebody who reads is served while the others are not.
            reader.texts(20).await;
        }
    }
    let grown = resident(house.front_pid()).saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "{} MiB for 100 readers", grown / 1024 / 1024);
    drop(deaf);
}

/// What one guest after the other gets who posts from there, each of them somebody new.
async fn posts_from(house: &House, there: &str, count: usize) -> Vec<(u16, u64)> {
    let mut answers = Vec::new();
    for _ in 0..count {
        let answer = house.ask("POST", "/api/rooms/dev/messages", &[("X-Forwarded-For", there)], "hello").await;
        if answer.status != 201 {
            assert_eq!(answer.problem(), (429, "rate_limited".to_owned()));
            assert!(answer.json()["text"].as_str().unwrap().contains("address"), "{answer:?}");
        }
        answers.push((answer.status, answer.header("retry-after").parse().unwrap_or(0)));
    }
    answers
}

#[tokio::test]
async fn guests_who_post_share_the_rate_of_their_address() {
    for flag in ["--sends-per-second-per-address", "--connects-per-second-per-address"] {
        let house = House::with(&[flag, "1"], &[]);
        let begun = Instant::now();
        let answers = posts_from(&house, "203.0.113.9", 40).await;
        let refused = answers.iter().filter(|(status, _)| *status == 429).count() as u64;
        // A burst of 2 or 5, and one a second.
        assert!(refused >= 40 - 6 - begun.elapsed().as_secs(), "{flag}: {refused} of 40 were refused");
        assert!(answers.iter().all(|(status, after)| *status == 201 || (1..=5).contains(after)), "{answers:?}");
        assert_eq!(posts_from(&house, "203.0.113.10", 1).await, [(201, 0)], "{flag}: somebody else");
        // This machine has no address.
        for _ in 0..40 {
            house.say("dev", "x").await;
        }
    }
}

#[tokio::test]
async fn a_session_over_http_is_a_connection_of_its_visitors_address() {
    let house = House::with(&["--connections-per-address", "2"], &[]);
    let begin = async |there: &str| house.ask("POST", "/api/sessions", &[("X-Forwarded-For", there)], "").await;
    let one = begin("203.0.113.9").await;
    assert_eq!((one.status, begin("203.0.113.9").await.status), (201, 201));
    let refused = begin("203.0.113.9").await;
    assert_eq!((refused.problem(), refused.header("retry-after")), ((429, "rate_limited".to_owned()), "10"));
    assert_eq!(begin("203.0.113.10").await.status, 201);
    let secret = format!("Bearer {}", one.json()["session"].as_str().unwrap());
    assert_eq!(house.ask("DELETE", one.header("location"), &[("Authorization", &secret)], "").await.status, 204);
    let begun = Instant::now();
    while begin("203.0.113.9").await.status != 201 {
        assert!(begun.elapsed() < DEADLINE, "the place stays taken");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn questions_wait_in_a_number_while_back_does_not_answer() {
    let house = House::open();
    let path = "/api/rooms/dev/users";
    assert_eq!(house.get(path).await.status, 200);
    house.hold_back(true);
    let mut asked: FuturesUnordered<_> = (0..600).map(|_| house.get(path)).collect();
    let begun = Instant::now();
    let refused = asked.next().await.unwrap();
    assert_eq!(refused.problem(), (503, "overloaded".to_owned()));
    assert!(refused.body.contains("too many questions wait"), "{refused:?}");
    assert!(!refused.header("retry-after").is_empty() && begun.elapsed() < Duration::from_secs(9), "at once");
    house.hold_back(false);
    // The others had waited for it.
    let answered = asked.filter(|answer| std::future::ready(answer.status == 200)).count().await;
    assert!((32..600).contains(&answered), "{answered}");
}

#[tokio::test]
async fn heads_that_do_not_end_or_are_too_long_are_given_up() {
    let house = House::open();
    let begin = async |head: &str| {
        let mut stream = TcpStream::connect(&house.front_address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let answer = async |stream: &mut TcpStream| {
        let mut bytes = Vec::new();
        // It may be reset, because not all of it was read.
        _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("it ends");
        String::from_utf8(bytes).unwrap()
    };
    let mut still: Vec<TcpStream> = Vec::new();
    for _ in 0..100 {
        still.push(begin("GET / HTTP/1.1\r\nHost: local").await);
    }
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(200));
    assert!(answer(&mut begin(&many).await).await.starts_with("HTTP/1.1 4"));
    let mut long = begin("GET / HTTP/1.1\r\nHost: localhost\r\nX: ").await;
    let written = async { while long.write_all(&[b'x'; 8192]).await.is_ok() {} };
    tokio::time::timeout(DEADLINE, written).await.expect("it is not read for ever");
    // Meanwhile others are served.
    assert_eq!(house.get("/").await.status, 200);
    for stream in &mut still {
        assert!(answer(stream).await.starts_with("HTTP/1.1 408 "));
    }
    // One that comes a byte at a time ends as well.
    let mut slow = begin("GET / HTTP/1.1\r\nX: ").await;
    let dripped = async {
        while slow.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(DEADLINE, dripped).await.expect("it is not waited for for ever");
}
