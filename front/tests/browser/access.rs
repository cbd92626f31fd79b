//! What axe-core finds wrong for people who see, hear or move differently: nothing serious, on any page, in any of its
//! states, in both languages and both themes, wide and narrow.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::yard::{Tab, Yard};

/// Rules of WCAG 2.2 A and AA, and what axe-core calls good practice.
const RUN: &str = "axe.run(document, {
        resultTypes: ['violations'],
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
        rules: { 'target-size': { enabled: true } },
        iframes: false,
    }).then(({ violations, passes }) => ({
        ran: passes.length,
        wrong: violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) =>
            `${id}: ${nodes.map(({ html, any, all }) => `${html}\\n    ${[...any, ...all].map(({ message }) => message).join('; ')}`).join('\\n  ')}`),
    }))";

/// axe-core's script: a tool of these tests, which `scripts/test` fetches. `None` when it could not be had and was said so.
fn axe() -> Option<&'static str> {
    static AXE: OnceLock<Option<String>> = OnceLock::new();
    AXE.get_or_init(|| {
        let given = std::env::var_os("AXE");
        if given.as_ref().is_some_and(|given| given == "none") {
            // Past the test harness, which keeps to itself what passing tests print.
            let _ =
                writeln!(io::stderr(), "access: AXE=none; nobody looked whether the pages can be used by everybody");
            return None;
        }
        let test = std::env::current_exe().expect("the path of this test");
        let fetched = || test.ancestors().nth(3).expect("target/<profile>/deps/<test>").join("axe-core/axe.min.js");
        let path = given.map_or_else(fetched, PathBuf::from);
        let script = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!(
                "axe-core is not at {}: {error}. scripts/test fetches it; AXE names its path, AXE=none goes without",
                path.display()
            )
        });
        Some(script)
    })
    .as_deref()
}

/// The messages of a room without a script. What is live can only be asked for again and again there, which axe-core takes for a
/// limit of time; what is being written stands outside this frame and stays.
const LIVE: &str = "/r/dev/live";

const WIDE: u32 = 1280;
const NARROW: u32 = 400;

/// Both themes and both widths, shared between the languages so that each meets the others once.
fn views(lang: &str) -> [(&'static str, u32); 2] {
    if lang == "en" { [("light", WIDE), ("dark", NARROW)] } else { [("dark", WIDE), ("light", NARROW)] }
}

async fn narrow(tab: &Tab, width: u32) {
    let metrics = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
    tab.devtools("Emulation.setDeviceMetricsOverride", &metrics).await;
}

/// Looks at what a tab shows.
async fn look(tab: &Tab, what: &str, views: &[(&str, u32)]) {
    let Some(axe) = axe() else { return };
    // By the browser's own protocol: the page itself would rightly refuse a script that is not the server's.
    tab.devtools("Runtime.evaluate", &json!({ "expression": axe })).await;
    for &(theme, width) in views {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        tab.devtools("Emulation.setEmulatedMedia", &json!({ "features": features })).await;
        narrow(tab, width).await;
        // What slides and fades has arrived.
        tab.until("nothing moves", "document.getAnimations().every(({ playState }) => playState === 'finished')").await;
        let found = tab.promise(RUN).await;
        assert!(found["ran"].as_u64() > Some(5), "axe-core did not run: {found}");
        let mut wrong: Vec<&str> =
            found["wrong"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        wrong.retain(|wrong| what != LIVE || !wrong.starts_with("meta-refresh"));
        assert!(wrong.is_empty(), "{what}, {theme}, {width} px wide:\n{}", wrong.join("\n"));
    }
}

const LANGUAGES: [&str; 2] = ["en", "ko"];

#[tokio::test]
async fn the_form_and_the_pages_of_problems_are_for_everybody() {
    let yard = Yard::open().await;
    let _somebody = yard.client("dev").await;
    for lang in LANGUAGES {
        let tab = yard.browser.tab().await;
        tab.goto(&yard.page(&format!("/?lang={lang}"))).await;
        tab.until("the rooms are listed", "document.querySelector('#rooms a') !== null").await;
        look(&tab, "the form", &views(lang)).await;
        tab.goto(&yard.page("/about")).await;
        look(&tab, "/about", &views(lang)).await;
        // A name that cannot be, and a page that is not there.
        for problem in ["/join?name=%E2%80%8B&room=", "/nowhere"] {
            tab.goto(&yard.page(problem)).await;
            look(&tab, problem, &views(lang)).await;
        }
    }
    for complaint in yard.browser.complaints() {
        assert!(complaint.contains("the server responded with a status of 4"), "{complaint}");
    }
}

#[tokio::test]
async fn a_room_is_for_everybody_in_all_its_states() {
    for lang in LANGUAGES {
        let (yard, wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
        let tab = yard.browser.tab().await;
        tab.goto(&yard.page(&format!("/r/%EB%A7%88%EB%8B%B9?lang={lang}"))).await;
        tab.until("the empty room says what to do", "document.querySelector('#empty').hidden === false").await;
        look(&tab, "an empty room", &views(lang)).await;

        let mut crowd = Vec::new();
        for n in 0..12 {
            let mut client = yard.client("%EB%A7%88%EB%8B%B9").await;
            client.ask(json!({ "type": "name", "name": format!("사람 {n}") }), "ok").await;
            client.say_all([format!("{n}: https://example.org **bold** `code`"), format!("{n} again")]).await;
            crowd.push(client);
        }
        crowd[0].change(2, Some("edited")).await;
        crowd[0].change(1, None).await;
        tab.say("mine").await;
        tab.until_said("mine").await;
        look(&tab, "a room with messages", &views(lang)).await;
        for dialog in ["#help", "#switch", "#open-search"] {
            narrow(&tab, WIDE).await;
            // By script: what a driver aims at may still move, for the window has just become wide.
            tab.eval(&format!("document.querySelector('{dialog}').click()")).await;
            tab.until("it is open", "document.querySelector('dialog[open]') !== null").await;
            look(&tab, dialog, &views(lang)).await;
            tab.eval("document.querySelector('dialog[open]').close()").await;
        }
        tab.eval("document.querySelector('#scroller').scrollTop = 0").await;
        tab.until("the way down is offered", "document.querySelector('#below').hidden === false").await;
        crowd[1].say("below").await;
        tab.until_said("below").await;
        look(&tab, "a room, scrolled up", &views(lang)).await;

        // Refused, and then without a link.
        tab.eval("(document.querySelector('#box').value = 'x'.repeat(20000), document.querySelector('#composer').requestSubmit(), true)").await;
        tab.until("it is refused", "document.querySelector('li.message[data-state=failed]') !== null").await;
        wire.cut();
        tab.until("the banner is there", "document.querySelector('#banner').hidden === false").await;
        tab.say("waiting").await;
        tab.until("it waits", "document.querySelector('li.message[data-state=pending]') !== null").await;
        look(&tab, "a room without a link", &views(lang)).await;
        // The drawers of a narrow screen.
        for drawer in ["#open-rooms", "#open-people"] {
            narrow(&tab, NARROW).await;
            tab.click(drawer).await;
            look(&tab, drawer, &[("light", NARROW), ("dark", NARROW)]).await;
            tab.eval("document.querySelector('.side.opened .drawer-close').click()").await;
        }
    }
}

#[tokio::test]
async fn a_room_without_a_script_is_for_everybody() {
    let yard = Yard::open().await;
    let mut somebody = yard.client("dev").await;
    somebody.say_all(["one".to_owned(), "two".to_owned()]).await;
    for lang in LANGUAGES {
        let tab = yard.browser.tab().await;
        for path in [format!("/?lang={lang}"), format!("/r/dev?lang={lang}"), LIVE.to_owned()] {
            tab.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": true })).await;
            tab.goto(&yard.page(&path)).await;
            // What is read stays as it was read; axe-core needs its timers.
            tab.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": false })).await;
            if path.starts_with("/r/dev?") {
                tab.until(
                    "the form for no script is there",
                    "document.querySelector('.post button').checkVisibility()",
                )
                .await;
            }
            look(&tab, &path, &views(lang)).await;
        }
    }
}
