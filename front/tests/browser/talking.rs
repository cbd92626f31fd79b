//! People in a room: what they say, what they change, who they are said to be.

use serde_json::json;

use crate::yard::Yard;

#[tokio::test]
async fn two_tabs_talk_and_another_room_hears_nothing() {
    let yard = Yard::open_with_the_whole_browser().await;
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
