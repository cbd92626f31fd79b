//! The page server over real HTTP: what it answers, under which headers, and what an attacker gets.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test reports by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use front::{Config, Server, host::BackUrl, words::Words};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longer than any answer takes, on the slowest machine that still passes the rest.
const PATIENCE: Duration = Duration::from_secs(10);
/// What every browser that runs scripts says of itself.
const BROWSER: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n";

/// A page server on a free port; it stops when this is dropped.
struct TestServer {
    address: SocketAddr,
    _stop: DropGuard,
}

/// An answer, with the names of its fields in lower case.
#[derive(Debug)]
struct Answer {
    status: u16,
    fields: BTreeMap<String, String>,
    body: String,
}

impl TestServer {
    fn start() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = Server::new(config).unwrap();
        tokio::spawn(server.run(listener, stop.clone()));
        Self { address, _stop: stop.drop_guard() }
    }

    /// Sends these bytes and reads until the server closes.
    async fn raw(&self, request: &str) -> Answer {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            Answer::read(&answer)
        };
        timeout(PATIENCE, exchange).await.expect("an answer in time")
    }

    async fn ask(&self, method: &str, target: &str, fields: &str) -> Answer {
        let host = self.address;
        self.raw(&format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{BROWSER}{fields}\r\n"))
            .await
    }

    async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, "").await
    }

    async fn with_host(&self, host: &str) -> Answer {
        self.raw(&format!("GET /r/dev HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{BROWSER}\r\n")).await
    }
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut fields = BTreeMap::<String, String>::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let field = fields.entry(name.to_ascii_lowercase()).or_default();
            // Only cookies come more than once.
            *field = if field.is_empty() { value.to_owned() } else { format!("{field}\n{value}") };
        }
        let body = match fields.get("transfer-encoding").map(String::as_str) {
            Some("chunked") => unchunk(&bytes[end..]),
            _ => bytes[end..].to_vec(),
        };
        Self { status, fields, body: String::from_utf8_lossy(&body).into_owned() }
    }

    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The page's data, as its script reads it.
    fn data(&self) -> Value {
        let (_, rest) = self.body.split_once(r#"id="page-data">"#).expect("the page's data");
        let (json, _) = rest.split_once("</script>").unwrap();
        serde_json::from_str(json).unwrap()
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 2 + size + 2..];
    }
    body
}

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
async fn every_answer_has_the_headers() {
    let server = TestServer::start();
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; manifest-src 'self'; connect-src 'self' \
                  ws://127.0.0.1:3000; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
                  require-trusted-types-for 'script'";
    let data = "default-src 'none'; frame-ancestors 'none'";
    let pages = ["/", "/r/%00", "/join?room=", "/nowhere", "/static/nothing.js"];
    let others = ["/r/%20dev", "/join?room=dev", "/static/app/main.js", "/favicon.ico"];
    for (target, policy) in pages.map(|page| (page, policy)).into_iter().chain(others.map(|other| (other, data))) {
        let answer = server.get(target).await;
        assert_eq!(answer.field("content-security-policy"), policy, "{target}");
        assert_eq!(answer.field("x-content-type-options"), "nosniff", "{target}");
        assert_eq!(answer.field("referrer-policy"), "no-referrer", "{target}");
        let caching = if target.ends_with("main.js") || target.ends_with(".ico") { "no-cache" } else { "no-store" };
        assert_eq!(answer.field("cache-control"), caching, "{target}");
    }
    let refused = server.with_host("a;b").await;
    assert_eq!(refused.field("x-content-type-options"), "nosniff");
    assert_eq!(refused.field("content-security-policy"), data);
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

#[tokio::test]
async fn no_name_becomes_markup() {
    let server = TestServer::start();
    for payload in ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</title><svg onload=alert(1)>"] {
        let escaped: String = payload.bytes().map(|b| format!("%{b:02X}")).collect();
        for target in [
            format!("/r/{escaped}"),
            format!("/join?room=&name={escaped}"),
            format!("/?room={escaped}&name={escaped}"),
            format!("/nowhere/{escaped}"),
        ] {
            let body = server.get(&target).await.body;
            assert!(!body.contains(payload), "{target}");
            assert!(!body.contains("<script>") && !body.contains("<img src=x") && !body.contains("<svg"), "{target}");
        }
    }
    // A slash cannot be in a room's name, so the data's element is attacked without one.
    let room = server.get("/r/%3C!--%3Cscript%3E").await;
    assert_eq!(room.status, 200);
    assert_eq!(room.data()["room"], "<!--<script>");
    assert!(!room.body.contains("<!--<script>"));
}

#[tokio::test]
async fn what_is_asked_for_never_becomes_a_header() {
    let server = TestServer::start();
    for target in [
        "/join?room=a%0D%0AX-Forged:%201&name=kim",
        "/join?room=a&name=kim%0D%0ASet-Cookie:%20forged=1",
        "/join?room=a%0D%0A%0D%0Aforged&name=",
        "/r/a%0D%0AX-Forged:%201",
        "/r/%EA%B0%80%0D%0AX-Forged:%201",
        "/%0D%0AX-Forged:%201",
        "/static/app/main.js%0D%0AX-Forged:%201",
        "/r/a?theme=dark%0D%0AX-Forged:%201",
        "/r/a?lang=ko%0D%0AX-Forged:%201",
        "/r/a%1B[2J",
    ] {
        let answer = server.ask("GET", target, "Accept-Language: ko\u{b}X-Forged: 1\r\n").await;
        let plain = server.get(target).await;
        for answer in [answer, plain] {
            assert_eq!(answer.field("x-forged"), "", "{target}");
            assert!(!answer.field("set-cookie").contains("forged"), "{target}");
            assert!(!answer.field("location").contains(['\r', '\n', '\u{1b}']), "{target}");
            assert!(!answer.body.contains('\u{1b}'), "{target}");
        }
    }
}

#[tokio::test]
async fn assets_stay_inside_their_folder() {
    let server = TestServer::start();
    for target in [
        "/static/../Cargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "/static/..%2fCargo.toml",
        "/static/%2e%2e%2fCargo.toml",
        "/static/app/../../Cargo.toml",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/..\\Cargo.toml",
        "/static/%5c..%5cCargo.toml",
        "/static/.%00./Cargo.toml",
        "/static/....//Cargo.toml",
        "/static/%252e%252e/Cargo.toml",
        "/static/app/main.js%00.css",
    ] {
        let answer = server.get(target).await;
        assert!(matches!(answer.status, 400 | 404), "{target}: {}", answer.status);
        assert!(!answer.body.contains("[package]") && !answer.body.contains("root:"), "{target}");
        assert_eq!(answer.field("x-content-type-options"), "nosniff", "{target}");
    }
}

#[tokio::test]
async fn assets_are_asked_for_again_and_not_sent_again() {
    let server = TestServer::start();
    let first = server.get("/static/app/main.js").await;
    assert_eq!((first.status, first.field("content-type")), (200, "text/javascript"));
    let tag = first.field("etag");
    assert!(!tag.is_empty());
    let again = server.ask("GET", "/static/app/main.js", &format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!((again.status, again.body.as_str(), again.field("cache-control")), (304, "", "no-cache"));
    assert_eq!(again.field("content-security-policy"), "", "what the browser has kept may be a page, with its own");
    let small = server.ask("GET", "/static/app/main.js", "Accept-Encoding: gzip\r\n").await;
    assert_eq!(small.field("content-encoding"), "gzip");
    assert_eq!(server.get("/favicon.ico").await.field("content-type"), "image/svg+xml");
}

#[tokio::test]
async fn the_colours_are_the_readers() {
    let server = TestServer::start();
    let night = |answer: &Answer| {
        let media = answer.body.split("dark.css\" media=\"").nth(1).and_then(|rest| rest.split('"').next());
        media.expect("the colours of the night").to_owned()
    };
    assert_eq!(night(&server.get("/").await), "(prefers-color-scheme: dark)");
    assert_eq!(night(&server.ask("GET", "/r/dev", "Cookie: theme=dark\r\n").await), "all");
    let switched = server.ask("GET", "/?theme=light&lang=ko", "Cookie: theme=dark\r\n").await;
    assert_eq!(night(&switched), "not all");
    assert!(switched.body.contains(r#"<meta name="color-scheme" content="light">"#));
    let cookies: BTreeSet<_> = switched.field("set-cookie").lines().collect();
    let kept = |what: &str| format!("{what}; Path=/; Max-Age=31536000; SameSite=Lax");
    assert_eq!(cookies, BTreeSet::from([&*kept("lang=ko"), &*kept("theme=light")]));
    let nonsense = server.ask("GET", "/?theme=%0D%0AX:1", "Cookie: theme=<b>\r\n").await;
    assert_eq!((nonsense.field("set-cookie"), &*night(&nonsense)), ("", "(prefers-color-scheme: dark)"));
}

#[tokio::test]
async fn the_page_about_this_server_says_what_it_is() {
    let source = Some("https://example.org/madang".to_owned());
    let server = TestServer::with(Config { source_url: source, ..Config::default() });
    for (lang, title) in [("en", "About this server"), ("ko", "이 서버에 대하여")] {
        let page = server.get(&format!("/about?lang={lang}")).await;
        assert_eq!((page.status, page.field("content-language")), (200, lang));
        for part in [
            title,
            concat!("front/", env!("CARGO_PKG_VERSION")),
            "https://example.org/madang",
            "actix-web",
            "BSD-3-Clause",
        ] {
            assert!(page.body.contains(part), "{lang}: {part}");
        }
        for from in ["/", "/r/dev"] {
            let page = server.get(&format!("{from}?lang={lang}")).await;
            assert!(page.body.contains(&format!(r#"<a href="/about">{title}</a>"#)), "{from} leads there");
        }
    }
    let licence = server.get("/static/vendor/highlight.js/LICENSE.txt").await;
    assert!(licence.body.contains("BSD 3-Clause") && licence.field("content-type").starts_with("text/plain"));
}

#[tokio::test]
async fn a_device_can_keep_it_as_an_application() {
    for (base, home) in [("", "/"), ("/chat", "/chat/")] {
        let server = TestServer::with(Config { base_path: base.parse().unwrap(), ..Config::default() });
        for (lang, name) in [("ko", "마당"), ("en", "Madang")] {
            let page = server.get(&format!("{base}/?lang={lang}")).await;
            let link = format!("{base}/manifest.webmanifest?lang={lang}");
            assert!(page.body.contains(&format!(r#"<link rel="manifest" href="{link}">"#)), "{}", page.body);
            let answer = server.get(&link).await;
            assert_eq!(answer.field("content-type"), "application/manifest+json");
            assert_eq!(answer.field("set-cookie"), "", "asking for it chooses no language");
            let manifest: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(
                (&manifest["name"], &manifest["start_url"], &manifest["scope"]),
                (&name.into(), &home.into(), &home.into())
            );
            for icon in manifest["icons"].as_array().unwrap() {
                let file = server.get(icon["src"].as_str().unwrap()).await;
                assert_eq!((file.status, file.field("content-type")), (200, icon["type"].as_str().unwrap()), "{icon}");
            }
        }
    }
}

#[tokio::test]
async fn the_language_is_the_readers() {
    let server = TestServer::start();
    let lang = |answer: Answer| answer.field("content-language").to_owned();
    assert_eq!(lang(server.get("/").await), "en");
    assert_eq!(lang(server.ask("GET", "/", "Accept-Language: ko-KR,ko;q=0.9,en;q=0.8\r\n").await), "ko");
    assert_eq!(lang(server.ask("GET", "/", "Accept-Language: ko\r\nCookie: lang=en\r\n").await), "en");
    let switched = server.ask("GET", "/?lang=ko", "Cookie: lang=en\r\n").await;
    assert!(switched.body.contains(r#"<html lang="ko">"#) && switched.body.contains("들어가기"));
    assert_eq!(switched.field("set-cookie"), "lang=ko; Path=/; Max-Age=31536000; SameSite=Lax");
    let nonsense = server.get("/?lang=%0D%0AX:1").await;
    assert_eq!((nonsense.status, nonsense.field("set-cookie")), (200, ""));
}

#[tokio::test]
async fn an_old_browser_gets_an_answer_that_it_can_read() {
    let server = TestServer::start();
    let request = format!("GET /r/dev HTTP/1.0\r\nHost: {}\r\nAccept-Encoding: gzip\r\n\r\n", server.address);
    let answer = server.raw(&request).await;
    assert_eq!((answer.status, answer.field("transfer-encoding"), answer.field("content-encoding")), (200, "", ""));
    assert_eq!(answer.field("content-length"), answer.body.len().to_string());
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

/// The form of a room without a script, as a browser sends it.
fn form(once: &str, name: &str, text: &str, fields: &str) -> String {
    let escape = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let body = format!("once={once}&name={}&text={}", escape(name), escape(text));
    let kind = "application/x-www-form-urlencoded";
    format!("Content-Type: {kind}\r\nContent-Length: {}\r\n{fields}\r\n{body}", body.len())
}

impl TestServer {
    async fn post(&self, target: &str, form: &str) -> Answer {
        let host = self.address;
        self.raw(&format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{BROWSER}{form}")).await
    }
}

/// The hidden word of a page's form.
fn once(page: &Answer) -> String {
    let (_, rest) = page.body.split_once(r#"name="once" value=""#).expect("a form");
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn only_the_pages_of_a_room_have_to_do_with_frames() {
    let server = TestServer::start();
    for (target, frames) in [
        ("/r/dev", "; frame-src 'self'; frame-ancestors 'none';"),
        ("/r/dev/live", "; form-action 'self'; frame-ancestors 'self';"),
        ("/", "; form-action 'self'; frame-ancestors 'none';"),
        ("/r/%00", "; form-action 'self'; frame-ancestors 'none';"),
    ] {
        let policy = server.get(target).await.field("content-security-policy").to_owned();
        assert!(policy.contains(frames), "{target}: {policy}");
    }
}

#[tokio::test]
async fn without_a_script_a_room_is_a_frame_and_a_form() {
    let server = TestServer::start();
    let page = server.get("/r/%EB%A7%88%EB%8B%B9").await;
    assert!(page.body.contains(r#"<iframe class="frame" src="/r/%EB%A7%88%EB%8B%B9/live""#), "{}", page.body);
    assert!(page.body.contains(r#"<form class="post" method="post" action="/r/%EB%A7%88%EB%8B%B9">"#));
    assert_eq!(once(&page).len(), 22);
    assert_ne!(once(&page), once(&server.get("/r/%EB%A7%88%EB%8B%B9").await));
    let live = server.get("/r/dev/live").await;
    assert_eq!((live.status, live.field("cache-control")), (200, "no-store"));
    assert!(live.body.contains(r#"http-equiv="refresh""#) && !live.body.contains("<script"), "{}", live.body);
    let still = server.get("/r/dev/live?still").await;
    assert!(!still.body.contains("http-equiv") && still.body.contains(r#"<a href="live">"#), "{}", still.body);
    assert!(live.body.contains(r#"<a href="live?still">"#), "{}", live.body);
    assert_eq!(server.get("/r/dev/other").await.status, 404);
    assert_eq!(server.get("/r/%00/live").await.status, 400);
}

#[tokio::test]
async fn text_browsers_are_shown_nothing_that_waits_for_a_script() {
    let server = TestServer::start();
    let host = server.address;
    let get = async |target: &str, fields: &str| {
        server.raw(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n")).await.body
    };
    for fields in ["User-Agent: Lynx/2.9.2\r\n", "User-Agent: w3m/0.5.3+git20230121\r\n", ""] {
        let room = get("/r/dev", fields).await;
        assert_eq!((room.matches("<form").count(), room.matches("<textarea").count()), (1, 1), "{fields}{room}");
        assert_eq!(room.matches("<button").count(), 1, "{fields}{room}");
        let index = get("/", fields).await;
        for page in [room, index] {
            assert!(
                !page.contains("<script") && !page.contains("<noscript") && !page.contains("id=\"rooms\""),
                "{page}"
            );
        }
    }
    // Whoever may run scripts gets them, whatever it calls itself.
    for fields in [BROWSER, "Sec-Fetch-Dest: document\r\n"] {
        let room = get("/r/dev", fields).await;
        assert!(room.contains("main.js") && room.contains("<noscript>") && room.contains("id=\"composer\""), "{room}");
        assert!(get("/", fields).await.contains("index.js"));
    }
}

#[tokio::test]
async fn a_guest_who_came_over_tls_is_never_told_in_the_clear() {
    let server = TestServer::start();
    for (scheme, secure) in [("https", true), ("http", false)] {
        let fields = format!("X-Forwarded-Proto: {scheme}\r\n");
        let joined = server.ask("GET", "/join?room=dev&name=kim", &fields).await;
        let word = once(&server.get("/r/dev").await);
        let posted = server.post("/r/dev", &form(&word, "kim", "", &fields)).await;
        let cookies = [joined.field("set-cookie"), posted.field("set-cookie")].join("\n");
        assert_eq!(cookies.lines().count(), 3, "{cookies}");
        assert!(cookies.lines().all(|cookie| cookie.ends_with("; Secure") == secure), "{scheme}: {cookies}");
    }
}

#[tokio::test]
async fn nothing_typed_is_lost_while_the_chat_server_is_away() {
    let server = TestServer::start();
    let word = once(&server.get("/r/dev").await);
    let text = "</textarea><script>alert(1)</script>\n둘째 줄";
    let answer = server.post("/r/dev", &form(&word, "kim \"", text, "")).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.contains("&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;"), "{}", answer.body);
    assert!(answer.body.contains("둘째 줄</textarea>") && answer.body.contains("kim &quot;"), "{}", answer.body);
    // Sent again it is the same message: nobody knows what became of the first.
    assert_eq!(once(&answer), word);
    for name in ["%", "\u{202E}kim", &"x".repeat(33)] {
        let answer = server.post("/r/dev", &form(&word, name, "kept", "")).await;
        let status = if name == "%" { 503 } else { 400 };
        assert_eq!(answer.status, status, "{name}");
        assert!(answer.body.contains("kept</textarea>"), "{name}");
    }
}

#[tokio::test]
async fn other_sites_cannot_post_as_somebody() {
    let server = TestServer::start();
    let word = once(&server.get("/r/dev").await);
    for from in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: null\r\n",
        "Origin: http://evil.example\r\n",
    ] {
        let answer = server.post("/r/dev", &form(&word, "", "x", from)).await;
        assert_eq!(answer.status, 403, "{from}");
        assert!(!answer.fields.contains_key("set-cookie"), "{from}");
    }
}

#[tokio::test]
async fn a_form_that_is_none_is_refused() {
    let server = TestServer::start();
    for form in [
        form("", "", "x", ""),
        form("short", "", "x", ""),
        form("%00", "", "x", ""),
        "Content-Length: 0\r\n\r\n".to_owned(),
    ] {
        assert_eq!(server.post("/r/dev", &form).await.status, 400, "{form}");
    }
    let word = once(&server.get("/r/dev").await);
    let long = server.post("/r/dev", &form(&word, "", &"x".repeat(64 * 1024), "")).await;
    assert_eq!(long.status, 400);
    assert!(long.body.contains("It may be too long"), "{}", long.body);
    // An empty text is nothing to send; the name and the person are kept.
    let empty = server.post("/r/dev", &form(&word, "민수", " \r\n", "")).await;
    assert_eq!((empty.status, empty.field("location")), (303, "/r/dev"));
    let cookies: Vec<_> = empty.field("set-cookie").lines().collect();
    assert!(cookies.iter().all(|cookie| cookie.ends_with("; Path=/r; HttpOnly; SameSite=Lax")), "{cookies:?}");
    let cookies: Vec<_> = cookies.iter().map(|cookie| cookie.split(';').next().unwrap()).collect();
    assert!(cookies.len() == 2 && cookies[0].starts_with("guest="), "{cookies:?}");
    let again = server.ask("GET", "/r/dev", &format!("Cookie: {}\r\n", cookies.join("; "))).await;
    assert!(again.body.contains(r#"value="민수""#), "{}", again.body);
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(Server::new(Config::default()).unwrap().run(listener, stop.clone()));
    TcpStream::connect(address).await.unwrap();
    stop.cancel();
    timeout(PATIENCE, running).await.expect("it stops in time").unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn both_languages_say_everything_that_is_used() {
    let words = Words::load().unwrap();
    let table = |lang| words.table(lang).keys().cloned().collect::<BTreeSet<_>>();
    let (ko, en) = (table(front::words::Lang::Ko), table(front::words::Lang::En));
    assert_eq!(ko, en);

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = BTreeSet::new();
    for (folder, before, after) in [("static/app", "t('", "'"), ("templates", "words.", " "), ("src", "say(\"", "\"")] {
        for file in files(&root.join(folder)) {
            // What speaks with programs says nothing to people.
            if ["src/api", "src/bridge"].iter().any(|other| file.starts_with(root.join(other))) {
                continue;
            }
            let text = std::fs::read_to_string(file).unwrap();
            for (at, _) in text.match_indices(before) {
                // `t('` also ends other names: `set('`.
                let whole = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/'));
                let rest = &text[at + before.len()..];
                if whole || folder == "src" {
                    used.extend(rest.split_once(after).map(|(key, _)| key.to_owned()));
                }
            }
        }
    }
    assert!(used.len() > 50, "the search for keys finds too little: {used:?}");
    assert_eq!(used.difference(&ko).collect::<Vec<_>>(), Vec::<&String>::new(), "used, but in no table");
    assert_eq!(ko.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "in the tables, but never used");
}

#[test]
fn both_languages_leave_the_same_holes() {
    let words = Words::load().unwrap();
    let holes = |value: &Value| -> BTreeSet<String> {
        let sentence = value.as_str().or_else(|| value["other"].as_str()).expect("a sentence, or one for `other`");
        sentence.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
    };
    for (key, ko) in words.table(front::words::Lang::Ko) {
        assert_eq!(holes(ko), holes(&words.table(front::words::Lang::En)[key]), "{key}");
    }
}
