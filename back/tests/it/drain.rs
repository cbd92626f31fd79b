//! A server that is told to stop: who hears of it when, and that it ends in time.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    client::{Client, End, raw_websocket},
    process::Back,
};

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_told_at_a_pace_and_comes_back_at_another_time() {
    const CLIENTS: usize = 400;
    let mut back = Back::start(&[]);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::in_room(back.address, "kim", "dev").await);
    }
    back.signal("TERM");
    let began = Instant::now();
    let told = join_all(clients.iter_mut().map(async |client| {
        let (before, end) = client.end().await;
        let bye = before.last().unwrap();
        assert!(matches!(end, End::Close(4200, _)), "{end:?}");
        bye["retry_after_ms"].as_u64().unwrap()
    }));
    let told = told.await;
    assert_eq!(back.code().await, Some(0));
    // Half a millisecond for each goodbye.
    assert!(began.elapsed() >= Duration::from_millis(200), "all at once: {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // Neither who came first nor who came last is the first to go: advice grows with one's turn.
    assert!(!told.is_sorted() && !told.is_sorted_by(|one, other| one >= other), "{told:?}");
    let (first, last) = (told.iter().min().unwrap(), told.iter().max().unwrap());
    assert!(*first >= 500 && last - first >= 150, "{first} to {last}");
    let mut apart = told.clone();
    apart.sort_unstable();
    apart.dedup();
    assert!(apart.len() > CLIENTS / 3, "only {} different times", apart.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_clients_the_end_is_a_matter_of_a_moment() {
    let mut back = Back::start(&[]);
    let mut two =
        [Client::in_room(back.address, "kim", "dev").await, Client::in_room(back.address, "lee", "dev").await];
    back.signal("INT");
    let began = Instant::now();
    for client in &mut two {
        let (before, _) = client.end().await;
        assert!(before.last().unwrap()["retry_after_ms"].as_u64().unwrap() < 600);
    }
    drop(two);
    assert_eq!(back.code().await, Some(0));
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_never_answer_hold_the_end_up_for_so_long_and_no_longer() {
    // By its own rules it would wait for a minute.
    let mut back = Back::start(&["--close-timeout", "60", "--drain", "1"]);
    let _deaf = raw_websocket(back.address, "/").await;
    back.signal("TERM");
    let began = Instant::now();
    assert_eq!(back.code().await, Some(0));
    let took = began.elapsed();
    assert!((4.0..9.0).contains(&took.as_secs_f64()), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stays_goes_on_talking_until_told_and_nobody_comes_in() {
    const CLIENTS: usize = 600;
    let data = tempfile::tempdir().unwrap();
    let mut back = Back::on(data.path(), &["--sends-per-second", "0"]);
    let mut others = Vec::new();
    for _ in 0..CLIENTS {
        others.push(Client::chat(back.address).await);
    }
    let mut kim = Client::in_room(back.address, "kim", "dev").await;
    back.signal("TERM");
    // As many as fit into the time until it is told; each is stored as it was answered.
    let mut stored = 0;
    let end = loop {
        stored += 1;
        let id = stored.to_string();
        kim.send(json!({"type": "send", "id": id, "text": id})).await;
        let answer = kim.find(|said| said["id"] == id || said["type"] == "bye").await;
        if answer["type"] == "bye" {
            break answer;
        }
        assert_eq!(answer["seq"], stored);
    };
    assert_eq!(end["code"], 4200);
    assert!(TcpStream::connect(back.address).await.is_err(), "it takes nobody in");
    drop((others, kim));
    assert_eq!(back.code().await, Some(0));
    let again = Back::on(data.path(), &[]);
    let top = Client::try_chat(again.address).await.unwrap().try_top("dev").await.unwrap();
    // The last one was not answered: it is stored or not, and nothing else is missing.
    assert!(top == stored - 1 || top == stored, "{top} of {stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut back = Back::start(&["--close-timeout", "60"]);
    let _deaf = raw_websocket(back.address, "/").await;
    // It is over the goodbye when the socket says so; the second signal is not the first.
    back.signal("TERM");
    while TcpStream::connect(back.address).await.is_ok() {}
    let began = Instant::now();
    back.signal("INT");
    assert_eq!(back.code().await, Some(130));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
