//! Each limit of this server that is counted is met by somebody, and counted by its word; three more in `ops`. The operator's
//! table of limits ([SECURITY.md](../../../docs/SECURITY.md)) is checked against this program.

use std::{collections::BTreeSet, path::Path};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio_tungstenite::connect_async;

use crate::{
    house::House,
    ops::{OPS, scrape},
    signin::{Closed, PASSWORD},
};

/// How often this limit was hit.
pub(crate) async fn hits(house: &House, limit: &str) -> f64 {
    scrape(house).await.value("madang_front_limits_hit_total", &[("limit", limit)])
}

#[tokio::test]
async fn what_one_address_and_all_of_them_may_do_at_once() {
    let one = ["--readers-per-address", "1", "--questions-per-second-per-address", "1"];
    let all = ["--posts", "0", "--same-port", "--relays", "1"];
    let house = House::with(&[], &[&OPS[..], &one, &all].concat());
    let there = [("X-Forwarded-For", "203.0.113.9")];
    let events = house.stream("/api/rooms/dev/events", &there).await;
    assert_eq!(events.status, 200);
    assert_eq!(house.ask("GET", "/api/rooms/dev/events", &there, "").await.status, 429);
    assert_eq!(hits(&house, "readers_per_address").await, 1.0);
    while house.ask("GET", "/api/rooms", &there, "").await.status == 200 {}
    assert_eq!(hits(&house, "questions_per_second_per_address").await, 1.0);
    assert_eq!(house.ask("POST", "/api/rooms/dev/messages", &[], "hello").await.status, 503);
    assert_eq!(hits(&house, "posts").await, 1.0);
    let url = format!("ws://{}/ws", house.front_address);
    let _passed_on = connect_async(&url).await.unwrap();
    assert!(connect_async(&url).await.is_err());
    assert_eq!(hits(&house, "relays").await, 1.0);
}

#[tokio::test]
async fn who_tries_to_sign_in_too_often() {
    let closed = Closed::with(&OPS);
    for n in 0..12 {
        let answer = closed.desk("kim", "wrong password", &[]).await;
        assert_eq!(answer.status, if n < 10 { 403 } else { 429 });
    }
    assert_eq!(hits(&closed.house, "sign_ins_per_account").await, 2.0);
    // From one address, which is one /64, at as many names as there are tries.
    let tries = (0..63).map(|n| {
        let (name, address) = (format!("nobody {n}"), format!("2001:db8::{n}"));
        let closed = &closed;
        async move { closed.desk(&name, PASSWORD, &[("X-Forwarded-For", &address)]).await.status }
    });
    let refused = tries.collect::<FuturesUnordered<_>>().filter(|status| std::future::ready(*status == 429));
    assert_eq!(refused.count().await, 3);
    assert_eq!(hits(&closed.house, "sign_ins_per_network").await, 3.0);
    assert_eq!(closed.desk("lee", PASSWORD, &[("X-Forwarded-For", "2001:db8:0:1::1")]).await.status, 403);
}

#[tokio::test]
async fn who_waits_too_long_for_their_password_to_be_looked_at() {
    let closed = Closed::with(&OPS);
    // What is kept of a password says how much work it is. This is most of a minute for each.
    let accounts = closed.folder.path().join("accounts.json");
    let kept = std::fs::read_to_string(&accounts).unwrap();
    assert!(kept.contains(",t=2,"), "{kept}");
    std::fs::write(&accounts, kept.replace(",t=2,", ",t=9000,")).unwrap();
    let mut tries: FuturesUnordered<_> = (0..3).map(|_| closed.desk("kim", PASSWORD, &[])).collect();
    let first = tries.next().await.unwrap();
    assert_eq!((first.status, first.header("retry-after")), (503, "5"), "{first:?}");
    assert_eq!(hits(&closed.house, "passwords").await, 1.0);
}

/// Rows of front's table of limits: the flags, the metric's word, and the tests.
fn table() -> Vec<[Vec<String>; 3]> {
    let text = include_str!("../../../docs/SECURITY.md");
    let (_, table) = text.split_once("### Of `front`\n").unwrap();
    let (_, table) = table.split_once("| limit | flag | metric | test |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let [flags, metric, tests] = [words(cells[2]), words(cells[3]), words(cells[4])];
        assert!(metric.len() <= 1 && !tests.is_empty(), "{row}");
        // A limit that is counted goes by its flag.
        let named = flags.iter().map(|flag| flag.trim_start_matches('-').replace('-', "_"));
        assert!(metric.is_empty() || flags.is_empty() || named.eq(metric.iter().cloned()), "{row}");
        [flags, metric, tests]
    })
    .collect()
}

#[tokio::test]
async fn every_limit_is_in_the_table_with_tests_that_exist() {
    let seen = scrape(&House::with(&[], &OPS)).await;
    let rows = table();
    let told: BTreeSet<String> = rows.iter().flat_map(|[_, metric, _]| metric.clone()).collect();
    assert_eq!(told, seen.labels("madang_front_limits_hit_total", "limit"));
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_front")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for flag in rows.iter().flat_map(|[flags, ..]| flags) {
        assert!(help.contains(&format!("{flag} <")), "there is no {flag}");
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for test in rows.iter().flat_map(|[.., tests]| tests) {
        let (file, name) = test.split_once(':').unwrap_or_else(|| panic!("{test} is no file:test"));
        let file = [format!("front/tests/api/{file}"), file.to_owned()].map(|file| here.join(file));
        let text = file.iter().find_map(|file| std::fs::read_to_string(file).ok()).unwrap_or_else(|| panic!("{test}"));
        assert!(text.contains(&format!("fn {name}(")), "there is no {test}");
    }
}
