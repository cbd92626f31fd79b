//! The same over TLS: what can be said, what an attacker gets, and certificates that change.

use std::{net::SocketAddr, path::Path, time::Duration};

use futures_util::SinkExt;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use service::tls::Trust;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::{
    client::{Client, DEADLINE, End, client_frame, raw},
    process::{Back, resident_bytes},
    server::TestServer,
};

type Secured = Client<TlsStream<TcpStream>>;

/// A certificate for localhost, which is its own authority.
struct Papers(TempDir);

impl Papers {
    fn new() -> Self {
        let papers = Self(tempfile::tempdir().unwrap());
        papers.renew();
        papers
    }

    fn renew(&self) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        std::fs::write(self.cert(), cert.pem()).unwrap();
        std::fs::write(self.0.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
    }

    fn cert(&self) -> std::path::PathBuf {
        self.0.path().join("cert.pem")
    }

    fn flags<'a>(&self, flags: &[&'a str]) -> Vec<&'a str> {
        // Flags live as long as the process; a test's few bytes may too.
        let leak = |path: &Path| -> &'a str { path.to_str().unwrap().to_owned().leak() };
        let files = ["--tls-cert", leak(&self.cert()), "--tls-key", leak(&self.0.path().join("key.pem"))];
        [&files, flags].concat()
    }

    fn trust(&self) -> Trust {
        Trust::in_file(&self.cert()).unwrap()
    }

    async fn stream(&self, address: SocketAddr) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(address).await.unwrap();
        timeout(DEADLINE, self.trust().connect("localhost", stream)).await.unwrap().unwrap()
    }

    async fn open(&self, address: SocketAddr, path: &str, subprotocol: Option<&str>) -> Secured {
        Client::over(self.stream(address).await, path, subprotocol).await
    }

    async fn in_room(&self, address: SocketAddr, name: &str, room: &str) -> Secured {
        let mut client = self.open(address, "/", Some("chat.v1")).await;
        client.send(json!({"type": "hello", "name": name, "rooms": {room: {}}})).await;
        client.until("synced").await;
        client
    }

    async fn with_small_window(&self, address: SocketAddr, path: &str) -> Secured {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = self.trust().connect("localhost", socket.connect(address).await.unwrap()).await.unwrap();
        Client::over(stream, path, None).await
    }
}

fn server(flags: &[&str]) -> (Papers, TestServer) {
    let papers = Papers::new();
    let server = TestServer::with(&papers.flags(flags));
    (papers, server)
}

/// Reads until the server ends the connection.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("the server did not end the connection");
    _ = read;
    rest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_over_tls_is_a_chat() {
    let (papers, server) = server(&[]);
    let mut kim = papers.in_room(server.address, "kim", "dev").await;
    let mut lee = papers.open(server.address, "/rooms/dev", None).await;
    lee.until("synced").await;
    let ok = kim.ask(json!({"type": "send", "id": "a1", "text": "Hello 마당"})).await;
    assert_eq!((&ok["type"], &ok["seq"]), (&json!("ok"), &json!(1)));
    assert_eq!(lee.until("message").await["text"], "Hello 마당");
    lee.say("Hi").await;
    assert_eq!(kim.find(|message| message["seq"] == 2).await["text"], "Hi");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_message_comes_back_whole() {
    let (papers, server) = server(&[]);
    let mut echo = papers.open(server.address, "/echo", None).await;
    for size in [0, 1, 125, 126, 16_383, 16_384, 16_385, 65_535, 65_536] {
        let text = "x".repeat(size);
        echo.say(&text).await;
        assert!(echo.next_text().await == text, "{size} bytes");
    }
    echo.websocket.send(Message::binary(vec![7; 65_537])).await.unwrap();
    assert_eq!(echo.close_code().await, 1009);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_messages_keep_their_order() {
    const MESSAGES: u64 = 1000;
    let (papers, server) = server(&["--sends-per-second", "0", "--stall-timeout", "0"]);
    let mut reader = papers.open(server.address, "/rooms/dev", None).await;
    // Room for a few messages in its kernel.
    let mut narrow = papers.with_small_window(server.address, "/rooms/dev").await;
    narrow.until("synced").await;
    reader.until("synced").await;
    let mut sender = papers.in_room(server.address, "kim", "dev").await;
    let sending = tokio::spawn(async move {
        for seq in 1..=MESSAGES {
            let text = "x".repeat((seq * 37 % 3000) as usize + 1);
            assert_eq!(sender.ask(json!({"type": "send", "id": seq.to_string(), "text": text})).await["seq"], seq);
        }
    });
    for seq in 1..=MESSAGES {
        for client in [&mut reader, &mut narrow] {
            let message = client.until("message").await;
            assert_eq!(message["seq"], seq);
            assert_eq!(message["text"].as_str().unwrap().len() as u64, seq * 37 % 3000 + 1);
        }
    }
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deaf_hold_nobody_up_and_little_memory() {
    const MESSAGES: u64 = 300;
    const DEAF: usize = 100;
    let papers = Papers::new();
    let back = Back::start(&papers.flags(&["--sends-per-second", "0", "--stall-timeout", "0", "--history", "memory"]));
    let mut sender = papers.in_room(back.address, "kim", "dev").await;
    let mut reader = papers.open(back.address, "/rooms/dev", None).await;
    reader.until("synced").await;
    let mut deaf = Vec::new();
    for _ in 0..DEAF {
        deaf.push(papers.with_small_window(back.address, "/rooms/dev").await);
    }
    let before = resident_bytes(back.id());
    for seq in 1..=MESSAGES {
        let text = "x".repeat(10_000);
        assert_eq!(sender.ask(json!({"type": "send", "id": seq.to_string(), "text": text})).await["seq"], seq);
        assert_eq!(reader.until("message").await["seq"], seq);
    }
    let grown = resident_bytes(back.id()).saturating_sub(before);
    // History and log are 4 MB; of what is encrypted a record waits for each who is deaf, and the slice that it is of.
    // If each one's share were kept for it, it would be 300 MB.
    assert!(grown < 32 << 20, "grew by {grown} bytes");
    let mut have = 0;
    while have < MESSAGES {
        let message = deaf[0].next().await;
        if message["type"] == "gap" {
            assert_eq!((&message["from"], &message["reason"]), (&json!(have + 1), &json!("slow")));
            have = message["to"].as_u64().unwrap();
        } else if message["type"] == "message" {
            have += 1;
            assert_eq!(message["seq"], have);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stays_deaf_is_closed_as_slow() {
    let (papers, server) = server(&["--sends-per-second", "0", "--stall-timeout", "0.5", "--close-timeout", "0.2"]);
    let mut sender = papers.in_room(server.address, "kim", "dev").await;
    let deaf = papers.with_small_window(server.address, "/rooms/dev").await;
    let people = server.hub.people();
    let mut id = 0;
    while people.count() > 1 {
        id += 1;
        assert!(id < 10_000, "the deaf one is still there");
        sender.ask(json!({"type": "send", "id": id.to_string(), "text": "x".repeat(10_000)})).await;
    }
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_handshake_is_cut() {
    let (papers, server) = server(&["--handshake-timeout", "0.3"]);
    // Nothing; the beginning of a record; a hello that is never said to its end.
    for begun in [&[][..], &[0x16], &[0x16, 3, 1, 0x40, 0, 1, 0, 0x3F, 0xFC]] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        rest(&mut stream).await;
    }
    // The time is for TLS and the request's head together.
    let mut silent = papers.stream(server.address).await;
    silent.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, silent.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_told_to_speak_tls() {
    let (_papers, server) = server(&[]);
    for request in ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "nonsense\n"] {
        let answer = raw(server.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("wss://"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_told_how_to_connect() {
    let (papers, server) = server(&[]);
    let mut stream = papers.stream(server.address).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    // A clean end: rustls makes an error of a connection that ends without close_notify.
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_one_connection_and_no_other() {
    let (papers, server) = server(&[]);
    let mut kim = papers.in_room(server.address, "kim", "dev").await;
    for garbage in [&b"\x16\x03\x01\x00\x05hello"[..], b"\x16\xFF\xFF\xFF\xFF\xFF", &[0x16; 70_000]] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        _ = stream.write_all(garbage).await;
        rest(&mut stream).await;
    }
    // Under an open connection: a record that nobody encrypted.
    let mut broken = papers.in_room(server.address, "lee", "dev").await;
    let (socket, _) = broken.websocket.get_mut().get_mut();
    socket.write_all(b"\x17\x03\x03\x00\x20xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx").await.unwrap();
    assert_eq!(broken.end().await.1, End::Lost);
    kim.ask(json!({"type": "ping", "id": "1"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_is_whole_from_both_sides() {
    let (papers, server) = server(&[]);
    let mut kim = papers.in_room(server.address, "kim", "dev").await;
    let bye = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
    kim.websocket.close(Some(bye)).await.unwrap();
    assert_eq!(kim.close_code().await, 1000);
    let mut lee = papers.in_room(server.address, "lee", "dev").await;
    lee.websocket.get_mut().write_all(&client_frame(0xF1, b"reserved bits")).await.unwrap();
    lee.websocket.get_mut().flush().await.unwrap();
    assert_eq!(lee.close_code().await, 1002);
    // Half-open: it has said its last, and still reads what it asked for.
    let mut half = papers.open(server.address, "/echo", None).await;
    half.say("last words").await;
    half.websocket.get_mut().shutdown().await.unwrap();
    assert_eq!(half.next_text().await, "last words");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_for_newcomers_and_a_broken_one_for_nobody() {
    let papers = Papers::new();
    let old_trust = papers.trust();
    let server = TestServer::with(&papers.flags(&[]));
    let certificate = server.certificate.clone().unwrap();
    let mut kim = papers.in_room(server.address, "kim", "dev").await;
    papers.renew();
    certificate.reload();
    let stream = TcpStream::connect(server.address).await.unwrap();
    assert!(old_trust.connect("localhost", stream).await.is_err(), "the old certificate is still shown");
    let mut lee = papers.in_room(server.address, "lee", "dev").await;
    lee.ask(json!({"type": "send", "id": "1", "text": "still there?"})).await;
    assert_eq!(kim.until("message").await["text"], "still there?");
    let new_trust = papers.trust();
    std::fs::write(papers.cert(), "broken").unwrap();
    certificate.reload();
    let stream = TcpStream::connect(server.address).await.unwrap();
    new_trust.connect("localhost", stream).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_the_certificate_again() {
    let papers = Papers::new();
    let back = Back::start(&papers.flags(&[]));
    let mut kim = papers.in_room(back.address, "kim", "dev").await;
    papers.renew();
    back.signal("HUP");
    let trust = papers.trust();
    let newcomer = async {
        loop {
            let stream = TcpStream::connect(back.address).await.unwrap();
            if trust.connect("localhost", stream).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // Sooner than the files are looked at without being asked.
    timeout(service::tls::LOOK_EVERY / 2, newcomer).await.expect("the new certificate is not shown");
    kim.ask(json!({"type": "ping", "id": "1"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_room_is_told_so_over_tls() {
    let (papers, server) = server(&["--connections", "1"]);
    let _kim = papers.in_room(server.address, "kim", "dev").await;
    let mut late = papers.stream(server.address).await;
    let mut answer = String::new();
    timeout(DEADLINE, late.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn goodbye_is_said_over_tls_too() {
    let papers = Papers::new();
    let back = Back::start(&papers.flags(&[]));
    let mut kim = papers.in_room(back.address, "kim", "dev").await;
    back.signal("TERM");
    let (before, end) = kim.end().await;
    assert_eq!(before.last().unwrap()["type"], "bye");
    assert!(matches!(end, End::Close(4200, _)), "{end:?}");
}
