//! A page server, asked over a bare socket, and its answers.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use front::{Config, Server};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longer than any answer takes, on the slowest machine that still passes the rest.
const PATIENCE: Duration = Duration::from_secs(10);

/// What every browser that runs scripts says of itself.
pub(crate) const BROWSER: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n";

/// A page server on a free port; it stops when this is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    _stop: DropGuard,
}

/// An answer, with the names of its fields in lower case.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = Server::new(config).unwrap();
        tokio::spawn(server.run(listener, stop.clone()));
        Self { address, _stop: stop.drop_guard() }
    }

    /// Sends these bytes and reads until the server closes.
    pub(crate) async fn raw(&self, request: &str) -> Answer {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            Answer::read(&answer)
        };
        timeout(PATIENCE, exchange).await.expect("an answer in time")
    }

    pub(crate) async fn ask(&self, method: &str, target: &str, fields: &str) -> Answer {
        let host = self.address;
        self.raw(&format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{BROWSER}{fields}\r\n"))
            .await
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, "").await
    }

    pub(crate) async fn with_host(&self, host: &str) -> Answer {
        self.raw(&format!("GET /r/dev HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{BROWSER}\r\n")).await
    }

    pub(crate) async fn post(&self, target: &str, form: &str) -> Answer {
        let host = self.address;
        self.raw(&format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{BROWSER}{form}")).await
    }
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut fields = BTreeMap::<String, String>::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            let field = fields.entry(name.to_ascii_lowercase()).or_default();
            // Only cookies come more than once.
            *field = if field.is_empty() { value.to_owned() } else { format!("{field}\n{value}") };
        }
        let body = match fields.get("transfer-encoding").map(String::as_str) {
            Some("chunked") => unchunk(&bytes[end..]),
            _ => bytes[end..].to_vec(),
        };
        Self { status, fields, body: String::from_utf8_lossy(&body).into_owned() }
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The page's data, as its script reads it.
    pub(crate) fn data(&self) -> Value {
        let (_, rest) = self.body.split_once(r#"id="page-data">"#).expect("the page's data");
        let (json, _) = rest.split_once("</script>").unwrap();
        serde_json::from_str(json).unwrap()
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 2 + size + 2..];
    }
    body
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(Server::new(Config::default()).unwrap().run(listener, stop.clone()));
    TcpStream::connect(address).await.unwrap();
    stop.cancel();
    timeout(PATIENCE, running).await.expect("it stops in time").unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
