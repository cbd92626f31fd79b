//! What is refused, and how.

use crate::house::House;

#[tokio::test]
async fn pages_from_elsewhere_are_refused_and_listed_ones_may_read() {
    let house = House::with(&[], &["--allow-origin", "https://chat.example.org"]);
    let from = async |origin: &str| house.ask("GET", "/api/rooms", &[("Origin", origin)], "").await;
    for origin in ["https://evil.example", "null", "https://chat.example.org.evil.example", "http://chat.example.org"] {
        let answer = from(origin).await;
        assert_eq!(answer.problem(), (403, "forbidden".to_owned()), "{origin}");
        assert!(answer.body.contains("--allow-origin"), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    let listed = from("https://chat.example.org").await;
    assert_eq!((listed.status, listed.header("access-control-allow-origin")), (200, "https://chat.example.org"));
    assert!(listed.header("vary").contains("origin"));
    assert!(listed.header("access-control-expose-headers").contains("etag"));
    let local = from("http://localhost:5173").await;
    assert_eq!((local.status, local.header("access-control-allow-origin")), (200, ""));
    let own = format!("http://{}", house.front_address);
    assert_eq!(from(&own).await.status, 200);
    // Two of them are refused, whichever comes first.
    let two = [("Origin", "http://localhost"), ("Origin", "https://evil.example")];
    assert_eq!(house.ask("GET", "/api/rooms", &two, "").await.status, 403);
    // What stores something is refused before it is read.
    let headers = [("Origin", "https://evil.example"), ("Content-Type", "text/plain")];
    assert_eq!(house.ask("POST", "/api/rooms/dev/messages", &headers, "x").await.status, 403);
    assert_eq!(house.json("/api/rooms/dev/messages").await["top"], 0);
}

#[tokio::test]
async fn whoever_asks_in_a_strange_name_reads_nothing() {
    let house = House::with(&[], &["--allow-origin", "https://chat.example.org"]);
    house.say("dev", "a").await;
    // A name that leads here by somebody else's will (DNS rebinding); a browser sends no Origin with what such a page reads.
    let named = async |path: &str, host: &str| house.ask("GET", path, &[("X-Forwarded-Host", host)], "").await;
    for path in ["/api/rooms", "/api/rooms/dev/messages", "/api/rooms/dev/events", "/api/openapi.json"] {
        let answer = named(path, "rebound.example:8080").await;
        assert_eq!(answer.problem(), (403, "forbidden".to_owned()), "{path}");
        assert!(answer.body.contains("to front and back, as in --allow-origin https://"), "{answer:?}");
    }
    let frame = named("/r/dev/live", "rebound.example").await;
    assert_eq!(frame.status, 403, "{frame:?}");
    assert!(frame.body.contains("--allow-origin"), "{frame:?}");
    let page = named("/r/dev", "rebound.example").await;
    assert!(page.status == 200 && !page.body.contains("class=\"text\""), "{page:?}");
    // Such a page writes what a proxy would, to a server on its own machine; only `Host` is the browser's.
    for path in ["/api/rooms/dev/messages", "/r/dev/live"] {
        let headers = [("Host", "rebound.example:8080"), ("X-Forwarded-Host", "localhost")];
        assert_eq!(house.ask("GET", path, &headers, "").await.status, 403, "{path}");
    }
    for host in ["localhost:1", "192.0.2.7", "chat.example.org"] {
        assert_eq!(named("/api/rooms/dev/messages", host).await.json()["top"], 1, "{host}");
        assert_eq!(named("/r/dev/live", host).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn browsers_are_told_beforehand_what_a_page_may_do() {
    let house = House::with(&[], &["--allow-origin", "https://chat.example.org"]);
    let ask = [
        ("Origin", "https://chat.example.org"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,idempotency-key"),
    ];
    let answer = house.ask("OPTIONS", "/api/rooms/dev/messages", &ask, "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, "https://chat.example.org"));
    assert!(answer.header("access-control-allow-methods").contains("POST"));
    for name in ["authorization", "content-type", "idempotency-key", "last-event-id", "if-none-match"] {
        assert!(answer.header("access-control-allow-headers").contains(name), "{name}");
    }
    let evil = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")];
    assert_eq!(house.ask("OPTIONS", "/api/rooms/dev/messages", &evil, "").await.status, 403);
    // A refusal can be read by a listed page too.
    let answer = house.ask("GET", "/api/nowhere", &ask[..1], "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (404, "https://chat.example.org"));
}

#[tokio::test]
async fn wrong_addresses_methods_and_numbers_get_an_error_object() {
    let house = House::open();
    for path in
        ["/api", "/api/", "/api/nowhere", "/api/rooms/", "/api/rooms/dev", "/api/rooms/a/b/messages", "/api/sessions/x"]
    {
        let answer = house.get(path).await;
        let expected = if path == "/api/sessions/x" { (405, "wrong_method") } else { (404, "not_found") };
        assert_eq!(answer.problem(), (expected.0, expected.1.to_owned()), "{path}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
    for (method, path, allow) in [
        ("DELETE", "/api/rooms/dev/messages", "GET, HEAD, POST"),
        ("POST", "/api/rooms", "GET, HEAD"),
        ("HEAD", "/api/rooms/dev/events", "GET"),
        ("POST", "/api/rooms/dev/stream", "GET"),
        ("GET", "/api/rooms/dev/hook", "POST"),
        ("PUT", "/api/sessions", "POST"),
        ("POST", "/api/sessions/x", "DELETE"),
    ] {
        let answer = house.ask(method, path, &[], "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, allow), "{method} {path}");
    }
    for path in [
        "/api/rooms/dev/messages?limit=201",
        "/api/rooms/dev/messages?limit=x",
        "/api/rooms/dev/messages?wait=26",
        "/api/rooms/dev/messages?wait=-1",
        "/api/rooms/dev/messages?after=x",
        "/api/rooms/dev/messages?after=a:b",
        "/api/rooms/dev/messages?before=9007199254740992",
        "/api/rooms/dev/messages?before=1&around=2",
        "/api/rooms/dev/messages?before=1&after=2",
        "/api/rooms/dev/events?last=201",
        "/api/rooms/dev/events?after=%00",
    ] {
        assert_eq!(house.get(path).await.problem(), (400, "bad_field".to_owned()), "{path}");
    }
    let odd = house.ask("GET", "/api/rooms/dev/events", &[("Last-Event-ID", "no")], "").await;
    assert_eq!(odd.problem(), (400, "bad_field".to_owned()));
    let long = format!("/api/rooms/{}/messages", "x".repeat(65));
    for path in [
        "/api/rooms/%FF/messages",
        "/api/rooms/a%2Fb/messages",
        "/api/rooms/%2e%2e/messages",
        "/api/rooms/a%0Ab/messages",
        &long,
    ] {
        assert_eq!(house.get(path).await.problem(), (400, "bad_name".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn errors_carry_the_headers_of_every_answer() {
    let house = House::open();
    for path in ["/api/nowhere", "/api/rooms", "/api/openapi.json"] {
        let answer = house.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
    }
}
