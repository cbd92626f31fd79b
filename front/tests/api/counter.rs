//! What lies between front and back, and counts the connections that pass.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

pub(crate) struct Counter {
    pub(crate) address: String,
    accepted: Arc<AtomicUsize>,
}

impl Counter {
    pub(crate) async fn to(back: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (back, count) = (back.to_owned(), Arc::clone(&accepted));
        tokio::spawn(async move {
            while let Ok((mut front, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let back = back.clone();
                tokio::spawn(async move {
                    if let Ok(mut back) = TcpStream::connect(back).await {
                        let _ = copy_bidirectional(&mut front, &mut back).await;
                    }
                });
            }
        });
        Self { address, accepted }
    }

    /// Connections so far.
    pub(crate) fn count(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}
