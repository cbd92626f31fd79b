//! Under which headers answers come, and that nothing which is asked for becomes one, or markup, or a file.

use crate::server::TestServer;

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
async fn an_old_browser_gets_an_answer_that_it_can_read() {
    let server = TestServer::start();
    let request = format!("GET /r/dev HTTP/1.0\r\nHost: {}\r\nAccept-Encoding: gzip\r\n\r\n", server.address);
    let answer = server.raw(&request).await;
    assert_eq!((answer.status, answer.field("transfer-encoding"), answer.field("content-encoding")), (200, "", ""));
    assert_eq!(answer.field("content-length"), answer.body.len().to_string());
}
