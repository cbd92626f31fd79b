//! A thousand clients in a room, one of them deaf. The server is the real program, so that its memory can be read.

use serde_json::json;

use crate::{
    client::Client,
    process::{Back, resident_bytes},
};

const CLIENTS: usize = 1000;
const MESSAGES: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_and_one_is_deaf() {
    back::raise_descriptor_limit();
    let back = Back::start(&["--sends-per-second", "0"]);
    let mut sender = Client::in_room(back.address, "sender", "dev").await;
    let deaf = Client::with_small_window(back.address, "/rooms/dev", None).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::plain(back.address, "/rooms/dev").await);
    }
    let before = resident_bytes(back.id());
    let readers: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                for seq in 1..=MESSAGES {
                    assert_eq!(client.until("message").await["seq"], seq);
                }
                client
            })
        })
        .collect();
    // 200 messages of 10 KB are 2 MB for each client: more than the room's log holds, and all of what a socket buffers.
    for seq in 1..=MESSAGES {
        let ok = sender.ask(json!({"type": "send", "id": seq.to_string(), "text": "x".repeat(10_000)})).await;
        assert_eq!(ok["seq"], seq);
    }
    let mut clients = Vec::new();
    for reader in readers {
        clients.push(reader.await.unwrap());
    }
    let grown = resident_bytes(back.id()).saturating_sub(before);
    // The history of 2 MB, a log of 1 MiB, and for a moment a batch of 64 KiB for each client that was late. If every
    // client's share were kept for it, it would be 2 GB.
    assert!(grown < 128 << 20, "grew by {grown} bytes");
    drop((clients, deaf));
}
