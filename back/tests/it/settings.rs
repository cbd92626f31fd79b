//! Settings from a file, and what becomes of them on SIGHUP.

use std::{fs, path::Path, process::Command, time::Duration};

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    client::{Client, DEADLINE, client_frame, raw},
    config_file::{output, the_printed_file_is_whole},
    process::Back,
    supervisor::Supervisor,
};

fn back(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_back"));
    command.args(args);
    command
}

#[test]
fn the_printed_file_has_every_flag_and_is_accepted() {
    the_printed_file_is_whole(env!("CARGO_BIN_EXE_back"), 30);
}

#[test]
fn a_variable_wins_over_the_file_and_a_flag_over_both() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("back.toml");
    fs::write(&file, "ping-after = 1\ndead-after = 2\nrooms = 3\n").unwrap();
    let (code, said) =
        output(back(&["--ping-after", "7", "check-config"]).env("BACK_CONFIG", &file).env("BACK_DEAD_AFTER", "8"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("back.toml: rooms\n"), "{said}");
    assert!(said.contains("from variables: dead-after\n") && said.contains("from flags: ping-after\n"), "{said}");
}

#[test]
fn what_makes_no_sense_is_said_before_anything_is_begun() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("back.toml");
    for (text, hint) in [
        ("ping_after = 1", "did you mean ping-after?"),
        ("tls-cert = 'cert.pem'", "--tls-key <FILE>"),
        ("log = 'a=b=c'", "--log a=b=c"),
        ("ping-after = 50", "--dead-after has to be longer than --ping-after"),
        ("tls-cert = '/nowhere/cert.pem'\ntls-key = '/nowhere/key.pem'", "/nowhere/cert.pem"),
        ("ticket-key = '/nowhere/key'", "nobody can come in: /nowhere/key"),
        ("ticket-key = '/dev/null'", "/dev/null"),
        ("guest-rooms = ['a/b']", "--guest-rooms"),
    ] {
        fs::write(&file, text).unwrap();
        let (code, said) = output(&mut back(&["check-config", "--config", &file.to_string_lossy()]));
        assert!(code == Some(2) && said.contains(hint), "{text}: {code:?} {said}");
    }
}

#[test]
fn a_reason_is_told_once() {
    let (code, said) = output(back(&["--log", "a=b=c"]).env("BACK_HISTORY", "memory"));
    assert!(code == Some(1) && said.matches("error parsing level filter").count() == 1, "{code:?} {said}");
}

/// Whether a page of this origin may connect.
async fn is_let_in(back: &Back, origin: &str) -> bool {
    let request = format!(
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {origin}\r\n\r\n"
    );
    // Whoever is let in leaves at once.
    let request = [request.as_bytes(), &client_frame(0x88, b"")].concat();
    raw(back.address, &request).await.starts_with("HTTP/1.1 101")
}

async fn becomes(back: &Back, origin: &str, may: bool) {
    let deadline = Instant::now() + DEADLINE;
    while is_let_in(back, origin).await != may {
        assert!(Instant::now() < deadline, "{origin} stays as it was");
        sleep(Duration::from_millis(20)).await;
    }
}

/// In one piece, whoever reads it meanwhile.
fn put(data: &Path, text: &str) -> std::path::PathBuf {
    let (part, file) = (data.join("part.toml"), data.join("back.toml"));
    fs::write(&part, text).unwrap();
    fs::rename(part, &file).unwrap();
    file
}

fn on_file(data: &Path, text: &str) -> Back {
    let file = put(data, text);
    Back::on(data, &["--config", &file.to_string_lossy()])
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_and_moderators_change_without_a_restart() {
    let (_, said) = output(&mut back(&["moderator", "add", "mo", "--print"]));
    let known = said.split('\'').nth(1).unwrap().to_owned();
    let secret = said.lines().find(|line| !line.contains(' ')).unwrap().to_owned();
    let data = tempfile::tempdir().unwrap();
    let first = "allow-origin = ['https://a.example']\nrooms = 5\n";
    let back = on_file(data.path(), first);
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    assert!(is_let_in(&back, "https://a.example").await && !is_let_in(&back, "https://b.example").await);
    let claim = json!({"type": "moderator", "id": "1", "secret": secret});
    assert_eq!(kim.ask(claim.clone()).await["code"], "unauthorized");

    put(data.path(), &format!("allow-origin = ['https://b.example']\nmoderator = ['{known}']\nrooms = 6"));
    back.signal("HUP");
    becomes(&back, "https://b.example", true).await;
    assert!(!is_let_in(&back, "https://a.example").await);
    assert_eq!(kim.ask(claim).await["name"], "mo", "who was there is still there, and may show a secret");

    // A broken file keeps what was; so does one that is gone.
    put(data.path(), "allow-origin = ['https://c.example'");
    back.signal("HUP");
    put(data.path(), &format!("{first}trusted-proxy = 'x'"));
    back.signal("HUP");
    kim.expect_silence().await;
    assert!(is_let_in(&back, "https://b.example").await && !is_let_in(&back, "https://c.example").await);

    // A moderator who does not stand there any more is none from the next act on.
    put(data.path(), first);
    back.signal("HUP");
    becomes(&back, "https://a.example", true).await;
    let slow = json!({"type": "slow", "id": "2", "room": "dev", "seconds": 5});
    assert_eq!(kim.ask(slow).await["code"], "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_is_told_how_it_goes() {
    let data = tempfile::tempdir().unwrap();
    let supervisor = Supervisor::new(data.path());
    let file = put(data.path(), "rooms = 5");
    let mut command = Back::command(data.path());
    command.arg("--config").arg(file).envs(supervisor.variables());
    let mut back = Back::spawn(&mut command);
    supervisor.hears_a_life(|name| back.signal(name));
    assert_eq!(back.code().await, Some(0));
}
