//! Hangul: what is written by an input method arrives whole and once, and is found again. Input methods end a syllable on
//! Enter in different orders: one of them writes here itself, the others are played by the browser's own protocol.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::yard::{InputMethod, Tab, Yard};

/// A key's event. `text` makes it one that writes.
async fn key(tab: &Tab, kind: &str, key: &str, code: u32, text: &str, shift: bool) {
    let mut event = json!({ "type": kind, "key": key, "code": "Enter", "windowsVirtualKeyCode": code });
    event["modifiers"] = json!(if shift { 8 } else { 0 });
    if !text.is_empty() {
        event["text"] = json!(text);
    }
    tab.devtools("Input.dispatchKeyEvent", &event).await;
}

async fn compose(tab: &Tab, steps: &[&str]) {
    for text in steps {
        tab.devtools("Input.imeSetComposition", &json!({ "text": text, "selectionStart": 1, "selectionEnd": 1 })).await;
    }
}

/// An Enter in the middle of a syllable.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// The syllable ends between the key's going down and what it writes: ibus, and Chrome on macOS.
    Between,
    /// The same, but the key that goes down is said to be the input method's: Windows.
    Processed,
    /// The syllable ends before the key is told at all: Safari.
    Before,
    /// Nobody ends the syllable: some touch keyboards, and hosts without an input method.
    Never,
}

/// Presses Enter while `syllable` is being composed.
async fn enter(tab: &Tab, syllable: &str, order: Order, shift: bool) {
    let commit = json!({ "text": syllable });
    match order {
        Order::Between | Order::Processed => {
            let (name, code) = if matches!(order, Order::Between) { ("Enter", 13) } else { ("Process", 229) };
            key(tab, "rawKeyDown", name, code, "", shift).await;
            tab.devtools("Input.insertText", &commit).await;
            key(tab, "char", "Enter", 13, "\r", shift).await;
        }
        Order::Before => {
            tab.devtools("Input.insertText", &commit).await;
            key(tab, "keyDown", "Enter", 13, "\r", shift).await;
        }
        Order::Never => key(tab, "keyDown", "Enter", 13, "\r", shift).await,
    }
    key(tab, "keyUp", "Enter", 13, "", shift).await;
}

#[tokio::test]
async fn enter_in_a_syllable_sends_it_whole_and_once_in_whatever_order_it_ends() {
    let yard = Yard::open().await;
    let a = yard.join("민수", "dev").await;
    let mut said = Vec::new();
    for (n, order) in [Order::Between, Order::Processed, Order::Before, Order::Never].into_iter().enumerate() {
        a.type_text(&format!("{n} 안")).await;
        compose(&a, &["ㄴ", "녀", "녕"]).await;
        enter(&a, "녕", order, false).await;
        said.push(format!("{n} 안녕"));
        a.until_said(&said[n]).await;
        assert_eq!(a.eval("document.querySelector('#box').value").await, "", "{order:?} left something behind");
    }
    // Whatever else was sent would stand before this.
    a.say("끝").await;
    a.until_said("끝").await;
    said.push("끝".to_owned());
    assert_eq!(a.texts().await, said);
}

#[tokio::test]
async fn enter_that_only_ends_a_composition_sends_nothing() {
    let yard = Yard::open().await;
    let a = yard.join("Hana", "dev").await;
    // A Japanese or Chinese input method takes the first Enter for itself.
    compose(&a, &["k", "か", "可"]).await;
    key(&a, "rawKeyDown", "Process", 229, "", false).await;
    a.devtools("Input.insertText", &json!({ "text": "可" })).await;
    key(&a, "keyUp", "Enter", 13, "", false).await;
    a.type_text("!").await;
    assert_eq!(a.eval("document.querySelector('#box').value").await, "可!");
    key(&a, "keyDown", "Enter", 13, "\r", false).await;
    a.until_said("可!").await;
    assert_eq!(a.texts().await, ["可!"]);
}

#[tokio::test]
async fn shift_and_enter_in_a_syllable_make_a_line() {
    let yard = Yard::open().await;
    let a = yard.join("민수", "dev").await;
    for (n, order) in [Order::Between, Order::Processed, Order::Before, Order::Never].into_iter().enumerate() {
        a.type_text("한").await;
        compose(&a, &["ㄱ", "그", "글"]).await;
        enter(&a, "글", order, true).await;
        a.until("there is a second line", "document.querySelector('#box').value === '한글\\n'").await;
        a.type_text(&format!("둘째 {n}")).await;
        key(&a, "keyDown", "Enter", 13, "\r", false).await;
        a.until_said(&format!("한글\n둘째 {n}")).await;
    }
    let lines: Vec<String> = (0..4).map(|n| format!("한글\n둘째 {n}")).collect();
    assert_eq!(a.texts().await, lines);
}

#[tokio::test]
async fn a_name_in_jamo_is_the_name_in_syllables() {
    let yard = Yard::open().await;
    // As macOS writes file names: 민수 in its letters.
    let (nfd, nfc) = ("\u{1106}\u{1175}\u{11ab}\u{1109}\u{116e}", "민수");
    let a = yard.join(nfd, "회의").await;
    let b = yard.join(nfc, "\u{1112}\u{116c}\u{110b}\u{1174}").await;
    let names = "[...document.querySelectorAll('#people .author')].map((name) => name.textContent)";
    for tab in [&a, &b] {
        tab.until("both are here", "document.querySelectorAll('#people li').length === 2").await;
        assert_eq!(tab.eval(names).await, json!([nfc, nfc]));
        assert_eq!(tab.eval("document.querySelector('#my-name').value").await, nfc);
        assert_eq!(tab.eval("decodeURIComponent(location.pathname)").await, "/r/회의");
    }
    a.say("주간회의록을 올렸어요").await;
    b.until_said("주간회의록을 올렸어요").await;
    assert_eq!(b.eval("document.querySelector('li.message .author').textContent").await, nfc);

    // Two syllables inside a word, in either spelling.
    let mut c = yard.client("%ED%9A%8C%EC%9D%98").await;
    c.say("점심 먹어요").await;
    for wanted in ["회의", "\u{1112}\u{116c}\u{110b}\u{1174}"] {
        let page = c.ask(json!({ "type": "search", "room": "회의", "text": wanted }), "page").await;
        let found: Vec<&Value> = page["messages"].as_array().expect("messages").iter().collect();
        assert_eq!(found.len(), 1, "{page}");
        assert_eq!(found[0]["text"], "주간회의록을 올렸어요");
    }
}

/// Debian's ibus-hangul, with keys pressed on a keyboard.
#[tokio::test]
async fn hangul_written_with_ibus_is_sent_whole_and_once() {
    let input = match InputMethod::start() {
        Ok(input) => input,
        Err(missing) => {
            // Past the test harness, which keeps to itself what passing tests print.
            let _ =
                writeln!(io::stderr(), "hangul: no real input method was tried; these packages are missing: {missing}");
            return;
        }
    };
    let yard = Yard::open_with_input_method(&input).await;
    let a = yard.join("민수", "dev").await;
    let place = "(({ x, y }) => [screenX + (outerWidth - innerWidth) / 2 + x + 20, screenY + outerHeight - innerHeight + y + 20])(
        document.querySelector('#box').getBoundingClientRect())";
    let (x, y): (f64, f64) = serde_json::from_value(a.eval(place).await).expect("two numbers");
    input.click(x as i64, y as i64);
    let box_is = |text: &str| format!("document.querySelector('#box').value === {}", json!(text));

    // 안녕: the last syllable is not finished when Enter comes.
    input.press(&["shift+space", "d", "k", "s", "s", "u", "d"]);
    a.until("it is written", &box_is("안녕")).await;
    input.press(&["Return"]);
    a.until_said("안녕").await;
    a.until("nothing is left", &box_is("")).await;

    // 한글, a line, 글: Shift and Enter inside a syllable.
    input.press(&["g", "k", "s", "r", "m", "f", "shift+Return", "r", "m", "f"]);
    a.until("there are two lines", &box_is("한글\n글")).await;
    input.press(&["Return"]);
    a.until_said("한글\n글").await;

    // Quickly one after the other.
    input.press(&["s", "p", "Return", "d", "m", "d", "Return", "r", "m", "f", "o", "Return"]);
    a.until_said("그래").await;
    a.say("end").await;
    a.until_said("end").await;
    assert_eq!(a.texts().await, ["안녕", "한글\n글", "네", "응", "그래", "end"]);
}
