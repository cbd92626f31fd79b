//! Reading and getting around: what is unread and where, who is told, long histories, rooms and keys, day and night.

use serde_json::{Value, json};

use super::yard::{Client, Tab, Yard};

/// Makes the tab believe that nobody looks at it, or that somebody does: tabs that are driven by a program have the focus
/// all at once.
async fn look(tab: &Tab, looking: bool) {
    let event = if looking { "focus" } else { "blur" };
    tab.eval(&format!("(document.hasFocus = () => {looking}, dispatchEvent(new Event('{event}')))")).await;
}

/// Where a message is on the screen, in pixels.
fn place(seq: u64) -> String {
    format!("document.querySelector('li.message[data-seq=\"{seq}\"]').getBoundingClientRect().top")
}

/// What stands in the list, from above: the texts, and the lines between them.
async fn rows(tab: &Tab) -> Value {
    tab.eval("[...document.querySelectorAll('#messages > li:not(.day, .coming)')].map((row) => (row.querySelector('.text') ?? row).textContent)")
        .await
}

#[tokio::test]
async fn two_hundred_messages_move_nothing_and_are_counted() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
    let mut other = yard.client("dev").await;
    other.say_all((1..=100).map(|n| n.to_string())).await;
    let tab = yard.join("Ada", "dev").await;
    tab.until_said("100").await;
    tab.eval("(document.querySelector('#scroller').scrollTop = 400)").await;
    tab.until("it knows", "document.querySelector('#below').hidden === false").await;
    let seen = "[...document.querySelectorAll('li.message')].find((row) => row.getBoundingClientRect().top > 200)";
    let watch = format!(
        "(window.seen = {seen}, window.was = seen.getBoundingClientRect().top, window.moved = 0,
          requestAnimationFrame(function look() {{
            moved = Math.max(moved, Math.abs(seen.getBoundingClientRect().top - was)); requestAnimationFrame(look) }}), true)"
    );
    tab.eval(&watch).await;
    other.say_all((101..=300).map(|n| n.to_string())).await;
    tab.until("all are counted", "document.querySelector('#below').textContent === '↓ 200 new messages'").await;
    assert_eq!(tab.eval("[moved, seen.getBoundingClientRect().top - was]").await, json!([0, 0]));
    tab.click("#below").await;
    tab.until("it is at the end", "document.querySelector('#below').hidden").await;
    tab.until("the last is on the screen", &format!("{} < innerHeight", place(300))).await;
}

#[tokio::test]
async fn five_thousand_messages_are_paged_through_with_few_rows_and_no_movement() {
    // The other one only speaks before and after, and paging takes its time.
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0", "--dead-after", "600"]).await;
    let mut other = yard.client("dev").await;
    let text = |n: u64| if n.is_multiple_of(7) { format!("{n} {}", "wide ".repeat(80)) } else { n.to_string() };
    other.say_all((1..=5_000).map(text)).await;
    let tab = yard.join("Ada", "dev").await;
    tab.until_said("4999").await;

    // Up, as fast as pages come: the row that is looked at stays where it is, however many come and go around it.
    let page = "const first = () => Number(document.querySelector('li.message').dataset.seq);
        const last = () => Number([...document.querySelectorAll('li.message')].at(-1).dataset.seq);
        const scroller = document.querySelector('#scroller');
        const until = async (done) => {
            const end = performance.now() + 20000;
            while (!done()) {
                if (performance.now() > end) throw `never: ${first()} to ${last()}, ${document.querySelector('.gap')?.textContent}`;
                await new Promise((go) => setTimeout(go, 1));
            }
        };
        let moved = 0, most = 0;
        const step = async (go, done) => {
            const middle = innerHeight / 2;
            const rows = [...document.querySelectorAll('li.message')];
            const row = rows.find((row) => row.getBoundingClientRect().top > middle - 100);
            const was = row.getBoundingClientRect().top;
            go();
            await until(done);
            moved = Math.max(moved, Math.abs(row.getBoundingClientRect().top - was));
            most = Math.max(most, document.querySelectorAll('#messages > li').length);
        };";
    let up = format!(
        "(async () => {{ {page}
        for (let n = 0; n < 5 && first() > 1; n += 1) {{
            scroller.scrollTop = 0;
            const was = first();
            await step(() => document.querySelector('#older').click(), () => first() < was);
        }}
        return [moved, most <= 1500, first()] }})()"
    );
    // In pieces: a driver waits for no script longer than half a minute.
    loop {
        let told = tab.promise(&up).await;
        assert_eq!([&told[0], &told[1]], [&json!(0), &json!(true)], "{told}");
        if told[2] == 1 {
            break;
        }
    }
    let last = "Number([...document.querySelectorAll('li.message')].at(-1).dataset.seq)";
    assert_eq!(tab.eval(&format!("{last} < 1600")).await, json!(true));

    // What is said now is below a hole, and counted.
    other.say("live").await;
    tab.until("it is counted", "document.querySelector('#below').textContent === '↓ 1 new message'").await;
    let down = format!(
        "(async () => {{ {page}
        for (let n = 0; n < 5; n += 1) {{
            scroller.scrollTop = scroller.scrollHeight;
            const was = last();
            await step(() => document.querySelector('.gap.cut button').click(), () => last() > was);
        }}
        return [moved, most <= 1500, first() > 400, last()] }})()"
    );
    let down = tab.promise(&down).await;
    assert_eq!(down.as_array().map(|told| &told[..3]), Some(&[json!(0), json!(true), json!(true)][..]), "{down}");

    // The button leads to the live end, whatever lies between.
    tab.click("#below").await;
    tab.until_said("live").await;
    tab.until("it is at the end", "document.querySelector('#below').hidden").await;
    other.say("after").await;
    tab.until_said("after").await;
    tab.until("it is in sight", &format!("{} < innerHeight", place(5_002))).await;
    let rows = "document.querySelectorAll('#messages > li').length <= 1500";
    assert_eq!(tab.eval(rows).await, json!(true));
}

#[tokio::test]
async fn scrolling_alone_loads_what_is_near() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
    let mut other = yard.client("dev").await;
    other.say_all((1..=400).map(|n| n.to_string())).await;
    let tab = yard.join("Ada", "dev").await;
    tab.until_said("400").await;
    tab.until(
        "the first one is there",
        "(document.querySelector('#scroller').scrollTop = 0, document.querySelector('li.message[data-seq=\"1\"]') !== null)",
    )
    .await;
    let all: Vec<String> = (1..=400).map(|n| n.to_string()).collect();
    assert_eq!(tab.texts().await, all);
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

/// Presses keys as a keyboard does: `code` says where, `key` what an input method made of it.
async fn press(tab: &Tab, key: &str, code: &str, modifiers: u32) {
    let number = match code {
        "Enter" => 13,
        "Escape" => 27,
        "ArrowUp" => 38,
        "ArrowDown" => 40,
        _ => 0,
    };
    for kind in ["keyDown", "keyUp"] {
        let mut event =
            json!({ "type": kind, "key": key, "code": code, "modifiers": modifiers, "windowsVirtualKeyCode": number });
        if code == "Enter" && kind == "keyDown" {
            event["text"] = json!("\r");
        }
        tab.devtools("Input.dispatchKeyEvent", &event).await;
    }
}

const ALT: u32 = 1;
const CTRL: u32 = 2;
const SHIFT: u32 = 8;

#[tokio::test]
async fn keys_lead_from_room_to_room() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "a").await;
    for room in ["b", "c", "마당"] {
        tab.fill("#go", &format!("#{room}")).await;
        tab.click("#go-form button").await;
        tab.until("the room is open", &format!("decodeURIComponent(location.pathname) === '/r/{room}'")).await;
        tab.until_link("open").await;
    }
    let mut other = yard.client("b").await;
    other.say("news").await;
    tab.reload().await;
    tab.until("b has news", "document.querySelector('#rooms a[href=\"/r/b\"] .unread') !== null").await;
    let names = "[...document.querySelectorAll('#rooms .room-name')].map((name) => name.textContent)";
    assert_eq!(tab.eval(names).await, json!(["a", "b", "c", "마당"]));

    press(&tab, "ArrowUp", "ArrowUp", ALT).await;
    tab.until("the one before", "location.pathname === '/r/c'").await;
    tab.until("b has news still", "document.querySelector('#rooms a[href=\"/r/b\"] .unread') !== null").await;
    press(&tab, "ArrowDown", "ArrowDown", ALT | SHIFT).await;
    tab.until("the one with news", "location.pathname === '/r/b'").await;
    tab.until_said("news").await;

    // The switcher, with Hangul switched on.
    press(&tab, "ㅏ", "KeyK", CTRL).await;
    tab.until("it is open", "document.querySelector('dialog.switcher input') === document.activeElement").await;
    assert_eq!(tab.eval("[...document.querySelectorAll('[role=option] .room-name')].length").await, json!(4));
    press(&tab, "Escape", "Escape", 0).await;
    tab.until("it is closed", "document.querySelector('dialog') === null").await;
    assert_eq!(tab.eval("document.activeElement.id").await, json!("box"));
    press(&tab, "k", "KeyK", CTRL).await;
    tab.until("it is open", "document.querySelector('dialog.switcher input') === document.activeElement").await;
    tab.devtools("Input.insertText", &json!({ "text": "마" })).await;
    let chosen = "document.querySelector('[aria-selected=true] .room-name')?.textContent";
    tab.until("it is found", &format!("{chosen} === '마당'")).await;
    // Down to the new room of that name, and up again.
    press(&tab, "ArrowDown", "ArrowDown", 0).await;
    tab.until("a new one is offered", &format!("{chosen} === '마'")).await;
    press(&tab, "ArrowUp", "ArrowUp", 0).await;
    press(&tab, "Enter", "Enter", 0).await;
    tab.until("it is there", "decodeURIComponent(location.pathname) === '/r/마당'").await;
    tab.until_link("open").await;
    press(&tab, "k", "KeyK", CTRL).await;
    tab.until("it is open", "document.querySelector('dialog.switcher input') === document.activeElement").await;
    tab.devtools("Input.insertText", &json!({ "text": "new" })).await;
    press(&tab, "Enter", "Enter", 0).await;
    tab.until("it is made", "location.pathname === '/r/new'").await;

    // A room that is left is off the list, and the one that is looked at leads to the start.
    tab.until_link("open").await;
    tab.eval("document.querySelector('#rooms a[href=\"/r/c\"] + .forget').click()").await;
    assert_eq!(tab.eval(names).await, json!(["a", "b", "new", "마당"]));
    tab.eval("document.querySelector('#rooms [aria-current] + .forget').click()").await;
    tab.until("it is the start", "location.pathname === '/'").await;
    let kept = "Object.keys(JSON.parse(localStorage.getItem('madang.rooms'))).sort().join()";
    assert_eq!(tab.eval(kept).await, json!("a,b,마당"));
}

#[tokio::test]
async fn a_question_mark_helps_where_nobody_types() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    press(&tab, "?", "Slash", SHIFT).await;
    tab.type_text("?").await;
    assert_eq!(tab.eval("document.querySelector('dialog')").await, Value::Null);
    tab.eval("document.querySelector('#scroller').focus()").await;
    press(&tab, "?", "Slash", SHIFT).await;
    tab.until("it is open", "document.querySelector('dialog.help')?.textContent.includes('Shift+Enter')").await;
    assert_eq!(tab.eval("document.querySelector('dialog.help').textContent.includes('/search')").await, json!(true));
    press(&tab, "Escape", "Escape", 0).await;
    tab.until("it is closed", "document.querySelector('dialog') === null").await;
    assert_eq!(tab.eval("document.activeElement.id").await, json!("scroller"));
    tab.click("#help").await;
    tab.until("it is open", "document.querySelector('dialog.help') !== null").await;
    tab.click("dialog .icon").await;
    tab.until("it is closed", "document.querySelector('dialog') === null").await;
}

#[tokio::test]
async fn day_and_night_are_chosen_and_painted_first() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    let paper = "getComputedStyle(document.body).backgroundColor";
    let night = json!("rgb(24, 22, 19)");
    let day = json!("rgb(251, 250, 247)");
    let system = async |scheme: &str| {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        tab.devtools("Emulation.setEmulatedMedia", &media).await;
    };
    system("light").await;
    assert_eq!(tab.eval(paper).await, day);
    tab.click(".themes [data-tag=dark]").await;
    assert_eq!(tab.eval(paper).await, night);
    tab.reload().await;
    assert_eq!(tab.eval(paper).await, night);
    // Not the script did it.
    let served =
        "fetch(location.href).then((answer) => answer.text()).then((text) => /dark.css\" media=\"all\"/.test(text))";
    assert_eq!(tab.promise(served).await, json!(true));
    system("dark").await;
    tab.click(".themes [data-tag=light]").await;
    assert_eq!(tab.eval(paper).await, day);
    tab.click(".themes [data-tag=system]").await;
    assert_eq!(tab.eval(paper).await, night);
    assert_eq!(tab.eval("document.querySelector('.themes [aria-current]').dataset.tag").await, json!("system"));
    // Without a script the same links do it.
    tab.goto(&yard.page("/?theme=dark")).await;
    system("light").await;
    assert_eq!(tab.eval(paper).await, night);
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

#[tokio::test]
async fn nothing_is_wider_than_a_small_phone() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    tab.say(&"wide".repeat(60)).await;
    for width in [320, 640] {
        let screen = json!({ "width": width, "height": 568, "deviceScaleFactor": if width == 640 { 2 } else { 1 }, "mobile": width == 320 });
        tab.devtools("Emulation.setDeviceMetricsOverride", &screen).await;
        tab.until("it fits", "document.documentElement.scrollWidth <= innerWidth").await;
        tab.eval("document.querySelector('#help').click()").await;
        tab.until(
            "the help fits",
            "document.querySelector('dialog.help')?.getBoundingClientRect().width <= innerWidth",
        )
        .await;
        assert_eq!(
            tab.eval(
                "document.querySelector('dialog.help').scrollWidth <= document.querySelector('dialog.help').clientWidth"
            )
            .await,
            json!(true)
        );
        tab.eval("document.querySelector('dialog').close()").await;
    }
}

/// The pure modules, where they will run. Each expression is a promise of `true`.
#[tokio::test]
async fn the_pure_modules_of_reading_keep_their_rules() {
    let yard = Yard::open().await;
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/")).await;
    for rule in RULES {
        assert_eq!(tab.promise(rule).await, json!(true), "{rule}");
    }
}

const RULES: &[&str] = &[
    // What is dropped below is a hole that grows with what is said; a page of the newest ends it, one from anywhere fits in.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq, more) => ({ room: 'r', seq, user: 'u', name: 'n', text: String(seq), at: seq, ...more });
        const range = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => m(from + n));
        const t = new Timeline();
        const look = () => t.items.reduce((seen, { kind, seq, to, reason }) => {
            const before = seen.at(-1);
            if (kind === 'message' && before?.[2] === '' && before[1] === seq - 1) before[1] = seq;
            else seen.push([seq, to ?? seq, reason ?? '']);
            return seen;
        }, []).map(([from, to, reason]) => `${from}-${to}${reason}`).join();
        t.joined({ epoch: 'a', first: 1, top: 1000, resume: 'fresh' });
        range(901, 1000).forEach((message) => t.message(message));
        t.page({ epoch: 'a', first: 1, messages: range(801, 900) });
        t.trim(150, { epoch: 'a', seq: 805 });
        const looks = [look()];
        const cut = t.isCut;
        t.message(m(1001)); t.message(m(1002, { text: 'new', edits: 810 })); t.gap({ from: 1003, to: 1010, reason: 'slow' });
        looks.push(look(), t.find(810).text);
        // Newer than what was delivered: it is on its way.
        t.page({ epoch: 'a', first: 1, messages: range(991, 1011) });
        looks.push(look());
        t.message(m(1011));
        t.page({ epoch: 'a', first: 1, messages: range(100, 120) });
        looks.push(look());
        const hole = t.items.find(({ kind, seq }) => kind === 'gap' && seq === 121);
        t.page({ epoch: 'a', first: 1, messages: range(700, 800) }, hole);
        t.page({ epoch: 'a', first: 150, messages: range(150, 160) }, t.items.find(({ id }) => id === hole.id));
        looks.push(look());
        t.trim(30);
        looks.push(look());
        return cut && !t.isCut && JSON.stringify(looks) === JSON.stringify([
            '801-949,950-1000cut', '801-949,950-1010cut', 'new', '801-949,950-990cut,991-1010',
            '100-120,121-800cut,801-949,950-990cut,991-1011',
            '100-120,121-149expired,150-160,161-699cut,700-949,950-990cut,991-1011',
            '942-949,950-990cut,991-1011']) || Promise.reject(JSON.stringify(looks));
    })",
    // A name is a whole word in any script, however it is composed; what is said to Korean people is no part of it.
    r"import('/static/app/markup.js').then(({ calls }) =>
        [['hi @Ada!', 'Ada'], ['@ada', 'Ada'], ['(@민수)', '민수'], ['@민수님께서는', '민수'], ['@민수야', '민수'],
         ['@' + '민수'.normalize('NFD'), '민수'], ['@Ada Lovelace, hi', 'Ada Lovelace'], ['@a.b*c', 'a.b*c'], ['@[o-o]', '[o-o]']]
            .every(([text, name]) => calls(text, name)) &&
        [['@Adam', 'Ada'], ['mail@Ada', 'Ada'], ['@민수정', '민수'], ['@Joséph', 'José'], ['`@Ada`', 'Ada'], ['Ada', 'Ada'],
         ['@aXb', 'a.b'], ['@', '']].every(([text, name]) => !calls(text, name)))",
    // Unread: others' messages behind the marker, whole holes, and what is above all that is loaded.
    r"Promise.all([import('/static/app/timeline.js'), import('/static/app/unread.js')]).then(([{ Timeline }, { countAfter }]) => {
        const m = (seq, more) => ({ room: 'r', seq, user: 'u', name: 'n', text: '', at: seq, ...more });
        const t = new Timeline();
        t.joined({ epoch: 'a', first: 1, top: 60, resume: 'fresh' });
        for (const message of [m(51), m(52, { user: 'me' }), m(53, { edits: 51 }), m(54)]) t.message(message);
        t.gap({ from: 55, to: 60, reason: 'slow' });
        return [0, 50, 51, 53, 54, 57, 60].map((seq) => countAfter(t, seq, 'me')).join() === '58,8,7,7,6,3,0';
    })",
    // A server that knows less than was read has begun anew; who was never there has missed nothing.
    r"import('/static/app/visited.js').then(({ unreadOf }) =>
        [unreadOf({ seq: 5 }, 8), unreadOf({ seq: 5 }, 5), unreadOf({ seq: 5 }, 2), unreadOf(undefined, 9), unreadOf({ seq: 5 }, 0)]
            .join() === '3,0,2,0,0')",
    // Coming and going: nobody twice, nobody above 250, not oneself, and who comes back was never away.
    r"import('/static/app/comings.js').then(({ Comings }) => {
        const c = new Comings();
        const p = (user) => ({ user, name: user.toUpperCase() });
        const told = [
            c.note({ count: 3, joined: [p('a'), p('me')] }, new Set(['b']), 'me', 7),
            c.note({ count: 3, joined: [p('b')] }, new Set(['b']), 'me', 7),
            c.note({ count: 3, left: [p('b')] }, new Set(['b']), 'me', 7),
            c.note({ count: 251, joined: [p('x')] }, new Set(), 'me', 7),
            c.note({ count: 3, joined: [p('b')] }, new Set(), 'me', 7),
        ];
        return told.join() === 'true,false,true,false,true' && c.lines.length === 1
            && [...c.lines[0].joined].join() === 'a,A' && c.lines[0].left.size === 0;
    })",
    // Steps go round, over what is mine alone.
    r"import('/static/app/shortcuts.js').then(({ stepFrom }) => {
        const rooms = ['a', 'b', 'c', 'd'].map((room, n) => ({ room, unread: n === 1 ? 2 : 0, mine: room !== 'd' }));
        return [stepFrom(rooms, 'c', 1, false), stepFrom(rooms, 'a', -1, false), stepFrom(rooms, 'c', 1, true),
            stepFrom(rooms, 'b', 1, true), stepFrom(rooms.slice(0, 1), 'a', 1, false)].join() === 'a,c,b,,';
    })",
];
