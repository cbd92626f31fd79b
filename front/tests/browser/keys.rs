//! Keys that lead around, and the help that names them.

use serde_json::{Value, json};

use crate::yard::{Tab, Yard};

/// Presses keys as a keyboard does: `code` says where, `key` what an input method made of it.
async fn press(tab: &Tab, key: &str, code: &str, modifiers: u32) {
    let number = match code {
        "Enter" => 13,
        "Escape" => 27,
        "ArrowUp" => 38,
        "ArrowDown" => 40,
        _ => 0,
    };
    for kind in ["keyDown", "keyUp"] {
        let mut event =
            json!({ "type": kind, "key": key, "code": code, "modifiers": modifiers, "windowsVirtualKeyCode": number });
        if code == "Enter" && kind == "keyDown" {
            event["text"] = json!("\r");
        }
        tab.devtools("Input.dispatchKeyEvent", &event).await;
    }
}

const ALT: u32 = 1;

const CTRL: u32 = 2;

const SHIFT: u32 = 8;

#[tokio::test]
async fn keys_lead_from_room_to_room() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "a").await;
    for room in ["b", "c", "마당"] {
        tab.fill("#go", &format!("#{room}")).await;
        tab.click("#go-form button").await;
        tab.until("the room is open", &format!("decodeURIComponent(location.pathname) === '/r/{room}'")).await;
        tab.until_link("open").await;
    }
    let mut other = yard.client("b").await;
    other.say("news").await;
    tab.reload().await;
    tab.until("b has news", "document.querySelector('#rooms a[href=\"/r/b\"] .unread') !== null").await;
    let names = "[...document.querySelectorAll('#rooms .room-name')].map((name) => name.textContent)";
    assert_eq!(tab.eval(names).await, json!(["a", "b", "c", "마당"]));

    press(&tab, "ArrowUp", "ArrowUp", ALT).await;
    tab.until("the one before", "location.pathname === '/r/c'").await;
    tab.until("b has news still", "document.querySelector('#rooms a[href=\"/r/b\"] .unread') !== null").await;
    press(&tab, "ArrowDown", "ArrowDown", ALT | SHIFT).await;
    tab.until("the one with news", "location.pathname === '/r/b'").await;
    tab.until_said("news").await;

    // The switcher, with Hangul switched on.
    press(&tab, "ㅏ", "KeyK", CTRL).await;
    tab.until("it is open", "document.querySelector('dialog.switcher input') === document.activeElement").await;
    assert_eq!(tab.eval("[...document.querySelectorAll('[role=option] .room-name')].length").await, json!(4));
    press(&tab, "Escape", "Escape", 0).await;
    tab.until("it is closed", "document.querySelector('dialog') === null").await;
    assert_eq!(tab.eval("document.activeElement.id").await, json!("box"));
    press(&tab, "k", "KeyK", CTRL).await;
    tab.until("it is open", "document.querySelector('dialog.switcher input') === document.activeElement").await;
    tab.devtools("Input.insertText", &json!({ "text": "마" })).await;
    let chosen = "document.querySelector('[aria-selected=true] .room-name')?.textContent";
    tab.until("it is found", &format!("{chosen} === '마당'")).await;
    // Down to the new room of that name, and up again.
    press(&tab, "ArrowDown", "ArrowDown", 0).await;
    tab.until("a new one is offered", &format!("{chosen} === '마'")).await;
    press(&tab, "ArrowUp", "ArrowUp", 0).await;
    press(&tab, "Enter", "Enter", 0).await;
    tab.until("it is there", "decodeURIComponent(location.pathname) === '/r/마당'").await;
    tab.until_link("open").await;
    press(&tab, "k", "KeyK", CTRL).await;
    tab.until("it is open", "document.querySelector('dialog.switcher input') === document.activeElement").await;
    tab.devtools("Input.insertText", &json!({ "text": "new" })).await;
    press(&tab, "Enter", "Enter", 0).await;
    tab.until("it is made", "location.pathname === '/r/new'").await;

    // A room that is left is off the list, and the one that is looked at leads to the start.
    tab.until_link("open").await;
    tab.eval("document.querySelector('#rooms a[href=\"/r/c\"] + .forget').click()").await;
    assert_eq!(tab.eval(names).await, json!(["a", "b", "new", "마당"]));
    tab.eval("document.querySelector('#rooms [aria-current] + .forget').click()").await;
    tab.until("it is the start", "location.pathname === '/'").await;
    let kept = "Object.keys(JSON.parse(localStorage.getItem('madang.rooms'))).sort().join()";
    assert_eq!(tab.eval(kept).await, json!("a,b,마당"));
}

#[tokio::test]
async fn a_question_mark_helps_where_nobody_types() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    press(&tab, "?", "Slash", SHIFT).await;
    tab.type_text("?").await;
    assert_eq!(tab.eval("document.querySelector('dialog')").await, Value::Null);
    tab.eval("document.querySelector('#scroller').focus()").await;
    press(&tab, "?", "Slash", SHIFT).await;
    tab.until("it is open", "document.querySelector('dialog.help')?.textContent.includes('Shift+Enter')").await;
    assert_eq!(tab.eval("document.querySelector('dialog.help').textContent.includes('/search')").await, json!(true));
    press(&tab, "Escape", "Escape", 0).await;
    tab.until("it is closed", "document.querySelector('dialog') === null").await;
    assert_eq!(tab.eval("document.activeElement.id").await, json!("scroller"));
    tab.click("#help").await;
    tab.until("it is open", "document.querySelector('dialog.help') !== null").await;
    tab.click("dialog .icon").await;
    tab.until("it is closed", "document.querySelector('dialog') === null").await;
}
