//! Both servers as programs, with fifty messages in a room, and the stand-in beside Madang's own files.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tempfile::TempDir;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::{say, standin};

/// Messages that a first look shows.
const MESSAGES: usize = 50;

pub struct Site {
    address: SocketAddr,
    folder: TempDir,
    _programs: [Program; 2],
}

impl Site {
    /// # Errors
    /// When a program does not start or does not answer.
    pub async fn start(programs: &Path, assets: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (data, files) = (folder.path().join("data"), folder.path().join("static"));
        copy(assets, &files)?;
        let mut back = Command::new(programs.join("back"));
        back.args(["--listen", "127.0.0.1:0", "--sends-per-second", "0", "--data"]).arg(data);
        let (back, chat) = Program::start(back, "ws://")?;
        talk(chat).await?;
        let mut front = Command::new(programs.join("front"));
        front
            .args(["--listen", "127.0.0.1:0", "--same-port", "--back", &format!("ws://{chat}"), "--assets"])
            .arg(&files);
        let (front, address) = Program::start(front, "http://")?;
        // Over the very way that the page came by, as Madang's own.
        standin::write(&files.join("standin"), "'+location.origin.replace('http','ws')+'/ws")?;
        Ok(Self { address, folder, _programs: [back, front] })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the stand-in's scripts weigh, for people.
    ///
    /// # Errors
    /// When they cannot be had.
    pub async fn weight(&self) -> anyhow::Result<String> {
        let (mut plain, mut packed) = (0, 0);
        for file in fs::read_dir(self.folder.path().join("static/standin"))? {
            let name = file?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".js") {
                plain += self.body(&name, "identity")?;
                packed += self.body(&name, "gzip")?;
            }
        }
        Ok(format!("The stand-in's scripts are {} KB, {} KB as they are sent.", plain / 1_000, packed / 1_000))
    }

    fn body(&self, name: &str, encoding: &str) -> anyhow::Result<usize> {
        let mut stream = TcpStream::connect(self.address)?;
        // Without chunks: all that follows the head is the body.
        write!(
            stream,
            "GET /static/standin/{name} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept-Encoding: {encoding}\r\n\r\n",
            self.address
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").context("a head")?;
        Ok(answer.len() - head - 4)
    }
}

/// Says fifty things, of one and several lines, by three people.
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
