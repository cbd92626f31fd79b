//! Who one is: the same person after a reload; two tabs are two people, and a copy of a tab is a third.

use serde_json::json;

use crate::yard::Yard;

/// A window that a script opens gets a copy of the session storage, as a duplicated tab does.
const DUPLICATE: &str = "void window.open(location.href)";

#[tokio::test]
async fn what_a_tab_has_still_to_send_is_not_sent_by_its_copy() {
    let (yard, wire) = Yard::open_over_a_wire(&[]).await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    assert_ne!(a.user().await, b.user().await);
    let user = a.user().await;
    wire.cut();
    a.until_link("closed").await;
    a.say("written by the original").await;
    a.type_text("half a thought").await;
    a.eval(DUPLICATE).await;
    let copy = yard.browser.opened(&[&a, &b]).await;
    copy.until("the copy has a box", "document.querySelector('#send')?.disabled === false").await;
    assert_eq!(copy.eval("document.querySelectorAll('li.message').length").await, json!(0));
    assert_eq!(a.eval("document.querySelectorAll('li.message[data-state=pending]').length").await, json!(1));

    wire.mend();
    for tab in [&a, &b, &copy] {
        tab.until_said("written by the original").await;
    }
    copy.until("three are in the list", "document.querySelectorAll('#people li').length === 3").await;
    assert_ne!(copy.user().await, user);
    assert_eq!(a.user().await, user);
    let stored = yard.stored("dev");
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert_eq!(stored[0]["user"], user);

    // Both go on as who they are, reloads included.
    for (tab, text) in [(&a, "the original"), (&copy, "the copy")] {
        let before = tab.user().await;
        tab.reload().await;
        tab.until("the own name is in the list", "document.querySelector('#people .you') !== null").await;
        assert_eq!(tab.user().await, before);
        tab.fill("#box", text).await;
        tab.type_text("\u{e007}").await;
        b.until_said(text).await;
    }
    let mut users: Vec<_> = yard.stored("dev").iter().map(|message| message["user"].to_string()).collect();
    users.dedup();
    assert_eq!(users.len(), 2, "{users:?}");
}

#[tokio::test]
async fn a_reload_is_the_same_person() {
    let yard = Yard::open_with_the_whole_browser().await;
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
    let yard = Yard::open_with_the_whole_browser().await;
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
