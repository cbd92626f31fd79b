//! Where the page is told to connect to, and from where the chat server hears that somebody comes.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    client::{connect, handshake_fields, until},
    site::{Back, FrontServer},
};

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
