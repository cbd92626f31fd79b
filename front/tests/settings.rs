//! Settings from a file, and what becomes of them on SIGHUP.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test reports by panicking")]

#[path = "../../shared/service/tests/support/config_file.rs"]
mod config_file;
#[path = "yard/process.rs"]
mod process;
#[path = "../../shared/service/tests/support/supervisor.rs"]
mod supervisor;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use config_file::{output, the_printed_file_is_whole};
use process::Process;
use supervisor::Supervisor;

const FRONT: &str = env!("CARGO_BIN_EXE_front");

#[test]
fn the_printed_file_has_every_flag_and_is_accepted() {
    the_printed_file_is_whole(FRONT, 15);
}

#[test]
fn what_people_sign_in_with_is_looked_at_before_anything_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    service::secret::write_new(file("key").as_ref(), &"k".repeat(40)).unwrap();
    service::secret::write_new(file("short").as_ref(), "short").unwrap();
    fs::write(file("damaged"), "{").unwrap();
    let check = |flags: &[&str]| output(Command::new(FRONT).args(flags).arg("check-config"));
    let (code, said) = check(&["--accounts", &file("accounts"), "--ticket-key", &file("key")]);
    assert_eq!(code, Some(0), "{said}");
    for (flags, hint) in [
        (vec!["--accounts", &file("accounts"), "--ticket-key", &file("short")], "shorter than 32"),
        (vec!["--accounts", &file("damaged"), "--ticket-key", &file("key")], "damaged"),
        (vec!["--accounts", &file("accounts")], "asks for --ticket-key"),
        // It would read what the chat server shows to nobody, and show it to everybody.
        (vec!["--ticket-key", &file("key")], "asks for --accounts"),
    ] {
        let (code, said) = check(&flags);
        assert!(code == Some(2) && said.contains(hint), "{flags:?}: {code:?} {said}");
        let started =
            Process::try_start(FRONT.as_ref(), &[&["--listen", "127.0.0.1:0"], &flags[..]].concat(), "listening on ");
        assert!(started.is_err_and(|said| said.contains(hint)), "{flags:?}");
    }
}

#[test]
fn the_help_puts_each_flag_under_its_heading() {
    let (_, help) = output(Command::new(FRONT).arg("--help"));
    let (options, limits) = help.split_once("Limits of the HTTP API:").unwrap();
    for flag in ["--accounts <", "--assets <", "--config <", "--ops <"] {
        assert!(options.contains(flag) && !limits.contains(flag), "{flag}");
    }
    assert!(limits.contains("--readers <") && !options.contains("--readers <"), "{help}");
}

#[test]
fn a_reason_is_told_once() {
    let (code, said) = output(Command::new(FRONT).args(["--log", "a=b=c"]));
    assert!(code == Some(1) && said.matches("error parsing level filter").count() == 1, "{code:?} {said}");
}

#[test]
fn a_folder_without_the_pages_scripts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--listen", "127.0.0.1:0", "--ops", "off", "--assets", &folder.path().to_string_lossy()];
    let started = Process::try_start(FRONT.as_ref(), &flags, "listening on ");
    assert!(started.is_err_and(|said| said.contains("there is no app/main.js in ") && said.contains("--assets")));
}

#[test]
fn the_log_says_what_an_operator_has_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    service::secret::write_new(file("key").as_ref(), &"k".repeat(40)).unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let back = format!("ws://{nobody}");
    let flags = ["--listen", "127.0.0.1:0", "--ops", "off", "--back", &back];
    let start = |more: &[&str]| Process::start(FRONT.as_ref(), &[&flags, more].concat(), "listening on http://");

    let closed = start(&["--accounts", &file("accounts"), "--ticket-key", &file("key")]);
    assert!(closed.before.iter().any(|line| line.contains("`front user add NAME --accounts ")), "{:?}", closed.before);

    let open = start(&[]);
    let mut stream = TcpStream::connect(&open.said).unwrap();
    let request = format!("GET /api/rooms HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", open.said);
    stream.write_all(request.as_bytes()).unwrap();
    hears(&open, &format!("back cannot be reached at {back}, where --back says"));
}

/// How a page of this origin is answered.
fn status(address: &str, origin: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "OPTIONS /api/rooms HTTP/1.1\r\nHost: {address}\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: GET\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn signal(front: &Process, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &front.id().to_string()]).status().unwrap().success());
}

/// Waits until the log has this.
fn hears(front: &Process, words: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !front.log().contains(words) {
        assert!(Instant::now() < deadline, "no {words:?} in\n{}", front.log());
        std::thread::yield_now();
    }
}

#[test]
fn origins_change_without_a_restart_and_the_log_says_what_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("front.toml");
    fs::write(&file, "allow-origin = ['https://a.example']").unwrap();
    let name = file.to_string_lossy();
    let args = ["--config", &*name, "--listen", "127.0.0.1:0", "--ops", "off"];
    let front = Process::start(Path::new(FRONT), &args, "listening on http://");
    let address = front.said.clone();
    assert_eq!((status(&address, "https://a.example"), status(&address, "https://b.example")), (204, 403));

    fs::write(&file, "allow-origin = ['https://b.example']\nrooms = 7").unwrap();
    signal(&front, "HUP");
    hears(&front, "these hold from now on: allow-origin");
    hears(&front, "these stay as they were until the next start: rooms");
    while status(&address, "https://b.example") != 204 {
        std::thread::yield_now();
    }
    assert_eq!((status(&address, "https://a.example"), status(&address, "https://b.example")), (403, 204));

    fs::write(&file, "allow-origin = 'c.example'").unwrap();
    signal(&front, "HUP");
    hears(&front, "the settings stay as they were: ");
    assert_eq!(status(&address, "https://b.example"), 204);
}

#[test]
fn a_supervisor_is_told_how_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let supervisor = Supervisor::new(folder.path());
    let file = folder.path().join("front.toml");
    fs::write(&file, "rooms = 5").unwrap();
    let name = file.to_string_lossy();
    let args = ["--config", &*name, "--listen", "127.0.0.1:0", "--ops", "off"];
    let words = "listening on http://";
    let mut front = Process::start_with(Path::new(FRONT), &args, &supervisor.variables(), words);
    supervisor.hears_a_life(|name| signal(&front, name));
    assert_eq!(front.child.wait().unwrap().code(), Some(0));
}
