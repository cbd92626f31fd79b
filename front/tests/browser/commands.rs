//! Words after a slash, and what Tab makes of words.

use fantoccini::key::Key;

use crate::{acts::key, yard::Yard};

#[tokio::test]
async fn commands_do_what_they_say_and_others_go_to_nobody() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    a.say("/password hunter2").await;
    a.until_box("/password hunter2").await;
    a.until("it says so", "document.querySelector('#note p')?.textContent.startsWith('There is no command /password')")
        .await;
    a.say("").await;
    a.fill("#box", "/shrug it is").await;
    a.type_text(&key(Key::Enter)).await;
    a.click("#note .note-text button").await;
    b.until_said("/shrug it is").await;
    a.until_box("").await;
    a.say("//help is a command").await;
    b.until_said("/help is a command").await;
    a.say("/ㅡㄷ waves").await;
    b.until_said("Ada waves").await;
    b.until("it is an action", "document.querySelector('li.message.does .author')?.textContent === 'Ada'").await;
    // Nothing else was said.
    assert_eq!(b.texts().await, ["/shrug it is", "/help is a command", "Ada waves"]);

    a.say("/ㅗ디ㅔ").await;
    a.until("there is help", "document.querySelector('dialog[open]')?.textContent.includes('/topic')").await;
    a.press(&key(Key::Escape)).await;
    a.say("/who").await;
    a.until("both are named", "document.querySelector('#note').innerText.includes('Ada · Bo')").await;
    a.say("/topic").await;
    a.until("there is none", "document.querySelector('#note').innerText.includes('This room has no topic.')").await;
    a.say("/name 에이다").await;
    a.until_reads("#hint", "You are 에이다 now").await;
    b.until(
        "the new name is seen",
        "[...document.querySelectorAll('#people .author')].some((name) => name.textContent === '에이다')",
    )
    .await;
    a.say("/clear").await;
    a.until("the view is empty", "document.querySelector('li.message') === null").await;
    assert_eq!(a.eval("document.querySelector('#empty').hidden").await, true);
    a.say("after").await;
    a.until_said("after").await;
    assert_eq!(a.texts().await, ["after"]);
    a.click("#older").await;
    a.until_said("/shrug it is").await;
    assert_eq!(a.texts().await.len(), 4);

    a.say("/join #마당").await;
    a.until("it is the other room", "location.pathname === '/r/%EB%A7%88%EB%8B%B9'").await;
    a.until_link("open").await;
    a.say("/leave").await;
    a.until("it is the start", "location.pathname === '/'").await;
}

#[tokio::test]
async fn tab_puts_in_names_rooms_and_commands_or_leads_on() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let _b = yard.join("김민수", "dev").await;
    let _c = yard.join("김민지", "dev").await;
    a.until("all are here", "document.querySelectorAll('#people li').length === 3").await;
    let tab = key(Key::Tab);
    a.type_text("hi @기").await;
    a.press(&tab).await;
    a.until_box("hi @김민수 ").await;
    a.until_reads("#hint", "@김민수 · 1 of 2: @김민수 @김민지").await;
    a.press(&tab).await;
    a.until_box("hi @김민지 ").await;
    a.press(&format!("\u{e008}{tab}")).await;
    a.until_box("hi @김민수 ").await;
    // Whoever has what they wanted goes on: to the button, as everywhere.
    a.press(&key(Key::Escape)).await;
    a.press(&tab).await;
    a.until_focused("#send").await;
    assert_eq!(a.eval("document.querySelector('#box').value").await, "hi @김민수 ");
    for (typed, completed) in [("/se", "/search "), ("/ㄴㄷ", "/search "), ("#de", "#dev "), ("@rlaalsw", "@김민지 ")]
    {
        a.fill("#box", typed).await;
        a.press(&tab).await;
        a.until_box(completed).await;
        // There is no other one.
        a.press(&tab).await;
        a.until_focused("#send").await;
    }
    a.fill("#box", "@nobody").await;
    a.press(&tab).await;
    a.until_focused("#send").await;
    assert_eq!(a.eval("document.querySelector('#box').value").await, "@nobody");
}
