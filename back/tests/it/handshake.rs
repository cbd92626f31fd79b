//! The opening handshake, over real sockets.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{Client, DEADLINE, NOTES_REQUEST, client_frame, raw, raw_websocket},
    server::TestServer,
};

/// Reads one unmasked text frame.
async fn text_frame(stream: &mut TcpStream) -> String {
    timeout(DEADLINE, async {
        assert_eq!(stream.read_u8().await.unwrap(), 0x81, "a final text frame");
        let length = match stream.read_u8().await.unwrap() {
            126 => usize::from(stream.read_u16().await.unwrap()),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        String::from_utf8(payload).unwrap()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_study_notes_request_gets_101_and_a_readable_greeting() {
    let server = TestServer::start();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(NOTES_REQUEST.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(DEADLINE, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    assert!(text_frame(&mut stream).await.starts_with(r#"{"type":"welcome","server":"madang/"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_typed_by_hand_may_end_its_lines_with_lf() {
    let server = TestServer::start();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for line in NOTES_REQUEST.split_inclusive("\r\n") {
        stream.write_all(line.replace('\r', "").as_bytes()).await.unwrap();
    }
    let mut answer = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_no_handshake_is_told_how_to_connect() {
    let server = TestServer::start();
    let answer = raw(server.address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert!(answer.contains("\r\nUpgrade: websocket\r\n") && answer.contains("new WebSocket("), "{answer}");
    let answer = raw(server.address, b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("/rooms/NAME"), "{answer}");
    let answer = raw(server.address, b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n"), "HEAD has no body: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_from_elsewhere_is_refused_before_the_101() {
    let server = TestServer::with(&["--allow-origin", "https://chat.example.org"]);
    let with = |origin: &str| NOTES_REQUEST.replace("\r\n\r\n", &format!("\r\nOrigin: {origin}\r\n\r\n"));
    for origin in [
        "http://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://evil.example/localhost",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "http://chat.example.org",
        "https://chat.example.org.evil.example",
        "https://evilchat.example.org",
        "https://chat.example.org:8443",
        "HTTPS://EVIL.EXAMPLE",
        "https://chat.example.org\r\nOrigin: http://evil.example",
        "http://evil.example\r\nOrigin: https://chat.example.org",
    ] {
        let answer = raw(server.address, with(origin).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("--allow-origin"), "{origin}: {answer}");
    }
    for origin in
        ["http://localhost:8080", "http://127.0.0.1:8080", "https://chat.example.org", "HTTPS://Chat.Example.Org:443"]
    {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(with(origin).as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101", "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_subprotocol_is_refused_with_the_known_ones() {
    let server = TestServer::start();
    let request = NOTES_REQUEST.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: soap\r\n\r\n");
    let answer = raw(server.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("chat.v1"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_too_long_or_garbage_are_refused() {
    let server = TestServer::start();
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(80_000)), "431"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(40_000)), "431"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101)), "431"),
        ("GET / HTTP/1.1\r\nnonsense\r\n\r\n".to_owned(), "400"),
        ("\u{16}\u{3}\u{1}".to_owned(), "400"),
        (NOTES_REQUEST.replace("13", "8"), "426"),
    ] {
        let answer = raw(server.address, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    Client::in_room(server.address, "kim", "lobby").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_given_up() {
    let server = TestServer::with(&["--handshake-timeout", "0.3"]);
    // One byte at a time, as slow-loris does, until the server has had enough.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let drip = async {
        for byte in NOTES_REQUEST.repeat(100).bytes() {
            if writing.write_u8(byte).await.is_err() || byte == b'\n' {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut answer = String::new();
    let read = timeout(DEADLINE, reading.read_to_string(&mut answer));
    let (_, read) = tokio::join!(drip, read);
    read.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, silent.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("ends with an empty line"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_right_behind_the_request_is_heard() {
    let server = TestServer::start();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = NOTES_REQUEST.replace("GET /", "GET /echo");
    stream.write_all(&[request.as_bytes(), &client_frame(0x81, b"early")].concat()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x81\x05early") {
        answer.push(timeout(DEADLINE, stream.read_u8()).await.unwrap().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_says_so_and_has_room_again_when_somebody_leaves() {
    let server = TestServer::with(&["--connections", "1"]);
    let first = raw_websocket(server.address, "/").await;
    let answer = raw(server.address, NOTES_REQUEST.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: "), "{answer}");
    drop(first);
    let again = async {
        while raw_status(server.address).await != "101" {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, again).await.expect("the seat was not given back");
}

async fn raw_status(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(NOTES_REQUEST.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer[9..]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn echo_returns_text_as_text_and_binary_as_binary() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    let server = TestServer::start();
    let mut client = Client::plain(server.address, "/echo").await;
    for message in [
        Message::text("안녕"),
        Message::binary(vec![0xFF, 0xFE]),
        Message::text(""),
        Message::binary(vec![7; 64 * 1024]),
    ] {
        client.websocket.send(message.clone()).await.unwrap();
        let answer = timeout(DEADLINE, client.websocket.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(answer, message);
    }
}
