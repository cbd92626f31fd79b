//! Moderators on the page, and those whom they act on.

use serde_json::json;

use crate::{
    signin::{PASSWORD, is_open, sign_in, with_accounts},
    yard::{Tab, Yard},
};

const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// `printf %s AAAAAAAAAAAAAAAAAAAAAA | sha256sum`
const FLAG: &str = "mo=8a5bdb4cc15164126c6ef2668de9dd240d299ce6397a42c95a9411b93d080ed8";

const BANNER: &str = "document.querySelector('#banner').innerText";

async fn open() -> (Yard, Tab, Tab) {
    let yard = Yard::open_with_back(&["--moderator", FLAG]).await;
    let mo = yard.join("Mona", "dev").await;
    let kim = yard.join("Kim", "dev").await;
    mo.say(&format!("/moderator {SECRET}")).await;
    mo.until("she is a moderator", "document.querySelector('#moderator-head').textContent === 'Moderator: mo'").await;
    (yard, mo, kim)
}

/// A moderator takes a message back.
async fn take_back(mo: &Tab, seq: u64) {
    let over = "dispatchEvent(new PointerEvent('pointerover', { bubbles: true, pointerType: 'mouse' }))";
    mo.eval(&format!("document.querySelector('li.message[data-seq=\"{seq}\"]').{over}")).await;
    mo.click(".actions [data-key=moderate]").await;
    mo.click("dialog.form button.primary").await;
}

/// A moderator opens the form about somebody from the list, chooses, and says why.
async fn act(mo: &Tab, what: &str, reason: &str) {
    mo.click("#people li .moderate").await;
    mo.click(&format!("dialog.form input[value={what}]")).await;
    mo.fill("dialog.form .field input", reason).await;
    mo.click("dialog.form button.primary").await;
    mo.until("it is done", "document.querySelector('dialog.form') === null").await;
}

/// A moderator sets how often one may speak.
async fn set_pace(mo: &Tab, seconds: u32) {
    mo.click("#change-rules").await;
    mo.until_there("dialog.form select").await;
    mo.eval(&format!("document.querySelector('dialog.form select').value = '{seconds}'")).await;
    mo.click("dialog.form button.primary").await;
    mo.until("it is done", "document.querySelector('dialog.form') === null").await;
}

async fn until_banner(tab: &Tab, words: &str) {
    let shown = format!("!document.querySelector('#banner').hidden && {BANNER}.includes({})", json!(words));
    tab.until(words, &shown).await;
}

#[tokio::test]
async fn a_moderators_secret_is_no_message_and_lasts_over_a_reload() {
    let (_yard, mo, kim) = open().await;
    mo.say("after it").await;
    kim.until_said("after it").await;
    assert_eq!(kim.texts().await, ["after it"]);
    assert_eq!(kim.eval("document.querySelectorAll('.moderate').length").await, json!(0), "it is nobody else's");
    mo.reload().await;
    mo.until("she still is", "document.querySelector('#moderator-head').textContent === 'Moderator: mo'").await;
    mo.until("she may act", "document.querySelectorAll('#people .moderate').length === 1").await;
    let rules = "[document.querySelector('#rules').hidden, document.querySelector('#topic').textContent].join()";
    assert_eq!(mo.eval(rules).await, "false,This room has no topic.", "she may set one");
    assert_eq!(kim.eval(rules).await, "true,");
    // Something unseen came along with it.
    kim.say("\u{200B}/moderator BBBBBBBBBBBBBBBBBBBBBB").await;
    let problem = "document.querySelector('#alarm').textContent";
    kim.until("he is none", &format!("{problem}.includes('no moderator')")).await;
    assert_eq!(mo.texts().await, ["after it"]);
    mo.click("#moderator-head").await;
    mo.click("#moderator-leave").await;
    mo.until("she is none any more", "document.querySelectorAll('.moderate').length === 0").await;
}

#[tokio::test]
async fn a_moderator_stays_one_over_a_refused_ticket_and_leaves_nothing_to_the_next_in_the_tab() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut yard = with_accounts(&folder, &["--guests", "no", "--moderator", FLAG]).await;
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/r/dev?lang=en")).await;
    sign_in(&tab, "kim", PASSWORD).await;
    is_open(&tab).await;
    tab.say(&format!("/moderator {SECRET}")).await;
    let is_moderator = "document.querySelector('#moderator-head').textContent === 'Moderator: mo'";
    tab.until("kim is a moderator", is_moderator).await;
    tab.eval("(window.whole = fetch, window.fetch = async () => Response.json({ ticket: 'of another time' }), true)")
        .await;
    yard.kill_back();
    yard.restart_back();
    let alarm = "document.querySelector('#alarm').textContent";
    tab.until(
        "the ticket is refused",
        &format!("{alarm} !== '' && document.querySelector('#status').dataset.state !== 'open'"),
    )
    .await;
    tab.eval("(window.fetch = whole, true)").await;
    is_open(&tab).await;
    tab.until("kim still is", is_moderator).await;

    tab.goto(&yard.page("/sign-in?lang=en")).await;
    tab.click("button.primary").await;
    tab.until("the desk", "document.querySelector('#password') !== null").await;
    tab.goto(&yard.page("/r/dev?lang=en")).await;
    sign_in(&tab, "lee", PASSWORD).await;
    is_open(&tab).await;
    assert_eq!(tab.eval("document.querySelector('#moderator-head').textContent").await, "Moderator");
    assert_eq!(tab.eval("sessionStorage.getItem('madang.moderator')").await, json!(null));
}

#[tokio::test]
async fn the_kicked_and_the_banned_see_why_and_a_reload_does_not_help_the_banned() {
    let (yard, mo, kim) = open().await;
    act(&mo, "kick", "calm down").await;
    until_banner(&kim, "A moderator ended this connection.").await;
    until_banner(&kim, "Reason: calm down").await;
    kim.reload().await;
    kim.until_link("open").await;
    mo.until("he is back", "document.querySelectorAll('#people .moderate').length === 1").await;

    act(&mo, "ban", "<b>spam</b>").await;
    until_banner(&kim, "A moderator has shut you out until ").await;
    until_banner(&kim, "Reason: <b>spam</b>").await;
    kim.reload().await;
    until_banner(&kim, "A moderator has shut you out until ").await;
    // Nor does another way.
    for way in ["sse", "longpoll", "poll"] {
        kim.eval(&format!("sessionStorage.setItem('madang.way', '{way}')")).await;
        kim.reload().await;
        until_banner(&kim, "Reason: <b>spam</b>").await;
        kim.until_link("closed").await;
    }
    mo.until("he has left", "document.querySelectorAll('#people li').length === 1").await;

    mo.click("#moderator-head").await;
    mo.click("#moderator-list").await;
    let listed = "(document.querySelector('.sanctions')?.innerText ?? '')";
    mo.until("it is listed", &format!("{listed}.startsWith('Kim: banned until')")).await;
    mo.click(".sanctions button").await;
    mo.until("it is lifted", "document.querySelectorAll('.sanctions li').length === 0").await;
    kim.click("#retry-now").await;
    kim.until_link("open").await;
    // Browsers write down every refusal.
    for complaint in yard.browser.complaints() {
        assert!(complaint.contains("/api/sessions - ") && complaint.contains("status of 403"), "{complaint}");
    }
}

#[tokio::test]
async fn a_moderator_takes_back_what_somebody_said() {
    let (_yard, mo, kim) = open().await;
    kim.say("spam").await;
    mo.until_said("spam").await;
    mo.say("mine").await;
    mo.until_said("mine").await;
    take_back(&mo, 1).await;
    for tab in [&mo, &kim] {
        let gone =
            "document.querySelector('li.message[data-seq=\"1\"] .text').textContent === 'This message was deleted'";
        tab.until("it is gone", gone).await;
    }
}

#[tokio::test]
async fn a_ban_reaches_a_page_without_websocket() {
    let (_yard, mo, kim) = open().await;
    for way in ["sse", "longpoll", "poll"] {
        kim.eval(&format!("sessionStorage.setItem('madang.way', '{way}')")).await;
        kim.reload().await;
        kim.until_link("open").await;
        act(&mo, "kick", way).await;
        until_banner(&kim, &format!("Reason: {way}")).await;
        mo.until("he has left", "document.querySelectorAll('#people li').length === 1").await;
        kim.reload().await;
        mo.until("he is back", "document.querySelectorAll('#people .moderate').length === 1").await;
    }
}

#[tokio::test]
async fn topic_pace_and_mutes_are_shown() {
    let (_yard, mo, kim) = open().await;
    mo.click("#change-rules").await;
    mo.fill("dialog.form .field input", "주간 회의").await;
    mo.eval("document.querySelector('dialog.form select').value = '30'").await;
    mo.click("dialog.form button.primary").await;
    for tab in [&mo, &kim] {
        tab.until("the topic", "document.querySelector('#topic').textContent === '주간 회의'").await;
        let pace = "document.querySelector('#pace').textContent";
        tab.until("the pace", &format!("{pace} === 'Slow mode: one message in 30 s'")).await;
    }
    kim.say("one").await;
    mo.until_said("one").await;
    kim.say("two").await;
    kim.until(
        "it says when",
        "document.querySelector('li.message[data-state=pending] .fate')?.textContent.startsWith('Sends in ')",
    )
    .await;
    set_pace(&mo, 0).await;
    kim.until("as fast as ever", "document.querySelector('#pace').textContent === ''").await;

    act(&mo, "mute", "spam").await;
    let muted = "document.querySelector('#pace').textContent";
    kim.until(
        "he knows",
        &format!("{muted}.startsWith('mo has muted you until ') && {muted}.endsWith('Reason: spam')"),
    )
    .await;
    assert_eq!(kim.eval("document.querySelector('#box').disabled").await, json!(false));
    kim.reload().await;
    kim.until("he knows it still", &format!("{muted}.startsWith('mo has muted you until ')")).await;
    kim.say("three").await;
    let fate = "(document.querySelector('.fate.failed')?.textContent ?? '')";
    kim.until("it was not sent", &format!("{fate}.includes('You are muted until ')")).await;
    mo.say("read on").await;
    kim.until_said("read on").await;
}

#[tokio::test]
async fn what_waits_in_slow_mode_is_sent_when_it_ends_or_its_writer_moderates() {
    let (yard, mo, kim) = open().await;
    set_pace(&mo, 3_600).await;
    kim.say("one").await;
    mo.until_said("one").await;
    kim.say("two").await;
    let waits = "document.querySelector('li.message[data-state=pending] .fate')?.textContent.startsWith('Sends in ')";
    kim.until("it waits", waits).await;
    set_pace(&mo, 0).await;
    mo.until_said("two").await;

    set_pace(&mo, 3_600).await;
    kim.say("three").await;
    kim.until("it waits", waits).await;
    // Out of the room with it.
    kim.goto(&yard.page("/r/other?lang=en")).await;
    kim.until_link("open").await;
    set_pace(&mo, 0).await;
    mo.until_said("three").await;

    kim.goto(&yard.page("/r/dev?lang=en")).await;
    kim.until_link("open").await;
    set_pace(&mo, 3_600).await;
    kim.say("four").await;
    kim.until("it waits", waits).await;
    kim.say(&format!("/moderator {SECRET}")).await;
    mo.until_said("four").await;
}
