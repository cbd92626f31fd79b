//! Requests that are sent ahead on a connection, before the answers to those before them.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    house::House,
    http::DEADLINE,
    openmetrics::Scrape,
    ops::{OPS, scrape, scrape_until},
};

/// A small request that is answered at once.
const SMALL: &str = "GET / HTTP/1.1\r\nHost:a\r\n\r\n";

#[tokio::test]
async fn all_that_is_sent_ahead_is_answered_in_its_order() {
    let house = House::open();
    let mut stream = TcpStream::connect(&house.front_address).await.unwrap();
    let mut sent = String::new();
    for n in 0..60 {
        sent += "GET /about HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
        // Blank lines in a body are no ends of heads, nor are chunks.
        let text = format!("{n}\n\n\r\n\r\nend");
        let at = "POST /api/rooms/dev/messages HTTP/1.1\r\nHost: localhost\r\n";
        sent += &format!("{at}Content-Length: {}\r\n\r\n{text}", text.len());
        sent += &format!("{at}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n3\r\n, 2\r\n0\r\n\r\n", text.len());
    }
    sent += "GET /api/rooms/dev/messages?limit=200 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let (mut reader, mut writer) = stream.split();
    let mut answers = Vec::new();
    let written = async { writer.write_all(sent.as_bytes()).await.unwrap() };
    let ((), read) = tokio::join!(written, timeout(DEADLINE, reader.read_to_end(&mut answers)));
    read.expect("it ends").unwrap();
    let answers = String::from_utf8_lossy(&answers);
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    let expected: Vec<&str> = ["200", "201", "201"].repeat(60).into_iter().chain(["200"]).collect();
    assert_eq!(statuses, expected, "{answers}");
    let history = answers.rsplit("\r\n\r\n").next().unwrap();
    let history: serde_json::Value = serde_json::from_str(history).unwrap();
    let texts = history["messages"].as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap());
    let said = (0..60).flat_map(|n| ["", ", 2"].map(|end| format!("{n}\n\n\r\n\r\nend{end}")));
    assert!(texts.eq(said), "{history}");
}

/// Sends all of it at once, says that this is all, and reads to the end: the answers, each from its status on.
async fn told(house: &House, sent: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(&house.front_address).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answers = Vec::new();
    // Whoever ends a connection need not have read all.
    let written = async {
        _ = writer.write_all(sent.as_bytes()).await;
        _ = writer.shutdown().await;
    };
    let ((), read) = tokio::join!(written, timeout(DEADLINE, reader.read_to_end(&mut answers)));
    _ = read.expect("it ends");
    String::from_utf8_lossy(&answers).split("HTTP/1.1 ").skip(1).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_body_far_behind_ends_no_connection() {
    let house = House::open();
    house.say("dev", "x").await;
    let tag = house.get("/api/rooms/dev/messages").await.header("etag").to_owned();
    let unchanged = format!("GET /api/rooms/dev/messages HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\n\r\n");
    let page = "GET /about HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = "POST /api/rooms/other/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
    for (requests, count) in [
        (format!("{}{post}", unchanged.repeat(16)).repeat(3), 51),
        (format!("{unchanged}{post}").repeat(20), 40),
        (format!("{page}{post}").repeat(20), 40),
        (post.repeat(30), 30),
    ] {
        let answers = told(&house, &requests).await;
        assert_eq!(answers.len(), count);
        let closing = |answer: &String| answer.to_lowercase().contains("connection: close");
        assert_eq!(answers[..count - 1].iter().position(closing), None);
    }
}

#[tokio::test]
async fn a_connection_of_which_nobody_knows_any_more_ends() {
    let house = House::open();
    let open = || std::fs::read_dir(format!("/proc/{}/fd", house.front_pid())).unwrap().count();
    assert_eq!(house.get("/about").await.status, 200);
    let before = open();
    let head = "GET /about HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let wide = head.replace(": chunked", &format!(":{}chunked", " ".repeat(300)));
    for sent in
        [format!("{wide}0\r\n\r\n{SMALL}"), format!("{head}0\r\n\n{}", "X\n\n".repeat(20)), format!("{head}what")]
    {
        for _ in 0..10 {
            // What came before is answered.
            assert!(told(&house, &sent).await.len() <= 2);
            let mut gone = TcpStream::connect(&house.front_address).await.unwrap();
            gone.write_all(sent.as_bytes()).await.unwrap();
        }
    }
    ends(before, open).await;
}

/// Mebibytes that front has asked for.
async fn allocated(house: &House) -> f64 {
    scrape(house).await.value("madang_front_allocated_bytes", &[]) / 1024.0 / 1024.0
}

/// Ten connections whose owners read nothing and send as much of this as is taken.
async fn crowd(house: &House, many: &str) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..10 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(house.front_address.parse().unwrap()).await.unwrap();
        let mut rest = many.as_bytes();
        while let Ok(Ok(n)) = timeout(std::time::Duration::from_millis(300), stream.write(rest)).await {
            rest = &rest[n..];
            if rest.is_empty() {
                break;
            }
        }
        crowd.push(stream);
    }
    crowd
}

/// A poll of a room with one message, which is not answered soon.
const WAITS: &str = "GET /api/rooms/dev/messages?after=1&wait=20 HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn thousands_of_requests_sent_ahead_cost_little() {
    let house = House::with(&[], &OPS);
    house.say("dev", "x").await;
    // Behind one that waits, and to somebody who reads no answer.
    for (first, open) in [(WAITS, 10.0), ("", 0.0)] {
        let before = allocated(&house).await;
        let sent = crowd(&house, &format!("{first}{}", SMALL.repeat(5_000))).await;
        scrape_until(&house, |seen| seen.value("madang_front_open", &[("what", "poll")]) == open).await;
        let grown = allocated(&house).await - before;
        assert!(grown < 5.0, "{grown} MiB for {} connections", sent.len());
        // Meanwhile others are served.
        assert_eq!(house.get("/about").await.status, 200);
    }
}

/// Something to say in so many chunks of a byte, with something beside the size of each.
fn in_bytes(chunks: usize, beside: &str) -> String {
    let head = "POST /api/rooms/dev/messages HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    format!("{head}{}0\r\n\r\n", format!("1{beside}\r\na\r\n").repeat(chunks))
}

#[tokio::test]
async fn large_requests_sent_ahead_cost_little() {
    let beside = format!(";{}", "x".repeat(8_000));
    let wide = format!("GET /about HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(120_000));
    for large in
        [in_bytes(1_000, "").repeat(15), in_bytes(20_000, "").repeat(15), in_bytes(1_000, &beside), wide.repeat(14)]
    {
        let house = House::with(&[], &OPS);
        house.say("dev", "x").await;
        let before = allocated(&house).await;
        let sent = crowd(&house, &format!("{WAITS}{large}")).await;
        scrape_until(&house, |seen| seen.value("madang_front_open", &[("what", "poll")]) == 10.0).await;
        let grown = allocated(&house).await - before;
        assert!(grown < 5.0, "{grown} MiB for {} connections", sent.len());
    }
}

#[tokio::test]
async fn a_connection_whose_body_nobody_reads_ends_with_its_client() {
    let house = House::open();
    let open = || std::fs::read_dir(format!("/proc/{}/fd", house.front_pid())).unwrap().count();
    house.say("dev", "x").await;
    let before = open();
    let unread = WAITS.replace("wait=20", "wait=1").replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
    // More than lies in any buffer here before somebody reads it.
    let sent = format!("{unread}{}0\r\n\r\n", format!("3e8\r\n{}\r\n", "x".repeat(1_000)).repeat(500));
    for _ in 0..3 {
        let answers = told(&house, &format!("{sent}{SMALL}")).await;
        assert_eq!(answers.len(), 2, "{answers:?}");
    }
    ends(before, open).await;
}

/// Waits until no more descriptors are open than before, and one that `front` may keep to `back`.
async fn ends(before: usize, open: impl Fn() -> usize) {
    let begun = std::time::Instant::now();
    while open() > before + 1 {
        assert!(begun.elapsed() < DEADLINE, "{} are open, of {before}", open());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_begun_is_not_waited_for_without_end() {
    let house = House::open();
    let page = "GET /about HTTP/1.1\r\nHost: localhost\r\n";
    // A body that nobody reads, and heads and a blank line behind an answer.
    let unread = format!("{page}Transfer-Encoding: chunked\r\n\r\n5\r\nhel");
    let whole = format!("{page}\r\n");
    for (first, later) in [(&unread, "lo"), (&whole, "G"), (&whole, "\r\n"), (&whole, page)] {
        let mut stream = TcpStream::connect(&house.front_address).await.unwrap();
        stream.write_all(first.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"</html>\n") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{}", String::from_utf8_lossy(&answer));
        }
        stream.write_all(later.as_bytes()).await.unwrap();
        let rest = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
        rest.unwrap_or_else(|_| panic!("{later:?} is waited for")).unwrap();
    }
}

#[tokio::test]
async fn a_body_sent_ahead_is_read_although_its_sender_says_no_more() {
    let house = House::with(&[], &OPS);
    house.say("dev", "x").await;
    let mut stream = TcpStream::connect(&house.front_address).await.unwrap();
    // More than actix looks at before somebody reads it.
    let text = "x".repeat(50_000);
    let head = "POST /api/rooms/dev/messages HTTP/1.1\r\nHost: localhost\r\n";
    let begun = format!("{}{head}Content-Length: {}\r\n\r\n{}", WAITS.replace("20", "2"), text.len(), &text[..40_000]);
    stream.write_all(begun.as_bytes()).await.unwrap();
    scrape_until(&house, |seen| seen.value("madang_front_open", &[("what", "poll")]) == 1.0).await;
    stream.write_all(&text.as_bytes()[40_000..]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answers = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answers)).await.expect("it ends").unwrap();
    let answers = String::from_utf8_lossy(&answers);
    // It is too long for a message, and it was read.
    assert!(answers.contains("too_big") && !answers.contains("could not be read"), "{answers}");
}

#[tokio::test]
async fn who_is_gone_behind_a_body_sent_ahead_waits_no_longer() {
    let house = House::with(&[], &OPS);
    house.say("dev", "x").await;
    let polls = |seen: &Scrape| seen.value("madang_front_open", &[("what", "poll")]);
    let mut there = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&house.front_address).await.unwrap();
        stream.write_all(format!("{WAITS}{}", in_bytes(1, "")).as_bytes()).await.unwrap();
        there.push(stream);
    }
    scrape_until(&house, |seen| polls(seen) == 2.0).await;
    socket2::SockRef::from(&there[0]).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(there.swap_remove(0));
    // The other one waits as long as both would.
    scrape_until(&house, |seen| polls(seen) == 1.0).await;
}

#[tokio::test]
async fn a_body_in_thousands_of_chunks_of_a_byte_is_refused() {
    let house = House::open();
    let answers = told(&house, &in_bytes(1_000, "").repeat(3)).await;
    assert!(answers.len() == 3 && answers.iter().all(|answer| answer.starts_with("201")), "{answers:?}");
    let answers = told(&house, &format!("{}{}", in_bytes(3_000, ""), in_bytes(1, ""))).await;
    assert!(answers.len() == 1 && answers[0].starts_with("400"), "{answers:?}");
    assert!(answers[0].contains("in chunks of 16 bytes and more"), "{answers:?}");
}
