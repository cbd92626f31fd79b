//! What the log says, and what it never says.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    client::{Client, NOTES_REQUEST, raw},
    process::Back,
};

/// Whatever a client says here must stay out of the log.
const CANARY: &str = "canary";

/// Runs the program, has it stopped, and gives all that it logged.
async fn logged(flags: &[&str], attack: impl AsyncFnOnce(std::net::SocketAddr)) -> Vec<String> {
    let data = tempfile::tempdir().unwrap();
    let mut child = Back::command(data.path()).args(flags).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut said: Vec<String> = Vec::new();
    let address = loop {
        let line = lines.next().expect("it says where it listens");
        if let Some(address) = line.strip_prefix("listening on ws://") {
            break address.parse().unwrap();
        }
        said.push(line);
    };
    let rest = std::thread::spawn(move || lines.collect::<Vec<_>>());
    attack(address).await;
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    said.extend(rest.join().unwrap());
    said
}

/// Everything that a client can say, right and wrong.
async fn say_everything(address: std::net::SocketAddr) -> String {
    let (mut kim, welcome) = Client::hello(address, "canary-kim", json!({"canary-room": {}})).await;
    let secret = welcome["session"].as_str().unwrap().to_owned();
    kim.until("synced").await;
    for said in [
        json!({"type": "send", "id": "canary-1", "text": "canary text"}),
        json!({"type": "edit", "id": "canary-2", "seq": 1, "text": "canary edit"}),
        json!({"type": "edit", "id": "canary-3", "seq": 99, "text": "canary edit"}),
        json!({"type": "send", "id": "canary-4", "text": "canary".repeat(10_000)}),
        json!({"type": "name", "id": "canary-5", "name": "canary-lee"}),
        json!({"type": "name", "id": "canary-6", "name": "canary\u{202E}"}),
        json!({"type": "search", "id": "canary-7", "text": "canary"}),
        json!({"type": "join", "id": "canary-8", "room": "canary/other"}),
        json!({"type": "canary", "id": "canary-9"}),
        json!({"type": "history", "id": "canary-10", "room": "canary-room"}),
    ] {
        kim.ask(said).await;
    }
    kim.say("{canary").await;
    kim.until("error").await;
    // The same person elsewhere, whose name has to be looked up, and a console.
    let (mut again, _) = Client::hello(address, "canary-again", json!({})).await;
    let hello = json!({"type": "hello", "session": secret, "name": "canary-kim", "rooms": {"canary-room": {}}});
    let mut twin = Client::chat(address).await;
    twin.send(hello).await;
    twin.until("synced").await;
    again.say("nonsense canary").await;
    let mut plain = Client::plain(address, "/rooms/canary-room").await;
    plain.say("canary in a console").await;
    plain.until("message").await;
    plain.say("/name canary-min").await;
    raw(address, b"GET /canary HTTP/1.1\r\nOrigin: http://canary.example\r\n\r\n").await;
    raw(address, b"canary\r\n\r\n").await;
    secret
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_said_and_nobody_stands_in_the_log() {
    for format in ["text", "json"] {
        let mut secret = String::new();
        let flags = ["--log", "info", "--log-format", format, "--ops", "127.0.0.1:0", "--drain", "0.1"];
        let said = logged(&flags, async |address| secret = say_everything(address).await).await;
        assert!(said.iter().any(|line| line.contains("stopping")), "{said:?}");
        // Its own place it may tell.
        for line in said.iter().filter(|line| !line.contains("health and metrics")) {
            let has = |word: &str| line.contains(word);
            assert!(!has(CANARY) && !has(&secret) && !has("127.0.0.1"), "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_a_line_of_the_log_or_of_an_answer() {
    const FORGED: [&str; 2] = ["\r\nforged: line\r\n\u{1b}[2J", "%0D%0Aforged:%20line%0D%0A%1B[2J"];
    let said = logged(&["--log", "trace", "--drain", "0.1"], async |address| {
        for forged in FORGED {
            for request in [
                format!("GET /rooms/a{forged} HTTP/1.1\r\n\r\n"),
                format!("GET /{forged} HTTP/1.1\r\nHost: a\r\n\r\n"),
                format!("GET / HTTP/1.1\r\nHost: a{forged}\r\nOrigin: http://a{forged}\r\n\r\n"),
                NOTES_REQUEST.replace("13\r\n\r\n", &format!("13{forged}\r\n\r\n")),
                NOTES_REQUEST.replace("\r\n\r\n", &format!("\r\nSec-WebSocket-Protocol: soap{forged}\r\n\r\n")),
                NOTES_REQUEST.replace("13\r\n\r\n", &format!("8\r\nX-Forwarded-For: 192.0.2.1{forged}\r\n\r\n")),
            ] {
                let answer = raw(address, request.as_bytes()).await;
                assert!(answer.starts_with("HTTP/1.1 4") && !answer.contains("forged"), "{request:?}: {answer}");
            }
        }
        let (mut kim, _) = Client::hello(address, "kim", json!({"dev": {}})).await;
        kim.until("synced").await;
        for forged in FORGED {
            kim.ask(json!({"type": "name", "id": "1", "name": format!("lee{forged}")})).await;
            kim.ask(json!({"type": "join", "id": "2", "room": format!("a{forged}")})).await;
            kim.ask(json!({"type": forged, "id": "3"})).await;
            kim.send(json!({"type": "send", "id": forged, "text": forged})).await;
            kim.ask(json!({"type": "search", "id": "4", "text": format!("a{forged}")})).await;
        }
    });
    let said = said.await;
    assert!(said.iter().any(|line| line.contains("refused a handshake")), "{said:?}");
    for line in said {
        // What is quoted is no line of its own.
        assert!(!line.starts_with("forged") && !line.contains(['\u{1b}', '\r']), "{line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_json_has_an_object_a_line() {
    let said = logged(&["--log", "debug", "--log-format", "json", "--drain", "0.1"], async |address| {
        Client::in_room(address, "kim", "dev").await;
        tokio::time::timeout(Duration::from_secs(20), raw(address, b"GET /nowhere HTTP/1.1\r\n\r\n")).await.unwrap();
    });
    let lines: Vec<Value> = said.await.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let refused = lines.iter().find(|line| line["message"] == "refused a handshake").expect("at debug");
    assert_eq!((&refused["level"], &refused["target"]), (&json!("DEBUG"), &json!("back::listener::enter")));
    assert_eq!(refused["status"], 404, "fields stand beside the message: {refused}");
    assert!(refused["timestamp"].as_str().unwrap().starts_with("20"), "{refused}");
    assert!(lines.iter().any(|line| line["conn"].is_u64()), "{lines:?}");
}
