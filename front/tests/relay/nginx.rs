//! Behind Debian's nginx, with the very file that docs/operations.md recommends.

use std::{fs, net::TcpListener, path::Path, process::Command, time::Instant};

use futures_util::SinkExt;
use tokio::{net::TcpStream, time::sleep};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use super::{
    connect,
    site::{Back, FrontServer, PATIENCE, Process, ask},
    until,
};

const RECIPE: &str = include_str!("../../../docs/recipes/nginx.conf");

/// nginx in front of `front`, in a directory of its own and without any privilege.
async fn start(front: &FrontServer, scratch: &Path) -> (Process, String) {
    // Somebody else may get the port before nginx does; then this test fails loudly, as nginx does not start.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let recipe = RECIPE.replace("127.0.0.1:8080", &front.address.to_string());
    let dir = scratch.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {dir}/{name};"))
        .concat();
    let user = if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" { "user root;" } else { "" };
    let config = format!(
        "{user} daemon off; worker_processes 1; pid {dir}/pid; error_log stderr notice;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; {temporary} server {{ listen {address};\n{recipe}\n}} }}\n"
    );
    let file = scratch.join("nginx.conf");
    fs::write(&file, config).unwrap();
    let program = std::env::var("NGINX").unwrap_or_else(|_| "/usr/sbin/nginx".to_owned());
    assert!(
        Path::new(&program).is_file(),
        "{program} is missing: `apt install nginx` (Debian), or name its path in NGINX"
    );
    let arguments = ["-p", &dir.to_string(), "-e", "stderr", "-c", &file.display().to_string()];
    let process = Process::start(Path::new(&program), &arguments, "start worker process ");
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(&address).await.is_err() {
        assert!(Instant::now() < deadline, "nginx does not listen");
        sleep(std::time::Duration::from_millis(10)).await;
    }
    (process, address)
}

#[tokio::test]
async fn page_assets_and_chat_pass_through_the_recommended_nginx() {
    let back = Back::start(&["--allow-origin", "http://chat.example.org"]);
    let front = FrontServer::before(&back, |config| config.base_path = "/chat".parse().unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let (_nginx, address) = start(&front, scratch.path()).await;

    let page = ask(&address, "chat.example.org", "/chat/r/dev", "Connection: close\r\n").await;
    assert_eq!(page.status, 200);
    // What the browser asked for, not what the proxy did.
    assert!(page.body.contains(r#""back":"ws://chat.example.org/chat/ws""#), "{}", page.body);
    assert!(page.field("content-security-policy").contains("connect-src 'self' ws://chat.example.org;"));
    let script = ask(&address, "chat.example.org", "/chat/static/app/main.js", "Connection: close\r\n").await;
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
