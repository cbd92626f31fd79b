//! What one does with messages beyond sending them: answering, editing, taking back.

use fantoccini::key::Key;
use serde_json::json;

use crate::{
    acts::{key, row},
    yard::Yard,
};

#[tokio::test]
async fn an_answer_says_what_it_answers_and_leads_there() {
    let (yard, wire) = Yard::open_over_a_wire(&[]).await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    a.say("Who brings the cake?").await;
    b.until_said("Who brings the cake?").await;
    b.act(1, "reply").await;
    b.until_reads("#about-text", "Reply to Ada: Who brings the cake?").await;
    b.until_focused("#box").await;
    b.press(&key(Key::Escape)).await;
    b.until("the line is gone", "document.querySelector('#about').hidden").await;

    // What is written while the link is away keeps it too, over a reload.
    b.act(1, "reply").await;
    b.press("I").await;
    b.reload().await;
    b.until_reads("#about-text", "Reply to Ada: Who brings the cake?").await;
    b.until_link("open").await;
    wire.cut();
    b.until_link("closed").await;
    b.say(" do").await;
    b.until_reads("li.message[data-state=pending] .quote", "Ada Who brings the cake?").await;
    b.reload().await;
    wire.mend();
    for tab in [&a, &b] {
        tab.until_said("I do").await;
        tab.until_reads(&format!("{} .quote", row(2)), "Ada Who brings the cake?").await;
    }
    assert_eq!(b.eval("document.querySelector('#about').hidden").await, true);
    b.click(&format!("{} .quote", row(2))).await;
    b.until_led_to(1).await;
    assert_eq!(b.eval("location.hash").await, "#m1");
    // The same once more, where the address does not change.
    b.eval("document.querySelector('.found').classList.remove('found')").await;
    b.click(&format!("{} .quote", row(2))).await;
    b.until_led_to(1).await;

    a.act(1, "delete").await;
    a.click("dialog button[value=yes]").await;
    b.until_reads(&format!("{} .quote", row(2)), "Ada This message was deleted").await;
}

#[tokio::test]
async fn an_edit_puts_the_draft_aside_and_is_never_lost() {
    let (yard, wire) = Yard::open_over_a_wire(&[]).await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    a.say("helo").await;
    a.until_said("helo").await;
    b.say("theirs").await;
    a.until_said("theirs").await;
    a.type_text("half a thought").await;
    a.act(1, "edit").await;
    a.until_box("helo").await;
    a.until_reads("#about-text", "Editing: helo").await;
    // Another's message cannot be changed.
    a.point_at(&format!("{} .text", row(2))).await;
    a.until("the toolbar is there", "document.querySelector('[data-seq=\"2\"] [data-key=reply]') !== null").await;
    assert_eq!(a.eval("document.querySelector('[data-seq=\"2\"] [data-key=edit]')").await, json!(null));
    // Neither a reload nor Escape loses the draft.
    a.type_text("!").await;
    a.reload().await;
    a.until_box("helo!").await;
    a.until_reads("#about-text", "Editing: helo").await;
    a.type_text(&key(Key::Escape)).await;
    a.until_box("half a thought").await;
    a.say("").await;
    a.until_said("half a thought").await;

    // Up in an empty box is the last own message. An edit waits for the link like a message, and arrives once.
    a.type_text(&key(Key::Up)).await;
    a.until_box("half a thought").await;
    wire.cut();
    a.until_link("closed").await;
    a.say(" of mine").await;
    a.until_box("").await;
    a.until_reads(&format!("{} .text", row(3)), "half a thought of mine").await;
    a.until_reads(&format!("{} .fate", row(3)), "Will send when you are back online").await;
    a.reload().await;
    a.until_reads("li.message[data-state=pending] .text", "half a thought of mine").await;
    wire.mend();
    for tab in [&a, &b] {
        tab.until_reads(&format!("{} .text", row(3)), "half a thought of mine").await;
        tab.until_reads(&format!("{} .edited", row(3)), "edited").await;
    }
    a.until("nothing waits", "document.querySelector('.fate, li.message[data-id]') === null").await;
    assert_eq!(a.texts().await, ["helo", "theirs", "half a thought of mine"]);
}

#[tokio::test]
async fn a_refused_edit_keeps_its_text() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    a.say("short").await;
    a.until_said("short").await;
    a.type_text(&key(Key::Up)).await;
    a.until_box("short").await;
    a.eval("(document.querySelector('#box').value = 'x'.repeat(20000), document.querySelector('#composer').requestSubmit(), true)")
        .await;
    a.until_reads(&format!("{} .failed span", row(1)), "Not sent (It is too long. Send it in parts.)").await;
    a.click(&format!("{} .failed button:nth-of-type(2)", row(1))).await;
    a.until("it is in the box", "document.querySelector('#box').value.length === 20000").await;
    a.until_reads(&format!("{} .text", row(1)), "short").await;
    a.fill("#box", "longer").await;
    a.type_text(&key(Key::Enter)).await;
    a.until_reads(&format!("{} .text", row(1)), "longer").await;
    a.until_reads(&format!("{} .edited", row(1)), "edited").await;
}

#[tokio::test]
async fn who_takes_a_message_back_is_asked_once() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    a.say("secret").await;
    b.until_said("secret").await;
    a.act(1, "delete").await;
    a.until_reads("dialog p", "Delete this message for everybody?").await;
    a.press(&key(Key::Escape)).await;
    a.until("the question is gone", "document.querySelector('dialog[open]') === null").await;
    assert_eq!(a.texts().await, ["secret"]);
    a.act(1, "delete").await;
    a.until_focused("dialog button[value=yes]").await;
    a.press(&key(Key::Enter)).await;
    for tab in [&a, &b] {
        tab.until_reads(&format!("{} .text", row(1)), "This message was deleted").await;
    }
    // Nothing can be done with it any more, and the focus is where it was.
    a.until("the toolbar is gone", "document.querySelector('.actions') === null").await;
    a.until_focused(&row(1)).await;
}

#[tokio::test]
async fn a_conversation_needs_no_mouse() {
    let yard = Yard::open().await;
    let b = yard.join("Bo", "dev").await;
    let a = yard.join("Ada", "dev").await;
    let [tab, enter, up, down, left, right, escape] =
        [Key::Tab, Key::Enter, Key::Up, Key::Down, Key::Left, Key::Right, Key::Escape].map(key);
    for text in ["one", "two", "three"] {
        b.say(text).await;
    }
    a.until_said("three").await;
    a.until_focused("#box").await;
    a.press(&format!("hello{enter}")).await;
    a.until_said("hello").await;

    // From the box back to the messages.
    a.press(&format!("\u{e008}{tab}")).await;
    a.until_focused("#scroller").await;
    a.press(&up).await;
    a.until_focused(&row(4)).await;
    a.press(&up).await;
    a.press(&up).await;
    a.press(&down).await;
    a.until_focused(&row(3)).await;
    a.press(&enter).await;
    a.until_focused(&format!("{} [data-key=reply]", row(3))).await;
    a.press(&left).await;
    a.until_focused(&format!("{} [data-key=link]", row(3))).await;
    a.press(&right).await;
    a.press(&enter).await;
    a.until_focused("#box").await;
    a.press(&format!("yes{enter}")).await;
    b.until_reads(&format!("{} .quote", row(5)), "Bo three").await;
    b.until_said("yes").await;
    a.until_said("yes").await;

    a.press(&up).await;
    a.until_box("yes").await;
    a.press(&format!(", please{enter}")).await;
    b.until_reads(&format!("{} .text", row(5)), "yes, please").await;
    a.until_reads(&format!("{} .edited", row(5)), "edited").await;

    // The quote in the last message comes first on the way back. Tab leads to the toolbar as well.
    a.press(&format!("\u{e008}{tab}")).await;
    a.until_focused(&format!("{} .quote", row(5))).await;
    a.press(&up).await;
    a.until_focused(&row(4)).await;
    for action in ["reply", "edit", "delete"] {
        a.press(&tab).await;
        a.until_focused(&format!("{} [data-key={action}]", row(4))).await;
    }
    a.press(&enter).await;
    a.until_focused("dialog button[value=yes]").await;
    a.press(&enter).await;
    b.until_reads(&format!("{} .text", row(4)), "This message was deleted").await;
    a.until_focused(&row(4)).await;
    a.press(&escape).await;
    a.until_focused("#box").await;

    a.press(&format!("/search two{enter}")).await;
    a.until_reads("#search mark", "two").await;
    a.press(&tab).await;
    a.press(&tab).await;
    a.until_focused(".found-list a").await;
    a.press(&enter).await;
    a.until_led_to(2).await;
    a.press(&escape).await;
    a.until_focused("#box").await;
}

#[tokio::test]
async fn what_came_before_its_answer_is_shown_once() {
    let (yard, wire) = Yard::open_over_a_wire(&[]).await;
    let a = yard.join("Ada", "dev").await;
    let watch = "(window.most = 0, new MutationObserver(() => { most = Math.max(most,
        [...document.querySelectorAll('li.message .text')].filter((text) => text.textContent === 'once').length) })
        .observe(document.querySelector('#messages'), { subtree: true, childList: true }), true)";
    a.eval(watch).await;
    let mut b = yard.client("dev").await;
    wire.deafen();
    a.say("once").await;
    assert_eq!(b.until("message").await["text"], "once");
    wire.cut();
    a.until_link("closed").await;
    wire.mend();
    a.until_said("once").await;
    a.until(
        "nothing waits",
        "document.querySelector('li.message[data-id]') === null && !sessionStorage.getItem('madang.outbox.dev')",
    )
    .await;
    assert_eq!(a.eval("most").await, 1);
    // A second one of the same words is another one.
    a.say("once").await;
    a.until("there are two", "document.querySelectorAll('li.message[data-seq]').length === 2").await;
}
