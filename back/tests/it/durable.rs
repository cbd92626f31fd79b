//! What is left when the server is killed: everything that it said `ok` to, once and in order.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, DEADLINE, seqs, texts},
    process::Back,
};

fn tool(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_back")).args(arguments).arg("--data").arg(data).output().unwrap()
}

async fn history(address: SocketAddr, room: &str) -> Vec<Value> {
    let (mut reader, _) = Client::hello(address, "reader", json!({})).await;
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let request = json!({"type": "history", "id": format!("{after}"), "room": room, "after": after, "limit": 200});
        let page = reader.ask(request).await;
        all.extend(page["messages"].as_array().unwrap().iter().cloned());
        after = all.last().map_or(0, |message| message["seq"].as_u64().unwrap());
        if page["more"] == json!(false) {
            return all;
        }
    }
}

/// Somebody who does not give up: connects again and sends what was not answered again, under the same ids.
struct Stubborn {
    session: Option<String>,
    waiting: VecDeque<(String, String)>,
    answered: HashMap<String, u64>,
}

impl Stubborn {
    async fn send_all(mut self, address: SocketAddr, texts: Vec<String>, pace: Duration) -> HashMap<String, u64> {
        let mut texts = VecDeque::from(texts);
        while !texts.is_empty() || !self.waiting.is_empty() {
            let Some(mut client) = self.connect(address).await else {
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            let again: Vec<_> = self.waiting.iter().cloned().collect();
            let mut alive = true;
            for (id, text) in again {
                alive &= say(&mut client, &id, &text).await;
            }
            while alive && (!texts.is_empty() || !self.waiting.is_empty()) {
                if self.waiting.len() < 4
                    && let Some(text) = texts.pop_front()
                {
                    let id = format!("id-{text}");
                    self.waiting.push_back((id.clone(), text.clone()));
                    alive = say(&mut client, &id, &text).await;
                    sleep(pace).await;
                } else {
                    alive = self.hear(&mut client).await;
                }
            }
        }
        self.answered
    }

    async fn connect(&mut self, address: SocketAddr) -> Option<Client> {
        let mut client = Client::try_chat(address).await?;
        let hello = json!({"type": "hello", "name": "kim", "session": self.session, "rooms": {"dev": {}}});
        client.websocket.send(Message::text(hello.to_string())).await.ok()?;
        loop {
            let Message::Text(text) = timeout(DEADLINE, client.websocket.next()).await.ok()??.ok()? else { continue };
            let said: Value = serde_json::from_str(&text).unwrap();
            match said["type"].as_str() {
                Some("welcome") => self.session = said["session"].as_str().map(str::to_owned),
                Some("synced") => return Some(client),
                _ => {}
            }
        }
    }

    /// Hears one thing; false when the connection is over.
    async fn hear(&mut self, client: &mut Client) -> bool {
        match timeout(DEADLINE, client.websocket.next()).await.expect("an answer or an end") {
            Some(Ok(Message::Text(text))) => {
                let said: Value = serde_json::from_str(&text).unwrap();
                assert_ne!(said["type"], "error", "{said}");
                if said["type"] == "ok" {
                    let id = said["id"].as_str().unwrap().to_owned();
                    self.waiting.retain(|(waiting, _)| *waiting != id);
                    self.answered.insert(id, said["seq"].as_u64().unwrap());
                }
                true
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => false,
            Some(Ok(_)) => true,
        }
    }
}

async fn say(client: &mut Client, id: &str, text: &str) -> bool {
    let message = json!({"type": "send", "id": id, "text": text});
    client.websocket.send(Message::text(message.to_string())).await.is_ok()
}

/// Five people send a hundred messages each while the server is killed and started again so many times.
async fn five_hundred(kills: usize, flags: impl Fn(usize) -> Vec<String>) {
    let data = tempfile::tempdir().unwrap();
    let start = |address: &str, life: usize| {
        let mut all = vec!["--listen".to_owned(), address.to_owned(), "--sends-per-second".to_owned(), "0".to_owned()];
        all.extend(flags(life));
        Back::on(data.path(), &all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut back = start("127.0.0.1:0", 0);
    let address = back.address;
    let senders: Vec<_> = (0..5)
        .map(|person| {
            let texts = (0..100).map(|n| format!("{person}-{n:03}")).collect();
            let sender = Stubborn { session: None, waiting: VecDeque::new(), answered: HashMap::new() };
            tokio::spawn(sender.send_all(address, texts, Duration::from_millis(5)))
        })
        .collect();
    let mut watcher = None;
    for life in 1..=kills {
        // Killed when it has stored its share, or by itself.
        let share = if flags(life - 1).is_empty() { (life * 500 / (kills + 1)) as u64 } else { u64::MAX };
        while !back.has_ended() {
            let mut client = match watcher.take() {
                Some(client) => client,
                None => match Client::try_chat(address).await {
                    Some(client) => client,
                    None => continue,
                },
            };
            if client.try_top("dev").await.is_some_and(|top| top >= share) {
                break;
            }
            watcher = Some(client);
            sleep(Duration::from_millis(5)).await;
        }
        watcher = None;
        back.kill();
        back = start(&address.to_string(), life);
    }
    let mut answered = HashMap::new();
    for sender in senders {
        answered.extend(timeout(3 * DEADLINE, sender).await.expect("the senders are answered").unwrap());
    }
    for restarted in [false, true] {
        if restarted {
            back.kill();
            back = start(&address.to_string(), kills + 1);
        }
        let all = history(address, "dev").await;
        assert_eq!(seqs(&all), (1..=500).collect::<Vec<_>>());
        for person in 0..5 {
            let prefix = format!("{person}-");
            let said: Vec<&str> = texts(&all).into_iter().filter(|text| text.starts_with(&prefix)).collect();
            let expected: Vec<String> = (0..100).map(|n| format!("{person}-{n:03}")).collect();
            assert_eq!(said, expected, "each once, in the order in which they were sent");
        }
        for message in &all {
            let id = format!("id-{}", message["text"].as_str().unwrap());
            assert_eq!(answered[&id], message["seq"].as_u64().unwrap(), "where ok said");
        }
    }
    assert!(tool(data.path(), &["check"]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_messages_survive_three_kills_once_and_in_order() {
    five_hundred(3, |_| Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_messages_survive_kills_at_the_worst_moments() {
    let points = ["before-commit:8", "after-commit:8", "before-ok:8", "mid-broadcast:20", "mid-replay:3"];
    five_hundred(points.len(), move |life| match points.get(life) {
        Some(point) => vec!["--sabotage".to_owned(), format!("kill:{point}")],
        None => Vec::new(),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_changes_nothing_for_those_who_come_back() {
    let data = tempfile::tempdir().unwrap();
    let mut back = Back::on(data.path(), &[]);
    let (mut kim, welcome) = Client::hello(back.address, "민수", json!({"dev": {}})).await;
    let joined = kim.until("joined").await;
    kim.ask(json!({"type": "send", "id": "1", "text": "one"})).await;
    kim.ask(json!({"type": "name", "id": "n", "name": "Minsu"})).await;
    kim.ask(json!({"type": "read", "id": "r", "seq": 1})).await;
    for id in ["2", "3"] {
        kim.ask(json!({"type": "send", "id": id, "text": format!("text {id}")})).await;
    }
    back.kill();
    back = Back::on(data.path(), &[]);
    let mut again = Client::chat(back.address).await;
    let rooms = json!({"dev": {"epoch": joined["epoch"], "seq": 1}});
    again.send(json!({"type": "hello", "session": welcome["session"], "rooms": rooms})).await;
    let hello = again.next().await;
    assert_eq!((&hello["name"], &hello["user"], &hello["resumed"]), (&json!("Minsu"), &welcome["user"], &json!(true)));
    assert_eq!(hello["history"], "sqlite");
    let resumed = again.until("joined").await;
    assert_eq!((&resumed["resume"], &resumed["epoch"], &resumed["read"]), (&json!("ok"), &joined["epoch"], &json!(1)));
    assert_eq!(texts(&again.messages(2).await), ["text 2", "text 3"]);
    let ok = again.ask(json!({"type": "send", "id": "2", "text": "text 2"})).await;
    assert_eq!((&ok["seq"], &ok["duplicate"]), (&json!(2), &json!(true)));
    assert_eq!(again.ask(json!({"type": "send", "id": "4", "text": "four"})).await["seq"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_file_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let back = Back::on(data.path(), &[]);
    let second = Back::command(data.path()).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains("in use by another back") && said.contains("--data"), "{said}");
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    assert_eq!(kim.ask(json!({"type": "send", "id": "1", "text": "x"})).await["seq"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_comes_back_after_a_restart_misses_nothing() {
    const CROWD: usize = 1_000;
    let data = tempfile::tempdir().unwrap();
    let mut back = Back::on(data.path(), &["--sends-per-second", "0"]);
    let (mut kim, _) = Client::hello(back.address, "kim", json!({"dev": {}})).await;
    let epoch = kim.until("joined").await["epoch"].clone();
    for n in 1..=700 {
        kim.send(json!({"type": "send", "id": format!("{n}"), "text": format!("message {n}")})).await;
    }
    kim.find(|message| message["id"] == "700").await;
    back.kill();
    back = Back::on(data.path(), &["--sends-per-second", "0"]);
    let address = back.address;
    let clients: Vec<_> = (0..CROWD)
        .map(|n| {
            let epoch = epoch.clone();
            tokio::spawn(async move {
                let seq = 600 + (n * 100 / CROWD) as u64;
                let (mut client, _) = Client::hello(address, "x", json!({"dev": {"epoch": epoch, "seq": seq}})).await;
                let joined = client.until("joined").await;
                assert_eq!(joined["resume"], "ok", "{joined}");
                let missed = seqs(&client.messages(710 - seq as usize).await);
                assert_eq!(missed, (seq + 1..=710).collect::<Vec<_>>());
            })
        })
        .collect();
    // Somebody goes on talking while they come.
    let mut kim = Client::in_room(address, "kim", "dev").await;
    for n in 0..10 {
        kim.ask(json!({"type": "send", "id": format!("live {n}"), "text": "live"})).await;
    }
    for client in clients {
        timeout(3 * DEADLINE, client).await.expect("everybody gets everything").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tools_work_beside_a_running_server() {
    let data = tempfile::tempdir().unwrap();
    let back = Back::on(data.path(), &[]);
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    let sent = kim.ask(json!({"type": "send", "id": "1", "text": "Hello"})).await;
    let message = kim.until("message").await;

    let exported = tool(data.path(), &["export", "dev", "--format", "jsonl"]);
    assert!(exported.status.success());
    assert_eq!(serde_json::from_slice::<Value>(&exported.stdout).unwrap(), message);
    let text = String::from_utf8(tool(data.path(), &["export", "dev"]).stdout).unwrap();
    assert!(text.ends_with("Z kim: Hello\n"), "{text}");
    let unknown = tool(data.path(), &["export", "nowhere"]);
    assert_eq!(unknown.status.code(), Some(1));

    let check = tool(data.path(), &["check"]);
    assert!(check.status.success());
    assert!(String::from_utf8_lossy(&check.stderr).contains("sound: 1 messages in 1 rooms"));

    // A name that SQLite would take for an address.
    let elsewhere = tempfile::tempdir().unwrap();
    let odd = Command::new(env!("CARGO_BIN_EXE_back"))
        .args(["backup", "file:it's here?.db", "--data"])
        .arg(data.path())
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    assert!(odd.status.success(), "{odd:?}");
    let files: Vec<_> = std::fs::read_dir(elsewhere.path()).unwrap().map(|file| file.unwrap()).collect();
    assert!(files.len() == 1 && files[0].file_name() == "file:it's here?.db", "{files:?}");
    assert!(files[0].metadata().unwrap().len() > 4_096);

    let restored = tempfile::tempdir().unwrap();
    let file = restored.path().join("chat.db");
    assert!(tool(data.path(), &["backup", file.to_str().unwrap()]).status.success());
    assert_eq!(kim.ask(json!({"type": "send", "id": "2", "text": "and on"})).await["seq"], 2);
    let other = Back::on(restored.path(), &[]);
    let (mut resumed, _) =
        Client::hello(other.address, "lee", json!({"dev": {"epoch": sent["epoch"], "seq": 1}})).await;
    assert_eq!(resumed.until("gap").await["reason"], "epoch", "a restored backup is another history");
    assert_eq!(texts(&resumed.messages(1).await), ["Hello"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_not_served() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("chat.db"), vec![b'x'; 10_000]).unwrap();
    let back = Back::command(data.path()).output().unwrap();
    let said = String::from_utf8_lossy(&back.stderr);
    assert_eq!(back.status.code(), Some(1));
    assert!(said.contains("chat.db is damaged") && said.contains("Restore a backup"), "{said}");
    assert_eq!(std::fs::read(data.path().join("chat.db")).unwrap(), vec![b'x'; 10_000], "and left as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_history_lost_is_told_as_lost() {
    let data = tempfile::tempdir().unwrap();
    let mut back = Back::on(data.path(), &["--sends-per-second", "0"]);
    let (mut kim, _) = Client::hello(back.address, "kim", json!({"dev": {}})).await;
    let epoch = kim.until("joined").await["epoch"].clone();
    for n in 1..=10 {
        kim.ask(json!({"type": "send", "id": format!("{n}"), "text": "x"})).await;
    }
    back.kill();
    let file = rusqlite::Connection::open(data.path().join("chat.db")).unwrap();
    file.execute_batch("DELETE FROM messages WHERE id & 0xffff IN (4, 5, 8)").unwrap();
    file.close().unwrap();
    back = Back::on(data.path(), &[]);
    let (mut lee, _) = Client::hello(back.address, "lee", json!({"dev": {"epoch": epoch, "seq": 1}})).await;
    lee.until("joined").await;
    let mut seen = Vec::new();
    loop {
        let said = lee.next().await;
        match said["type"].as_str().unwrap() {
            "message" => seen.push(said["seq"].to_string()),
            "gap" => seen.push(format!("{} {}-{}", said["reason"].as_str().unwrap(), said["from"], said["to"])),
            "synced" => break,
            _ => {}
        }
    }
    assert_eq!(seen, ["2", "3", "lost 4-5", "6", "7", "lost 8-8", "9", "10"]);
    assert_eq!(tool(data.path(), &["check"]).status.code(), Some(1));
}
