//! WebSocket through the page server's own port: the real chat server behind it, and what can go wrong between the two.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test reports by panicking")]

mod nginx;
#[path = "../yard/site.rs"]
mod site;
#[path = "../yard/nginx.rs"]
mod yard_nginx;

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use site::{Back, FrontServer, PATIENCE, Process, handshake, read_head};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(url: &str) -> Socket {
    timeout(PATIENCE, connect_async(url)).await.expect("in time").expect("a connection").0
}

/// The next message of this type.
async fn until(socket: &mut Socket, kind: &str) -> Value {
    let found = async {
        loop {
            let message = socket.next().await.expect("an open socket").expect("a message");
            if let Ok(message) = serde_json::from_str::<Value>(message.to_text().unwrap_or_default())
                && message["type"] == kind
            {
                return message;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("never: {kind}"))
}

/// How the socket ends.
async fn close_of(socket: &mut Socket) -> Option<(u16, String)> {
    let found = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
            }
        }
        None
    };
    timeout(PATIENCE, found).await.expect("an end in time")
}

async fn ended(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is an end too.
    _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end in time");
    rest
}

/// A masked frame with the mask zero.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        len @ ..=125 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test]
async fn people_talk_through_the_page_servers_port() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut here = connect(&front.ws("/rooms/dev")).await;
    let mut there = connect(&format!("{}/rooms/dev", back.url)).await;
    until(&mut here, "synced").await;
    until(&mut there, "synced").await;
    here.send(Message::text("Hello")).await.unwrap();
    assert_eq!(until(&mut there, "message").await["text"], "Hello");
    there.send(Message::text("Hello you")).await.unwrap();
    assert_eq!(until(&mut here, "message").await["text"], "Hello");
    assert_eq!(until(&mut here, "message").await["text"], "Hello you");
    // The path itself is the lobby.
    let mut lobby = connect(&front.ws("")).await;
    assert_eq!(until(&mut lobby, "joined").await["room"], "lobby");
}

#[tokio::test]
async fn the_subprotocol_is_negotiated_with_the_chat_server() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut request = front.ws("/").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "chat.v1".parse().unwrap());
    let (mut socket, answer) = connect_async(request).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat.v1");
    assert!(answer.headers().get("content-security-policy").is_none(), "it is no page");
    socket.send(Message::text(r#"{"type":"hello","name":"kim"}"#)).await.unwrap();
    assert_eq!(until(&mut socket, "welcome").await["name"], "kim");
}

#[tokio::test]
async fn large_frames_and_bursts_come_back_whole() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let (mut out, mut answers) = connect(&front.ws("/echo")).await.split();
    let sent: Vec<Vec<u8>> = (0..200_u32).map(|n| n.to_le_bytes().repeat(16 * 1024)).collect();
    let sending = async {
        for bytes in &sent {
            out.feed(Message::binary(bytes.clone())).await.unwrap();
        }
        out.flush().await.unwrap();
    };
    let hearing = async {
        for bytes in &sent {
            assert_eq!(&answers.next().await.unwrap().unwrap().into_data()[..], &bytes[..]);
        }
    };
    timeout(PATIENCE, async { tokio::join!(sending, hearing) }).await.expect("all of it in time");
}

#[tokio::test]
async fn what_comes_in_one_packet_with_the_head_arrives() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut stream = TcpStream::connect(front.address).await.unwrap();
    let mut bytes = handshake("/ws/echo", &front.address.to_string(), "").into_bytes();
    bytes.extend(frame(1, b"early"));
    stream.write_all(&bytes).await.unwrap();
    let (status, _) = read_head(&mut stream).await;
    assert_eq!(status, 101);
    let mut echo = [0; 7];
    timeout(PATIENCE, stream.read_exact(&mut echo)).await.expect("in time").unwrap();
    assert_eq!(&echo, b"\x81\x05early");
}

#[tokio::test]
async fn codes_and_reasons_pass_in_both_directions() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut socket = connect(&front.ws("/echo")).await;
    socket.close(Some(CloseFrame { code: CloseCode::from(4321), reason: "enough".into() })).await.unwrap();
    assert_eq!(close_of(&mut socket).await.unwrap().0, 4321, "the chat server answers with the same code");

    let mut socket = connect(&front.ws("/rooms/dev")).await;
    until(&mut socket, "synced").await;
    socket.send(Message::text(r#"{"type":"quit"}"#)).await.unwrap();
    assert_eq!(close_of(&mut socket).await.unwrap().0, 1000);

    // Reserved bits are a protocol error, and the chat server says so before it ends.
    let mut stream = front.upgraded("/ws/echo").await;
    stream.write_all(&[0xF1, 0x80, 0, 0, 0, 0]).await.unwrap();
    let rest = ended(&mut stream).await;
    assert_eq!((rest[0], &rest[2..4]), (0x88, &1002_u16.to_be_bytes()[..]), "{rest:?}");
}

#[tokio::test]
async fn the_socket_ends_soon_after_the_closing_handshake() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut stream = front.upgraded("/ws/echo").await;
    let begun = Instant::now();
    stream.write_all(&frame(8, &1000_u16.to_be_bytes())).await.unwrap();
    assert_eq!(ended(&mut stream).await, [0x88, 2, 3, 0xE8]);
    // A browser tells its page of the end only then.
    assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn who_ends_its_half_is_still_answered() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut stream = front.upgraded("/ws/echo").await;
    stream.write_all(&frame(1, b"last words")).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(ended(&mut stream).await, b"\x81\x0alast words");
}

/// Somebody in the room dev who does not read, over a socket that holds little.
async fn deaf(front: &FrontServer) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let mut deaf = socket.connect(front.address).await.unwrap();
    deaf.write_all(handshake("/ws/rooms/dev", &front.address.to_string(), "").as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut deaf).await.0, 101);
    deaf
}

/// Sixteen megabytes, many times what may lie between the chat server and a client.
async fn flood(talker: &mut Socket) {
    let text = "x".repeat(16_000);
    let begun = Instant::now();
    for _ in 0..1000 {
        talker.send(Message::text(text.clone())).await.unwrap();
        until(talker, "message").await;
    }
    assert!(begun.elapsed() < PATIENCE, "nobody waits for the slowest");
}

#[tokio::test]
async fn little_lies_on_the_way_to_a_deaf_client() {
    let mut back = Back::start(&["--stall-timeout", "0", "--sends-per-second", "0"]);
    let front = FrontServer::before(&back, |_| {});
    let mut deaf = deaf(&front).await;
    let mut talker = connect(&format!("{}/rooms/dev", back.url)).await;
    until(&mut talker, "synced").await;
    flood(&mut talker).await;
    // What the chat server did not hand over is gone with it.
    back.kill();
    let unread = ended(&mut deaf).await.len();
    assert!(unread < 1_000_000, "{unread} bytes lay on the way");
}

#[tokio::test]
async fn a_client_who_was_deaf_is_told_what_it_missed() {
    let back = Back::start(&["--stall-timeout", "0", "--sends-per-second", "0"]);
    let front = FrontServer::before(&back, |_| {});
    let mut deaf = deaf(&front).await;
    let mut talker = connect(&format!("{}/rooms/dev", back.url)).await;
    until(&mut talker, "synced").await;
    flood(&mut talker).await;
    talker.send(Message::text("the end")).await.unwrap();
    let mut heard = String::new();
    let hearing = async {
        let mut piece = vec![0; 64 * 1024];
        while !heard.contains("the end") {
            let read = deaf.read(&mut piece).await.unwrap();
            assert!(read > 0, "it ended");
            heard.push_str(&String::from_utf8_lossy(&piece[..read]));
        }
    };
    timeout(PATIENCE, hearing).await.expect("the last message in time");
    assert!(heard.contains(r#""reason":"slow""#), "it missed nothing: somebody kept it all");
}

#[tokio::test]
async fn a_client_who_stays_deaf_is_let_go_of() {
    let back = Back::start(&["--stall-timeout", "1", "--sends-per-second", "0", "--presence-grace", "0"]);
    let front = FrontServer::before(&back, |_| {});
    let mut deaf = deaf(&front).await;
    let mut talker = connect(&format!("{}/rooms/dev", back.url)).await;
    until(&mut talker, "synced").await;
    flood(&mut talker).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        talker.send(Message::text(r#"{"type":"who","id":"1","room":"dev"}"#)).await.unwrap();
        if until(&mut talker, "ok").await["count"] == 1 {
            break;
        }
        assert!(Instant::now() < deadline, "the chat server never noticed that nobody reads");
    }
    ended(&mut deaf).await;
}

#[tokio::test]
async fn who_only_talks_is_held_up_too() {
    let back = Back::start(&["--stall-timeout", "2"]);
    let front = FrontServer::before(&back, |_| {});
    let mut stream = front.upgraded("/ws/echo").await;
    let piece = frame(2, &[7; 60_000]);
    let mut sent = 0_usize;
    while timeout(Duration::from_millis(500), stream.write_all(&piece)).await.is_ok_and(|written| written.is_ok()) {
        sent += piece.len();
        assert!(sent < 32_000_000, "it takes everything, and loses or keeps it");
    }
    assert!(sent > 0);
}

#[tokio::test]
async fn a_killed_chat_server_ends_its_clients_who_come_back_when_it_does() {
    let mut back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut stream = front.upgraded("/ws").await;
    back.kill();
    ended(&mut stream).await;
    let away = front.ask("/ws", &handshake_fields("")).await;
    assert_eq!((away.status, away.field("retry-after")), (503, "2"));
    assert!(away.body.contains("cannot be reached"), "{}", away.body);
    back.restart();
    let mut socket = connect(&front.ws("/rooms/dev")).await;
    until(&mut socket, "synced").await;
}

fn handshake_fields(more: &str) -> String {
    format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}"
    )
}

#[tokio::test]
async fn a_refusal_comes_through_with_its_sentence() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let refused = front.ask("/ws", &handshake_fields("Origin: https://evil.example\r\n")).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("--allow-origin"), "{}", refused.body);
    assert_eq!(front.ask("/ws/nowhere", &handshake_fields("")).await.status, 404);
    assert_eq!(front.ask("/ws/rooms/%FF", &handshake_fields("")).await.status, 400);
    let plain = front.ask("/ws", "Connection: close\r\n").await;
    assert_eq!((plain.status, plain.field("upgrade")), (426, "websocket"));
    assert!(plain.body.contains("new WebSocket("), "{}", plain.body);
    let unknown = front.ask("/ws", &handshake_fields("Sec-WebSocket-Protocol: soap\r\n")).await;
    assert_eq!(unknown.status, 400);
    let old = front.ask("/ws", &handshake_fields("").replace(": 13", ": 8")).await;
    assert_eq!((old.status, old.field("sec-websocket-version")), (426, "13"));
    let long = front.ask("/ws", &handshake_fields(&format!("Cookie: {}\r\n", "c".repeat(17_000)))).await;
    assert_eq!(long.status, 431);
}

#[tokio::test]
async fn a_list_of_protocols_that_actix_takes_for_no_upgrade_is_none() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    // Were it passed on as an upgrade, what follows the head would be read as another request.
    let fields = handshake_fields("").replace("Upgrade: websocket", "Upgrade: h2c, websocket");
    assert_eq!(front.ask("/ws", &fields).await.status, 426);
}

#[tokio::test]
async fn more_connections_than_allowed_are_turned_away() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |config| config.relays = Some(2));
    let (first, _second) = (front.upgraded("/ws").await, front.upgraded("/ws").await);
    let full = front.ask("/ws", &handshake_fields("")).await;
    assert_eq!((full.status, full.field("retry-after")), (503, "5"));
    assert!(full.body.contains("--relays"), "{}", full.body);
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    while front.ask("/ws", &handshake_fields("Sec-WebSocket-Protocol: soap\r\n")).await.status != 400 {
        assert!(Instant::now() < deadline, "the seat of somebody who left is never free again");
    }
}

#[tokio::test]
async fn what_is_no_chat_server_is_not_passed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let front = FrontServer::with(|config| config.back = url.parse().unwrap());
    let asking = tokio::spawn(async move { front.ask("/ws", &handshake_fields("")).await });
    let (mut other, _) = listener.accept().await.unwrap();
    other.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
    assert_eq!(asking.await.unwrap().status, 502);
}

#[tokio::test]
async fn one_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let front = FrontServer::with(|config| config.back = url.parse().unwrap());
    let answer = front.ask("/ws", &handshake_fields("")).await;
    assert_eq!((answer.status, answer.field("retry-after")), (503, "2"));
}

#[tokio::test]
async fn the_chat_server_learns_who_is_there_from_those_who_are_trusted() {
    for (trusted, address, scheme, host) in
        [("127.0.0.0/8", "203.0.113.9", "https", "chat.example.org"), ("", "127.0.0.1", "http", "127.0.0.1")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let front = FrontServer::with(|config| {
            config.back = url.parse().unwrap();
            config.trusted_proxy = trusted.parse().unwrap();
        });
        let fields = "X-Forwarded-For: 192.0.2.1, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\
                      X-Forwarded-Host: chat.example.org\r\nX-Real-IP: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n";
        let asking = tokio::spawn(async move { front.ask("/ws/echo?x=1", &handshake_fields(fields)).await });
        let (mut line, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let read = line.read(&mut head).await.unwrap();
        let head = String::from_utf8(head[..read].to_vec()).unwrap();
        assert!(head.starts_with("GET /echo?x=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("X-Forwarded-For: {address}\r\n")), "{head}");
        assert!(head.contains(&format!("X-Forwarded-Proto: {scheme}\r\n")), "{head}");
        assert!(head.contains(&format!("Host: {host}")) && !head.contains("192.0.2.1"), "{head}");
        line.write_all(b"HTTP/1.1 418 Teapot\r\nContent-Length: 4\r\nX-A: b\r\n\r\nNo.\n").await.unwrap();
        let answer = asking.await.unwrap();
        assert_eq!((answer.status, &answer.body[..], answer.field("x-a")), (418, "No.\n", "b"));
    }
}

#[tokio::test]
async fn the_page_is_told_its_own_port() {
    let front = FrontServer::with(|config| config.same_port = true);
    let page = front.ask("/r/dev", "Connection: close\r\n").await;
    let ws = format!("ws://{}", front.address);
    assert!(page.body.contains(&format!("\"back\":\"{ws}/ws\"")), "{}", page.body);
    assert!(page.field("content-security-policy").contains(&format!("connect-src 'self' {ws};")));
    let fields = "Connection: close\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: Chat.example.org\r\n";
    let page = front.ask("/r/dev", fields).await;
    assert!(page.body.contains("\"back\":\"wss://chat.example.org/ws\""), "{}", page.body);
    assert!(page.field("content-security-policy").contains("connect-src 'self' wss://chat.example.org;"));
    // Nothing that ends up in a policy or a page may be made up, not even by a proxy.
    for bad in ["X-Forwarded-Host: a;script-src *\r\n", "X-Forwarded-Host: \r\n", "X-Forwarded-Proto: javascript\r\n"] {
        assert_eq!(front.ask("/r/dev", &format!("Connection: close\r\n{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_base_path_holds_for_the_relay_too() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |config| config.base_path = "/chat".parse().unwrap());
    let page = front.ask("/chat/r/dev", "Connection: close\r\n").await;
    assert!(page.body.contains(&format!("\"back\":\"ws://{}/chat/ws\"", front.address)), "{}", page.body);
    let mut socket = connect(&format!("ws://{}/chat/ws/rooms/dev", front.address)).await;
    assert_eq!(until(&mut socket, "joined").await["room"], "dev");
    assert_eq!(front.ask("/ws", &handshake_fields("")).await.status, 404);
}

#[tokio::test]
async fn without_the_flag_nothing_is_passed_on() {
    let front = FrontServer::with(|config| config.same_port = false);
    let answer = front.ask("/ws", &handshake_fields("")).await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("--same-port"), "{}", answer.body);
}

#[tokio::test]
async fn a_goodbye_passes_while_both_stop() {
    let back = Back::start(&["--drain", "0.1"]);
    let front = FrontServer::before(&back, |_| {});
    let mut socket = connect(&front.ws("/rooms/dev")).await;
    until(&mut socket, "synced").await;
    front.stop.cancel();
    back.terminate();
    assert_eq!(until(&mut socket, "bye").await["code"], 4200);
    assert_eq!(close_of(&mut socket).await.unwrap().0, 4200);
    timeout(PATIENCE, front.running).await.expect("it stops").unwrap().unwrap();
}

#[tokio::test]
async fn a_stopping_page_server_lets_its_connections_go_in_time() {
    let back = Back::start(&[]);
    let front = FrontServer::before(&back, |_| {});
    let mut talking = connect(&front.ws("/rooms/dev")).await;
    until(&mut talking, "synced").await;
    let begun = Instant::now();
    front.stop.cancel();
    talking.send(Message::text("still here")).await.unwrap();
    assert_eq!(until(&mut talking, "message").await["text"], "still here", "work goes on for a while");
    assert_eq!(close_of(&mut talking).await, None, "nobody closed it; it ended");
    timeout(PATIENCE, front.running).await.expect("it stops").unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
