//! The ways by which the page hears and speaks, and where it is found.

use serde_json::json;

use crate::yard::Yard;

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
