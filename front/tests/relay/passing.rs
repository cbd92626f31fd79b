//! What both say passes, unchanged and in order.

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::{
    client::{close_of, connect, ended, frame, until},
    site::{Back, FrontServer, PATIENCE, handshake, read_head},
};

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
