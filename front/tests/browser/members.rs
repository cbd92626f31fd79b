//! A room for members alone, as a browser meets it: a link, the desk, the room, and out of it again.

use std::process::{Command, Output};

use crate::{
    signin::{PASSWORD, closed, is_open, sign_in},
    yard::Tab,
};

/// What an operator says while the server runs.
fn operate(folder: &tempfile::TempDir, args: &[&str]) -> String {
    let accounts = folder.path().join("accounts.json");
    let mut tool = Command::new(env!("CARGO_BIN_EXE_front"));
    tool.arg("room").args(args).arg("--accounts").arg(accounts);
    let Output { status, stdout, stderr } = tool.output().expect("the tool");
    assert!(status.success(), "{args:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

async fn until_refused(tab: &Tab) {
    tab.until(
        "the page says that there is no such room",
        "document.querySelector('h1')?.textContent === 'There is no such room'",
    )
    .await;
}

#[tokio::test]
async fn a_link_leads_in_by_the_desk_and_who_is_taken_out_is_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let yard = closed(&folder).await;
    operate(&folder, &["close", "*"]);
    operate(&folder, &["open", "lobby"]);
    let link = operate(&folder, &["invite", "staff", "--site", &yard.page("")]);
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/r/staff?lang=en")).await;
    sign_in(&tab, "kim", PASSWORD).await;
    until_refused(&tab).await;
    tab.goto(&yard.page("/sign-in")).await;
    tab.click("button.primary").await;
    tab.until("the desk", "document.querySelector('#password') !== null").await;
    tab.goto(link.trim()).await;
    sign_in(&tab, "kim", PASSWORD).await;
    is_open(&tab).await;
    assert_eq!(tab.eval("location.pathname").await, "/r/staff");
    tab.say("among ourselves").await;
    tab.until_all_is_sent().await;
    // The form leads to the rooms that one may enter, without a script too; nobody asks for a name.
    let start = yard.browser.tab().await;
    start.goto(&yard.page("/")).await;
    let names = "[...document.querySelectorAll('[aria-labelledby=own-rooms] .room-name')].map((name) => name.textContent).join()";
    assert_eq!(start.eval(names).await, "lobby,staff");
    assert_eq!(start.eval("document.querySelector('#name')").await, serde_json::Value::Null);
    start.until("the list of the chat server", "document.querySelector('#rooms')?.textContent.includes('staff')").await;
    // Taken out: the page goes, with everything that was on it.
    operate(&folder, &["remove", "staff", "kim"]);
    until_refused(&tab).await;
    assert_eq!(tab.eval("document.body.textContent.includes('among ourselves')").await, false);
    start.goto(&yard.page("/r/lobby")).await;
    is_open(&start).await;
    start.until("it is on no list any more", "!document.querySelector('#rooms').textContent.includes('staff')").await;
    // The browser tells of refusals, and of nothing else.
    for complaint in yard.browser.complaints() {
        assert!(complaint.contains("/r/staff") && complaint.contains("404"), "{complaint}");
    }
}

#[tokio::test]
async fn who_is_taken_out_of_a_room_with_a_long_name_is_out_too() {
    let room = "those-who-keep-the-house-by-the-river-and-the-garden-behind-it";
    let folder = tempfile::tempdir().expect("a folder");
    let yard = closed(&folder).await;
    operate(&folder, &["close", "*"]);
    operate(&folder, &["add", room, "kim"]);
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page(&format!("/r/{room}?lang=en"))).await;
    sign_in(&tab, "kim", PASSWORD).await;
    is_open(&tab).await;
    operate(&folder, &["remove", room, "kim"]);
    until_refused(&tab).await;
    for complaint in yard.browser.complaints() {
        assert!(complaint.contains(room) && complaint.contains("404"), "{complaint}");
    }
}
