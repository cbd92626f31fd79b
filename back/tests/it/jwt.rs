//! Tickets that another application makes as JSON Web Tokens, over real sockets.

use std::time::Duration;

use back::history::unix_ms;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    client::{Client, DEADLINE},
    office::{Office, assert_refused, enter, knock},
    process::Back,
};

/// The application's, and another one than that of tickets.
const SECRET: &str = "fedcba9876543210fedcba9876543210fedcba98765";

/// A token for the room `dev` with these fields instead of a good one's.
fn token(jti: &str, instead: &Value) -> String {
    token_by(SECRET, jti, instead)
}

fn token_by(secret: &str, jti: &str, instead: &Value) -> String {
    // Times have whole seconds, and what is from before the server began is refused: the next second is not.
    let now = unix_ms() / 1_000 + 1;
    let mut claims = json!({
        "sub": "42", "aud": "madang", "iat": now, "exp": now + 30, "jti": jti, "name": "Kim", "rooms": ["dev"],
    });
    for (field, value) in instead.as_object().unwrap() {
        claims[field] = value.clone();
    }
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

#[tokio::test]
async fn a_token_of_another_application_opens_what_it_names_and_once() {
    let office = Office::open();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("jwt.key");
    service::secret::write_new(&key, SECRET).unwrap();
    let server = office.server(&["--guests", "no", "--jwt-key", key.to_str().unwrap()]);
    let first = token("token-01", &json!({}));
    let (mut kim, welcome) = enter(server.address, &first, &["dev"]).await;
    assert_eq!(welcome["name"], "Kim");
    let refused = kim.ask(json!({"type": "join", "id": "1", "room": "board"})).await;
    assert_eq!(refused["code"], "no_room");
    // Tickets of the usual form open too, and whose they are is the same account.
    let (_, again) = enter(server.address, &office.ticket("42", &["dev"]), &["dev"]).await;
    assert_eq!(again["user"], welcome["user"]);
    for (bad, code) in [
        (first, 4203),
        (token("token-02", &json!({"exp": unix_ms() / 1_000 - 1})), 4203),
        (token("token-03", &json!({"aud": "another"})), 4001),
        (token("token-04", &json!({})) + "A", 4001),
    ] {
        let (mut client, told) = knock(server.address, json!({"type": "hello", "ticket": bad})).await;
        assert_refused(&mut client, Some(told), "ticket", code).await;
        let mut plain = Client::plain(server.address, &format!("/rooms/dev?ticket={bad}")).await;
        assert_refused(&mut plain, None, "ticket", code).await;
        let mut echo = Client::plain(server.address, &format!("/echo?ticket={bad}")).await;
        assert_eq!(echo.close_code().await, code);
    }
    let mut plain =
        Client::plain(server.address, &format!("/rooms/dev?ticket={}", token("token-05", &json!({})))).await;
    assert_eq!(plain.until("welcome").await["name"], "Kim");
}

/// Whether a token that is signed with this secret opens, and is used up by that.
async fn opens(back: &Back, secret: &str, jti: &str) -> bool {
    let hello = json!({"type": "hello", "ticket": token_by(secret, jti, &json!({}))});
    knock(back.address, hello).await.1["type"] == "welcome"
}

#[tokio::test(flavor = "multi_thread")]
async fn the_applications_key_changes_without_a_restart() {
    const NEW: &str = "0f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c4b5";
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (own, theirs) = (file("own"), file("theirs"));
    service::secret::write_new(own.as_ref(), &"k".repeat(40)).unwrap();
    service::secret::write_new(theirs.as_ref(), SECRET).unwrap();
    let put = |text: &str| std::fs::write(&theirs, text).unwrap();
    let back = Back::start(&["--ticket-key", &own, "--jwt-key", &theirs, "--guests", "no", "--history", "memory"]);
    let mut number = 0;
    let mut becomes = async |secret: &str, may: bool| {
        let deadline = Instant::now() + DEADLINE;
        loop {
            number += 1;
            if opens(&back, secret, &format!("token-{number:04}")).await == may {
                return;
            }
            assert!(Instant::now() < deadline, "it stays as it was");
            sleep(Duration::from_millis(20)).await;
        }
    };
    becomes(SECRET, true).await;
    becomes(NEW, false).await;
    put(&format!("{NEW}\n{SECRET}\n"));
    back.signal("HUP");
    becomes(NEW, true).await;
    becomes(SECRET, true).await;
    // What makes no sense changes nothing; what follows does.
    put("short");
    back.signal("HUP");
    put(NEW);
    back.signal("HUP");
    becomes(SECRET, false).await;
    becomes(NEW, true).await;
}
