//! A screen that nobody sees, with ibus-hangul and a keyboard: what people with Linux write Hangul with.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Programs on a busy machine start well within this.
const START: Duration = Duration::from_secs(20);

/// What is needed, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 5] = [
    ("Xvfb", "xvfb"),
    ("dbus-daemon", "dbus"),
    ("ibus-daemon", "ibus-hangul ibus-gtk3"),
    ("ibus", "ibus"),
    ("xdotool", "xdotool"),
];

pub(crate) struct InputMethod {
    environment: Vec<String>,
    _home: TempDir,
    _running: Vec<Running>,
}

impl InputMethod {
    /// Or which packages are missing.
    pub(crate) fn start() -> Result<Self, String> {
        let missing: Vec<&str> =
            PROGRAMS.iter().filter(|(program, _)| find(program).is_none()).map(|&(_, package)| package).collect();
        if !missing.is_empty() {
            return Err(missing.join(" "));
        }
        // Addresses of buses and settings stay apart from those of the person who runs this.
        let home = tempfile::tempdir().expect("a directory");
        let mut environment: Vec<String> = ["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"]
            .map(|name| format!("{name}={}", home.path().display()))
            .into();
        environment.extend(["GTK_IM_MODULE=ibus", "XMODIFIERS=@im=ibus", "LC_ALL=C.UTF-8"].map(str::to_owned));
        let (screen, display) =
            Running::saying(&environment, &["Xvfb", "-displayfd", "1", "-screen", "0", "1280x900x24"]);
        environment.push(format!("DISPLAY=:{display}"));
        let (bus, address) = Running::saying(
            &environment,
            &["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1"],
        );
        environment.push(format!("DBUS_SESSION_BUS_ADDRESS={address}"));
        let daemon = Running::start(&environment, &["ibus-daemon", "--panel=disable", "--xim"]);
        let started = Self { environment, _home: home, _running: vec![Running(daemon), screen, bus] };
        let deadline = Instant::now() + START;
        while !started.run(&["ibus", "engine", "hangul"]) {
            assert!(Instant::now() < deadline, "ibus never took up Hangul");
        }
        Ok(started)
    }

    /// What a program needs to know to write with it, as `env` takes it.
    pub(crate) fn environment(&self) -> &[String] {
        &self.environment
    }

    /// Gives the keyboard to the only window there is, by a click at this place of the screen.
    pub(crate) fn click(&self, x: i64, y: i64) {
        let deadline = Instant::now() + START;
        while !self.run(&["xdotool", "search", "--onlyvisible", "--class", "chromium", "windowfocus"]) {
            assert!(Instant::now() < deadline, "there never was a window");
        }
        assert!(self.run(&["xdotool", "mousemove", &x.to_string(), &y.to_string(), "click", "1"]), "no click");
    }

    /// Presses keys, one after the other, by the names that X has for them.
    pub(crate) fn press(&self, keys: &[&str]) {
        let pressed = self.run(&[&["xdotool", "key", "--clearmodifiers", "--delay", "40"], keys].concat());
        assert!(pressed, "{keys:?} cannot be pressed");
    }

    fn run(&self, command: &[&str]) -> bool {
        let mut env = Command::new("env");
        env.args(&self.environment).args(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        env.status().is_ok_and(|status| status.success())
    }
}

/// Killed when dropped.
struct Running(Child);

impl Running {
    fn start(environment: &[String], command: &[&str]) -> Child {
        let mut env = Command::new("env");
        env.args(environment).args(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        env.spawn().unwrap_or_else(|error| panic!("{} does not start: {error}", command[0]))
    }

    /// Starts a program that says one line about where it can be reached.
    fn saying(environment: &[String], command: &[&str]) -> (Self, String) {
        let mut child = Self::start(environment, command);
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert!(!line.is_empty(), "{} says nothing", command[0]);
        (Self(child), line.trim().to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| Path::is_file(path))
}
