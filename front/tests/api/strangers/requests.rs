//! Over HTTP: pages, frames, forms, streams, polls and sessions.

use super::{ROOMS, Shown, Yard, whole};

/// What somebody is told who did not sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// By the API: where to sign in.
    Api,
    /// By a page that is opened: it leads there.
    Page,
    /// By a frame, and by a form that is posted: a page that says so.
    Shown,
}

/// A way in: how it is asked for, with `ROOM` for a room's name.
struct Way {
    kind: Kind,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
}

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];
const FORM: &str = "text=x&name=x&once=AAAAAAAAAAAAAAAAAAAAAA";

const fn api(method: &'static str, path: &'static str, body: &'static str) -> Way {
    Way { kind: Kind::Api, method, path, headers: JSON, body }
}

const fn with(way: Way, headers: &'static [(&'static str, &'static str)]) -> Way {
    Way { headers, ..way }
}

/// Everything that shows, says or ends something. `EPOCH` is what a member knows of the room that is there, `USER` somebody
/// who has a session there.
const WAYS: &[Way] = &[
    api("GET", "/api/rooms", ""),
    api("GET", "/api/rooms/ROOM/messages", ""),
    api("HEAD", "/api/rooms/ROOM/messages", ""),
    api("OPTIONS", "/api/rooms/ROOM/messages", ""),
    api("GET", "/api/rooms/ROOM/messages?before=9", ""),
    api("GET", "/api/rooms/ROOM/messages?around=1", ""),
    api("GET", "/api/rooms/ROOM/messages?after=0", ""),
    api("GET", "/api/rooms/ROOM/messages?after=EPOCH:1&wait=25", ""),
    with(api("GET", "/api/rooms/ROOM/messages", ""), &[("If-None-Match", "\"EPOCH:1\"")]),
    with(api("GET", "/api/rooms/ROOM/messages", ""), &[("If-None-Match", "*")]),
    api("GET", "/api/rooms/ROOM/events", ""),
    with(api("GET", "/api/rooms/ROOM/events", ""), &[("Last-Event-ID", "EPOCH:0")]),
    api("GET", "/api/rooms/ROOM/stream?after=EPOCH:0", ""),
    api("GET", "/api/rooms/ROOM/users", ""),
    api("GET", "/api/rooms/ROOM/search?q=secret", ""),
    api("POST", "/api/rooms/ROOM/messages", r#"{"text":"x","id":"1"}"#),
    with(api("POST", "/api/rooms/ROOM/messages?name=x", "x"), &[("Content-Type", "text/plain")]),
    api("POST", "/api/rooms/ROOM/hook", r#"{"text":"x"}"#),
    api("DELETE", "/api/rooms/ROOM/messages", ""),
    // Written otherwise, for whoever decides by what is written.
    api("GET", "/%61pi/rooms/ROOM/messages", ""),
    api("GET", "/api/%72ooms/ROOM/messages", ""),
    api("GET", "/%61pi/rooms/ROOM/events?last=9", ""),
    api("POST", "/a%70i/rooms/ROOM/messages", r#"{"text":"x"}"#),
    Way { kind: Kind::Page, method: "GET", path: "/r/ROOM", headers: &[], body: "" },
    Way { kind: Kind::Page, method: "HEAD", path: "/r/ROOM", headers: &[], body: "" },
    Way { kind: Kind::Page, method: "GET", path: "/%72/ROOM", headers: &[], body: "" },
    Way { kind: Kind::Page, method: "GET", path: "/?room=ROOM", headers: &[], body: "" },
    Way { kind: Kind::Page, method: "GET", path: "/join?room=ROOM&name=x", headers: &[], body: "" },
    Way { kind: Kind::Page, method: "GET", path: "/r/ROOM", headers: &[("Sec-Fetch-Dest", "document")], body: "" },
    Way { kind: Kind::Shown, method: "GET", path: "/r/ROOM/live", headers: &[], body: "" },
    Way { kind: Kind::Shown, method: "GET", path: "/r/ROOM/live?still", headers: &[], body: "" },
    Way { kind: Kind::Shown, method: "GET", path: "/r/ROOM/l%69ve", headers: &[], body: "" },
    Way { kind: Kind::Shown, method: "POST", path: "/r/ROOM", headers: &[], body: FORM },
];

/// What is asked of a session over HTTP, and where one begins.
const SESSIONS: &[Way] = &[
    api("POST", "/api/ticket", ""),
    api("POST", "/api/sessions", r#"{"rooms":{"ROOM":{}}}"#),
    api("GET", "/api/sessions/USER/events", ""),
    api("GET", "/api/sessions/USER/events?wait=25", ""),
    api("GET", "/api/sessions/USER/events?wait=0", ""),
    api("POST", "/api/sessions/USER/commands", r#"[{"type":"join","id":"1","room":"ROOM"}]"#),
    api("DELETE", "/api/sessions/USER", ""),
];

impl Yard {
    /// The whole answer of this way into a room, but for its time; the room's name stands there as `ROOM` again.
    async fn answer(&self, way: &Way, shown: &Shown, room: &str) -> String {
        let headers: Vec<(&str, String)> =
            way.headers.iter().map(|(name, value)| (*name, self.filled(value, room))).chain(shown.clone()).collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (path, body) = (self.filled(way.path, room), self.filled(way.body, room));
        let whole = whole(&self.closed.house.front_address, way.method, &path, &headers, body.as_bytes()).await;
        assert!(!whole.contains("the secret"), "{} {path} {shown:?}: {whole}", way.method);
        whole.replace(room, "ROOM")
    }

    /// The answers for both rooms, which are one.
    async fn same(&self, way: &Way, shown: &Shown, who: &str) -> String {
        let (one, other) = (self.answer(way, shown, ROOMS[0]).await, self.answer(way, shown, ROOMS[1]).await);
        assert_eq!(one, other, "{who}: {} {}", way.method, way.path);
        one
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_not_sign_in_gets_one_answer_by_every_way() {
    let yard = Yard::open().await;
    let mut told: Vec<(String, String)> = Vec::new();
    for (who, shown) in yard.strangers().await {
        for way in WAYS.iter().chain(SESSIONS) {
            let answer = yard.same(way, &shown, who).await;
            let at = format!("{who}: {} {}: {answer}", way.method, way.path);
            let (wanted, says) = match way.kind {
                Kind::Api => ("401", "sign in at /sign-in, and send the cookie"),
                Kind::Page => ("303", "location: /sign-in?to=%2F"),
                Kind::Shown => ("401", "href=\"/sign-in?to=%2F"),
            };
            assert_eq!(status(&answer), wanted, "{at}");
            assert!(way.method == "HEAD" || answer.contains(says), "{at}");
            assert!(answer.contains("cache-control: no-store") && !answer.contains("etag"), "{at}");
            assert!(!answer.contains("set-cookie"), "{at}");
            told.push((format!("{} {} {:?}", way.method, way.path, way.headers), answer));
        }
    }
    // Whatever was shown: nobody learns how near it was.
    for (way, answer) in &told {
        let first = told.iter().find(|(other, _)| other == way).unwrap();
        assert_eq!(*answer, first.1, "{way}");
    }
    let page = yard.closed.ask("GET", "/api/rooms/staff/messages", &yard.kim, "").await.json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 1, "nothing was said by strangers");
    let at = format!("/api/sessions/{}/events?wait=0", yard.user);
    let headers = [("Cookie", yard.kim.as_str()), ("Authorization", &format!("Bearer {}", yard.secret))];
    let frames = yard.closed.house.ask("GET", &at, &headers, "").await.json();
    assert_eq!(frames.get("closed"), None, "nobody else ended the session, or said something by it: {frames}");
    assert!(!frames.to_string().contains("\"id\":\"1\""), "{frames}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_elsewhere_gets_nothing_with_somebodys_cookie() {
    let yard = Yard::open().await;
    let own = format!("http://{}", yard.closed.house.front_address);
    let from = |headers: &[(&'static str, &str)]| -> Shown {
        let cookie = [("Cookie", yard.kim.clone()), ("Authorization", format!("Bearer {}", yard.secret))];
        cookie.into_iter().chain(headers.iter().map(|(name, value)| (*name, (*value).to_owned()))).collect()
    };
    let elsewhere = [
        ("another site", from(&[("Origin", "http://evil.example")])),
        ("no origin that can be named", from(&[("Origin", "null")])),
        ("an empty one", from(&[("Origin", "")])),
        ("two origins", from(&[("Origin", &own), ("Origin", "http://evil.example")])),
        ("the same twice", from(&[("Origin", &own), ("Origin", &own)])),
        ("another port of this machine", from(&[("Origin", "http://localhost:5000")])),
        ("a site that says so", from(&[("Sec-Fetch-Site", "cross-site")])),
        ("a neighbour that says so", from(&[("Sec-Fetch-Site", "same-site")])),
        ("one that says both", from(&[("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")])),
    ];
    for (who, shown) in &elsewhere {
        // To open a page from elsewhere is to follow a link.
        let posted = |way: &&Way| way.kind == Kind::Api || way.method == "POST";
        for way in WAYS.iter().chain(SESSIONS).filter(posted) {
            let answer = yard.same(way, shown, who).await;
            let at = format!("{who}: {} {}: {answer}", way.method, way.path);
            let says =
                if way.kind == Kind::Api { "open this server's own page" } else { "This did not come from here" };
            assert_eq!(status(&answer), "403", "{at}");
            assert!(way.method == "HEAD" || answer.contains(says), "{at}");
            assert!(!answer.contains("access-control-allow-origin") && !answer.contains("etag"), "{at}");
        }
    }
    let page = yard.closed.ask("GET", "/api/rooms/staff/messages", &yard.kim, "").await.json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 1, "nothing was said from elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_in_a_strange_name_learns_of_no_room() {
    let yard = Yard::open().await;
    // A name that was made to lead here. The browser has no cookie for it, but whoever made it may have stolen one.
    let shown: Shown = vec![("Host", "rebound.example:8080".to_owned()), ("Cookie", yard.kim.clone())];
    for way in WAYS.iter().filter(|way| way.method != "POST" && way.path.contains("/rooms/ROOM")) {
        let answer = yard.same(way, &shown, "a strange name").await;
        let at = format!("{} {}: {answer}", way.method, way.path);
        assert_eq!(status(&answer), "403", "{at}");
        assert!(way.method == "HEAD" || answer.contains("--allow-origin"), "{at}");
    }
    let live = Way { kind: Kind::Shown, method: "GET", path: "/r/ROOM/live", headers: &[], body: "" };
    let answer = yard.same(&live, &shown, "a strange name").await;
    assert!(status(&answer) == "403" && answer.contains("--allow-origin"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_member_cannot_tell_a_room_from_none() {
    let yard = Yard::open().await;
    yard.operate(&["room", "remove", "staff", "noah"]);
    let mut told: Vec<(String, String)> = Vec::new();
    for (who, cookie) in [("never one", &yard.lee), ("not any more", &yard.noah)] {
        let bearer = format!("Bearer {}", yard.secret);
        let signed_in: Shown = vec![("Cookie", cookie.clone())];
        let with_another = vec![("Cookie", cookie.clone()), ("Authorization", bearer.clone())];
        for shown in [&signed_in, &with_another] {
            for way in WAYS.iter().filter(|way| !way.path.contains('?') || !way.path.starts_with("/?")) {
                let answer = yard.same(way, shown, who).await;
                let at = format!("{who}: {} {}: {answer}", way.method, way.path);
                let (wanted, says) = match (way.kind, way.path, way.method) {
                    (_, "/api/rooms", _) => ("200", r#"{"rooms":[]}"#),
                    (_, _, "OPTIONS" | "DELETE") => ("405", "it answers to"),
                    // It leads on, whatever is there.
                    (_, path, _) if path.starts_with("/join") => ("303", "location: /r/ROOM"),
                    // A room's page has one address.
                    (_, "/%72/ROOM" | "/r/ROOM/l%69ve", _) => (status(&answer), ""),
                    (_, path, _) if path.ends_with("/hook") => ("404", "no_room"),
                    (Kind::Api, ..) => ("404", "GET /api/rooms lists those that there are"),
                    _ => ("404", "Whoever runs this server can make you a member"),
                };
                assert_eq!(status(&answer), wanted, "{at}");
                assert!(!status(&answer).starts_with('2') || way.path == "/api/rooms", "{at}");
                assert!(way.method == "HEAD" || answer.contains(says), "{at}");
                assert!(!answer.contains("etag"), "{at}");
                // A page with scripts says to whom it was made.
                if !answer.contains("\"account\"") {
                    told.push((format!("{} {} {:?}", way.method, way.path, way.headers), answer));
                }
            }
        }
        // Another's session is none.
        let nobody = "AAAAAAAAAAAAAAAA";
        for way in SESSIONS.iter().filter(|way| way.path.contains("USER")) {
            let one = yard.same(way, &with_another, who).await;
            let to_nobody = yard.filled(way.path, ROOMS[0]).replace(&yard.user, nobody);
            let headers = [("Cookie", cookie.as_str()), ("Authorization", &bearer)];
            let headers = [&headers[..], way.headers].concat();
            let body = yard.filled(way.body, ROOMS[0]);
            let address = &yard.closed.house.front_address;
            let other = whole(address, way.method, &to_nobody, &headers, body.as_bytes()).await;
            assert_eq!(status(&one), "404", "{who}: {one}");
            assert!(one.contains("no_session") && one.contains("POST"), "{who}: {one}");
            assert_eq!(one, other, "{who}: {} {}", way.method, way.path);
        }
    }
    for (way, answer) in &told {
        let first = told.iter().find(|(other, _)| other == way).unwrap();
        assert_eq!(*answer, first.1, "{way}: who was there once is told what others are");
    }
    let page = yard.closed.ask("GET", "/api/rooms/staff/messages", &yard.kim, "").await.json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 1, "nothing was said by others");
}
