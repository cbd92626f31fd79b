//! Plain mode: what a browser console or a hand-typed client sees.

use serde_json::json;

use crate::{
    client::{Client, texts},
    server::TestServer,
};

#[tokio::test(flavor = "multi_thread")]
async fn hello_from_a_console_reaches_everybody_in_the_lobby_and_the_sender() {
    let server = TestServer::start();
    let mut listener = Client::plain(server.address, "/").await;
    listener.until("synced").await;
    let mut other_room = Client::plain(server.address, "/rooms/dev").await;
    other_room.until("synced").await;
    let mut console = Client::plain(server.address, "/").await;
    let welcome = console.next().await;
    assert_eq!((&welcome["type"], &welcome["protocol"]), (&json!("welcome"), &json!("plain")));
    let joined = console.next().await;
    assert_eq!((&joined["type"], &joined["room"], &joined["top"]), (&json!("joined"), &json!("lobby"), &json!(0)));
    console.until("synced").await;
    console.say("Hello").await;
    for client in [&mut listener, &mut console] {
        let message = client.until("message").await;
        assert_eq!((&message["text"], &message["user"]), (&json!("Hello"), &welcome["user"]));
    }
    // What would have come from the lobby would have come before this.
    other_room.say("marker").await;
    assert_eq!(other_room.until("message").await["text"], "marker");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_typed_by_hand() {
    let server = TestServer::start();
    let mut client = Client::plain(server.address, "/rooms/%ED%9A%8C%EC%9D%98").await;
    assert_eq!(client.until("joined").await["room"], "회의");
    client.say("/name 민수").await;
    assert_eq!(client.until("ok").await, json!({"type": "ok", "id": "/name", "name": "민수"}));
    client.say("안녕").await;
    client.say("//me waves").await;
    client.say(r#"{"type":"send","id":"7","text":"JSON"}"#).await;
    let messages = client.messages(3).await;
    assert_eq!(texts(&messages), ["안녕", "/me waves", "JSON"]);
    assert!(messages.iter().all(|message| message["name"] == "민수"));
    client.say("/history 2").await;
    let page = client.until("page").await;
    assert_eq!(
        (&page["id"], texts(page["messages"].as_array().unwrap())),
        (&json!("/history"), vec!["/me waves", "JSON"])
    );
    assert_eq!(page["more"], true);
    client.say("/who").await;
    assert_eq!(client.until("ok").await["users"][0]["name"], "민수");
    client.say("/join dev").await;
    assert_eq!(client.until("joined").await["room"], "dev");
    client.say("in dev").await;
    assert_eq!(client.until("message").await["room"], "dev");
    client.say("/leave").await;
    assert_eq!(client.until("ok").await["id"], "/leave");
    client.say("in 회의 again").await;
    assert_eq!(client.until("message").await["room"], "회의");
    client.say("/help").await;
    assert!(client.until("notice").await["text"].as_str().unwrap().contains("/history 20"));
    client.say("/name a\u{202E}b").await;
    let error = client.until("error").await;
    assert_eq!((&error["code"], &error["id"]), (&json!("bad_name"), &json!("/name")));
    client.say("   ").await;
    client.expect_silence().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_over_a_long_time_do_not_add_up() {
    let server = TestServer::start();
    let mut client = Client::plain(server.address, "/").await;
    client.until("synced").await;
    for _ in 0..15 {
        client.say("/history many").await;
        assert_eq!(client.until("error").await["code"], "bad_field");
        client.say("/who").await;
        client.until("ok").await;
    }
}
