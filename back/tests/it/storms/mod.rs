//! One client, or many of one mind, do a harmless thing without end; the others are served meanwhile. How much is
//! scaled down by flags, so that the limits are met within seconds.

mod connections;
mod damaged;
mod floods;
mod names;

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use tokio::time::sleep;

use crate::client::Client;

/// Two people, of whom one speaks and both hear.
struct Others(Client, Client, u64);

impl Others {
    async fn come(address: SocketAddr) -> Self {
        Self(Client::in_room(address, "kim", "calm").await, Client::in_room(address, "lee", "calm").await, 0)
    }

    /// Says something and waits until the other has heard it.
    async fn talk(&mut self) {
        let Self(kim, lee, said) = self;
        *said += 1;
        kim.send(json!({"type": "send", "room": "calm", "text": said.to_string()})).await;
        let heard = lee.until("message").await;
        assert_eq!((&heard["seq"], &heard["text"]), (&json!(*said), &json!(said.to_string())));
    }

    /// Talks for as long as this goes on, and once more.
    async fn during<T>(&mut self, storm: impl Future<Output = T>) -> T {
        let mut storm = std::pin::pin!(storm);
        loop {
            tokio::select! {
                // What was said is also waited for when it ends in between.
                biased;
                ended = &mut storm => {
                    self.talk().await;
                    return ended;
                }
                () = sleep(Duration::from_millis(10)) => {}
            }
            self.talk().await;
        }
    }
}
