//! What moderators impose holds over every way in.

use serde_json::{Value, json};

use crate::{house::House, http::Answer, person::Person};

const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// `printf %s AAAAAAAAAAAAAAAAAAAAAA | sha256sum`
const FLAG: &str = "mo=8a5bdb4cc15164126c6ef2668de9dd240d299ce6397a42c95a9411b93d080ed8";
const FROM: &str = "X-Forwarded-For";
const THERE: (&str, &str) = (FROM, "203.0.113.9");
const ELSEWHERE: (&str, &str) = (FROM, "203.0.113.10");
const MESSAGES: &str = "/api/rooms/dev/messages";

async fn open() -> (House, Person) {
    let house = House::with(&["--moderator", FLAG], &["--same-port"]);
    let mut mo = Person::join(&house.back_address, "Mona", "dev").await;
    let ok = mo.ask(json!({ "type": "moderator", "id": "m", "secret": SECRET })).await;
    assert_eq!(ok["name"], "mo", "{ok}");
    (house, mo)
}

/// A session over HTTP: whose, its address below front, and the header that proves it.
struct Session {
    user: String,
    secret: String,
    at: String,
    bearer: String,
}

async fn begin(house: &House, from: (&str, &str), name: &str) -> Session {
    let answer = house.ask("POST", "/api/sessions", &[from], &hello(json!({ "name": name }))).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let welcome = answer.json();
    let text = |field: &str| welcome[field].as_str().unwrap().to_owned();
    let (user, secret) = (text("user"), text("session"));
    Session { at: format!("/api/sessions/{user}"), bearer: format!("Bearer {secret}"), user, secret }
}

fn hello(more: Value) -> String {
    let mut hello = json!({ "rooms": { "dev": {} } });
    hello.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hello.to_string()
}

async fn ban(mo: &mut Person, user: &str, address: bool) -> Value {
    let ban = json!({ "type": "ban", "id": user, "user": user, "seconds": 600, "reason": "광고", "address": address });
    mo.ask(ban).await
}

/// The refusal names the ban, its reason and its end.
fn assert_banned(answer: &Answer) {
    assert_eq!(answer.problem(), (403, "banned".to_owned()), "{answer:?}");
    let error = answer.json();
    assert_eq!(error["reason"], "광고");
    assert!((590_000..=600_000).contains(&error["retry_after_ms"].as_u64().unwrap()), "{error}");
}

#[tokio::test]
async fn a_ban_ends_sessions_over_http_with_its_code_and_reason() {
    let (house, mut mo) = open().await;
    let kim = begin(&house, THERE, "kim").await;
    let lee = begin(&house, THERE, "lee").await;
    let mut stream = house.stream(&format!("{}/events?after=0", kim.at), &[("Authorization", &kim.bearer)]).await;
    let polling = async {
        let (mut seen, mut frames) = (0, Vec::new());
        loop {
            let path = format!("{}/events?after={seen}&wait=20", lee.at);
            let answer = house.ask("GET", &path, &[("Authorization", &lee.bearer)], "").await.json();
            frames.extend(answer["frames"].as_array().unwrap().clone());
            seen = answer["next"].as_u64().unwrap();
            if answer.get("closed").is_some() {
                return (frames, answer["closed"].clone());
            }
        }
    };
    let banning = async {
        let ok = ban(&mut mo, &kim.user, true).await;
        assert_eq!((&ok["connections"], &ok["addresses"]), (&json!(2), &json!(1)), "{ok}");
    };
    let ((frames, closed), ()) = tokio::join!(polling, banning);
    let mut last = Value::Null;
    let end = loop {
        let event = stream.event().await;
        if event.kind == "close" {
            break event.json();
        }
        last = event.json();
    };
    for (bye, end) in [(&last, &end), (frames.last().unwrap(), &closed)] {
        assert_eq!((&bye["type"], &bye["code"], &bye["text"]), (&json!("bye"), &json!(4003), &json!("광고")));
        assert_eq!(end["code"], 4003);
    }
}

#[tokio::test]
async fn the_banned_cannot_return_by_any_way() {
    let (house, mut mo) = open().await;
    let kim = begin(&house, THERE, "kim").await;
    assert_eq!(ban(&mut mo, &kim.user, false).await["type"], "ok");
    let same = json!({ "session": kim.secret, "name": "somebody else" });
    assert_banned(&house.ask("POST", "/api/sessions", &[ELSEWHERE], &hello(same.clone())).await);
    assert_banned(&house.ask("POST", MESSAGES, &[ELSEWHERE, ("Authorization", &kim.bearer)], "x").await);
    let mut wire = same.clone();
    wire["type"] = "hello".into();
    for url in [format!("ws://{}/", house.back_address), format!("ws://{}/ws", house.front_address)] {
        let answer = Person::knock(&url, ELSEWHERE.1, wire.clone()).await;
        assert_eq!((&answer["code"], &answer["reason"]), (&json!("banned"), &json!("광고")), "{url}");
    }
    // Without the address, somebody new is somebody new.
    begin(&house, THERE, "kim").await;
    assert_eq!(house.ask("POST", MESSAGES, &[THERE], "x").await.status, 201);
}

#[tokio::test]
async fn a_banned_address_is_shut_over_every_way() {
    let (house, mut mo) = open().await;
    let kim = begin(&house, THERE, "kim").await;
    let form = "once=AAAAAAAAAAAAAAAAAAAAAA&name=kim&text=hello";
    let say = async |from: (&str, &str), path: &str, body: &str, kind: &str| {
        house.ask("POST", path, &[from, ("Content-Type", kind)], body).await
    };
    let (json_type, form_type) = ("application/json", "application/x-www-form-urlencoded");
    assert_eq!(say(THERE, "/r/dev", form, form_type).await.status, 303, "before");
    assert_eq!(ban(&mut mo, &kim.user, true).await["addresses"], 1);

    assert_banned(&house.ask("POST", "/api/sessions", &[THERE], &hello(json!({}))).await);
    assert_banned(&say(THERE, MESSAGES, "x", "text/plain").await);
    assert_banned(&say(THERE, MESSAGES, r#"{"text":"x","id":"1"}"#, json_type).await);
    let hook = say(THERE, "/api/rooms/dev/hook", r#"{"text":"x"}"#, json_type).await;
    assert_eq!((hook.status, hook.body.as_str()), (403, "banned"));
    let page = say(THERE, "/r/dev", &form.replace("=hello", "=again"), form_type).await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("for another 10 min") && page.body.contains("광고"), "{}", page.body);
    for url in [format!("ws://{}/", house.back_address), format!("ws://{}/ws", house.front_address)] {
        let answer = Person::knock(&url, THERE.1, json!({ "type": "hello" })).await;
        assert_eq!(answer["code"], "banned", "{url}");
    }

    // What they write themselves before the proxy's entry does not hide them, even where it is no text to HTTP.
    let odd = format!("é, {}", THERE.1);
    assert_banned(&say((THERE.0, &odd), MESSAGES, "x", "text/plain").await);

    assert_eq!(say(ELSEWHERE, MESSAGES, "x", "text/plain").await.status, 201);
    assert_eq!(say(ELSEWHERE, "/r/dev", &form.replace("AAAA", "BBBB"), form_type).await.status, 303);
    mo.ask(json!({ "type": "pardon", "id": "p", "user": kim.user })).await;
    assert_eq!(say(THERE, MESSAGES, "x", "text/plain").await.status, 201);
}

#[tokio::test]
async fn who_posts_again_and_again_can_be_shut_out_by_address() {
    let (house, mut mo) = open().await;
    assert_eq!(house.ask("POST", MESSAGES, &[THERE], "spam").await.status, 201);
    let spam = mo.until(|said| said["text"] == "spam").await;
    assert_eq!(ban(&mut mo, spam["user"].as_str().unwrap(), true).await["addresses"], 1);
    assert_banned(&house.ask("POST", MESSAGES, &[THERE], "spam").await);
}

#[tokio::test]
async fn the_muted_and_the_slowed_are_told_so_over_http() {
    let (house, mut mo) = open().await;
    let kim = begin(&house, THERE, "kim").await;
    let mute = json!({ "type": "mute", "id": "1", "user": kim.user, "seconds": 600, "reason": "광고" });
    assert_eq!(mo.ask(mute).await["connections"], 1);
    let headers = [("Authorization", kim.bearer.as_str())];
    let answer = house.ask("POST", MESSAGES, &headers, "x").await;
    assert_eq!((answer.problem(), &answer.json()["reason"]), ((403, "muted".to_owned()), &json!("광고")));
    mo.ask(json!({ "type": "pardon", "id": "2", "user": kim.user })).await;
    assert_eq!(mo.ask(json!({ "type": "slow", "id": "3", "seconds": 600 })).await["slow"], 600);
    assert_eq!(house.ask("POST", MESSAGES, &headers, "x").await.status, 201);
    let answer = house.ask("POST", MESSAGES, &headers, "y").await;
    assert_eq!(answer.problem(), (429, "rate_limited".to_owned()));
    assert!((590..=601).contains(&answer.header("retry-after").parse::<u64>().unwrap()));
}
