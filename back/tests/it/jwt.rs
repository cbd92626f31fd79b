//! Tickets that another application makes as JSON Web Tokens, over real sockets.

use back::history::unix_ms;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::{
    client::Client,
    office::{Office, assert_refused, enter, knock},
};

/// The application's, and another one than that of tickets.
const SECRET: &str = "fedcba9876543210fedcba9876543210fedcba98765";

/// A token for the room `dev` with these fields instead of a good one's.
fn token(jti: &str, instead: &Value) -> String {
    // Times have whole seconds, and what is from before the server began is refused: the next second is not.
    let now = unix_ms() / 1_000 + 1;
    let mut claims = json!({
        "sub": "42", "aud": "madang", "iat": now, "exp": now + 30, "jti": jti, "name": "Kim", "rooms": ["dev"],
    });
    for (field, value) in instead.as_object().unwrap() {
        claims[field] = value.clone();
    }
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
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
