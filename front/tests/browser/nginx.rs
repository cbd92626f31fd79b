//! Below /chat/ of a site, behind Debian's nginx with the very file that docs/operations.md recommends.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::yard::{Browser, Nginx, Tab, Yard};

/// A proxy that gathers an answer until a buffer is full holds the little that is said here back for ever; one that passes it
/// on takes milliseconds. Of several messages the middle one is no accident of a busy machine.
const PROMPT: Duration = Duration::from_secs(1);
const MESSAGES: usize = 5;

/// A tab that came in by the form, in English.
async fn join(browser: &Browser, nginx: &Nginx, name: &str) -> Tab {
    let tab = browser.tab().await;
    tab.goto(&format!("http://{}/chat/?lang=en", nginx.address)).await;
    tab.fill("#name", name).await;
    tab.fill("#room", "마당").await;
    tab.click("#join").await;
    tab.until_link("open").await;
    tab
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
async fn behind_nginx_two_tabs_talk_over_websocket() {
    let (yard, nginx) = Yard::open_behind_nginx().await;
    let a = join(&yard.browser, &nginx, "Ada").await;
    let b = join(&yard.browser, &nginx, "보라").await;
    for tab in [&a, &b] {
        assert_eq!(
            tab.eval("location.href").await,
            json!(format!("http://{}/chat/r/%EB%A7%88%EB%8B%B9", nginx.address))
        );
        tab.until("both are in the list", "document.querySelectorAll('#people li').length === 2").await;
        tab.until_way("WebSocket").await;
        // All that the page is made of came below the path, from the site itself.
        let parts =
            "performance.getEntriesByType('resource').map(({ name, responseStatus }) => [name, responseStatus])";
        let parts: Vec<(String, u16)> = serde_json::from_value(tab.eval(parts).await).expect("a list");
        let site = format!("http://{}/chat/", nginx.address);
        assert!(parts.iter().all(|(name, status)| name.starts_with(&site) && *status == 200), "{parts:?}");
        assert!(
            parts.iter().any(|(name, _)| name.ends_with(".js")) && parts.iter().any(|(name, _)| name.ends_with(".css"))
        );
    }
    a.say("안녕하세요").await;
    b.until_said("안녕하세요").await;
    b.say("Hello").await;
    a.until_said("Hello").await;

    a.reload().await;
    a.until_link("open").await;
    a.until_said("Hello").await;
    assert_eq!(a.texts().await, ["안녕하세요", "Hello"]);
    a.click(".brand").await;
    a.until("the room is listed", "document.querySelector('#rooms a')?.pathname === '/chat/r/%EB%A7%88%EB%8B%B9'")
        .await;
}

#[tokio::test]
async fn behind_nginx_events_take_over_where_websocket_is_refused_and_are_not_held_back() {
    let (yard, nginx) = Yard::open_behind_nginx_without_websocket().await;
    let a = join(&yard.browser, &nginx, "Ada").await;
    a.until_way("SSE").await;
    let mut b = yard.client("%EB%A7%88%EB%8B%B9").await;
    let mut times = Vec::new();
    for n in 0..MESSAGES {
        let text = format!("{n} to the page");
        let said = Instant::now();
        b.say(&text).await;
        a.until_said(&text).await;
        times.push(said.elapsed());
    }
    assert!(middle(times.clone()) < PROMPT, "{times:?}");
    a.say("from the page").await;
    a.until_said("from the page").await;
    while b.until("message").await["text"] != "from the page" {}
    assert_eq!(a.eval("document.querySelector('#way').textContent").await, "SSE");
}

#[tokio::test]
async fn behind_nginx_a_stream_of_lines_is_not_held_back() {
    let (yard, nginx) = Yard::open_behind_nginx().await;
    let url = format!("http://{}/chat/api/rooms/dev/stream?last=0", nginx.address);
    let mut b = yard.client("dev").await;
    let mut curl = Ended(
        Command::new("curl").args(["-sN", "--max-time", "30", &url]).stdout(Stdio::piped()).spawn().expect("curl"),
    );
    let lines = BufReader::new(curl.0.stdout.take().expect("piped")).lines();
    let mut lines = lines.map(|line| line.expect("a line")).filter(|line| !line.is_empty());
    let mut next = move || serde_json::from_str::<Value>(&lines.next().expect("a line")).expect("JSON");
    assert_eq!(next()["type"], "synced");
    let mut times = Vec::new();
    for n in 0..MESSAGES {
        let said = Instant::now();
        b.say(&n.to_string()).await;
        assert_eq!(next()["text"], n.to_string());
        times.push(said.elapsed());
    }
    assert!(middle(times.clone()) < PROMPT, "{times:?}");
}

#[tokio::test]
async fn behind_nginx_a_room_works_without_a_script() {
    let (yard, nginx) = Yard::open_behind_nginx().await;
    let mut b = yard.client("dev").await;
    let a = yard.browser.tab().await;
    a.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": true })).await;
    a.goto(&format!("http://{}/chat/r/dev?lang=en", nginx.address)).await;
    let frame = "[...(document.querySelector('iframe').contentDocument?.querySelectorAll('.text') ?? [])].map((text) => text.textContent).join()";
    for text in ["one", "two"] {
        a.fill("#post-name", "민수").await;
        a.fill("#post-text", text).await;
        a.click(".post button").await;
        let message = b.until("message").await;
        assert_eq!((&message["text"], &message["name"]), (&json!(text), &json!("민수")));
    }
    a.until("both are shown in the frame", &format!("{frame} === 'one,two'")).await;
    b.say("meanwhile").await;
    a.until("it came by itself", &format!("{frame} === 'one,two,meanwhile'")).await;
    assert_eq!(a.eval("location.pathname").await, "/chat/r/dev");
}

/// A program that is killed at the end.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
