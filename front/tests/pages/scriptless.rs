//! A room without a script: a frame and a form.

use crate::server::{Answer, BROWSER, TestServer};

/// The form of a room without a script, as a browser sends it.
fn form(once: &str, name: &str, text: &str, fields: &str) -> String {
    let escape = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let body = format!("once={once}&name={}&text={}", escape(name), escape(text));
    let kind = "application/x-www-form-urlencoded";
    format!("Content-Type: {kind}\r\nContent-Length: {}\r\n{fields}\r\n{body}", body.len())
}

/// The hidden word of a page's form.
fn once(page: &Answer) -> String {
    let (_, rest) = page.body.split_once(r#"name="once" value=""#).expect("a form");
    rest.split('"').next().unwrap().to_owned()
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
