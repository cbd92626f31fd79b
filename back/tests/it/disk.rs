//! A disk that takes nothing more, or a file that was taken away: the sender is told, reading goes on, and writing begins again by itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    client::{Client, DEADLINE, seqs},
    ops::readiness,
    process::Back,
};

/// Sends until the disk takes no more; returns how many were stored.
async fn fill(kim: &mut Client, from: u64) -> u64 {
    for n in from..from + 5_000 {
        let ok = kim.ask(message(n)).await;
        if ok["type"] == "error" {
            assert_eq!((&ok["code"], &ok["retry"]), (&json!("storage_unavailable"), &json!(true)), "{ok}");
            assert!(ok["retry_after_ms"].as_u64().unwrap() > 0 && ok["hint"].as_str().unwrap().contains("same id"));
            return n - 1;
        }
        assert_eq!(ok["seq"], n);
    }
    panic!("the disk is never full");
}

fn message(n: u64) -> Value {
    json!({"type": "send", "id": format!("{n}"), "text": format!("{n} {}", "x".repeat(4_000))})
}

async fn whole(client: &mut Client) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let after = all.last().copied().unwrap_or(0);
        let page =
            client.ask(json!({"type": "history", "id": format!("h{after}"), "after": after, "limit": 200})).await;
        assert_eq!(page["type"], "page", "{page}");
        all.extend(seqs(page["messages"].as_array().unwrap()));
        if page["more"] == json!(false) {
            return all;
        }
    }
}

/// What has to hold on any disk that is full and is then given room.
async fn refuses_and_recovers(back: &Back, make_room: impl FnOnce()) -> u64 {
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    let stored = fill(&mut kim, 1).await;
    assert!(stored > 10, "{stored}");
    // What was stored is known, what was not is not, and everything can be read, also by those who come now.
    let again = kim.ask(message(1)).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&json!(1), &json!(true)));
    assert_eq!(kim.ask(message(stored + 1)).await["code"], "storage_unavailable");
    for id in ["r1", "r2"] {
        let read = kim.ask(json!({"type": "read", "id": id, "seq": 1})).await;
        assert_eq!(read["code"], "storage_unavailable", "a marker that is not stored is not said to be");
    }
    let mut lee = Client::in_room(back.address, "lee", "dev").await;
    assert_eq!(whole(&mut lee).await, (1..=stored).collect::<Vec<_>>());
    assert_eq!(kim.ask(json!({"type": "name", "id": "n", "name": "민수"})).await["name"], "민수");
    make_room();
    let ok = timeout(DEADLINE, async {
        loop {
            let ok = kim.ask(message(stored + 1)).await;
            if ok["type"] == "ok" {
                return ok;
            }
            sleep(Duration::from_millis(ok["retry_after_ms"].as_u64().unwrap())).await;
        }
    });
    assert_eq!(ok.await.expect("it is written again by itself")["seq"], stored + 1);
    assert_eq!(lee.find(|message| message["seq"] == stored + 1).await["type"], "message");
    assert_eq!(kim.ask(message(stored + 2)).await["seq"], stored + 2);
    assert_eq!(whole(&mut lee).await, (1..=stored + 2).collect::<Vec<_>>());
    stored + 2
}

async fn finds_all_after_a_restart(data: &Path, stored: u64) {
    let back = Back::on(data, &[]);
    let mut lee = Client::in_room(back.address, "lee", "dev").await;
    assert_eq!(whole(&mut lee).await, (1..=stored).collect::<Vec<_>>());
    let check = Command::new(env!("CARGO_BIN_EXE_back")).arg("check").arg("--data").arg(data).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

/// Files may not grow beyond a limit that is lifted later: writes fail as they do on a broken disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_refuses_writes_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut command = Back::command(data.path());
    command.args(["--sends-per-second", "0"]);
    // The signal that comes with the error would end the process; ignored, it stays ignored in what is started.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 2000; exec \"$0\" \"$@\""]);
    limited.arg(command.get_program()).args(command.get_args()).env("BACK_LISTEN", "127.0.0.1:0");
    let mut back = Back::spawn(&mut limited);
    let lift = || {
        let lifted = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &back.id().to_string()]).status();
        assert!(lifted.unwrap().success());
    };
    let stored = refuses_and_recovers(&back, lift).await;
    back.kill();
    finds_all_after_a_restart(data.path(), stored).await;
}

/// A small file system in memory, in a namespace of its own, filled by a file that is removed later.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing() {
    if !Command::new("unshare").args(["-Urm", "true"]).stderr(Stdio::null()).status().is_ok_and(|done| done.success()) {
        println!("not run: no namespaces here; scripts/chaos fills a disk in another way");
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let mut command = Back::command(data.path());
    command.args(["--sends-per-second", "0"]);
    let mut small = Command::new("unshare");
    let script =
        "mount -t tmpfs -o size=4m none \"$DATA\" && head -c 2000000 /dev/zero >\"$DATA/filler\" && exec \"$0\" \"$@\"";
    small.args(["-Urm", "sh", "-c", script]).env("DATA", data.path()).env("BACK_LISTEN", "127.0.0.1:0");
    small.arg(command.get_program()).args(command.get_args());
    let mut back = Back::spawn(&mut small);
    let inside: PathBuf = format!("/proc/{}/root{}", back.id(), data.path().display()).into();
    assert!(inside.join("filler").exists());
    let stored = refuses_and_recovers(&back, || fs::remove_file(inside.join("filler")).unwrap()).await;
    // The file system goes with the process; what is in it is looked at before.
    let copy = tempfile::tempdir().unwrap();
    back.signal("STOP");
    for file in fs::read_dir(&inside).unwrap() {
        let file = file.unwrap();
        if !file.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    back.kill();
    finds_all_after_a_restart(copy.path(), stored).await;
}

/// A disk that hangs makes everybody wait, and nobody is blamed for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_is_nobodys_silence() {
    let data = tempfile::tempdir().unwrap();
    let back = Back::on(data.path(), &["--ping-after", "0.3", "--dead-after", "0.8"]);
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    // Whoever holds the file's lock is as good as a disk that does not answer.
    let disk = rusqlite::Connection::open(data.path().join("chat.db")).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    kim.send(json!({"type": "send", "id": "1", "text": "x"})).await;
    // Coming into a room waits for what is being written.
    kim.send(json!({"type": "join", "id": "2", "room": "other"})).await;
    let waiting = tokio::spawn(async move { kim.find(|message| message["type"] == "joined").await["room"].clone() });
    sleep(Duration::from_secs(2)).await;
    assert!(!waiting.is_finished(), "the disk does not hang: this test shows nothing");
    disk.execute_batch("ROLLBACK").unwrap();
    assert_eq!(timeout(DEADLINE, waiting).await.unwrap().unwrap(), "other");
}

/// Waits until it says of itself whether it can store anything; nobody sends meanwhile.
async fn until_ready(back: &Back, ready: bool) {
    let wanted = async {
        while readiness(back.ops.unwrap()).await.1["ready"] != json!(ready) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, wanted).await.expect("it is noticed without a word");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_moved_away_and_back_loses_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let (data, away) = (parent.path().join("data"), parent.path().join("away"));
    let mut back = Back::on(&data, &["--ops", "127.0.0.1:0"]);
    // Nothing was said, so there is nothing to write by itself either.
    fs::rename(&data, &away).unwrap();
    until_ready(&back, false).await;
    fs::rename(&away, &data).unwrap();
    until_ready(&back, true).await;
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    assert_eq!(kim.ask(message(1)).await["seq"], 1);
    fs::rename(&data, &away).unwrap();
    let refused = kim.ask(message(2)).await;
    assert_eq!((&refused["code"], &refused["retry"]), (&json!("storage_unavailable"), &json!(true)), "{refused}");
    until_ready(&back, false).await;
    fs::rename(&away, &data).unwrap();
    until_ready(&back, true).await;
    let again = kim.ask(message(1)).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&json!(1), &json!(true)));
    assert_eq!(kim.ask(message(2)).await["seq"], 2);
    back.kill();
    finds_all_after_a_restart(&data, 2).await;
}

/// As operations.md says it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_a_file_that_was_removed_can_be_saved_while_the_server_runs() {
    let (data, saved) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut back = Back::on(data.path(), &["--ops", "127.0.0.1:0"]);
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    for n in 1..=20 {
        assert_eq!(kim.ask(message(n)).await["seq"], n);
    }
    for file in fs::read_dir(data.path()).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    until_ready(&back, false).await;
    assert_eq!(kim.ask(message(21)).await["code"], "storage_unavailable");
    // What was there before can be read, and another may begin where this one was.
    let mut lee = Client::in_room(back.address, "lee", "dev").await;
    assert_eq!(whole(&mut lee).await, (1..=20).collect::<Vec<_>>());
    let other = Back::on(data.path(), &[]);
    let mut min = Client::in_room(other.address, "min", "dev").await;
    assert_eq!(min.ask(message(1)).await["seq"], 1);
    for file in fs::read_dir(format!("/proc/{}/fd", back.id())).unwrap() {
        let file = file.unwrap().path();
        let Ok(open) = fs::read_link(&file) else { continue };
        for name in ["chat.db", "chat.db-wal"] {
            if open.to_string_lossy().ends_with(&format!("/{name} (deleted)")) {
                fs::copy(&file, saved.path().join(name)).unwrap();
            }
        }
    }
    back.signal("TERM");
    assert_eq!(back.code().await, Some(0));
    finds_all_after_a_restart(saved.path(), 20).await;
    // Its end takes nothing from the other.
    assert_eq!(min.ask(message(2)).await["seq"], 2);
    drop(other);
    finds_all_after_a_restart(data.path(), 2).await;
}
