//! The key of tickets and cookies, changed while people are in.

use futures_util::SinkExt;
use serde_json::{Value, json};
use shared::{Ticket, TicketKey};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    house::Program,
    signin::{Closed, KEY, Socket, knock, next},
};

const NEW: &str = "fedcba9876543210fedcba9876543210fedcba98765";

impl Closed {
    fn put_key(&self, text: &str) {
        // Of the mode that it has.
        std::fs::write(self.folder.path().join("key"), text).unwrap();
    }

    async fn both_read_again(&self, says: &str) {
        self.house.reads_again(Program::Back, says).await;
        self.house.reads_again(Program::Front, says).await;
    }

    /// Says hello with a new ticket, and this session where there is one.
    async fn comes(&self, cookie: &str, session: Option<&str>) -> (Socket, Value) {
        let mut hello = json!({"type": "hello", "ticket": self.ticket(cookie).await, "rooms": {"dev": {}}});
        session.into_iter().for_each(|session| hello["session"] = session.into());
        knock(&format!("ws://{}/ws", self.house.front_address), hello).await
    }
}

fn session(welcome: &Value) -> String {
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    welcome["session"].as_str().unwrap().to_owned()
}

async fn answers(socket: &mut Socket) -> bool {
    socket.send(Message::text(r#"{"type":"ping","id":"p"}"#)).await.unwrap();
    while let Some(said) = next(socket).await {
        if said["type"] == "pong" {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_takes_the_place_of_another_and_nobody_is_refused() {
    let closed = Closed::open();
    let cookie = closed.sign_in("kim").await;
    let (_, welcome) = closed.comes(&cookie, None).await;
    let (mut there, _) = closed.comes(&cookie, None).await;
    let old = session(&welcome);
    let mut stream = closed.house.stream("/api/rooms/dev/events?last=0", &[("Cookie", &cookie)]).await;
    assert_eq!(stream.event().await.kind, "synced");

    // The new one signs, and the old one is believed: first where tickets are read, then where they are made.
    closed.put_key(&format!("{NEW}\n{KEY}\n"));
    closed.house.reads_again(Program::Back, "read --ticket-key again").await;
    session(&closed.comes(&cookie, None).await.1);
    closed.house.reads_again(Program::Front, "read --ticket-key again").await;
    let ticket = closed.ticket(&cookie).await;
    let (new, now) = (TicketKey::new(NEW.as_bytes()).unwrap(), std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap());
    assert!(Ticket::open(&ticket, &new, now.as_millis() as u64).is_ok(), "the first line signs");
    let (_, again) = closed.comes(&cookie, Some(&old)).await;
    assert_eq!((&again["session"], &again["user"]), (&welcome["session"], &welcome["user"]), "and so is their session");
    assert_eq!(closed.ask("POST", "/api/rooms/dev/messages", &cookie, r#"{"text":"x"}"#).await.status, 201);
    assert_eq!(stream.event().await.json()["text"], "x", "what is open stays open");
    let by_new = closed.sign_in("kim").await;

    // Damaged files keep what was, and are named.
    for damaged in ["short", "", &format!("{NEW}\n{KEY}\n{KEY}")] {
        closed.put_key(damaged);
        closed.both_read_again("--ticket-key stays as it was: ").await;
        session(&closed.comes(&cookie, Some(&old)).await.1);
    }
    std::fs::remove_file(closed.folder.path().join("key")).unwrap();
    closed.both_read_again("--ticket-key stays as it was: ").await;
    session(&closed.comes(&cookie, Some(&old)).await.1);
    assert!(!closed.house.back_log().contains(NEW) && !closed.house.front_log().contains(NEW));

    // Taken away, the old one opens nothing more: who signed in with it does that again.
    service::secret::write_new(&closed.folder.path().join("key"), NEW).unwrap();
    closed.both_read_again("read --ticket-key again").await;
    assert_eq!(closed.ask("POST", "/api/ticket", &cookie, "").await.status, 401);
    let (_, refused) = closed.comes(&by_new, Some(&old)).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("unauthorized"), &json!("session")), "{refused}");
    let (_, anew) = closed.comes(&by_new, None).await;
    assert_eq!(anew["user"], welcome["user"], "it is the same person");
    assert!(answers(&mut there).await, "connections go on");
}
