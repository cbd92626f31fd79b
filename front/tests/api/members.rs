//! Rooms that are open, that members alone see, and links that make members: over every way in.

use serde_json::{Value, json};

use crate::{
    http::Answer,
    signin::{Closed, PASSWORD, Socket, front, knock, next},
};

/// What an operator says, and what came of it: it has to work.
fn operate(closed: &Closed, args: &[&str]) -> String {
    let done = front(closed.folder.path(), args, &format!("{PASSWORD}\n"));
    assert!(done.status.success(), "{args:?}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// A house with kim and lee in it, where everybody sees the lobby and kim is one of the staff, who have said something.
async fn house() -> (Closed, String, String) {
    let closed = Closed::open();
    operate(&closed, &["user", "add", "lee"]);
    operate(&closed, &["room", "close", "*"]);
    operate(&closed, &["room", "open", "lobby", "class-*"]);
    operate(&closed, &["room", "add", "staff", "kim"]);
    let (kim, lee) = (sign_in(&closed, "kim").await, sign_in(&closed, "lee").await);
    let said = closed.ask("POST", "/api/rooms/staff/messages", &kim, r#"{"text":"the secret"}"#).await;
    assert_eq!(said.status, 201, "{said:?}");
    (closed, kim, lee)
}

async fn sign_in(closed: &Closed, name: &str) -> String {
    let answer = closed.desk(name, PASSWORD, &[]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

fn ways(room: &str) -> Vec<(&'static str, String, &'static str)> {
    vec![
        ("GET", format!("/api/rooms/{room}/messages"), ""),
        ("GET", format!("/api/rooms/{room}/messages?wait=1&after=0"), ""),
        ("GET", format!("/api/rooms/{room}/messages?around=1"), ""),
        ("GET", format!("/api/rooms/{room}/events"), ""),
        ("GET", format!("/api/rooms/{room}/stream?after=0"), ""),
        ("GET", format!("/api/rooms/{room}/users"), ""),
        ("GET", format!("/api/rooms/{room}/search?q=secret"), ""),
        ("POST", format!("/api/rooms/{room}/messages"), r#"{"text":"x"}"#),
        ("POST", format!("/api/rooms/{room}/hook"), r#"{"text":"x"}"#),
        ("GET", format!("/r/{room}"), ""),
        ("GET", format!("/r/{room}/live"), ""),
        ("POST", format!("/r/{room}"), "text=x&once=AAAAAAAAAAAAAAAAAAAAAA"),
    ]
}

fn unnamed(answer: &Answer, room: &str) -> (u16, String) {
    (answer.status, answer.body.replace(room, "ROOM"))
}

/// Says hello with a ticket of this cookie, in this room; what comes first, and what came of the room.
async fn enter(closed: &Closed, cookie: &str, room: &str) -> (Socket, Value) {
    let url = format!("ws://{}/ws", closed.house.front_address);
    let hello = json!({"type": "hello", "ticket": closed.ticket(cookie).await, "rooms": {room: {}}});
    let (mut socket, welcome) = knock(&url, hello).await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    let second = next(&mut socket).await.unwrap();
    (socket, second)
}

#[tokio::test]
async fn a_room_of_others_answers_as_one_that_is_not_there_by_every_way() {
    let (closed, kim, lee) = house().await;
    for ((method, path, body), (_, nowhere, _)) in ways("staff").into_iter().zip(ways("nowhere")) {
        let (one, other) =
            (closed.ask(method, &path, &lee, body).await, closed.ask(method, &nowhere, &lee, body).await);
        assert_eq!((one.status, one.body.contains("secret")), (404, false), "{method} {path}: {one:?}");
        assert_eq!(unnamed(&one, "staff"), unnamed(&other, "nowhere"), "{method} {path}");
    }
    // By a session over HTTP, and over a socket.
    let begun = closed.ask("POST", "/api/sessions", &lee, r#"{"rooms":{"staff":{}}}"#).await;
    let at = format!("{}/events?wait=0&after=1", begun.header("location"));
    let secret = format!("Bearer {}", begun.json()["session"].as_str().unwrap());
    let frames = closed.house.ask("GET", &at, &[("Cookie", &lee), ("Authorization", &secret)], "").await;
    assert_eq!(frames.json()["frames"][0]["code"], "no_room", "{frames:?}");
    assert_eq!(enter(&closed, &lee, "staff").await.1["code"], "no_room");
    // Nor does any list know it.
    assert_eq!(closed.ask("GET", "/api/rooms", &lee, "").await.json(), json!({"rooms": []}));
    let form = closed.ask("GET", "/", &lee, "").await.body;
    assert!(form.contains("/r/lobby") && !form.contains("staff") && !form.contains("class-"), "{form}");
    // What is open is open, and its own are in.
    for (cookie, room) in [(&lee, "lobby"), (&lee, "class-7"), (&kim, "lobby"), (&kim, "staff")] {
        let page = closed.ask("GET", &format!("/r/{room}"), cookie, "").await;
        assert_eq!(page.status, 200, "{room}");
        assert_eq!(enter(&closed, cookie, room).await.1["type"], "joined", "{room}");
    }
    let listed = closed.ask("GET", "/api/rooms", &kim, "").await.json();
    assert_eq!(listed["rooms"][0]["room"], "staff", "{listed}");
    assert!(closed.ask("GET", "/", &kim, "").await.body.contains("/r/staff"));
    let page = closed.ask("GET", "/api/rooms/staff/messages", &kim, "").await.json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 1, "nothing was said by others");
}

#[tokio::test]
async fn who_is_no_member_any_more_is_out_at_once_and_keeps_the_rest() {
    let (closed, kim, lee) = house().await;
    operate(&closed, &["room", "add", "staff", "lee"]);
    let (mut staff, joined) = enter(&closed, &lee, "staff").await;
    assert_eq!(joined["type"], "joined");
    let (mut other, _) = enter(&closed, &kim, "staff").await;
    let mut stream = closed.house.stream("/api/rooms/staff/events?last=0", &[("Cookie", &lee)]).await;
    assert_eq!(stream.event().await.kind, "synced");
    let (address, own) = (closed.house.front_address.clone(), lee.clone());
    let poll = tokio::spawn(async move {
        let path = "/api/rooms/staff/messages?after=1&wait=25";
        crate::http::ask(&address, "GET", path, &[("Cookie", &own)], b"").await
    });
    let unused = closed.ticket(&lee).await;
    operate(&closed, &["room", "remove", "staff", "lee"]);
    // Who asks is refused from the next request on, and what is open ends within seconds.
    assert_eq!(closed.ask("GET", "/api/rooms/staff/messages", &lee, "").await.status, 404);
    assert_eq!(stream.try_event().await, None, "the stream ends");
    let waited = poll.await.unwrap();
    assert_eq!(waited.problem(), (503, "unavailable".to_owned()));
    let bye = loop {
        let said = next(&mut staff).await.unwrap();
        if !matches!(said["type"].as_str(), Some("message" | "synced" | "presence")) {
            break said;
        }
    };
    assert_eq!((&bye["type"], &bye["code"], &bye["reconnect"]), (&json!("bye"), &json!(4203), &json!(true)));
    let url = format!("ws://{}/ws", closed.house.front_address);
    assert_eq!(knock(&url, json!({"type": "hello", "ticket": unused})).await.1["code"], "unauthorized");
    // They are signed in as before, and the others noticed nothing.
    assert_eq!(enter(&closed, &lee, "staff").await.1["code"], "no_room");
    assert_eq!(enter(&closed, &lee, "lobby").await.1["type"], "joined");
    assert_eq!(closed.ask("GET", "/r/staff", &kim, "").await.status, 200);
    assert_eq!(closed.ask("POST", "/api/rooms/staff/messages", &kim, r#"{"text":"go on"}"#).await.status, 201);
    while next(&mut other).await.expect("still open")["text"] != "go on" {}
    // The same for a room that was open.
    let (mut open, _) = enter(&closed, &lee, "class-1").await;
    operate(&closed, &["room", "close", "class-*"]);
    while next(&mut open).await.is_some() {}
    assert_eq!(closed.ask("GET", "/r/class-1", &lee, "").await.status, 404);
}

#[tokio::test]
async fn a_link_leads_by_the_desk_into_the_room() {
    let (closed, kim, lee) = house().await;
    let link = operate(&closed, &["room", "invite", "staff", "--uses", "2", "--site", "https://chat.example.org/"]);
    let path = link.trim().strip_prefix("https://chat.example.org").unwrap().to_owned();
    // Signed out: to the desk, from there back to the link, and on.
    let away = closed.ask("GET", &path, "", "").await;
    assert_eq!((away.status, away.body.as_str()), (303, ""));
    let desk = closed.house.get(away.header("location")).await;
    assert!(desk.status == 200 && desk.body.contains(&format!(r#"name="to" value="{path}""#)), "{desk:?}");
    let form = format!("name=lee&password={}&to={}", crate::http::escaped(PASSWORD), crate::http::escaped(&path));
    let signed_in = closed.house.ask("POST", "/sign-in", &[], &form).await;
    assert_eq!((signed_in.status, signed_in.header("location")), (303, path.as_str()));
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    // What only looks does not open it.
    for (name, value) in [("Sec-Purpose", "prefetch"), ("Sec-Fetch-Dest", "image")] {
        let looked = closed.house.ask("GET", &path, &[("Cookie", &cookie), (name, value)], "").await;
        assert_eq!(looked.status, 403, "{name}");
    }
    assert_eq!(closed.ask("HEAD", &path, &cookie, "").await.status, 405);
    assert_eq!(closed.ask("GET", "/r/staff", &cookie, "").await.status, 404, "not a member yet");
    let opened = closed.ask("GET", &path, &cookie, "").await;
    assert_eq!((opened.status, opened.header("location")), (303, "/r/staff"), "{opened:?}");
    assert_eq!(closed.ask("GET", "/r/staff", &cookie, "").await.status, 200);
    assert_eq!(enter(&closed, &lee, "staff").await.1["type"], "joined", "on every device");
    assert!(operate(&closed, &["room", "list"]).contains("staff\tmembers: kim, lee; a link for 1 more"));
    // Again, and by who is in: nothing is used up.
    for cookie in [&kim, &lee] {
        assert_eq!(closed.ask("GET", &path, cookie, "").await.header("location"), "/r/staff");
    }
    for name in ["mina", "noah"] {
        operate(&closed, &["user", "add", name]);
    }
    let (mina, noah) = (sign_in(&closed, "mina").await, sign_in(&closed, "noah").await);
    assert_eq!(closed.ask("GET", &path, &mina, "").await.header("location"), "/r/staff");
    let over = closed.ask("GET", &path, &noah, "").await;
    assert!(over.status == 404 && !over.body.contains("staff"), "it was for two: {over:?}");
    let guessed = closed.ask("GET", "/invited/AAAAAAAAAAAAAAAAAAAAAA", &noah, "").await;
    assert_eq!((guessed.status, guessed.body), (404, over.body), "whether there was such a link is not said");
    let another = operate(&closed, &["room", "invite", "staff"]);
    assert!(another.starts_with("http://127.0.0.1:8080/invited/"), "{another}");
    operate(&closed, &["room", "revoke", "staff"]);
    let path = another.trim().strip_prefix("http://127.0.0.1:8080").unwrap();
    assert_eq!(closed.ask("GET", path, &noah, "").await.status, 404);
    assert_eq!(closed.ask("GET", "/r/staff", &mina, "").await.status, 200, "who came by a link stays");
    let kept = std::fs::read_to_string(closed.folder.path().join("accounts.json")).unwrap();
    assert!(!kept.contains(path.rsplit('/').next().unwrap()), "the word itself is kept nowhere");
}

#[test]
fn the_tool_says_what_an_operator_has_to_do_first() {
    let folder = tempfile::tempdir().unwrap();
    let tool = |args: &[&str]| front(folder.path(), args, &format!("{PASSWORD}\n"));
    let refused = |args: &[&str], why: &str| {
        let done = tool(args);
        let told = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success() && told.contains(why), "{args:?}: {told}");
    };
    assert!(tool(&["user", "add", "kim"]).status.success());
    assert_eq!(String::from_utf8(tool(&["room", "list"]).stdout).unwrap(), "*\topen\n");
    refused(&["room", "open", "lobby"], "close '*' first");
    refused(&["room", "add", "staff", "kim"], "close '*' first");
    refused(&["room", "invite", "staff"], "close '*' first");
    refused(&["room", "close", "staff"], "was not opened by itself");
    assert!(tool(&["room", "close", "*"]).status.success());
    refused(&["room", "open", "a/b"], "U+002F");
    refused(&["room", "add", "staff", "nobody"], "no account of that name");
    refused(&["room", "remove", "staff", "kim"], "no member");
    refused(&["room", "invite", "staff", "--uses", "0"], "--uses");
    refused(&["room", "open"], "ROOM");
}
