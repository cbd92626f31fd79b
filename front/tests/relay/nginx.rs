//! Behind Debian's nginx, with the very file that docs/operations.md recommends.

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::{
    client::{connect, until},
    site::{Back, FrontServer, ask},
    yard_nginx::{Nginx, free_address},
};

#[tokio::test]
async fn page_assets_and_chat_pass_through_the_recommended_nginx() {
    let back = Back::start(&["--allow-origin", "http://chat.example.org"]);
    let front = FrontServer::before(&back, |config| config.base_path = "/chat".parse().unwrap());
    let nginx = Nginx::start(free_address(), &front.address.to_string()).await;
    let address = &nginx.address;

    let page = ask(address, "chat.example.org", "/chat/r/dev", "Connection: close\r\n").await;
    assert_eq!(page.status, 200);
    // What the browser asked for, not what the proxy did.
    assert!(page.body.contains(r#""back":"ws://chat.example.org/chat/ws""#), "{}", page.body);
    assert!(page.field("content-security-policy").contains("connect-src 'self' ws://chat.example.org;"));
    let script = ask(address, "chat.example.org", "/chat/static/app/main.js", "Connection: close\r\n").await;
    assert_eq!((script.status, script.field("x-content-type-options")), (200, "nosniff"));

    let mut here = connect(&format!("ws://{address}/chat/ws/rooms/dev")).await;
    until(&mut here, "synced").await;
    here.send(Message::text("Hello")).await.unwrap();
    assert_eq!(until(&mut here, "message").await["text"], "Hello");

    let mut request = format!("ws://{address}/chat/ws").into_client_request().unwrap();
    request.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
    let refused = tokio_tungstenite::connect_async(request).await.unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
    let mut request = format!("ws://{address}/chat/ws").into_client_request().unwrap();
    request.headers_mut().insert("origin", "http://chat.example.org".parse().unwrap());
    let (mut allowed, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(until(&mut allowed, "joined").await["room"], "lobby");
}
