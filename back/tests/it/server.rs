//! A server on a free port that stops when it is dropped.

use std::{net::SocketAddr, sync::Arc};

use back::{
    Server,
    config::{Config, OPS},
    hub::Hub,
    listen,
};
use service::{ops::Place, tls::Certificate};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub struct TestServer {
    pub address: SocketAddr,
    pub hub: Arc<Hub>,
    pub certificate: Option<Certificate>,
    shutdown: CancellationToken,
    _data: TempDir,
}

impl TestServer {
    /// A server with the defaults.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with these flags, and a history of its own.
    pub fn with(flags: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::from_args(&[&["--listen", "127.0.0.1:0", "--drain", "0.5"], flags].concat()).unwrap();
        config.data = data.path().to_owned();
        let listener = listen(config.listen, &config.patience).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = Server::build(config).unwrap();
        let (hub, certificate) = (server.hub(), server.certificate());
        let stop = shutdown.clone();
        tokio::spawn(async move { server.run(listener, stop).await.unwrap() });
        Self { address, hub, certificate, shutdown, _data: data }
    }

    /// Has it answer for its health too, and says where.
    pub fn ops(&self) -> SocketAddr {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = service::ops::listen(Some(Place::At(free)), OPS, "--ops").unwrap().unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(back::ops::serve(listener, Arc::clone(&self.hub), self.shutdown.clone()));
        address
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
