//! Behind Debian's nginx, with the very file that docs/operations.md recommends.

use clap::Parser;
use front::Config;
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::{
    client::{connect, until},
    site::{Back, FrontServer, ask},
    yard_nginx::{Nginx, flags_of, free_address},
};

#[tokio::test]
async fn page_assets_and_chat_pass_through_the_recommended_nginx() {
    let flags = flags_of("back ");
    let back = Back::start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    let said = Config::parse_from([vec!["front".to_owned()], flags_of("front ")].concat());
    let front = FrontServer::before(&back, |config| {
        let Config { base_path, same_port, allow_origin, .. } = said;
        (config.base_path, config.same_port, config.allow_origin) = (base_path, same_port, allow_origin);
    });
    let nginx = Nginx::start(free_address(), &front.address.to_string()).await;
    let address = &nginx.address;

    let page = ask(address, "chat.example.org", "/chat/r/dev", "Connection: close\r\n").await;
    assert_eq!(page.status, 200);
    // What the browser asked for, not what the proxy did.
    assert!(page.body.contains(r#""back":"ws://chat.example.org/chat/ws""#), "{}", page.body);
    assert!(page.field("content-security-policy").contains("connect-src 'self' ws://chat.example.org;"));
    let script = ask(address, "chat.example.org", "/chat/static/app/main.js", "Connection: close\r\n").await;
    assert_eq!((script.status, script.field("x-content-type-options")), (200, "nosniff"));

    // Whoever has no WebSocket or no script reads under the site's name too.
    for path in ["/chat/api/rooms/dev/messages", "/chat/r/dev/live"] {
        assert_eq!(ask(address, "chat.example.org", path, "Connection: close\r\n").await.status, 200, "{path}");
    }

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
