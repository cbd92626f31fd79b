//! What was said is found again: by its address and by its words.

use fantoccini::key::Key;
use serde_json::json;

use crate::{
    acts::{key, row},
    yard::Yard,
};

#[tokio::test]
async fn a_link_leads_to_its_message_however_far_it_is() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
    let mut b = yard.client("dev").await;
    for n in 1..=220 {
        b.say(&n.to_string()).await;
    }
    b.change(30, None).await;
    let a = yard.browser.tab().await;
    a.goto(&yard.page("/r/dev?lang=en#m40")).await;
    a.until_led_to(40).await;
    // What lies between is a hole, and nothing is said twice or out of order.
    let order = "[...document.querySelectorAll('li.message')].map((row) => Number(row.dataset.seq)).every((seq, at, all) => !at || seq > all[at - 1])";
    a.until("there is a hole", "document.querySelector('li.gap') !== null").await;
    assert_eq!(a.eval(order).await, true);
    a.eval("void (location.hash = '#m30')").await;
    a.until_led_to(30).await;
    a.until_reads(&format!("{} .text", row(30)), "This message was deleted").await;
    a.eval("void (location.hash = '#m120')").await;
    a.until_led_to(120).await;
    assert_eq!(a.eval(order).await, true);
    // The event of a deletion is no row: it leads to what it changed.
    a.eval("void (location.hash = '#m221')").await;
    a.until_led_to(30).await;
    a.eval("void (location.hash = '#m9999')").await;
    a.until_reads("#alarm", "There is no such message in this room.").await;

    // All of it can be loaded, and fits together.
    while a.eval("document.querySelector('li.gap button') !== null").await == true {
        let holes = "document.querySelector('li.gap span').textContent";
        let before = a.eval(holes).await;
        a.eval("document.querySelector('li.gap button').click()").await;
        a.until("it became smaller", &format!("document.querySelector('li.gap') === null || {holes} !== {before}"))
            .await;
    }
    a.eval("document.querySelector('#older').click()").await;
    a.until("the first one is there", "document.querySelector('li.message[data-seq=\"1\"]') !== null").await;
    let expected: Vec<u64> = (1..=220).collect();
    let numbers = "[...document.querySelectorAll('li.message')].map((row) => Number(row.dataset.seq))";
    assert_eq!(a.eval(numbers).await, json!(expected));
    // A link can be taken along.
    a.devtools(
        "Browser.grantPermissions",
        &json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] }),
    )
    .await;
    a.act(220, "link").await;
    a.until_reads("#hint", "Link copied").await;
    assert_eq!(a.promise("navigator.clipboard.readText()").await, json!(yard.page("/r/dev#m220")));
    // Another language is the same place.
    a.eval("document.querySelector('a[hreflang=ko]').click()").await;
    a.until("the same place in Korean", "document.documentElement.lang === 'ko' && location.hash === '#m9999'").await;
}

#[tokio::test]
async fn what_was_said_is_found_and_led_to() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
    let mut b = yard.client("dev").await;
    b.say("주간회의록을 올렸어요").await;
    for n in 2..=100 {
        b.say(&format!("note {n}")).await;
    }
    let a = yard.join("Ada", "dev").await;
    a.until_said("note 100").await;
    a.type_text("/search 회의").await;
    a.type_text(&key(Key::Enter)).await;
    a.until_reads("#search [role=status]", "1 message").await;
    a.until_reads("#search mark", "회의").await;
    assert_eq!(a.eval("document.querySelector('#search .text').textContent").await, "주간회의록을 올렸어요");
    a.until_box("").await;
    a.click(".found-list a").await;
    a.until_led_to(1).await;

    a.press("\u{e009}\u{e008}F").await;
    a.until_focused("#search-field").await;
    a.fill("#search-field", "NOTE").await;
    a.press(&key(Key::Enter)).await;
    a.until_reads("#search [role=status]", "The newest 30 messages").await;
    assert_eq!(a.eval("document.querySelector('#search .text').textContent").await, "note 100");
    a.click("#search > button").await;
    a.until_reads("#search [role=status]", "The newest 60 messages").await;
    assert_eq!(
        a.eval("document.querySelectorAll('#search li')[59].querySelector('.text').textContent").await,
        "note 41"
    );
    for (query, said) in
        [("nothing such", "No message has “nothing such” in it."), ("?!", "Write at least one letter or digit.")]
    {
        a.fill("#search-field", query).await;
        a.press(&key(Key::Enter)).await;
        a.until_reads("#search [role=status]", said).await;
        assert_eq!(a.eval("document.querySelectorAll('#search li').length").await, 0);
    }
    a.press(&key(Key::Escape)).await;
    a.until("it is closed", "document.querySelector('dialog[open]') === null").await;
}
