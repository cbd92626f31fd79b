//! Both servers as programs, with fifty messages in a room, and the stand-in beside Madang's own files.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::{Context, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tempfile::TempDir;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::{say, standin};

/// Messages that a first look shows.
pub const MESSAGES: usize = 50;

pub struct Site {
    pub address: SocketAddr,
    /// Where the stand-in is.
    pub standin: String,
    _programs: [Program; 2],
    _folder: TempDir,
}

impl Site {
    /// # Errors
    /// When a program does not start or does not answer.
    pub async fn start(programs: &Path, assets: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (data, files) = (folder.path().join("data"), folder.path().join("static"));
        copy(assets, &files)?;
        standin::write(&files.join("standin"))?;
        let mut back = Command::new(programs.join("back"));
        back.args(["--listen", "127.0.0.1:0", "--ops", "off", "--sends-per-second", "0", "--data"]).arg(data);
        let (back, chat) = Program::start(back, "ws://")?;
        talk(chat).await?;
        let mut front = Command::new(programs.join("front"));
        front.args(["--listen", "127.0.0.1:0", "--ops", "off", "--same-port", "--back", &format!("ws://{chat}")]);
        front.arg("--assets").arg(files);
        let (front, address) = Program::start(front, "http://")?;
        // Below the present version, as Madang's own files are, so that a browser keeps it for ever.
        let room = get(address, "/r/dev?lang=en")?;
        let version = room.split_once("/static/v-").and_then(|(_, rest)| rest.split_once('-'));
        let (version, _) = version.context("the room page names no version of its files")?;
        let standin = format!("/static/v-{version}-standin/standin/index.html");
        Ok(Self { address, standin, _programs: [back, front], _folder: folder })
    }
}

fn get(from: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(from)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {from}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "{path}: {}", answer.lines().next().unwrap_or_default());
    Ok(answer)
}

/// Says fifty things, by three people.
async fn talk(chat: SocketAddr) -> anyhow::Result<()> {
    for person in 0..3 {
        let (mut socket, _) = connect_async(format!("ws://{chat}/rooms/dev")).await?;
        let name = ["Ada", "민수", "Sora"][person];
        let name = json!({ "type": "name", "id": "name", "name": name });
        socket.send(Message::text(name.to_string())).await?;
        for n in (person..MESSAGES).step_by(3) {
            let text = format!("Message {n}: what people say to each other is about as long as this.");
            let message = json!({ "type": "send", "id": n.to_string(), "text": text });
            socket.send(Message::text(message.to_string())).await?;
            let stored = format!("\"id\":\"{n}\"");
            while !socket.next().await.context("back is gone")??.to_text()?.contains(&stored) {}
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Killed when dropped.
struct Program(Child);

impl Program {
    /// Starts it and waits until it says where it listens.
    fn start(mut command: Command, scheme: &str) -> anyhow::Result<(Self, SocketAddr)> {
        let child = command.args(["--log", "warn"]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut program = Self(child.with_context(|| format!("{:?} does not start", command.get_program()))?);
        let mut lines = BufReader::new(program.0.stderr.take().context("piped")?).lines();
        while let Some(line) = lines.next().transpose()? {
            if let Some((_, address)) = line.split_once("listening on ").filter(|(_, at)| at.starts_with(scheme)) {
                let address = address[scheme.len()..].parse()?;
                thread::spawn(move || lines.map_while(Result::ok).for_each(|line| say(&line)));
                return Ok((program, address));
            }
            say(&line);
        }
        bail!("{:?} ended before it listened", command.get_program())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
