//! Settings from a file, and what becomes of them on SIGHUP.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test reports by panicking")]

#[path = "yard/process.rs"]
mod process;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixDatagram,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use process::Process;

const FRONT: &str = env!("CARGO_BIN_EXE_front");

fn output(args: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(FRONT).args(args).output().unwrap();
    (done.status.code(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
}

#[test]
fn the_printed_file_has_every_flag_and_is_accepted() {
    let (code, text) = output(&["config", "--default"]);
    assert_eq!(code, Some(0));
    let (_, help) = output(&["--help"]);
    let flags: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--"))
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap())
        .filter(|flag| *flag != "config")
        .collect();
    assert!(flags.len() > 15, "{help}");
    for flag in flags {
        assert!(text.contains(&format!("\n#{flag} = ")), "--{flag} is missing in\n{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("front.toml");
    fs::write(&file, &text).unwrap();
    let (code, said) = output(&["check-config", "--config", &file.to_string_lossy()]);
    assert_eq!((code, said.as_str()), (Some(0), "The settings make sense.\n"));
    fs::write(&file, "sameport = true").unwrap();
    let (code, said) = output(&["check-config", "--config", &file.to_string_lossy()]);
    assert!(code == Some(2) && said.contains("did you mean same-port?"), "{said}");
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
    let socket = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&socket).unwrap();
    supervisor.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The next that is said, signs of life apart.
    let hear = |signs: bool| loop {
        let mut bytes = [0; 512];
        let count = supervisor.recv(&mut bytes).unwrap();
        let said = String::from_utf8_lossy(&bytes[..count]).trim_end().to_owned();
        if signs == (said == "WATCHDOG=1") {
            break said;
        }
    };
    let file = folder.path().join("front.toml");
    fs::write(&file, "rooms = 5").unwrap();
    let (name, socket) = (file.to_string_lossy(), socket.to_string_lossy());
    let variables = [("NOTIFY_SOCKET", &*socket), ("WATCHDOG_USEC", "200000")];
    let args = ["--config", &*name, "--listen", "127.0.0.1:0", "--ops", "off"];
    let mut front = Process::start_with(Path::new(FRONT), &args, &variables, "listening on http://");
    assert_eq!(hear(false), "READY=1");
    hear(true);
    signal(&front, "HUP");
    let said = hear(false);
    assert!(said.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{said}");
    assert_eq!(hear(false), "READY=1");
    signal(&front, "TERM");
    assert_eq!(hear(false), "STOPPING=1");
    assert_eq!(front.child.wait().unwrap().code(), Some(0));
}
