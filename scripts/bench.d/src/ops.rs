//! What a program says of itself on its port for numbers.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::Context as _;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The metric whose line begins so.
///
/// # Errors
/// When nobody answers, or there is no such line.
pub fn metric(ops: SocketAddr, name: &str) -> anyhow::Result<f64> {
    let mut stream = TcpStream::connect_timeout(&ops, PATIENCE).context("nobody tells numbers")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
    value.with_context(|| format!("there is no {name}"))
}
