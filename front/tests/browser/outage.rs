//! What a person keeps when servers are killed and links go down: every message once, in order, and their place.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    place,
    yard::{Tab, Yard},
};

const NAMES: [&str; 5] = ["Ada", "Bo", "민수", "Sora", "Zoë"];
const EACH: usize = 100;

/// Lets the page write on, one message after the other, with a draft always standing in the box.
async fn write_on(tab: &Tab) {
    tab.until("the box works", "document.querySelector('#send')?.disabled === false").await;
    let write = format!(
        "(window.writing = setInterval(() => {{
            const n = Number(sessionStorage.getItem('test.n') ?? 0);
            if (n === {EACH}) return clearInterval(writing);
            sessionStorage.setItem('test.n', n + 1);
            const box = document.querySelector('#box');
            const draft = box.value;
            box.value = `${{sessionStorage.getItem('madang.name')}} ${{n}}`;
            document.querySelector('#composer').requestSubmit();
            box.value = draft || 'half a thought';
            box.dispatchEvent(new Event('input'));
        }}, 40), true)"
    );
    tab.eval(&write).await;
}

/// Waits until so many messages are on the disk.
async fn until_stored(yard: &Yard, count: usize) {
    for _ in 0..600 {
        if yard.stored("dev").len() >= count {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("never stored {count}, but {}", yard.stored("dev").len());
}

/// Five people write a hundred messages each, while both servers are killed and tabs are reloaded at the worst moments.
#[tokio::test]
async fn of_five_hundred_messages_each_is_stored_once_and_in_order_whatever_is_killed() {
    let mut yard = Yard::open().await;
    let mut tabs = Vec::new();
    for name in NAMES {
        tabs.push(yard.join(name, "dev").await);
    }
    for tab in &tabs {
        write_on(tab).await;
    }
    let pending = "document.querySelectorAll('li.message[data-state=\"pending\"]').length";

    until_stored(&yard, 60).await;
    yard.kill_back();
    yard.restart_back();

    // A tab is reloaded while nobody is there to send to.
    until_stored(&yard, 140).await;
    yard.kill_back();
    tabs[1].until("something waits", &format!("{pending} > 2")).await;
    tabs[1].reload().await;
    write_on(&tabs[1]).await;
    tabs[1].until("it still waits", &format!("{pending} > 2")).await;
    yard.restart_back();

    // And one while even the page cannot be had.
    until_stored(&yard, 220).await;
    yard.kill_back();
    yard.kill_front();
    tabs[2].until("something waits", &format!("{pending} > 2")).await;
    tabs[2].reload_in_vain().await;
    assert_eq!(tabs[2].eval("document.querySelector('#box')").await, Value::Null, "there is no page");
    yard.restart_front();
    tabs[2].goto(&yard.page("/r/dev")).await;
    write_on(&tabs[2]).await;
    tabs[2].until("it still waits", &format!("{pending} > 2")).await;
    yard.restart_back();

    // As soon as it is back, it goes again: some have resumed, some are at it.
    until_stored(&yard, 300).await;
    yard.kill_back();
    yard.restart_back();
    until_stored(&yard, 310).await;
    yard.kill_back();
    yard.restart_back();

    for tab in &tabs {
        tab.eval("dispatchEvent(new Event('online'))").await;
    }
    for tab in &tabs {
        tab.until("all is written", &format!("sessionStorage.getItem('test.n') === '{EACH}'")).await;
        tab.until_all_is_sent().await;
    }

    let stored = yard.stored("dev");
    let mut of = BTreeMap::<&str, Vec<&str>>::new();
    for message in &stored {
        let (name, text) = (message["name"].as_str().expect("a name"), message["text"].as_str().expect("a text"));
        of.entry(name).or_default().push(text);
    }
    for name in NAMES {
        let expected: Vec<String> = (0..EACH).map(|n| format!("{name} {n}")).collect();
        assert_eq!(of[name], expected, "what {name} said");
    }
    assert_eq!(stored.len(), NAMES.len() * EACH);
    let mut users: Vec<&str> = stored.iter().filter_map(|message| message["user"].as_str()).collect();
    users.sort_unstable();
    users.dedup();
    assert_eq!(users.len(), NAMES.len(), "a reload is the same person");

    // Everybody saw what is stored; who was reloaded sees the newest.
    let texts: Vec<&str> = stored.iter().filter_map(|message| message["text"].as_str()).collect();
    for (tab, name) in tabs.iter().zip(NAMES) {
        tab.until_said(texts[texts.len() - 1]).await;
        let seen = tab.texts().await;
        assert!(texts.ends_with(&seen.iter().map(String::as_str).collect::<Vec<_>>()), "{name} saw {seen:?}");
        let reloaded = name == NAMES[1] || name == NAMES[2];
        assert!(reloaded || seen.len() == texts.len(), "{name} saw {} of {}", seen.len(), texts.len());
        tab.reload().await;
        tab.until_link("open").await;
        assert_eq!(tab.eval("document.querySelector('#box').value").await, json!("half a thought"));
    }
    // Who had fallen back to requests asked a page server that had just begun for a session that the killed one held.
    for complaint in yard.browser.complaints() {
        assert!(complaint.contains("/api/sessions/") && complaint.contains("status of 404"), "{complaint}");
    }
}

/// Notes what the banner says, at every change.
const LISTEN: &str = "(window.told = [], (function look() {
        const banner = document.querySelector('#banner');
        const said = banner.hidden ? '' : document.querySelector('#banner-when').textContent;
        if (told.at(-1)?.said !== said) told.push({ at: performance.now(), said });
        requestAnimationFrame(look);
    })(), true)";

#[tokio::test]
async fn a_link_that_is_down_is_told_counted_and_moves_nothing() {
    let (yard, wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
    let a = yard.join("Ada", "dev").await;
    let mut b = yard.client("dev").await;
    b.say_all((1..=120).map(|n| n.to_string())).await;
    a.until_said("120").await;
    a.eval("document.querySelector('#scroller').scrollTop -= 1500").await;
    a.until("it knows", "document.querySelector('#below').hidden === false").await;

    // The longest pauses that chance would bring.
    a.eval("(Math.random = () => 0.999, true)").await;
    a.eval(LISTEN).await;
    a.eval(place::WATCH).await;
    a.eval("(window.cut = performance.now(), true)").await;
    wire.cut();
    a.until("it is told", "document.querySelector('#banner').hidden === false").await;
    a.until("it counts down", "told.some(({ said }) => said === 'Retrying in 4 s')").await;
    b.say_all((121..=127).map(|n| n.to_string())).await;
    // Half a minute, as in a tunnel; the pauses get longer, and chance need not make them the longest.
    a.until("it counts down to the next attempt", "told.at(-1).said === 'Retrying in 1 s'").await;
    a.eval("(Math.random = () => 0.2, true)").await;
    a.until("a while", "performance.now() - cut > 15_000").await;
    a.until("half a minute", "performance.now() - cut > 30_000").await;
    a.until("it still counts down", "told.at(-1).said === 'Retrying in 1 s'").await;
    wire.mend();
    a.until_said("127").await;
    a.until(
        "it says how many",
        "document.querySelector('#status').textContent === 'Reconnected · 7 missed messages loaded'",
    )
    .await;
    a.until("the banner is gone", "document.querySelector('#banner').hidden").await;
    assert_eq!(a.eval("document.querySelector('#below').textContent").await, "↓ 7 new messages");
    assert_eq!(a.texts().await.len(), 127);
    assert_eq!(a.eval("document.title.startsWith('(7) #dev')").await, json!(true));

    let first = a.eval("told.find(({ said }) => said).at - cut").await.as_f64().expect("a time");
    assert!(first < 2_000.0, "told after {first} ms");
    let told: Vec<String> =
        serde_json::from_value(a.eval("told.map(({ said }) => said)").await).expect("a list of texts");
    let countdown = ["Retrying in 4 s", "Retrying in 3 s", "Retrying in 2 s", "Retrying in 1 s"];
    assert!(told.windows(countdown.len()).any(|said| said == countdown), "{told:?}");
    assert_eq!(a.eval("moved").await, json!(0), "what is read moved");
}
