//! A house that is closed to strangers, as a browser meets it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::yard::{Tab, Yard};

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789a";
pub(crate) const PASSWORD: &str = "a long way home";

/// A closed house with accounts for kim and lee.
pub(crate) async fn closed(folder: &tempfile::TempDir) -> Yard {
    with_accounts(folder, &["--guests", "no"]).await
}

/// A house with accounts for kim and lee, whose chat server gets these flags too.
pub(crate) async fn with_accounts(folder: &tempfile::TempDir, flags: &[&'static str]) -> Yard {
    let leak = |path: std::path::PathBuf| -> &'static str { path.to_string_lossy().into_owned().leak() };
    let (key, accounts) = (leak(folder.path().join("key")), leak(folder.path().join("accounts.json")));
    service::secret::write_new(key.as_ref(), KEY).expect("a key");
    for name in ["kim", "lee"] {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_front"))
            .args(["user", "add", name, "--accounts", accounts])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the tool");
        writeln!(tool.stdin.take().expect("its input"), "{PASSWORD}").expect("it reads");
        assert!(tool.wait().expect("its end").success());
    }
    let back: &'static [&'static str] = [&["--ticket-key", key], flags].concat().leak();
    Yard::open_closed(back, &["--ticket-key", key, "--accounts", accounts]).await
}

pub(crate) async fn sign_in(tab: &Tab, name: &str, password: &str) {
    tab.fill("#name", name).await;
    tab.fill("#password", password).await;
    tab.click("button.primary").await;
}

pub(crate) async fn is_open(tab: &Tab) {
    tab.until("the room is open", "document.querySelector('#status')?.dataset.state === 'open'").await;
}

#[tokio::test]
async fn one_signs_in_talks_on_two_tabs_and_is_out_of_both_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let yard = closed(&folder).await;
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/r/dev?lang=en")).await;
    sign_in(&tab, "kim", "wrong password").await;
    tab.until("the desk says no", "document.querySelector('#problem')?.textContent.includes('do not go together')")
        .await;
    assert_eq!(tab.eval("document.querySelector('#name').value").await, "kim");
    sign_in(&tab, "kim", PASSWORD).await;
    is_open(&tab).await;
    tab.until(
        "the account's name is in the list",
        "document.querySelector('#people .you')?.parentElement.textContent.includes('kim')",
    )
    .await;
    tab.say("from inside").await;
    // Another tab of the same person: both stay, and they are one in the room.
    let second = yard.browser.tab().await;
    second.goto(&yard.page("/r/dev")).await;
    is_open(&second).await;
    second.until("it has what was said", "document.body.textContent.includes('from inside')").await;
    is_open(&tab).await;
    assert_eq!(tab.eval("document.querySelectorAll('#people li').length").await, 1);
    // Out of one is out of both: it is one cookie.
    second.goto(&yard.page("/sign-in?lang=en")).await;
    second.until("who is signed in", "document.querySelector('.card strong')?.textContent === 'kim'").await;
    second.click("button.primary").await;
    second.until("the desk", "document.querySelector('#password') !== null").await;
    tab.until("the other tab is at the desk too", "document.querySelector('#password') !== null").await;
    assert_eq!(tab.eval("document.body.textContent.includes('from inside')").await, false);
    // Somebody else in the same tab is somebody else.
    sign_in(&tab, "lee", PASSWORD).await;
    is_open(&tab).await;
    tab.until("lee is there", "document.querySelector('#people .you')?.parentElement.textContent.includes('lee')")
        .await;
    // The browser tells of refusals, and of nothing else.
    let refusals = [("/sign-in", "403"), ("/api/ticket", "401")];
    for complaint in yard.browser.complaints() {
        let refused = |(path, status): &(&str, &str)| complaint.contains(path) && complaint.contains(status);
        assert!(refusals.iter().any(refused), "{complaint}");
    }
}

#[tokio::test]
async fn who_signed_in_is_no_guest_while_nobody_gives_tickets() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut yard = with_accounts(&folder, &["--guests", "yes"]).await;
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/r/dev?lang=en")).await;
    sign_in(&tab, "kim", PASSWORD).await;
    is_open(&tab).await;
    tab.say("before").await;
    tab.until_said("before").await;
    let asked = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/api/ticket')).length";
    tab.eval(&format!("(window.asked = {asked}, true)")).await;
    // Both go, and the chat server is back first.
    yard.kill_front();
    yard.kill_back();
    tab.until_link("closed").await;
    tab.say("meanwhile").await;
    yard.restart_back();
    tab.until(
        "it asked for tickets in vain, or came in without",
        &format!("{asked} > asked + 3 || document.querySelector('#status').dataset.state === 'open'"),
    )
    .await;
    assert_eq!(tab.eval("document.querySelector('#status').dataset.state").await, "closed");
    assert_eq!(yard.stored("dev").len(), 1, "nothing is said as somebody else");
    yard.restart_front();
    is_open(&tab).await;
    tab.until_said("meanwhile").await;
    let stored = yard.stored("dev");
    let said: Vec<_> = stored.iter().map(|message| (&message["name"], &message["text"])).collect();
    assert_eq!(said, [(&"kim".into(), &"before".into()), (&"kim".into(), &"meanwhile".into())]);
    assert_eq!(stored[0]["user"], stored[1]["user"]);
}
