//! Hosts that give the page little: no storage, a full one, no locks, a wrong clock, a slow processor, texts and floods
//! beyond measure. Nothing that was written is lost, and the page stays usable.

use serde_json::{Value, json};

use crate::yard::{Tab, Yard};

const PENDING: &str = "document.querySelectorAll('li.message[data-state=\"pending\"]').length";

/// Whether the page would let itself be left without a question.
const LEAVES: &str = "dispatchEvent(new Event('beforeunload', { cancelable: true }))";

/// A new tab in a room, with a script that runs before the page's own.
async fn visit(yard: &Yard, before: &str) -> Tab {
    let tab = yard.browser.tab().await;
    tab.before_each_page(before).await;
    tab.goto(&yard.page("/r/dev?lang=en")).await;
    tab.until_link("open").await;
    tab
}

/// Says something before, while and after the chat server is away.
async fn talk_through_an_outage(yard: &mut Yard, tab: &Tab) {
    tab.say("before").await;
    tab.until_said("before").await;
    yard.kill_back();
    tab.until_link("closed").await;
    tab.say("while it is away").await;
    tab.say("and another").await;
    tab.until("both wait", &format!("{PENDING} === 2")).await;
    assert_eq!(tab.eval(LEAVES).await, json!(false), "two messages are in memory only");
    yard.restart_back();
    tab.until_said("and another").await;
    tab.say("after").await;
    tab.until_said("after").await;
    assert_eq!(tab.eval(LEAVES).await, json!(true), "nothing is left to be lost");
    tab.type_text("half a thought").await;
    assert_eq!(tab.eval(LEAVES).await, json!(false), "the draft is in memory only");
    let said = ["before", "while it is away", "and another", "after"];
    assert_eq!(tab.texts().await, said);
    let stored: Vec<Value> = yard.stored("dev").into_iter().map(|mut message| message["text"].take()).collect();
    assert_eq!(stored, said);
}

#[tokio::test]
async fn without_storage_nothing_is_lost_while_the_page_lives() {
    let mut yard = Yard::open().await;
    let denied = "for (const name of ['sessionStorage', 'localStorage'])
        Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError'); } });";
    let tab = visit(&yard, denied).await;
    talk_through_an_outage(&mut yard, &tab).await;
}

#[tokio::test]
async fn with_a_full_storage_nothing_is_lost_while_the_page_lives() {
    let mut yard = Yard::open().await;
    let tab = visit(&yard, "").await;
    let fill = "(() => {
        for (let size = 1 << 20; size; size >>= 1)
            for (let n = 0; n < 20; n += 1)
                try { sessionStorage.setItem(`full${size}.${n}`, 'x'.repeat(size)); } catch { break; }
        try { sessionStorage.setItem('one more', 'x'.repeat(100)); return false; } catch { return true; }
    })()";
    assert_eq!(tab.eval(fill).await, json!(true), "the storage is full");
    talk_through_an_outage(&mut yard, &tab).await;
}

#[tokio::test]
async fn without_locks_the_newest_tab_wins_and_nothing_is_lost() {
    let (yard, wire) = Yard::open_over_a_wire(&[]).await;
    let no_locks = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })";
    let a = visit(&yard, no_locks).await;
    a.say("before").await;
    a.until_said("before").await;
    wire.cut();
    a.until_link("closed").await;
    a.say("by the original").await;
    a.eval("void window.open(location.href)").await;
    let copy = yard.browser.opened(&[&a]).await;
    copy.before_each_page(no_locks).await;
    copy.reload().await;
    copy.until("the copy has a box", "document.querySelector('#send')?.disabled === false").await;
    copy.say("by the copy").await;
    wire.mend();
    // Whoever was replaced says so and comes back when asked, and the other one makes way.
    for tab in [&a, &copy] {
        tab.until(
            "it is settled who is there",
            "document.querySelector('#status').dataset.state === 'open' ||
                document.querySelector('#banner-why').textContent === 'You continued in another tab.'",
        )
        .await;
        if tab.eval("document.querySelector('#status').dataset.state").await != "open" {
            tab.eval("document.querySelector('#retry-now').click()").await;
        }
        tab.until_all_is_sent().await;
    }
    let mut stored: Vec<String> = yard.stored("dev").iter().map(|message| message["text"].to_string()).collect();
    stored.sort();
    assert_eq!(stored, [r#""before""#, r#""by the copy""#, r#""by the original""#]);
    // On a slow machine one of them goes on over HTTP while the wire is cut, and the other one ends its session.
    for complaint in yard.browser.complaints() {
        assert!(complaint.contains("/api/sessions/") && complaint.contains("status of 404"), "{complaint}");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_and_jumps_loses_nothing() {
    let mut yard = Yard::open().await;
    for hours in [1, -1] {
        let clock = format!(
            "window.wrong = {hours} * 3600e3;
            globalThis.Date = class extends Date {{
                constructor(...of) {{ of.length ? super(...of) : super(Date.now()); }}
                static {{ const now = super.now.bind(Date); this.now = () => now() + wrong; }}
            }};"
        );
        let room = format!("/r/clock{}?lang=en", hours + 1);
        let tab = yard.browser.tab().await;
        tab.before_each_page(&clock).await;
        tab.goto(&yard.page(&room)).await;
        tab.until_link("open").await;
        assert_eq!(tab.eval("Math.round((Date.now() - performance.timeOrigin) / 3600e3)").await, json!(hours));
        tab.say("before").await;
        tab.until_said("before").await;
        yard.kill_back();
        tab.until_link("closed").await;
        tab.say("while it is away").await;
        tab.eval("(window.wrong = -window.wrong, true)").await;
        tab.say("after the clock was set").await;
        yard.restart_back();
        tab.until_said("after the clock was set").await;
        tab.until("nothing waits", &format!("{PENDING} === 0")).await;
        assert_eq!(tab.texts().await, ["before", "while it is away", "after the clock was set"]);
        tab.until("the banner is gone", "document.querySelector('#banner').hidden").await;
    }
}

#[tokio::test]
async fn a_slow_processor_loses_nothing() {
    let mut yard = Yard::open_with_back(&["--sends-per-second", "0"]).await;
    let tab = visit(&yard, "").await;
    tab.devtools("Emulation.setCPUThrottlingRate", &json!({ "rate": 6 })).await;
    let mut b = yard.client("dev").await;
    b.say_all((0..300).map(|n| format!("b{n}"))).await;
    yard.kill_back();
    tab.until_link("closed").await;
    let write = "Array.from({ length: 30 }, (_, n) => {
        document.querySelector('#box').value = `a${n}`;
        document.querySelector('#composer').requestSubmit();
    }).length";
    tab.eval(write).await;
    yard.restart_back();
    tab.until_said("a29").await;
    let expected: Vec<String> = (0..300).map(|n| format!("b{n}")).chain((0..30).map(|n| format!("a{n}"))).collect();
    assert_eq!(tab.texts().await, expected);
    assert_eq!(tab.eval("document.querySelectorAll('li.gap, li.epoch').length").await, json!(0));
}

#[tokio::test]
async fn a_text_of_64_kib_is_kept_until_it_is_made_shorter() {
    let yard = Yard::open().await;
    let tab = visit(&yard, "").await;
    let long = "가나다라마바사 ".repeat(64 * 1024 / 22 + 1);
    assert!(long.len() > 64 * 1024);
    tab.click("#box").await;
    tab.devtools("Input.insertText", &json!({ "text": long })).await;
    tab.type_text("\u{e007}").await;
    tab.until("it is said to be too long", "document.querySelector('li.message[data-state=failed]') !== null").await;
    tab.reload().await;
    tab.until("it is still there", "document.querySelector('li.message[data-state=failed]') !== null").await;
    tab.eval(
        "[...document.querySelectorAll('.failed button')].find((button) => button.textContent === 'Edit').click()",
    )
    .await;
    tab.until("it is in the box", "document.querySelector('#box').value !== ''").await;
    assert_eq!(tab.eval("document.querySelector('#box').value").await, long.trim());
    assert_eq!(tab.eval("document.querySelector('li.message')").await, Value::Null);
    tab.fill("#box", "짧게").await;
    tab.type_text("\u{e007}").await;
    tab.until_said("짧게").await;
}

/// The rows that are shown: each follows the one before, or a line between them says how many are missing.
const ROWS: &str = "(() => {
        let next = null;
        for (const row of document.querySelectorAll('#messages > li')) {
            const seq = Number(row.dataset.seq);
            const missing = Number(/^[\\d,]+/.exec(row.textContent)?.[0].replaceAll(',', ''));
            if (row.matches('.message')) {
                if (next !== null && seq !== next) return `${seq} comes where ${next} should`;
                next = seq + 1;
            } else if (row.matches('.gap') && next !== null) next += missing;
        }
        return next - 1;
    })()";

#[tokio::test]
async fn under_a_flood_the_page_can_be_used_and_knows_what_it_missed() {
    const FLOOD: usize = 20_000;
    let yard = Yard::open_with_back(&["--sends-per-second", "0"]).await;
    let tab = visit(&yard, "").await;
    let mut crowd = Vec::new();
    for _ in 0..8 {
        crowd.push(yard.client("dev").await);
    }
    let flood = crowd.into_iter().enumerate().map(|(at, mut client)| {
        tokio::spawn(async move { client.say_all((0..FLOOD / 8).map(|n| format!("{at} {n}"))).await })
    });
    let flood: Vec<_> = flood.collect();
    // Meanwhile somebody writes, key by key, and is heard.
    tab.until("it has begun", "document.querySelectorAll('li.message').length > 100").await;
    tab.say("through all of it").await;
    let mine = "[...document.querySelectorAll('li.message.mine .text')].some((text) => text.textContent === 'through all of it')";
    tab.until("it is shown at once", mine).await;
    for part in flood {
        part.await.expect("the flood ends");
    }
    tab.until_all_is_sent().await;
    let mut last = yard.client("dev").await;
    last.say("and calm").await;
    tab.until_said("and calm").await;
    assert_eq!(tab.eval(ROWS).await, json!(FLOOD + 2));
}
