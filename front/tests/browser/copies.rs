//! Two tabs are two people, and a copy of a tab is a third.

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
