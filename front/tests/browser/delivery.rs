//! What is said comes once, whole and in order, whatever servers and links do; what is missing is told.

use serde_json::json;

use crate::yard::Yard;

#[tokio::test]
async fn tabs_recover_from_a_killed_server_and_lose_nothing() {
    let mut yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    a.say("before").await;
    b.until_said("before").await;

    yard.kill_back();
    a.until_link("closed").await;
    b.until_link("closed").await;
    a.say("written while it is away").await;
    a.say("and another").await;
    let waiting = "document.querySelectorAll('li.message[data-state=\"pending\"]').length";
    a.until("both wait", &format!("{waiting} === 2")).await;
    a.until("the banner is there", "document.querySelector('#banner').hidden === false").await;
    assert_eq!(a.eval("document.querySelector('#box').disabled").await, json!(false));

    yard.restart_back();
    a.until_link("open").await;
    b.until_link("open").await;
    for tab in [&a, &b] {
        tab.until_said("written while it is away").await;
        tab.until_said("and another").await;
    }
    a.until("nothing waits", &format!("{waiting} === 0")).await;
    assert_eq!(a.eval("document.querySelector('#banner').hidden").await, json!(true));

    // Whatever was sent twice would stand before this one.
    b.say("after").await;
    a.until_said("after").await;
    b.until_said("after").await;
    for tab in [&a, &b] {
        assert_eq!(tab.texts().await, ["before", "written while it is away", "and another", "after"]);
    }
}

#[tokio::test]
async fn a_cut_wire_misses_nothing() {
    let (yard, wire) = Yard::open_over_a_wire(&[]).await;
    let a = yard.join("Ada", "dev").await;
    let mut b = yard.client("dev").await;
    b.say("1").await;
    a.until_said("1").await;

    wire.cut();
    a.until_link("closed").await;
    for text in ["2", "3", "4"] {
        b.say(text).await;
    }
    a.say("mine").await;
    wire.mend();
    a.until_said("mine").await;
    a.until(
        "it says how many",
        "document.querySelector('#status').textContent === 'Reconnected · 3 missed messages loaded'",
    )
    .await;
    assert_eq!(a.texts().await, ["1", "2", "3", "4", "mine"]);
    assert_eq!(a.eval("document.querySelectorAll('li.mark').length").await, json!(0));
}

#[tokio::test]
async fn a_lost_answer_is_not_a_second_message() {
    let (yard, wire) = Yard::open_over_a_wire(&[]).await;
    let a = yard.join("Ada", "dev").await;
    let mut b = yard.client("dev").await;

    wire.deafen();
    a.say("once").await;
    assert_eq!(b.until("message").await["text"], "once");
    wire.cut();
    a.until_link("closed").await;
    wire.mend();
    a.until_link("open").await;
    a.until_said("once").await;
    a.until("nothing waits", "document.querySelector('li.message[data-id]') === null").await;
    assert_eq!(a.texts().await, ["once"]);
    b.say("next").await;
    a.until_said("next").await;
    assert_eq!(a.texts().await, ["once", "next"]);
}

#[tokio::test]
async fn a_hole_is_a_line_that_can_be_filled() {
    let (yard, wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
    let a = yard.join("Ada", "dev").await;
    let mut b = yard.client("dev").await;
    b.say("0").await;
    a.until_said("0").await;

    wire.cut();
    a.until_link("closed").await;
    // One more than a resume replays.
    for n in 1..=1_001 {
        b.say(&n.to_string()).await;
    }
    wire.mend();
    a.until_said("1001").await;
    let hole = "document.querySelector('li.gap span')?.textContent ?? ''";
    assert_eq!(a.eval(hole).await, json!("801 messages are missing here"));
    let mut left = 801;
    while left > 0 {
        a.click("li.gap button").await;
        left = (left - 100).max(0);
        let expected = match left {
            0 => String::new(),
            1 => "1 message is missing here".to_owned(),
            n => format!("{n} messages are missing here"),
        };
        a.until(&format!("{left} are missing"), &format!("({hole}) === {}", json!(expected))).await;
    }
    let all: Vec<String> = (0..=1_001).map(|n| n.to_string()).collect();
    assert_eq!(a.texts().await, all);
}

#[tokio::test]
async fn a_flood_goes_out_whole_and_in_order() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "2"]).await;
    let a = yard.join("Ada", "dev").await;
    // More than the server takes at once.
    let flood = "Array.from({ length: 12 }, (_, n) => { document.querySelector('#box').value = String(n); document.querySelector('#composer').requestSubmit() }).length";
    a.eval(flood).await;
    a.until(
        "it says when",
        "[...document.querySelectorAll('.fate')].some((fate) => fate.textContent.startsWith('Sends in'))",
    )
    .await;
    a.until_said("11").await;
    let all: Vec<String> = (0..12).map(|n| n.to_string()).collect();
    assert_eq!(a.texts().await, all);
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_holds_nothing_up() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    // Larger than any frame, larger than the server's limit, and half of an emoji.
    for text in ["'x'.repeat(70000)", "'x'.repeat(20000)", "'half \\ud83d of it'", "'after'"] {
        let say = format!(
            "(document.querySelector('#box').value = {text}, document.querySelector('#composer').requestSubmit(), true)"
        );
        a.eval(&say).await;
    }
    b.until_said("after").await;
    assert_eq!(b.texts().await, ["half \u{FFFD} of it", "after"]);
    a.until("both are said to be too long", "document.querySelectorAll('li.message[data-state=failed]').length === 2")
        .await;
    let reasons = "[...document.querySelectorAll('.failed span')].map((why) => why.textContent)";
    let too_long = "Not sent (It is too long. Send it in parts.)";
    assert_eq!(a.eval(reasons).await, json!([too_long, too_long]));
    assert_eq!(a.eval("document.querySelector('#status').dataset.state").await, json!("open"));
}

#[tokio::test]
async fn a_room_that_has_no_place_is_asked_again() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--rooms", "1", "--presence-grace", "0"]).await;
    let first = yard.client("first").await;
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/r/second?lang=en")).await;
    tab.until("it says why", "document.querySelector('#alarm').textContent.startsWith('There are too many rooms')")
        .await;
    tab.say("patience").await;
    tab.until("it waits", "document.querySelector('.fate')?.textContent === 'Will send when you are back online'")
        .await;
    drop(first);
    tab.until_said("patience").await;
    tab.until("it is stored", "document.querySelector('li.message').dataset.seq === '1'").await;
}

#[tokio::test]
async fn what_waits_in_one_room_is_sent_from_the_next() {
    let (yard, wire) = Yard::open_over_a_wire(&[]).await;
    let a = yard.join("Ada", "first").await;
    let mut b = yard.client("first").await;
    b.say("here").await;
    a.until_said("here").await;
    wire.cut();
    a.until_link("closed").await;
    a.say("written on the way out").await;
    a.goto(&yard.page("/r/second")).await;
    wire.mend();
    a.until_link("open").await;
    a.until("nothing waits", "!Object.keys(sessionStorage).some((key) => key.startsWith('madang.outbox.'))").await;
    let c = yard.join("Cho", "first").await;
    c.until_said("written on the way out").await;
    assert_eq!(c.texts().await, ["here", "written on the way out"]);
}

#[tokio::test]
async fn what_waits_survives_a_reload() {
    let mut yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    yard.kill_back();
    a.until_link("closed").await;
    a.say("kept").await;
    a.type_text("half a thou").await;
    a.reload().await;
    a.until(
        "it still waits",
        "document.querySelector('li.message[data-state=\"pending\"] .text')?.textContent === 'kept'",
    )
    .await;
    assert_eq!(a.eval("document.querySelector('#box').value").await, json!("half a thou"));

    yard.restart_back();
    a.until_said("kept").await;
    a.type_text("ght\u{e007}").await;
    a.until_said("half a thought").await;
    assert_eq!(a.texts().await, ["kept", "half a thought"]);
}

#[tokio::test]
async fn a_syllable_in_the_making_is_sent_whole_and_once() {
    let yard = Yard::open().await;
    let a = yard.join("민수", "dev").await;
    a.type_text("안녕하").await;
    let composing = json!({ "text": "세", "selectionStart": 1, "selectionEnd": 1 });
    a.devtools("Input.imeSetComposition", &composing).await;
    let composing = json!({ "text": "셍", "selectionStart": 1, "selectionEnd": 1 });
    a.devtools("Input.imeSetComposition", &composing).await;
    a.until("it is being composed", "document.querySelector('#box').value === '안녕하셍'").await;
    // The Enter that ends the syllable, as an input method passes it on.
    a.devtools("Input.insertText", &json!({ "text": "셍" })).await;
    a.type_text("\u{e007}").await;
    a.until_said("안녕하셍").await;
    // And an Enter in the middle of one.
    a.type_text("네").await;
    a.devtools("Input.imeSetComposition", &json!({ "text": "넹", "selectionStart": 1, "selectionEnd": 1 })).await;
    a.type_text("\u{e007}").await;
    a.until_said("네넹").await;
    a.say("끝").await;
    a.until_said("끝").await;
    assert_eq!(a.texts().await, ["안녕하셍", "네넹", "끝"]);
}
