//! Accounts, the desk where one signs in, and what strangers get, over every way in.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    house::House,
    http::{self, Answer, DEADLINE},
};

pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef0123456789a";
pub(crate) const PASSWORD: &str = "마당은 넓고 달은 밝다";

/// What a proxy on this machine says of a request that came over TLS.
const TLS: (&str, &str) = ("X-Forwarded-Proto", "https");

/// A house that only who signed in comes into.
pub(crate) struct Closed {
    pub(crate) house: House,
    pub(crate) folder: TempDir,
}

pub(crate) fn front(folder: &Path, args: &[&str], input: &str) -> Output {
    let accounts = folder.join("accounts.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_front"))
        .args(args)
        .args(["--accounts", accounts.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

impl Closed {
    pub(crate) fn open() -> Self {
        Self::with(&[])
    }

    /// With flags for `front`.
    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::around(&["--guests", "no"], flags)
    }

    /// With flags for both; without any, `back` lets guests in beside those who signed in at `front`.
    pub(crate) fn around(back_flags: &[&str], flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        service::secret::write_new(&key, KEY).unwrap();
        assert!(front(folder.path(), &["user", "add", "kim"], &format!("{PASSWORD}\n")).status.success());
        let (key, accounts) = (key.to_str().unwrap(), folder.path().join("accounts.json"));
        let ours = ["--same-port", "--ticket-key", key, "--accounts", accounts.to_str().unwrap()];
        let house = House::with(&[&["--ticket-key", key], back_flags].concat(), &[&ours[..], flags].concat());
        Self { house, folder }
    }

    pub(crate) async fn desk(&self, name: &str, password: &str, headers: &[(&str, &str)]) -> Answer {
        let body = [("name", name), ("password", password), ("to", "/r/dev")];
        let body = body.map(|(field, value)| format!("{field}={}", http::escaped(value))).join("&");
        self.house.ask("POST", "/sign-in", headers, &body).await
    }

    /// The cookie of somebody who signs in.
    pub(crate) async fn sign_in(&self, name: &str) -> String {
        let answer = self.desk(name, PASSWORD, &[]).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/r/dev"), "{answer:?}");
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, cookie: &str, body: &str) -> Answer {
        let headers = [("Cookie", cookie), ("Content-Type", "application/json")];
        self.house.ask(method, path, &headers, body).await
    }

    pub(crate) async fn ticket(&self, cookie: &str) -> String {
        let answer = self.ask("POST", "/api/ticket", cookie, "").await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{answer:?}");
        answer.json()["ticket"].as_str().unwrap().to_owned()
    }
}

pub(crate) type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// Says hello at this address; what comes first.
pub(crate) async fn knock(url: &str, hello: Value) -> (Socket, Value) {
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(shared::SUBPROTOCOL));
    let (mut socket, _) = timeout(DEADLINE, connect_async(request)).await.unwrap().unwrap();
    socket.send(Message::text(hello.to_string())).await.unwrap();
    let first = next(&mut socket).await.unwrap();
    (socket, first)
}

/// What comes next; nothing when it is over.
pub(crate) async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        match timeout(DEADLINE, socket.next()).await.expect("in time") {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

#[tokio::test]
async fn a_stranger_gets_nothing_by_any_way_and_is_told_what_to_do() {
    let closed = Closed::open();
    let cookie = closed.sign_in("kim").await;
    let said = closed.ask("POST", "/api/rooms/board/messages", &cookie, r#"{"text":"the secret"}"#).await;
    assert_eq!(said.status, 201, "{said:?}");
    let forged = cookie.replace('.', ".x");
    for cookie in ["", "sign-in=", "sign-in=a.b.9999999999999.c", &forged, &cookie[..cookie.len() - 2]] {
        for room in ["board", "nothing"] {
            let mut told = Vec::new();
            for (method, path, body) in [
                ("GET", "/api/rooms".to_owned(), ""),
                ("GET", format!("/api/rooms/{room}/messages"), ""),
                ("GET", format!("/api/rooms/{room}/messages?wait=1"), ""),
                ("GET", format!("/api/rooms/{room}/events"), ""),
                ("GET", format!("/api/rooms/{room}/stream"), ""),
                ("GET", format!("/api/rooms/{room}/users"), ""),
                ("GET", format!("/api/rooms/{room}/search?q=secret"), ""),
                ("POST", format!("/api/rooms/{room}/messages"), r#"{"text":"x"}"#),
                ("POST", format!("/api/rooms/{room}/hook"), r#"{"text":"x"}"#),
                ("POST", "/api/sessions".to_owned(), r#"{"rooms":{"board":{}}}"#),
                ("POST", "/api/ticket".to_owned(), ""),
            ] {
                let answer = closed.ask(method, &path, cookie, body).await;
                assert_eq!(answer.problem(), (401, "unauthorized".to_owned()), "{method} {path}");
                assert!(answer.json()["hint"].as_str().unwrap().contains("/sign-in"));
                told.push(answer.body);
            }
            assert!(told.iter().all(|one| *one == told[0]), "whatever is asked, the answer is one and the same");
            let page = closed.ask("GET", &format!("/r/{room}"), cookie, "").await;
            assert_eq!((page.status, page.body.as_str()), (303, ""));
            assert_eq!(page.header("location"), format!("/sign-in?to=%2Fr%2F{room}"));
            let live = closed.ask("GET", &format!("/r/{room}/live"), cookie, "").await;
            assert!(live.status == 401 && !live.body.contains("secret"), "{live:?}");
            let form = closed.ask("POST", &format!("/r/{room}"), cookie, "text=x&once=AAAAAAAAAAAAAAAAAAAAAA").await;
            assert!(form.status == 401 && !form.body.contains("secret"), "{form:?}");
            // Through /ws, and at the chat server itself.
            for url in
                [format!("ws://{}/ws", closed.house.front_address), format!("ws://{}/", closed.house.back_address)]
            {
                let (_, first) = knock(&url, json!({"type": "hello", "rooms": {room: {}}})).await;
                assert_eq!((&first["code"], &first["field"]), (&json!("unauthorized"), &json!("ticket")), "{url}");
            }
        }
    }
    // What is nobody's is there.
    for path in ["/sign-in", "/about", "/api/openapi.json", "/manifest.webmanifest"] {
        assert_eq!(closed.house.get(path).await.status, 200, "{path}");
    }
    let page = closed.ask("GET", "/api/rooms/board/messages", &cookie, "").await.json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 1, "nothing was said by strangers");
}

#[tokio::test]
async fn who_signed_in_is_one_person_by_every_way() {
    let closed = Closed::open();
    let cookie = closed.sign_in("KIM").await;
    let ticket = closed.ticket(&cookie).await;
    let url = format!("ws://{}/ws", closed.house.front_address);
    let (mut socket, welcome) = knock(&url, json!({"type": "hello", "ticket": ticket, "rooms": {"dev": {}}})).await;
    assert_eq!(welcome["name"], "kim");
    let (_, again) = knock(&url, json!({"type": "hello", "ticket": ticket})).await;
    assert_eq!(again["code"], "unauthorized", "a ticket is for one connection");
    let begun = closed.ask("POST", "/api/sessions", &cookie, r#"{"name":"boss","rooms":{"dev":{}}}"#).await;
    assert_eq!((&begun.json()["user"], &begun.json()["name"]), (&welcome["user"], &json!("kim")));
    for (path, body) in
        [("/api/rooms/dev/messages?name=boss", r#"{"text":"one"}"#), ("/api/rooms/dev/hook", r#"{"text":"two"}"#)]
    {
        assert!(closed.ask("POST", path, &cookie, body).await.status < 300);
    }
    let form = "text=three&name=boss&once=AAAAAAAAAAAAAAAAAAAAAA";
    let form = closed.house.ask("POST", "/r/dev", &[("Cookie", &cookie)], form).await;
    assert_eq!(form.status, 303);
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let message = next(&mut socket).await.unwrap();
        if message["type"] == "message" {
            assert_eq!((&message["user"], &message["name"]), (&welcome["user"], &json!("kim")), "{message}");
            heard.push(message["text"].clone());
        }
    }
    assert_eq!(heard, ["one", "two", "three"]);
    let page = closed.ask("GET", "/r/dev", &cookie, "").await;
    assert!(page.status == 200 && page.header("cache-control") == "no-store");
    for path in ["/api/rooms", "/api/rooms/dev/messages", "/api/rooms/dev/users"] {
        let answer = closed.ask("GET", path, &cookie, "").await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "private, no-cache"), "{path}");
    }
    let stream = closed.house.stream("/api/rooms/dev/events?last=3", &[("Cookie", &cookie)]).await;
    assert_eq!(stream.status, 200);
    // A session is its owner's, whoever else signed in.
    assert!(front(closed.folder.path(), &["user", "add", "lee"], &format!("{PASSWORD}\n")).status.success());
    let lee = closed.sign_in("lee").await;
    let bearer = format!("Bearer {}", welcome["session"].as_str().unwrap());
    let headers = [("Cookie", lee.as_str()), ("Authorization", &bearer), ("Content-Type", "application/json")];
    let at = format!("{}/events?wait=0", begun.header("location"));
    let secret = format!("Bearer {}", begun.json()["session"].as_str().unwrap());
    for (cookie, status) in [(&lee, 404), (&cookie, 200)] {
        let headers = [("Cookie", cookie.as_str()), ("Authorization", &secret)];
        assert_eq!(closed.house.ask("GET", &at, &headers, "").await.status, status);
    }
    let foreign = closed.house.ask("POST", "/api/rooms/dev/messages", &headers, r#"{"text":"as kim"}"#).await;
    assert_eq!(foreign.problem(), (401, "unauthorized".to_owned()));
}

#[tokio::test]
async fn signing_out_ends_everything_of_this_sign_in_at_once() {
    let closed = Closed::open();
    let (cookie, other) = (closed.sign_in("kim").await, closed.sign_in("kim").await);
    let url = format!("ws://{}/", closed.house.back_address);
    let (mut here, _) = knock(&url, json!({"type": "hello", "ticket": closed.ticket(&cookie).await})).await;
    let (mut there, _) = knock(&url, json!({"type": "hello", "ticket": closed.ticket(&other).await})).await;
    let unused = closed.ticket(&cookie).await;
    let mut stream = closed.house.stream("/api/rooms/dev/events", &[("Cookie", &cookie)]).await;
    assert_eq!(stream.event().await.kind, "synced");
    let (address, own) = (closed.house.front_address.clone(), cookie.clone());
    let poll = tokio::spawn(async move {
        http::ask(&address, "GET", "/api/rooms/dev/messages?after=0&wait=25", &[("Cookie", &own)], b"").await
    });
    let out = closed.house.ask("POST", "/sign-out", &[("Cookie", &cookie)], "").await;
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert!(out.header("set-cookie").starts_with("sign-in=; Max-Age=0"));
    assert_eq!(stream.try_event().await, None, "the stream ends");
    assert_eq!(poll.await.unwrap().status, 401, "who waits waits no longer");
    let told = next(&mut here).await.unwrap();
    assert_eq!((&told["code"], &told["text"]), (&json!("unauthorized"), &json!("this sign-in is over")));
    assert_eq!(next(&mut here).await.unwrap()["code"], 4001);
    // The cookie may be kept; it opens nothing. Nor does a ticket from before.
    assert_eq!(closed.ask("POST", "/api/ticket", &cookie, "").await.status, 401);
    assert_eq!(knock(&url, json!({"type": "hello", "ticket": unused})).await.1["code"], "unauthorized");
    // The other device goes on.
    there.send(Message::text(r#"{"type":"ping","id":"1"}"#)).await.unwrap();
    assert_eq!(next(&mut there).await.unwrap()["type"], "pong");
    // Another password, and nobody at all, from the tools beside the server.
    let changed = front(closed.folder.path(), &["user", "password", "kim"], "another password\n");
    assert!(changed.status.success(), "{changed:?}");
    assert_eq!(next(&mut there).await.unwrap()["text"], "this sign-in is over");
    assert_eq!(closed.ask("GET", "/api/rooms", &other, "").await.status, 401);
    assert_eq!(closed.desk("kim", PASSWORD, &[]).await.status, 403);
    assert_eq!(closed.desk("kim", "another password", &[]).await.status, 303);
    assert!(front(closed.folder.path(), &["user", "remove", "kim"], "").status.success());
    assert_eq!(closed.desk("kim", "another password", &[]).await.status, 403);
}

/// Their name is the account's: there is no field for another, which would count for nothing.
#[tokio::test]
async fn the_form_without_a_script_says_who_signed_in() {
    let closed = Closed::open();
    let cookie = closed.sign_in("kim").await;
    for (tag, says) in [("en", "Signed in as"), ("ko", "로그인한 계정")] {
        let page = closed.ask("GET", &format!("/r/dev?lang={tag}"), &cookie, "").await.body;
        let form = page.split(r#"<form class="post""#).nth(1).unwrap().split("</form>").next().unwrap();
        assert!(form.contains(says) && form.contains(">kim</strong>"), "{form}");
        assert!(!form.contains("guest") && !form.contains(r#"name="name""#), "{form}");
    }
    let guests = House::open().get("/r/dev").await.body;
    assert!(guests.contains(r#"id="post-name""#) && !guests.contains("Signed in as"), "{guests}");
}

#[tokio::test]
async fn the_cookie_is_kept_from_scripts_and_other_sites() {
    let closed = Closed::open();
    let plain = closed.desk("kim", PASSWORD, &[]).await;
    let cookie = plain.header("set-cookie").to_owned();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax") && cookie.contains("; Max-Age=2592000"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    // A page of this machine at another port is of the same site, so the browser sends the cookie with what it asks for.
    for (from, value) in [
        ("Origin", "http://localhost:5000"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let headers = [("Cookie", cookie), (from, value), ("Content-Type", "application/json")];
        for (method, path) in [("POST", "/api/ticket"), ("POST", "/api/rooms/dev/messages"), ("GET", "/api/rooms")] {
            let answer = closed.house.ask(method, path, &headers, r#"{"text":"x"}"#).await;
            assert!(matches!(answer.status, 401 | 403), "{from}: {value} {path}: {answer:?}");
        }
        for path in ["/sign-in", "/sign-out", "/r/dev"] {
            let answer = closed.house.ask("POST", path, &headers, "").await;
            assert_eq!((answer.status, answer.header("set-cookie")), (403, ""), "{from}: {value} {path}");
        }
    }
    assert_eq!(closed.ask("GET", "/api/rooms", cookie, "").await.status, 200);
}

/// A page of a sibling host, and whoever changes plain HTTP on its way, can have a browser send a cookie by any name but one
/// with the prefix.
#[tokio::test]
async fn over_tls_only_the_cookie_counts_that_nobody_else_can_set() {
    let closed = Closed::open();
    let set = closed.desk("kim", PASSWORD, &[TLS]).await.header("set-cookie").to_owned();
    assert!(set.starts_with("__Host-sign-in="), "{set}");
    assert!(set.ends_with("; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax; Secure"), "no Domain: {set}");
    let own = set.split(';').next().unwrap();
    let plain = own.replace("__Host-", "");
    let over_http = ("X-Forwarded-Proto", "http");
    for (cookie, way, status) in [
        (own, TLS, 200),
        (&plain, TLS, 401),
        (&own.to_lowercase(), TLS, 401),
        (own, over_http, 401),
        (&plain, over_http, 200),
    ] {
        let answer = closed.house.ask("GET", "/api/rooms", &[("Cookie", cookie), way], "").await;
        assert_eq!(answer.status, status, "{cookie} {way:?}");
    }
    // Somebody else's sign-in beside one's own does not make one somebody else, and alone it is none.
    assert!(front(closed.folder.path(), &["user", "add", "lee"], &format!("{PASSWORD}\n")).status.success());
    let planted = closed.sign_in("lee").await;
    let both = format!("planted=\u{e9}; {planted}; {own}");
    for (cookie, is_kim) in [(both.as_str(), true), (&planted, false)] {
        let desk = closed.house.ask("GET", "/sign-in", &[("Cookie", cookie), TLS], "").await;
        assert!(desk.body.contains("kim") == is_kim && !desk.body.contains("lee"), "{cookie}: {}", desk.body);
    }
    let out = closed.house.ask("POST", "/sign-out", &[("Cookie", &both), TLS], "").await;
    let set = out.header("set-cookie");
    assert_eq!(set, "__Host-sign-in=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure");
    assert_eq!(closed.house.ask("GET", "/api/rooms", &[("Cookie", own), TLS], "").await.status, 401);
    assert_eq!(closed.ask("GET", "/api/rooms", &planted, "").await.status, 200, "it was kim who went");
}

/// A cookie with the prefix is for the whole host, and what else there is on it has no business with it.
#[tokio::test]
async fn below_a_base_path_the_cookie_is_for_that_path_alone() {
    let closed = Closed::with(&["--base-path", "/chat"]);
    let form = format!("name=kim&password={}&to=/chat/r/dev", http::escaped(PASSWORD));
    let answer = closed.house.ask("POST", "/chat/sign-in", &[TLS], &form).await;
    let set = answer.header("set-cookie");
    assert!(set.starts_with("sign-in=") && set.ends_with("; Path=/chat; HttpOnly; SameSite=Lax; Secure"), "{answer:?}");
    let cookie = set.split(';').next().unwrap();
    assert_eq!(closed.house.ask("GET", "/chat/api/rooms", &[("Cookie", cookie), TLS], "").await.status, 200);
}

#[tokio::test]
async fn who_guesses_passwords_is_slowed_and_learns_no_names() {
    let closed = Closed::open();
    let (wrong, nobody) = (closed.desk("kim", "wrong password", &[]).await, closed.desk("nobody", PASSWORD, &[]).await);
    assert_eq!((wrong.status, nobody.status), (403, 403));
    assert_eq!(wrong.body.replace("kim", "nobody"), nobody.body);
    assert!(!wrong.body.contains("wrong password"));
    for name in ["", "a\u{202e}b", &"x".repeat(10_000), "<script>"] {
        let answer = closed.desk(name, PASSWORD, &[]).await;
        assert!(answer.status == 403 && !answer.body.contains("<script>alert"), "{name}");
    }
    for _ in 0..9 {
        closed.desk("kim", "wrong password", &[]).await;
    }
    let slowed = closed.desk("kim", PASSWORD, &[]).await;
    assert_eq!(slowed.status, 429, "{slowed:?}");
    assert!(slowed.header("retry-after").parse::<u64>().unwrap() > 200);
    // Who signed in is not asked again.
    let huge = closed.house.ask("POST", "/sign-in", &[], &"x".repeat(100_000)).await;
    assert_eq!(huge.status, 400);
}

#[tokio::test]
async fn the_operator_is_told_of_a_door_beside_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, accounts) = (file("key"), file("accounts.json"));
    service::secret::write_new(key.as_ref(), KEY).unwrap();
    let operate = |args: &[&str]| {
        assert!(front(folder.path(), args, &format!("{PASSWORD}\n")).status.success(), "{args:?}");
    };
    let ours = ["--ticket-key", &key, "--accounts", &accounts];
    let (open, shut) = ("start back with --guests no", "shows nothing to strangers");
    // What somebody who comes without a ticket sees there, and which of the two front says when it has looked.
    let told = async |back: &[&str], says: &str| {
        let house = House::with(&[&["--ticket-key", &key], back].concat(), &ours);
        house.front_says(says).await;
        let log = house.front_log();
        assert!(!log.contains(if says == open { shut } else { open }), "{back:?}: {log}");
        assert!(!log.contains("staff"), "{log}");
    };
    operate(&["user", "add", "kim"]);
    told(&[], open).await;
    told(&["--guests", "no"], shut).await;
    told(&["--guest-rooms", "lobby"], shut).await;
    operate(&["room", "close", "*"]);
    operate(&["room", "open", "lobby"]);
    operate(&["room", "add", "staff", "kim"]);
    told(&["--guest-rooms", "lobby"], shut).await;
    told(&["--guest-rooms", "lobby,staff"], open).await;
}

#[tokio::test]
async fn without_the_flags_there_is_no_desk() {
    let house = House::open();
    for (method, path) in [("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/sign-out"), ("POST", "/api/ticket")] {
        assert_eq!(house.ask(method, path, &[], "").await.status, 404, "{method} {path}");
    }
    assert!(!house.get("/r/dev").await.body.contains("\"account\""));
}

#[test]
fn accounts_are_kept_by_the_tool_and_passwords_never_stand_in_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let tool = |args: &[&str], input: &str| front(folder.path(), args, input);
    let nobody = tool(&["user", "list"], "");
    assert!(nobody.stdout.is_empty() && String::from_utf8_lossy(&nobody.stderr).contains("there is no account in "));
    assert!(!tool(&["user", "add", "kim"], "short\n").status.success());
    assert!(tool(&["user", "add", "kim"], &format!("{PASSWORD}\n")).status.success());
    assert!(!tool(&["user", "add", "Kim"], &format!("{PASSWORD}\n")).status.success());
    assert!(!tool(&["user", "add", "kim", PASSWORD], "").status.success());
    // As a file that was written with Notepad.
    assert!(tool(&["user", "add", "민수"], &format!("\u{FEFF}{PASSWORD}\r\n")).status.success());
    assert_eq!(String::from_utf8(tool(&["user", "list"], "").stdout).unwrap(), "kim\n민수\n");
    let kept = std::fs::read_to_string(folder.path().join("accounts.json")).unwrap();
    assert!(kept.contains("$argon2id$v=19$m=19456,t=2,p=1$") && !kept.contains(PASSWORD));
    assert!(!tool(&["user", "remove", "lee"], "").status.success());
    assert!(tool(&["user", "remove", "kim"], "").status.success());
    assert_eq!(String::from_utf8(tool(&["user", "list"], "").stdout).unwrap(), "민수\n");
    let lonely = Command::new(env!("CARGO_BIN_EXE_front")).args(["--accounts", "x.json"]).output().unwrap();
    assert!(String::from_utf8_lossy(&lonely.stderr).contains("--ticket-key"));
}
