//! A program under test: started, heard until it says where it listens, killed when dropped.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// A debug build on a busy machine starts well within this.
const START: Duration = Duration::from_secs(20);

pub(crate) struct Process {
    pub(crate) child: Child,
    /// What followed the awaited words.
    pub(crate) said: String,
    /// The lines before them.
    #[allow(dead_code, reason = "not every test that starts programs asks what else they said")]
    pub(crate) before: Vec<String>,
    /// The lines after them, as they come.
    #[allow(dead_code, reason = "not every test that starts programs asks what else they said")]
    pub(crate) after: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts `program` and waits until a line on either of its outputs contains `words`.
    pub(crate) fn start(program: &Path, arguments: &[&str], words: &'static str) -> Self {
        Self::start_with(program, arguments, &[], words)
    }

    /// As [`Self::start`], with these variables.
    pub(crate) fn start_with(
        program: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
        words: &'static str,
    ) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).envs(variables.iter().copied());
        Self::run(&mut command, words).unwrap_or_else(|heard| {
            panic!("{} never said {words:?}, but:\n{heard}", program.display());
        })
    }

    /// As [`Self::start`]; or what the program said instead.
    #[allow(dead_code, reason = "not every test that starts programs has some that do not start")]
    pub(crate) fn try_start(program: &Path, arguments: &[&str], words: &'static str) -> Result<Self, String> {
        Self::run(Command::new(program).args(arguments), words)
    }

    fn run(command: &mut Command, words: &'static str) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{:?} does not start: {error}", command.get_program()));
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let lines = read(out, err);

        let after = Arc::<Mutex<Vec<String>>>::default();
        let mut process = Self { child, said: String::new(), before: Vec::new(), after: Arc::clone(&after) };
        let mut heard = Vec::new();
        let deadline = Instant::now() + START;
        while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if let Some((_, said)) = line.split_once(words) {
                process.said = said.trim().trim_end_matches('.').to_owned();
                process.before = heard;
                // The rest is read away, so that a full pipe never stops the program.
                thread::spawn(move || lines.iter().for_each(|line| after.lock().expect("lines").push(line)));
                return Ok(process);
            }
            heard.push(line);
        }
        Err(heard.join("\n"))
    }
}

impl Process {
    /// What it has said so far, but for the awaited words.
    #[allow(dead_code, reason = "not every test that starts programs asks what else they said")]
    pub(crate) fn log(&self) -> String {
        let after = self.after.lock().expect("lines");
        self.before.iter().chain(after.iter()).map(|line| format!("{line}\n")).collect()
    }

    /// Its number, for signals.
    #[allow(dead_code, reason = "not every test that starts programs sends signals")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(out: impl Read + Send + 'static, err: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = sync_channel(64);
    let other = sender.clone();
    thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    thread::spawn(move || BufReader::new(err).lines().map_while(Result::ok).try_for_each(|line| other.send(line)));
    lines
}
