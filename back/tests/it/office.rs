//! Where tickets are made, and who comes with them.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use back::history::unix_ms;
use serde_json::{Value, json};
use shared::{Name, RoomName, Ticket, TicketKey, ticket::LIFE_MS};
use tempfile::TempDir;

use crate::{
    client::{Client, End},
    server::TestServer,
};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789a";

/// A key in a file, and what is signed with it.
pub(crate) struct Office {
    folder: TempDir,
    key: TicketKey,
}

impl Office {
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        service::secret::write_new(&folder.path().join("key"), SECRET).unwrap();
        Self { folder, key: TicketKey::new(SECRET.as_bytes()).unwrap() }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    pub(crate) fn server(&self, flags: &[&str]) -> TestServer {
        let file = self.file();
        let ours = ["--history", "memory", "--presence-interval", "0", "--ticket-key", file.to_str().unwrap()];
        TestServer::with(&[&ours, flags].concat())
    }

    /// A server that lets nobody in without a ticket.
    pub(crate) fn closed(&self) -> TestServer {
        self.server(&["--guests", "no"])
    }

    pub(crate) fn seal(&self, ticket: &Ticket) -> String {
        ticket.seal(&self.key)
    }

    /// A ticket for these rooms.
    pub(crate) fn ticket(&self, sub: &str, rooms: &[&str]) -> String {
        self.seal(&ticket(sub, rooms))
    }
}

pub(crate) fn ticket(sub: &str, rooms: &[&str]) -> Ticket {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (all, named): (Vec<&str>, Vec<&str>) = rooms.iter().partition(|room| **room == "*");
    let now = unix_ms();
    Ticket {
        sub: sub.to_owned(),
        name: Some(Name::parse(sub).unwrap()),
        rooms: named.iter().map(|room| RoomName::parse(room).unwrap()).collect(),
        prefixes: all.iter().map(|_| String::new()).collect(),
        iat: now,
        exp: now + LIFE_MS,
        jti: format!("ticket-{:08}", NEXT.fetch_add(1, Ordering::Relaxed)),
        sid: None,
        end: false,
        anew: false,
    }
}

/// Says hello, and what came of it.
pub(crate) async fn knock(address: SocketAddr, hello: Value) -> (Client, Value) {
    let mut client = Client::chat(address).await;
    client.send(hello).await;
    let first = client.next().await;
    (client, first)
}

/// Somebody with a ticket, welcomed and in these rooms.
pub(crate) async fn enter(address: SocketAddr, ticket: &str, rooms: &[&str]) -> (Client, Value) {
    let wanted: Value =
        rooms.iter().map(|room| ((*room).to_owned(), json!({}))).collect::<serde_json::Map<_, _>>().into();
    let (mut client, welcome) = knock(address, json!({"type": "hello", "ticket": ticket, "rooms": wanted})).await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    for _ in rooms {
        client.until("synced").await;
    }
    (client, welcome)
}

/// Everything up to the end, which is as it should be: one `error`, `bye` with this code, and Close with it.
pub(crate) async fn assert_refused(client: &mut Client, first: Option<Value>, field: &str, code: u16) -> Value {
    let (rest, end) = client.end().await;
    let told: Vec<Value> = first.into_iter().chain(rest).collect();
    let kinds: Vec<&str> = told.iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["error", "bye"], "{told:?}");
    let error = told[0].clone();
    assert_eq!((&error["code"], &error["field"]), (&json!("unauthorized"), &json!(field)), "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "told what to do: {error}");
    assert!(matches!(end, End::Close(with, _) if with == code), "{end:?} {error}");
    error
}
