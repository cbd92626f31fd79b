//! Many clients in a room, of every speed. The server is the real program where its memory is read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::time::timeout;

use crate::{
    client::{Client, DEADLINE},
    process::{Back, resident_bytes},
    server::TestServer,
};

const CLIENTS: usize = 1000;
const MESSAGES: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_and_one_is_deaf() {
    service::descriptors::raise_limit();
    // On a busy machine this takes longer than somebody who reads no ping counts as alive.
    let back = Back::start(&["--sends-per-second", "0", "--stall-timeout", "0", "--dead-after", "0"]);
    let mut sender = Client::in_room(back.address, "sender", "dev").await;
    let deaf = Client::with_small_window(back.address, "/rooms/dev", None).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::plain(back.address, "/rooms/dev").await);
    }
    let before = resident_bytes(back.id());
    let received = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let received = Arc::clone(&received);
            tokio::spawn(async move {
                for seq in 1..=MESSAGES {
                    assert_eq!(client.until("message").await["seq"], seq);
                    received.fetch_add(1, Ordering::Relaxed);
                }
                client
            })
        })
        .collect();
    // 200 messages of 10 KB are 2 MB for each client: more than the room's log holds, and all of what a socket buffers.
    for seq in 1..=MESSAGES {
        let ok = sender.ask(json!({"type": "send", "id": seq.to_string(), "text": "x".repeat(10_000)})).await;
        assert_eq!(ok["seq"], seq);
        // On a slow machine the thousand readers, who share one process, must not become slow clients themselves.
        let all_but_a_few = (seq.saturating_sub(20)) * CLIENTS as u64;
        let caught_up = async {
            while received.load(Ordering::Relaxed) < all_but_a_few {
                tokio::task::yield_now().await;
            }
        };
        timeout(4 * DEADLINE, caught_up).await.expect("some of the others did not get everything");
    }
    let mut clients = Vec::new();
    for reader in readers {
        clients.push(reader.await.unwrap());
    }
    let grown = resident_bytes(back.id()).saturating_sub(before);
    // The history of 2 MB, a log of 1 MiB, and for a moment a batch of 64 KiB for each client that was late. If every
    // client's share were kept for it, it would be 2 GB.
    assert!(grown < 128 << 20, "grew by {grown} bytes");
    drop(clients);
    // Whoever was deaf finds everything, or a gap that says what it missed.
    let (mut deaf, mut have) = (deaf, 0);
    while have < MESSAGES {
        let message = deaf.next().await;
        if message["type"] == "gap" {
            assert_eq!((&message["from"], &message["reason"]), (&json!(have + 1), &json!("slow")));
            have = message["to"].as_u64().unwrap();
        } else if message["type"] == "message" {
            have += 1;
            assert_eq!(message["seq"], have);
        }
    }
}

/// A small generator of numbers, so that a seed repeats a run.
pub struct Numbers(pub u64);

impl Numbers {
    /// A number below this.
    pub fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_every_speed_see_every_message_once_or_are_told_of_a_gap() {
    const MESSAGES: u64 = 3000;
    const SEED: u64 = 20_261_121;
    /// Messages that wait for their answers.
    const WINDOW: u64 = 20;
    /// Reads nothing until everything is sent.
    const ASLEEP: u64 = 23;
    println!("seed {SEED}");
    let server = TestServer::with(&["--sends-per-second", "0", "--stall-timeout", "60"]);
    let mut readers = Vec::new();
    let (all_sent, wait_for_all) = tokio::sync::watch::channel(false);
    for reader in 0..24_u64 {
        let mut all_sent = wait_for_all.clone();
        // Room for a few messages in its kernel, so that most writes to it are partial.
        let mut client = Client::with_small_window(server.address, "/rooms/dev", None).await;
        client.until("synced").await;
        let mut numbers = Numbers(SEED + reader);
        // From one that never waits to one that falls behind the room's log.
        let pace = reader * reader / 24;
        readers.push(tokio::spawn(async move {
            let (mut have, mut missed) = (0, 0);
            if reader == ASLEEP {
                all_sent.wait_for(|sent| *sent).await.unwrap();
            }
            while have < MESSAGES {
                let message = client.next().await;
                if message["type"] == "message" {
                    assert_eq!(message["seq"], have + 1, "reader {reader}");
                    have += 1;
                } else if message["type"] == "gap" {
                    assert_eq!(
                        (&message["from"], &message["reason"]),
                        (&json!(have + 1), &json!("slow")),
                        "reader {reader}"
                    );
                    missed += message["to"].as_u64().unwrap() - have;
                    have = message["to"].as_u64().unwrap();
                }
                if numbers.below(8) == 0 {
                    tokio::time::sleep(Duration::from_millis(numbers.below(pace + 1))).await;
                }
            }
            missed
        }));
    }
    let mut sender = Client::in_room(server.address, "sender", "dev").await;
    let mut numbers = Numbers(SEED);
    for seq in 1..=MESSAGES {
        let text = "x".repeat(numbers.below(4000) as usize + 1);
        sender.send(json!({"type": "send", "id": seq.to_string(), "text": text})).await;
        if seq % WINDOW == 0 {
            assert_eq!(sender.find(|message| message["seq"] == seq).await["seq"], seq);
        }
    }
    all_sent.send(true).unwrap();
    let mut missed = Vec::new();
    for reader in readers {
        missed.push(reader.await.unwrap());
    }
    assert_eq!(missed[0], 0, "who reads at once misses nothing");
    assert!(missed[ASLEEP as usize] > 0, "the log and the socket held it all: this test needs more messages");
    println!("missed: {missed:?}");
}
