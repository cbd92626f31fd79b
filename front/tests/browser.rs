//! The page in a real browser, against the real servers: what people see, and that it survives what happens to servers.

#![expect(clippy::expect_used, clippy::panic, reason = "a test reports by panicking")]

#[path = "browser/access.rs"]
mod access;
#[path = "browser/copies.rs"]
mod copies;
#[path = "browser/examples.rs"]
mod examples;
#[path = "browser/first.rs"]
mod first;
#[path = "browser/hangul.rs"]
mod hangul;
#[path = "browser/hardship.rs"]
mod hardship;
#[path = "browser/markup.rs"]
mod markup;
#[path = "browser/members.rs"]
mod members;
#[path = "browser/moderation.rs"]
mod moderation;
#[path = "browser/nginx.rs"]
mod nginx;
#[path = "browser/outage.rs"]
mod outage;
#[path = "browser/place.rs"]
mod place;
#[path = "browser/quiet.rs"]
mod quiet;
#[path = "browser/reading.rs"]
mod reading;
#[path = "browser/signin.rs"]
mod signin;
#[path = "browser/writing.rs"]
mod writing;
#[path = "browser/xss.rs"]
mod xss;
mod yard;

use serde_json::json;
use yard::Yard;

#[tokio::test]
async fn two_tabs_talk_and_another_room_hears_nothing() {
    let yard = Yard::open().await;
    let minsu = yard.join("민수", "마당").await;
    let sora = yard.join("Sora", "마당").await;
    let other = yard.join("Jonas", "elsewhere").await;
    minsu.until("Sora is in the list", "document.querySelectorAll('#people li').length === 2").await;

    minsu.say("안녕하세요, 다들 오셨나요?").await;
    sora.until_said("안녕하세요, 다들 오셨나요?").await;
    sora.say("Just came in.").await;
    minsu.until_said("Just came in.").await;
    sora.say("<b>not bold</b> & \"quoted\"").await;
    minsu.until_said("<b>not bold</b> & \"quoted\"").await;

    // One Enter is one message, for both, in one order.
    let said = ["안녕하세요, 다들 오셨나요?", "Just came in.", "<b>not bold</b> & \"quoted\""];
    assert_eq!(minsu.texts().await, said);
    sora.until_said(said[2]).await;
    assert_eq!(sora.texts().await, said);
    let authors = "[...document.querySelectorAll('li.message .author')].map((author) => author.textContent)";
    assert_eq!(minsu.eval(authors).await, json!(["민수", "Sora", "Sora"]));
    let numbers = "[...document.querySelectorAll('li.message')].map((row) => row.dataset.seq)";
    assert_eq!(sora.eval(numbers).await, json!(["1", "2", "3"]));

    other.say("only here").await;
    other.until_said("only here").await;
    assert_eq!(other.texts().await, ["only here"]);
    // What would have come from the other room would stand before this.
    minsu.say("still us").await;
    sora.until_said("still us").await;
    for tab in [&minsu, &sora] {
        tab.until_said("still us").await;
        assert_eq!(tab.texts().await, [&said[..], &["still us"]].concat());
    }
}

#[tokio::test]
async fn what_others_edit_and_take_back_is_shown_so_live_and_after_a_reload() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    let mut other = yard.client("dev").await;
    for text in ["helo", "swordfish", "last"] {
        other.say(text).await;
    }
    tab.until_said("last").await;
    other.change(1, Some("hello")).await;
    other.change(2, None).await;
    let expected = ["hello", "This message was deleted", "last"];
    let shown = format!(
        "JSON.stringify([...document.querySelectorAll('li.message .text')].map((text) => text.textContent)) === JSON.stringify({})",
        json!(expected)
    );
    for reloaded in [false, true] {
        if reloaded {
            tab.reload().await;
        }
        tab.until("both changes are shown", &shown).await;
        assert_eq!(tab.eval("document.querySelector('[data-seq=\"1\"] .edited').textContent").await, "edited");
        assert_eq!(tab.eval("document.documentElement.textContent.includes('swordfish')").await, false);
    }
}

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
async fn older_messages_come_by_a_button_and_move_nothing() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
    let mut b = yard.client("dev").await;
    for n in 1..=120 {
        b.say(&n.to_string()).await;
    }
    let a = yard.join("Ada", "dev").await;
    a.until_said("120").await;
    assert_eq!(a.texts().await.first().map(String::as_str), Some("71"));
    a.eval("document.querySelector('#scroller').scrollTop = 0").await;
    a.until("it knows", "document.querySelector('#below').hidden === false").await;
    let place = "Math.round(document.querySelector('li.message[data-seq=\"73\"]').getBoundingClientRect().top)";
    let before = a.eval(place).await;
    // By script: a driver would scroll to the button first.
    a.eval("document.querySelector('#older').click()").await;
    a.until("the first one is there", "document.querySelector('li.message[data-seq=\"1\"]') !== null").await;
    assert_eq!(a.eval(place).await, before);
    assert_eq!(a.eval("document.querySelector('#older').hidden").await, json!(true));
    assert_eq!(a.texts().await.len(), 120);
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
async fn a_crowd_is_named_until_it_is_only_counted() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let mut crowd = Vec::new();
    for _ in 0..60 {
        crowd.push(yard.client("dev").await);
    }
    // A page that comes late is told fifty and asks for the rest.
    let late = yard.join("Bo", "dev").await;
    for tab in [&a, &late] {
        tab.until("everybody is named", "document.querySelectorAll('#people li').length === 62").await;
    }
    for _ in 60..260 {
        crowd.push(yard.client("dev").await);
    }
    a.until("they are counted", "document.querySelector('#people-count').textContent === '262'").await;
    let sum = "document.querySelectorAll('#people li').length + Number(document.querySelector('#people-more').textContent.match(/\\d+/)?.[0] ?? 0)";
    assert_eq!(a.eval(sum).await, json!(262));
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
async fn a_reload_is_the_same_person() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    let two = "document.querySelectorAll('#people li').length === 2";
    a.say("still here").await;
    b.until_said("still here").await;
    a.until("both are in the list", two).await;
    let before = a.user().await;
    assert_eq!(before.len(), 16, "{before}");

    a.reload().await;
    a.until_link("open").await;
    a.until_said("still here").await;
    a.until("both are in the list again", two).await;
    assert_eq!(a.user().await, before);
    assert_eq!(a.eval("document.querySelector('#my-name').value").await, json!("Ada"));
    a.say("back").await;
    b.until_said("back").await;
    assert_eq!(b.eval("document.querySelectorAll('#people li').length").await, json!(2));
    let mine = "[...document.querySelectorAll('li.message')].map((row) => row.dataset.user)";
    assert_eq!(b.eval(mine).await, json!([before, before]));
}

#[tokio::test]
async fn a_duplicated_tab_is_somebody_else() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    // A window that a script opens gets a copy of the session storage, as a duplicated tab does.
    a.eval("void window.open(location.href)").await;
    let copy = yard.browser.opened(&[&a]).await;
    copy.until_link("open").await;
    copy.until("both are in the list", "document.querySelectorAll('#people li').length === 2").await;
    a.until_link("open").await;
    assert_ne!(copy.user().await, a.user().await);
}

#[tokio::test]
async fn who_is_replaced_stays_away_until_asked() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let _elsewhere = yard.impostor(&a).await;
    a.until_link("closed").await;
    let why = "document.querySelector('#banner-why').textContent === 'You continued in another tab.'";
    a.until("it says why", why).await;
    assert_eq!(a.eval("document.querySelector('#banner-when').textContent").await, json!(""));
    a.click("#retry-now").await;
    a.until_link("open").await;
}

#[tokio::test]
async fn a_new_name_is_seen_by_everybody() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    a.fill("#my-name", "에이다").await;
    a.click("#name-form button").await;
    let renamed = "[...document.querySelectorAll('#people .author')].some((name) => name.textContent === '에이다')";
    a.until("the own list has the new name", renamed).await;
    b.until("the other list has the new name", renamed).await;
    a.say("hello").await;
    b.until_said("hello").await;
    assert_eq!(b.eval("document.querySelector('li.message .author').textContent").await, json!("에이다"));
}

#[tokio::test]
async fn typing_is_seen_until_it_is_said() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    a.type_text("wait, I").await;
    b.until("typing is seen", "document.querySelector('#typing').textContent === 'Ada is typing…'").await;
    a.say(" know").await;
    b.until_said("wait, I know").await;
    b.until("typing is over", "document.querySelector('#typing').textContent === ''").await;
    assert_eq!(a.eval("document.querySelector('#typing').textContent").await, json!(""));
}

#[tokio::test]
async fn who_reads_above_is_not_moved() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    // Lines of one message are enough to fill the screen, and no limit of messages is met.
    let tall = "document.querySelector('#box').value = Array(60).fill('line').join('\\n'), document.querySelector('#composer').requestSubmit()";
    a.eval(tall).await;
    b.until("it is long", "document.querySelector('#scroller').scrollHeight > 1500").await;
    let place = "document.querySelector('#scroller').scrollTop";
    b.until("it is at the bottom", &format!("{place} > 500")).await;
    b.eval(&format!("{place} = 100")).await;
    b.until("the way down is offered", "document.querySelector('#below').hidden === false").await;
    a.say("below").await;
    b.until("it is counted", "document.querySelector('#below').textContent === '↓ 1 new message'").await;
    assert_eq!(b.eval(place).await, json!(100));
    b.click("#below").await;
    b.until("it is at the bottom", "document.querySelector('#below').hidden === true").await;
}

#[tokio::test]
async fn the_form_shows_the_rooms() {
    let yard = Yard::open().await;
    let _a = yard.join("Ada", "여기").await;
    let form = yard.browser.tab().await;
    form.goto(&yard.page("/?lang=ko")).await;
    form.until(
        "the room is listed",
        "document.querySelector('#rooms a')?.getAttribute('href') === '/r/%EC%97%AC%EA%B8%B0'",
    )
    .await;
    assert_eq!(form.eval("document.querySelector('#rooms .count').textContent").await, json!("1"));
    assert_eq!(form.eval("location.search").await, json!(""));
    form.click("#rooms a").await;
    form.until_link("open").await;
}

#[tokio::test]
async fn where_websocket_does_not_get_through_everything_works_by_events() {
    let (yard, wire) = Yard::open_beside_a_wire().await;
    wire.cut();
    let a = yard.join("Ada", "dev").await;
    a.until_way("SSE").await;
    let mut b = yard.client("dev").await;
    b.say("to the page").await;
    a.until_said("to the page").await;
    a.type_text("from").await;
    assert_eq!(b.until("typing").await["name"], "Ada");
    a.say(" the page").await;
    a.until_said("from the page").await;
    assert_eq!(b.until("message").await["text"], "from the page");
    a.fill("#my-name", "에이다").await;
    a.click("#name-form button").await;
    a.until("the new name is told", "document.querySelector('#people .author').textContent === '에이다'").await;
    a.until("both are in the list", "document.querySelectorAll('#people li').length === 2").await;

    // A reload is the same person, by the same way, without another three attempts.
    let user = a.user().await;
    a.reload().await;
    a.until_way("SSE").await;
    a.until_said("from the page").await;
    a.until("the own name is in the list", "document.querySelector('#people .you') !== null").await;
    assert_eq!(a.user().await, user);
    let tries = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/api/sessions')).length";
    assert_eq!(a.eval(tries).await, json!(1));
    assert_eq!(a.texts().await, ["to the page", "from the page"]);
}

#[tokio::test]
async fn websocket_is_taken_up_again_and_nobody_notices() {
    let (yard, wire) = Yard::open_beside_a_wire().await;
    wire.cut();
    let a = yard.join("Ada", "dev").await;
    a.until_way("SSE").await;
    let mut b = yard.client("dev").await;
    let mut said = Vec::new();
    // Away and back again, while both talk.
    for round in 0..2 {
        a.watch_link().await;
        wire.mend();
        a.eval("dispatchEvent(new Event('online'))").await;
        for n in 0..4 {
            let (mine, theirs) = (format!("a{round}.{n}"), format!("b{round}.{n}"));
            a.say(&mine).await;
            b.say(&theirs).await;
            said.extend([mine, theirs]);
        }
        a.until_way("WebSocket").await;
        for text in &said {
            a.until_said(text).await;
        }
        let links = a.links().await;
        assert!(links.iter().all(|link| link.starts_with("open,") && link.ends_with(",true")), "{round}: {links:?}");
        assert_eq!(links.len(), 1, "{round}: {links:?}");
        let mut texts = a.texts().await;
        texts.sort();
        let mut all = said.clone();
        all.sort();
        assert_eq!(texts, all, "round {round}");
        // A link that held for five seconds is steady: after it the attempts begin anew, without long pauses.
        a.eval("(window.up = performance.now(), true)").await;
        a.until("the link is steady", "performance.now() - up > 5500").await;
        wire.cut();
        a.until_way("SSE").await;
    }
    assert_eq!(a.eval("document.querySelectorAll('li.mark').length").await, json!(0));
    // Nobody left, nobody came.
    assert_eq!(a.eval("document.querySelectorAll('#people li').length").await, json!(2));
}

#[tokio::test]
async fn events_that_never_come_make_way_for_long_polls() {
    let (yard, wire) = Yard::open_beside_a_wire().await;
    wire.cut();
    let proxy = yard.without_streams().await;
    let a = yard.browser.tab().await;
    a.goto(&format!("http://{}/r/dev?lang=en", proxy.address)).await;
    // Three times ten seconds.
    a.until("the first attempts are over", "performance.now() > 15000").await;
    a.until("the next attempts are over", "performance.now() > 30000").await;
    a.until_way("long polling").await;
    let mut b = yard.client("dev").await;
    b.say("to the page").await;
    a.until_said("to the page").await;
    a.say("from the page").await;
    a.until_said("from the page").await;
    // Those who never arrived left nobody behind.
    a.until("there are two people", "document.querySelector('#people-count').textContent === '2'").await;
}

#[tokio::test]
async fn polls_carry_a_conversation_too() {
    let (yard, wire) = Yard::open_beside_a_wire().await;
    wire.cut();
    let a = yard.browser.tab().await;
    a.goto(&yard.page("/static/icons/madang.svg")).await;
    a.eval("sessionStorage.setItem('madang.way', 'poll')").await;
    a.goto(&yard.page("/r/dev?lang=en")).await;
    a.until_way("polling").await;
    let mut b = yard.client("dev").await;
    for n in 1..=3 {
        b.say(&format!("b{n}")).await;
        a.until_said(&format!("b{n}")).await;
        a.say(&format!("a{n}")).await;
        a.until_said(&format!("a{n}")).await;
    }
    assert_eq!(a.texts().await, ["b1", "a1", "b2", "a2", "b3", "a3"]);
}

#[tokio::test]
async fn the_page_works_below_a_base_path() {
    let yard = Yard::open_with(&["--base-path", "/chat"]).await;
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/chat?lang=en")).await;
    tab.fill("#name", "Ada").await;
    tab.fill("#room", "마당").await;
    tab.click("#join").await;
    tab.until_link("open").await;
    assert_eq!(tab.eval("location.pathname").await, json!("/chat/r/%EB%A7%88%EB%8B%B9"));
    tab.say("here").await;
    tab.until_said("here").await;
    tab.click(".languages a[lang=ko]").await;
    tab.until("it speaks Korean", "document.documentElement.lang === 'ko'").await;
    tab.until_said("here").await;
    tab.click(".brand").await;
    tab.until(
        "the room is listed",
        "document.querySelector('#rooms a')?.getAttribute('href') === '/chat/r/%EB%A7%88%EB%8B%B9'",
    )
    .await;
    assert_eq!(tab.eval("document.documentElement.lang").await, json!("ko"));
    // The other ways lead below it too.
    tab.eval("sessionStorage.setItem('madang.way', 'sse')").await;
    tab.click("#rooms a").await;
    tab.until_way("SSE").await;
}

#[tokio::test]
async fn without_a_script_one_reads_and_writes_by_reloading() {
    let yard = Yard::open().await;
    let mut b = yard.client("dev").await;
    b.say("before").await;
    let a = yard.browser.tab().await;
    a.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": true })).await;
    a.goto(&yard.page("/r/dev?lang=en")).await;
    let frame = "[...(document.querySelector('iframe').contentDocument?.querySelectorAll('.text') ?? [])].map((text) => text.textContent).join()";
    a.until("the frame shows what was said", &format!("{frame} === 'before'")).await;

    a.fill("#post-name", "민수").await;
    a.fill("#post-text", "첫 줄\n둘째 <b>줄</b>").await;
    a.click(".post button").await;
    assert_eq!(b.until("message").await["text"], "before");
    let message = b.until("message").await;
    assert_eq!((&message["text"], &message["name"]), (&json!("첫 줄\n둘째 <b>줄</b>"), &json!("민수")));
    a.until("it is shown", &format!("{frame} === 'before,첫 줄\\n둘째 <b>줄</b>'")).await;

    // What is being typed stays while the frame reloads by itself.
    a.fill("#post-text", "half a thought").await;
    b.say("meanwhile").await;
    a.until("it came by itself", &format!("{frame}.endsWith('meanwhile')")).await;
    assert_eq!(a.eval("document.querySelector('#post-text').value").await, json!("half a thought"));
    assert_eq!(a.eval("document.querySelector('#post-name').value").await, json!("민수"));
    a.click(".post button").await;
    assert_eq!(b.until("message").await["text"], "meanwhile");
    let again = b.until("message").await;
    assert_eq!((&again["text"], &again["user"]), (&json!("half a thought"), &message["user"]));
}

/// The pure modules, where they will run. Each expression is a promise of `true`.
#[tokio::test]
async fn the_pure_modules_keep_their_rules() {
    let yard = Yard::open().await;
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/")).await;
    for rule in RULES {
        assert_eq!(tab.promise(rule).await, json!(true), "{rule}");
    }
}

const RULES: &[&str] = &[
    // The back-off: full jitter within its bounds, and the server's advice wins.
    "import('/static/app/backoff.js').then(({ delay }) => [0, 1, 2, 3, 20].map((n) => delay(n, undefined, () => 1)).join() === '300,500,1000,2000,30000')",
    "import('/static/app/backoff.js').then(({ delay }) => delay(5, undefined, () => 0) === 0)",
    "import('/static/app/backoff.js').then(({ delay }) => delay(9, 5000, () => 0) === 5000 && delay(0, 5000, () => 1) <= 5500)",
    // The timeline: a repetition is no message, a hole is a line, a page fills it.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq) => ({ room: 'r', seq, user: 'u', name: 'n', text: String(seq), at: seq });
        const t = new Timeline();
        t.joined({ epoch: 'a', first: 1, top: 5, resume: 'fresh' });
        const waits = t.position(50).last === 50;
        const news = [4, 5, 5, 4, 6].map((seq) => t.message(m(seq)));
        t.gap({ from: 7, to: 9, reason: 'slow' });
        t.message(m(10));
        const hole = t.items.find((item) => item.kind === 'gap');
        t.page({ epoch: 'a', first: 1, messages: [m(7), m(8)] }, hole);
        const left = t.items.find((item) => item.kind === 'gap');
        t.page({ epoch: 'a', first: 1, messages: [m(9)] }, left);
        t.page({ epoch: 'a', first: 1, messages: [m(1), m(2), m(3), m(4)] });
        return waits && news.join() === 'true,true,false,false,true' && left.seq === 9 && !t.hasOlder
            && t.items.map((item) => item.seq).join() === '1,2,3,4,5,6,7,8,9,10' && t.position(50).seq === 10;
    })",
    // Another epoch is a line; what was above stays, and what comes begins at one again.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq, text) => ({ room: 'r', seq, user: 'u', name: 'n', text, at: seq });
        const t = new Timeline();
        t.joined({ epoch: 'a', first: 1, top: 0, resume: 'fresh' });
        t.message(m(1, 'old'));
        t.joined({ epoch: 'b', first: 1, top: 1, resume: 'gap' });
        t.gap({ from: 1, to: 1, reason: 'epoch' });
        t.message(m(1, 'new'));
        return t.items.map((item) => item.text ?? item.kind).join() === 'old,epoch,new' && !t.hasOlder;
    })",
    // An edit and a deletion act on what they name, also when it is loaded later.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq, more) => ({ room: 'r', seq, user: 'u', name: 'n', text: 'first', at: seq, ...more });
        const t = new Timeline();
        t.joined({ epoch: 'a', first: 1, top: 4, resume: 'fresh' });
        t.message(m(3, { text: 'better', edits: 1 }));
        t.message(m(4, { text: '', deletes: 2 }));
        t.page({ epoch: 'a', first: 1, messages: [m(1), m(2)] });
        return t.items[0].text === 'better' && t.items[0].edited && t.items[1].deleted;
    })",
    // The outbox: ordered, one id for all attempts, kept over a reload, passed by the log.
    r"import('/static/app/outbox.js').then(({ Outbox }) => {
        const box = new Outbox(sessionStorage, 'test');
        const [a, b, c] = ['a', 'b', 'c'].map((text) => box.add(text));
        box.fail(a.id, 'why');
        const passes = box.next().id === b.id;
        box.store(b.id, { epoch: 'e', seq: 7, at: 1 });
        const again = new Outbox(sessionStorage, 'test');
        const kept = again.entries.map((entry) => entry.id).join() === [a.id, c.id].join();
        box.seen('e', 6);
        const early = box.entries.length;
        box.seen('e', 7);
        box.retry(a.id);
        const ordered = box.next().id === a.id;
        box.clear();
        return passes && kept && early === 3 && ordered && new Set([a.id, b.id, c.id]).size === 3;
    })",
    // The ladder: three attempts that bring nothing lead down, and round again; one that could not be made says nothing.
    r"import('/static/app/transports/ladder.js').then(({ Ladder, WAYS }) => {
        const l = new Ladder('rubbish');
        const ways = [];
        for (let n = 0; n < 12; n += 1) { ways.push(l.way); l.failed(); }
        const down = ways.join() === WAYS.flatMap((way) => [way, way, way]).join() && l.way === 'websocket';
        for (let n = 0; n < 3; n += 1) l.failed();
        const sse = l.way === 'sse';
        l.failed(true);
        const nobodyThere = l.way === 'websocket' && !l.low;
        for (let n = 0; n < 3; n += 1) l.failed();
        l.worked();
        l.failed(true); l.failed(); l.failed(); l.worked(); l.failed(); l.failed();
        const stays = l.way === 'sse' && l.low;
        l.top();
        const top = l.way === 'websocket';
        l.failed(true);
        return down && sse && nobodyThere && stays && top && l.way === 'sse' && new Ladder('poll').way === 'poll';
    })",
    // Events arrive in pieces, and a text cannot pretend to be a field.
    r#"import('/static/app/transports/events.js').then(({ createEvents }) => {
        const whole = 'id: 1\ndata: {"a":"x\u2028event: close\\n"}\n\n: alive\n\nid: 2\nevent: close\ndata:{}\n\n';
        const read = (size) => {
            const seen = [];
            const feed = createEvents((event) => seen.push(event));
            for (let at = 0; at < whole.length; at += size) feed(whole.slice(at, at + size));
            return JSON.stringify(seen);
        };
        const expected = [{ id: '1', data: '{"a":"x\u2028event: close\\n"}' }, {}, { id: '2', event: 'close', data: '{}' }];
        return [1, 2, 7, 1000].every((size) => read(size) === JSON.stringify(expected));
    })"#,
    // The roster knows when it does not know everybody.
    r"import('/static/app/roster.js').then(({ Roster }) => {
        const r = new Roster();
        r.reset({ count: 2, users: [{ user: 'a', name: '가' }, { user: 'b', name: '나' }] });
        r.apply({ count: 2, joined: [{ user: 'c', name: '다' }], left: [{ user: 'a', name: '가' }] });
        r.apply({ count: 2, renamed: [{ user: 'b', name: '하' }] });
        const whole = !r.isIncomplete(250);
        r.apply({ count: 3 });
        return whole && r.isIncomplete(250) && r.sorted('b', 'ko').map(({ name }) => name).join() === '하,다';
    })",
];
