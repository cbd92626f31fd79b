//! What somebody is told beside the messages: what is unread, a call, who comes and goes, an interruption.

use serde_json::{Value, json};

use crate::yard::{Client, Tab, Yard};

/// Makes the tab believe that nobody looks at it, or that somebody does: tabs that are driven by a program have the focus
/// all at once.
async fn look(tab: &Tab, looking: bool) {
    let event = if looking { "focus" } else { "blur" };
    tab.eval(&format!("(document.hasFocus = () => {looking}, dispatchEvent(new Event('{event}')))")).await;
}

/// What stands in the list, from above: the texts, and the lines between them.
async fn rows(tab: &Tab) -> Value {
    tab.eval("[...document.querySelectorAll('#messages > li:not(.day, .coming)')].map((row) => (row.querySelector('.text') ?? row).textContent)")
        .await
}

#[tokio::test]
async fn the_title_counts_what_is_unread_and_forgets_when_it_is_read() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    let mut other = yard.client("dev").await;
    other.say("seen").await;
    tab.until_said("seen").await;
    tab.until("nothing is unread", "document.title.startsWith('#dev')").await;

    look(&tab, false).await;
    other.say("one").await;
    other.say("two").await;
    other.change(2, Some("one, better")).await;
    other.say("three").await;
    tab.until("three are counted", "document.title.startsWith('(3) #dev')").await;
    tab.until("the badge says it", "document.querySelector('#rooms [aria-current] .unread').textContent === '3'").await;
    assert_eq!(rows(&tab).await, json!(["seen", "New messages", "one, better", "two", "three"]));

    // Who looks, but elsewhere, has not read.
    let lines = "long ".repeat(2_000);
    other.say(&lines).await;
    tab.until("four are counted", "document.title.startsWith('(4) #dev')").await;
    tab.eval("(document.querySelector('#scroller').scrollTop = 0)").await;
    tab.until("it is above", "document.querySelector('#below').hidden === false").await;
    look(&tab, true).await;
    other.say("@ada, are you there?").await;
    tab.until("a call is marked", "document.title.startsWith('(@5) #dev')").await;

    tab.click("#below").await;
    tab.until("nothing is unread", "document.title.startsWith('#dev')").await;
    tab.until("nor in the list", "document.querySelector('#rooms .unread') === null").await;
    // The line stays while one reads, and goes when one leaves.
    assert_eq!(tab.eval("document.querySelectorAll('.mark.unread').length").await, json!(1));
    look(&tab, false).await;
    tab.until("the line is gone", "document.querySelector('.mark.unread') === null").await;
    other.say("next").await;
    tab.until("it is counted", "document.title.startsWith('(1) #dev')").await;
    let after = "document.querySelector('.mark.unread').nextElementSibling.querySelector('.text').textContent";
    assert_eq!(tab.eval(after).await, json!("next"));
}

#[tokio::test]
async fn who_comes_back_finds_the_line_where_they_stopped() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    let mut other = yard.client("dev").await;
    for text in ["one", "two"] {
        other.say(text).await;
    }
    tab.until_said("two").await;
    tab.until("it is read", "document.title.startsWith('#dev')").await;
    tab.goto(&yard.page("/r/elsewhere?lang=en")).await;
    tab.until_link("open").await;
    for text in ["three", "four"] {
        other.say(text).await;
    }
    // Where one is not, the list tells.
    tab.reload().await;
    let badge = "document.querySelector('#rooms a[href=\"/r/dev\"] .unread')?.textContent === '2'";
    tab.until("the list counts them", badge).await;
    assert_eq!(
        tab.eval("document.querySelector('#rooms a[href=\"/r/dev\"] .unread + .unseen').textContent").await,
        json!("2 unread")
    );
    assert_eq!(tab.eval("document.title.startsWith('#elsewhere')").await, json!(true));

    // The same person, and a new tab before the same eyes.
    tab.goto(&yard.page("/r/dev?lang=en")).await;
    tab.until_said("four").await;
    tab.until("the line is there", "document.querySelector('.mark.unread') !== null").await;
    assert_eq!(rows(&tab).await, json!(["one", "two", "New messages", "three", "four"]));
    tab.until("the badge is gone", "document.querySelector('#rooms .unread') === null").await;
    tab.goto(&yard.page("/r/elsewhere")).await;
    tab.until_link("open").await;
    other.say("five").await;
    let newcomer = yard.join("Ada again", "dev").await;
    newcomer.until_said("five").await;
    newcomer.until("the line is there", "document.querySelector('.mark.unread') !== null").await;
    let after = "document.querySelector('.mark.unread').nextElementSibling.querySelector('.text').textContent";
    assert_eq!(newcomer.eval(after).await, json!("five"));
}

#[tokio::test]
async fn the_server_hears_how_far_one_has_read_now_and_then() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    // What is sent is noted, over reloads too.
    let spy = "const send = WebSocket.prototype.send; WebSocket.prototype.send = function (text) {
        const { type, seq } = JSON.parse(text);
        if (type === 'read') localStorage.reads = `${localStorage.reads ?? ''}${Date.now()}:${seq} `;
        return send.call(this, text); };";
    tab.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": spy })).await;
    let mut other = yard.client("dev").await;
    for n in 1..=20 {
        if n % 5 == 0 {
            tab.reload().await;
            tab.until_link("open").await;
        }
        other.say(&n.to_string()).await;
        tab.until_said(&n.to_string()).await;
    }
    tab.until("the last is told", "(localStorage.reads ?? '').endsWith(':20 ')").await;
    let reads = tab.eval("localStorage.reads.trim().split(' ').map((read) => Number(read.split(':')[0]))").await;
    let times: Vec<f64> = serde_json::from_value(reads).expect("times");
    assert!(times.windows(2).all(|two| two[1] - two[0] > 4_900.0), "{times:?}");
    // It comes back from there.
    let session = tab.eval("sessionStorage.getItem('madang.session')").await;
    let mut again = Client::replace(yard.back_address(), session.as_str().expect("a session")).await;
    assert_eq!(again.join_again("dev").await["read"], json!(20));
}

#[tokio::test]
async fn a_call_is_told_once_over_three_tabs_and_not_while_somebody_looks() {
    let yard = Yard::open().await;
    let tabs = [yard.join("민수", "dev").await, yard.join("민수", "dev").await, yard.join("민수", "dev").await];
    let fake = "(window.Notification = class { static permission = localStorage.permission ?? 'default';
        static async requestPermission() { localStorage.asked = Number(localStorage.asked ?? 0) + 1;
            localStorage.permission = Notification.permission = 'granted'; return 'granted' }
        constructor(title, { body }) { localStorage.shown = `${localStorage.shown ?? ''}${title}|${body}\\n`; window.last = this }
        close() { this.closed = true } }, true)";
    for tab in &tabs {
        tab.eval(fake).await;
        look(tab, false).await;
    }
    let mut other = yard.client("dev").await;
    let hears = async |text: &str| {
        for tab in &tabs {
            tab.until_said(text).await;
        }
    };
    other.say("@민수님, off by default").await;
    hears("@민수님, off by default").await;
    assert_eq!(tabs[0].eval("[localStorage.asked ?? null, localStorage.shown ?? null]").await, json!([null, null]));

    tabs[0].click("#notify").await;
    tabs[0].until("it is on", "document.querySelector('#notify').ariaPressed === 'true'").await;
    for tab in &tabs[1..] {
        tab.eval("(Notification.permission = 'granted')").await;
    }
    look(&tabs[0], false).await;
    for text in ["@민수정 is somebody else", "mail@민수", "@민수야, 여기 봐", "nobody"] {
        other.say(text).await;
        hears(text).await;
    }
    tabs[0].until("it is told", "(localStorage.shown ?? '').includes('여기 봐')").await;

    // An answer calls too; in a room that somebody looks at nobody is called.
    tabs[1].say("mine").await;
    hears("mine").await;
    look(&tabs[1], false).await;
    other.reply(6, "an answer").await;
    hears("an answer").await;
    tabs[0].until("it is told", "localStorage.shown.includes('an answer')").await;
    look(&tabs[2], true).await;
    // The lock that says so is asked for, and granted a moment later.
    let held = "navigator.locks.query().then(({ held }) => held.some(({ name }) => name === 'madang.seen:dev'))";
    while tabs[0].promise(held).await != json!(true) {}
    other.say("@민수 seen").await;
    hears("@민수 seen").await;
    tabs[0].until("it is decided", "localStorage['madang.notified'].includes(':8\"')").await;
    look(&tabs[2], false).await;
    while tabs[0].promise(held).await != json!(false) {}
    other.say("@민수 unseen").await;
    tabs[0].until("it is told", "localStorage.shown.includes('unseen')").await;
    let titles = tabs[0].eval("localStorage.shown.trim().split('\\n').map((line) => line.split('|')[1])").await;
    assert_eq!(titles, json!(["@민수야, 여기 봐", "an answer", "@민수 unseen"]));
    assert_eq!(tabs[0].eval("localStorage.asked").await, json!("1"));

    tabs[1].click("#notify").await;
    tabs[0].until("it is off everywhere", "document.querySelector('#notify').ariaPressed === 'false'").await;
    other.say("@민수 off").await;
    hears("@민수 off").await;
    assert_eq!(tabs[0].eval("localStorage.shown.trim().split('\\n').length").await, json!(3));
}

#[tokio::test]
async fn who_comes_and_goes_is_one_quiet_line() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--presence-grace", "0"]).await;
    let tab = yard.join("Ada", "dev").await;
    let mut stays = yard.client("dev").await;
    let line = "document.querySelector('#messages > li.coming:last-child')?.textContent ?? ''";
    // Their own coming is told before they speak, so that it is no part of what follows.
    tab.until("both are in the list", "document.querySelectorAll('#people li').length === 2").await;
    stays.say("first").await;
    tab.until_said("first").await;
    let mut crowd = Vec::new();
    for _ in 0..4 {
        crowd.push(yard.client("dev").await);
    }
    tab.until("they are one line", &format!("({line}).endsWith(' and 3 others joined')")).await;
    drop(crowd.pop());
    tab.until("who left again was never there", &format!("({line}).endsWith(' and 2 others joined')")).await;
    stays.say("second").await;
    tab.until_said("second").await;
    drop(crowd);
    tab.until("the next line", &format!("({line}).endsWith(' and 2 others left')")).await;
    assert_eq!(tab.eval("document.querySelectorAll('li.coming').length").await, json!(2));
    assert_eq!(tab.eval("document.querySelector('#announcer').textContent.includes('joined')").await, json!(false));
    // One's own coming is none, and nothing of it is unread.
    assert_eq!(tab.eval("document.title.startsWith('#dev')").await, json!(true));
}

#[tokio::test]
async fn an_interruption_is_announced_once_and_counted_in_silence() {
    let mut yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    tab.eval(
        "(window.heard = [], new MutationObserver(() => heard.push(document.querySelector('#status').textContent))
        .observe(document.querySelector('#status'), { childList: true, characterData: true, subtree: true }), true)",
    )
    .await;
    yard.kill_back();
    tab.until("the banner is there", "document.querySelector('#banner').hidden === false").await;
    // Several attempts.
    let when = "document.querySelector('#banner-when').textContent";
    for _ in 0..3 {
        tab.until("it counts", &format!("{when}.startsWith('Retrying in')")).await;
        tab.click("#retry-now").await;
    }
    assert_eq!(
        tab.eval("document.querySelector('#banner').closest('[role=status], [role=alert], [aria-live]')").await,
        Value::Null
    );
    yard.restart_back();
    tab.until_link("open").await;
    tab.until("it is told", "heard.length > 1").await;
    assert_eq!(tab.eval("heard.slice(0, 2)").await, json!(["Disconnected", "Reconnected"]));
}
