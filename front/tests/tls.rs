//! The page server over TLS: the same pages, and a chat server that such a page may reach.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test reports by panicking")]

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use front::{Config, Server};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use service::tls::{Certificate, Trust};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longer than any answer takes, on the slowest machine that still passes the rest.
const PATIENCE: Duration = Duration::from_secs(10);

/// A page server with a certificate of its own; it stops when this is dropped.
struct TestServer {
    address: SocketAddr,
    certificate: Certificate,
    papers: TempDir,
    _stop: DropGuard,
}

impl TestServer {
    fn start() -> Self {
        let papers = tempfile::tempdir().unwrap();
        renew(&papers);
        let config = Config {
            tls_cert: Some(papers.path().join("cert.pem")),
            tls_key: Some(papers.path().join("key.pem")),
            ..Config::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = Server::new(config).unwrap();
        let certificate = server.certificate().unwrap();
        tokio::spawn(server.run(listener, stop.clone()));
        Self { address, certificate, papers, _stop: stop.drop_guard() }
    }

    fn trust(&self) -> Trust {
        Trust::in_file(&self.papers.path().join("cert.pem")).unwrap()
    }

    async fn get(&self, target: &str) -> String {
        let exchange = async {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let mut stream = self.trust().connect("localhost", stream).await.unwrap();
            let request = format!(
                "GET {target} HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: Mozilla/5.0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            // Whether the server says that nothing follows is its own affair: HTTP has lengths.
            _ = stream.read_to_end(&mut answer).await;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            String::from_utf8(answer).unwrap()
        };
        timeout(PATIENCE, exchange).await.expect("an answer in time")
    }
}

fn renew(papers: &TempDir) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(papers.path().join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(papers.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn pages_and_assets_come_by_tls_and_lead_to_a_chat_server_with_tls() {
    let server = TestServer::start();
    let room = server.get("/r/dev").await;
    assert!(room.starts_with("HTTP/1.1 200 "), "{room}");
    // A browser lets a page that came by TLS open no ws://.
    assert!(room.contains(r#""back":"wss://localhost:3000""#), "{room}");
    assert!(room.contains("connect-src 'self' wss://localhost:3000;"), "{room}");
    assert!(!room.to_ascii_lowercase().contains("strict-transport-security"), "{room}");
    let script = server.get("/static/app/main.js").await;
    assert!(script.starts_with("HTTP/1.1 200 ") && script.contains("text/javascript"), "{script}");
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart() {
    let server = TestServer::start();
    server.get("/").await;
    let old = server.trust();
    renew(&server.papers);
    server.certificate.reload();
    let stream = TcpStream::connect(server.address).await.unwrap();
    assert!(old.connect("localhost", stream).await.is_err(), "the old certificate is still shown");
    assert!(server.get("/").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_server_without_its_certificate_is_none() {
    let config = Config {
        tls_cert: Some("/nowhere/cert.pem".into()),
        tls_key: Some("/nowhere/key.pem".into()),
        ..Config::default()
    };
    let error = format!("{:#}", Server::new(config).err().unwrap());
    assert!(error.contains("no TLS: cannot read /nowhere/cert.pem"), "{error}");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_given_up() {
    let server = TestServer::start();
    // One says nothing, and one the beginning of what a client says first.
    let mut streams = Vec::new();
    for said in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        streams.push(stream);
    }
    for mut stream in streams {
        let mut answer = Vec::new();
        _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it ends");
        assert!(!answer.starts_with(b"HTTP"), "nobody is answered in the clear");
    }
    assert!(server.get("/").await.starts_with("HTTP/1.1 200 "), "others are served");
}
