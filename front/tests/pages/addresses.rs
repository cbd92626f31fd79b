//! Which address shows what, below which path and on which host.

use front::{Config, host::BackUrl};

use crate::server::TestServer;

#[tokio::test]
async fn the_form_and_a_room_are_pages() {
    let server = TestServer::start();
    let form = server.get("/").await;
    assert_eq!((form.status, form.field("content-type")), (200, "text/html; charset=utf-8"));
    for id in ["name", "room", "join", "rooms"] {
        assert!(form.body.contains(&format!(r#"id="{id}""#)), "#{id}");
    }
    let room = server.get("/r/dev").await;
    assert_eq!(room.status, 200);
    for id in ["status", "messages", "box", "send", "people", "rooms"] {
        assert!(room.body.contains(&format!(r#"id="{id}""#)), "#{id}");
    }
    let port = server.address.port();
    assert_ne!(port, 3000);
    assert_eq!(room.data()["back"], "ws://127.0.0.1:3000");
    assert_eq!(room.data()["room"], "dev");
    assert_eq!(room.data()["limits"]["text"], 16 * 1024);
    assert!(room.body.contains("<noscript>"));
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let server = TestServer::start();
    for target in ["/", "/r/dev", "/join?room=dev", "/favicon.ico", "/static/app/main.js", "/nowhere"] {
        let (get, head) = (server.get(target).await, server.ask("HEAD", target, "").await);
        assert_eq!(get.status, head.status, "{target}");
        assert_eq!(get.field("content-type"), head.field("content-type"), "{target}");
        assert_eq!(head.body, "", "{target}");
    }
}

#[tokio::test]
async fn what_is_nowhere_is_a_page_too() {
    let server = TestServer::start();
    for target in
        ["/nowhere", "/r", "/r/a/b", "/static/nothing.js", "/static", "/static/", "/static/app/", "/.git/config"]
    {
        let answer = server.get(target).await;
        assert_eq!(answer.status, 404, "{target}");
        assert!(answer.body.contains("Nothing is here"), "{target}: {}", answer.body);
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_the_right_ones() {
    let server = TestServer::start();
    for target in ["/", "/join", "/r/dev/live", "/favicon.ico"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = server.ask(method, target, "Content-Length: 0\r\n").await;
            assert_eq!((answer.status, answer.field("allow")), (405, "GET, HEAD"), "{method} {target}");
        }
    }
    for method in ["PUT", "DELETE", "OPTIONS"] {
        let answer = server.ask(method, "/r/dev", "Content-Length: 0\r\n").await;
        assert_eq!((answer.status, answer.field("allow")), (405, "GET, HEAD, POST"), "{method}");
    }
    assert_eq!(server.ask("POST", "/static/app/main.js", "Content-Length: 0\r\n").await.status, 405);
}

#[tokio::test]
async fn the_back_is_where_the_operator_says() {
    let back: BackUrl = "wss://chat.example.org/ws".parse().unwrap();
    let server = TestServer::with(Config { public_back_url: Some(back), ..Config::default() });
    let page = server.get("/r/dev").await;
    assert_eq!(page.data()["back"], "wss://chat.example.org/ws");
    assert!(page.field("content-security-policy").contains("connect-src 'self' wss://chat.example.org;"));
}

#[tokio::test]
async fn the_back_is_on_the_host_that_was_asked() {
    let server = TestServer::start();
    for (host, back) in [
        ("localhost:8080", "ws://localhost:3000"),
        ("192.168.0.7", "ws://192.168.0.7:3000"),
        ("[::1]:8080", "ws://[::1]:3000"),
        ("chat.example.org", "ws://chat.example.org:3000"),
    ] {
        assert_eq!(server.with_host(host).await.data()["back"], back);
    }
}

#[tokio::test]
async fn a_host_that_is_none_gets_nothing() {
    let server = TestServer::start();
    for host in [
        "",
        "a b",
        "a;script-src *",
        "a'unsafe-inline'",
        "a\"><script>alert(1)</script>",
        "a,b",
        "a/b",
        "user@a",
        "a:b",
        "a:99999",
        "[::1",
        "::1",
        "*",
        "a\tb",
        "a\u{1b}[31m",
        "마당",
    ] {
        let answer = server.with_host(host).await;
        assert_eq!(answer.status, 400, "{host:?}");
        assert!(!answer.field("content-security-policy").contains("unsafe-inline"), "{host:?}");
        assert!(!answer.body.contains("<script"), "{host:?}");
    }
    let two = server.raw("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n").await;
    assert_eq!(two.status, 400);
    assert_eq!(server.raw("GET / HTTP/1.0\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn a_room_has_one_address() {
    let server = TestServer::start();
    let nfc = "/r/%EB%A7%88%EB%8B%B9";
    assert_eq!(server.get(nfc).await.status, 200);
    assert_eq!(server.get(nfc).await.data()["room"], "마당");
    // The same two syllables as five letters, and with a space around them.
    for other in ["/r/%E1%84%86%E1%85%A1%E1%84%83%E1%85%A1%E1%86%BC", "/r/%20%EB%A7%88%EB%8B%B9%20"] {
        let answer = server.get(other).await;
        assert_eq!((answer.status, answer.field("location")), (308, nfc), "{other}");
    }
    // However the escapes are written, it is the same name.
    assert_eq!(server.get("/r/%64ev").await.status, 200);
    assert_eq!(server.get("/r/a%25b").await.data()["room"], "a%b");
}

#[tokio::test]
async fn a_bad_room_is_said_to_be_bad() {
    let server = TestServer::start();
    let long = format!("/r/{}", "a".repeat(65));
    for (target, sentence) in [
        ("/r/", "It is empty."),
        ("/r/%20", "It is empty."),
        ("/r/a%2Fb", "U+002F"),
        ("/r/a%5Cb", "U+005C"),
        ("/r/a%00b", "U+0000"),
        ("/r/a%0D%0AX-Injected:1", "U+000D"),
        ("/r/%E2%80%AEtxt", "U+202E"),
        ("/r/%FF", "UTF-8"),
        ("/r/%2E%2E", "cannot be part of an address"),
        (&long, "longer than 64"),
    ] {
        let answer = server.get(target).await;
        assert_eq!(answer.status, 400, "{target}");
        assert!(answer.body.contains(sentence), "{target}: {}", answer.body);
        assert!(answer.body.contains(r#"href="/""#), "{target}");
        assert!(!answer.fields.contains_key("x-injected"), "{target}");
    }
}

#[tokio::test]
async fn the_form_leads_to_the_room() {
    let server = TestServer::start();
    for (query, to) in [
        ("room=dev&name=kim", "/r/dev"),
        ("name=&room=dev", "/r/dev"),
        ("room=+my+room+", "/r/my%20room"),
        ("room=%EB%A7%88%EB%8B%B9&name=%EB%AF%BC%EC%88%98", "/r/%EB%A7%88%EB%8B%B9"),
        ("room=http://evil.example", ""),
        ("room=a%0D%0ASet-Cookie:a=b", ""),
        ("room=", ""),
        ("name=kim", ""),
        ("room=dev&name=%E2%80%AEkim", ""),
    ] {
        let answer = server.get(&format!("/join?{query}")).await;
        let status = if to.is_empty() { 400 } else { 303 };
        assert_eq!((answer.status, answer.field("location")), (status, to), "{query}");
        let cookie = match query {
            "room=dev&name=kim" => "guest-name=kim; Path=/r; HttpOnly; SameSite=Lax",
            "room=%EB%A7%88%EB%8B%B9&name=%EB%AF%BC%EC%88%98" => {
                "guest-name=%EB%AF%BC%EC%88%98; Path=/r; HttpOnly; SameSite=Lax"
            }
            _ => "",
        };
        assert_eq!(answer.field("set-cookie"), cookie, "{query}");
        assert_eq!(to.is_empty(), answer.body.contains("aria-invalid"), "{query}");
    }
}

/// Whatever leads somewhere in a page: the values of these attributes.
fn links(body: &str) -> Vec<&str> {
    let starts = ["href=\"", "src=\"", "action=\""];
    let all = starts.iter().flat_map(|start| body.split(start).skip(1).filter_map(|rest| rest.split('"').next()));
    all.filter(|link| !link.starts_with('#')).collect()
}

#[tokio::test]
async fn everything_lives_below_the_base_path() {
    let server = TestServer::with(Config { base_path: "/chat".parse().unwrap(), ..Config::default() });
    for target in [
        "/chat",
        "/chat/",
        "/chat?room=dev",
        "/chat/r/dev",
        "/chat/favicon.ico",
        "/chat/static/app/main.js",
        "/chat/api/openapi.json",
    ] {
        assert_eq!(server.get(target).await.status, 200, "{target}");
    }
    for target in [
        "/",
        "/r/dev",
        "/join?room=dev",
        "/static/app/main.js",
        "/chatter",
        "/chat/chat",
        "/api/openapi.json",
        "/chat/nowhere",
    ] {
        let answer = server.get(target).await;
        assert_eq!(answer.status, 404, "{target}");
        assert!(answer.body.contains("Nothing is here"), "{target}: {}", answer.body);
        assert!(answer.body.contains(r#"href="/chat/""#), "{target} leads to the form");
    }

    for target in ["/chat", "/chat/r/dev", "/chat/join?room=", "/chat/r/%00", "/nowhere"] {
        let page = server.get(target).await;
        let links = links(&page.body);
        assert!(links.len() >= 3, "{target}: {links:?}");
        assert!(links.iter().all(|link| link.starts_with("/chat/")), "{target}: {links:?}");
        assert_eq!(page.data()["base"], "/chat");
    }
    for (target, status, to) in [
        ("/chat/join?room=%EB%A7%88%EB%8B%B9", 303, "/chat/r/%EB%A7%88%EB%8B%B9"),
        ("/chat/r/%20dev", 308, "/chat/r/dev"),
        ("/chat/r/%64ev?lang=ko", 200, ""),
    ] {
        let answer = server.get(target).await;
        assert_eq!((answer.status, answer.field("location")), (status, to), "{target}");
    }
    let switched = server.get("/chat/r/dev?lang=ko").await;
    assert_eq!(switched.field("set-cookie"), "lang=ko; Path=/chat; Max-Age=31536000; SameSite=Lax");
    assert!(switched.body.contains(r#"href="/chat/r/dev?lang=en""#));
}

#[tokio::test]
async fn without_a_base_path_everything_lives_at_the_root() {
    let server = TestServer::start();
    for target in ["/", "/r/dev", "/nowhere"] {
        let page = server.get(target).await;
        let links = links(&page.body);
        assert!(!links.is_empty() && links.iter().all(|link| link.starts_with('/')), "{target}: {links:?}");
        assert!(links.iter().all(|link| !link.starts_with("//")), "{target}: {links:?}");
        assert_eq!(page.data()["base"], "");
    }
}
