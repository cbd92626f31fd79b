//! What one does with messages beyond sending them: answering, editing, taking back, finding, and the words after a slash.

use std::time::{Duration, Instant};

use fantoccini::key::Key;
use serde_json::json;

use crate::yard::{Tab, Yard};

/// Many times what a click takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn key(key: Key) -> String {
    char::from(key).to_string()
}

/// The row of a stored message, as a selector.
fn row(seq: u64) -> String {
    format!("li.message[data-seq='{seq}']")
}

impl Tab {
    /// Points at a message and presses one of its buttons.
    async fn act(&self, seq: u64, action: &str) {
        self.until(
            &format!("message {seq} is there"),
            &format!("document.querySelector({}) !== null", json!(format!("{} .text", row(seq)))),
        )
        .await;
        // A row may be made anew between pointing and clicking, and its buttons with it.
        let deadline = Instant::now() + PATIENCE;
        let button = format!("{} [data-key={action}]", row(seq));
        loop {
            self.point_at(&format!("{} .text", row(seq))).await;
            let Err(why) = self.try_click(&button).await else { return };
            assert!(Instant::now() < deadline, "{button}: {why}");
        }
    }

    /// Waits until an element says this.
    async fn until_reads(&self, selector: &str, text: &str) {
        let condition = format!("document.querySelector({})?.textContent === {}", json!(selector), json!(text));
        self.until(&format!("{selector} reads {text:?}"), &condition).await;
    }

    async fn until_focused(&self, selector: &str) {
        let condition = format!("document.activeElement?.matches({}) === true", json!(selector));
        self.until(&format!("{selector} has the focus"), &condition).await;
    }

    async fn until_box(&self, text: &str) {
        self.until("the box", &format!("document.querySelector('#box').value === {}", json!(text))).await;
    }

    /// A message is on the screen, and shown as the one that was looked for.
    async fn until_led_to(&self, seq: u64) {
        let condition = format!(
            "(() => {{ const row = document.querySelector({}); const box = row?.getBoundingClientRect();
             const seen = document.querySelector('#scroller').getBoundingClientRect();
             return row === document.activeElement && row.matches('.found') && box.top >= seen.top && box.bottom <= seen.bottom }})()",
            json!(row(seq))
        );
        self.until(&format!("message {seq} is shown"), &condition).await;
    }
}

#[tokio::test]
async fn an_answer_says_what_it_answers_and_leads_there() {
    let (yard, wire) = Yard::open_over_a_wire(&[]).await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    a.say("Who brings the cake?").await;
    b.until_said("Who brings the cake?").await;
    b.act(1, "reply").await;
    b.until_reads("#about-text", "Reply to Ada: Who brings the cake?").await;
    b.until_focused("#box").await;
    b.press(&key(Key::Escape)).await;
    b.until("the line is gone", "document.querySelector('#about').hidden").await;

    // What is written while the link is away keeps it too, over a reload.
    b.act(1, "reply").await;
    b.press("I").await;
    b.reload().await;
    b.until_reads("#about-text", "Reply to Ada: Who brings the cake?").await;
    b.until_link("open").await;
    wire.cut();
    b.until_link("closed").await;
    b.say(" do").await;
    b.until_reads("li.message[data-state=pending] .quote", "Ada Who brings the cake?").await;
    b.reload().await;
    wire.mend();
    for tab in [&a, &b] {
        tab.until_said("I do").await;
        tab.until_reads(&format!("{} .quote", row(2)), "Ada Who brings the cake?").await;
    }
    assert_eq!(b.eval("document.querySelector('#about').hidden").await, true);
    b.click(&format!("{} .quote", row(2))).await;
    b.until_led_to(1).await;
    assert_eq!(b.eval("location.hash").await, "#m1");
    // The same once more, where the address does not change.
    b.eval("document.querySelector('.found').classList.remove('found')").await;
    b.click(&format!("{} .quote", row(2))).await;
    b.until_led_to(1).await;

    a.act(1, "delete").await;
    a.click("dialog button[value=yes]").await;
    b.until_reads(&format!("{} .quote", row(2)), "Ada This message was deleted").await;
}

#[tokio::test]
async fn an_edit_puts_the_draft_aside_and_is_never_lost() {
    let (yard, wire) = Yard::open_over_a_wire(&[]).await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    a.say("helo").await;
    a.until_said("helo").await;
    b.say("theirs").await;
    a.until_said("theirs").await;
    a.type_text("half a thought").await;
    a.act(1, "edit").await;
    a.until_box("helo").await;
    a.until_reads("#about-text", "Editing: helo").await;
    // Another's message cannot be changed.
    a.point_at(&format!("{} .text", row(2))).await;
    a.until("the toolbar is there", "document.querySelector('[data-seq=\"2\"] [data-key=reply]') !== null").await;
    assert_eq!(a.eval("document.querySelector('[data-seq=\"2\"] [data-key=edit]')").await, json!(null));
    // Neither a reload nor Escape loses the draft.
    a.type_text("!").await;
    a.reload().await;
    a.until_box("helo!").await;
    a.until_reads("#about-text", "Editing: helo").await;
    a.type_text(&key(Key::Escape)).await;
    a.until_box("half a thought").await;
    a.say("").await;
    a.until_said("half a thought").await;

    // Up in an empty box is the last own message. An edit waits for the link like a message, and arrives once.
    a.type_text(&key(Key::Up)).await;
    a.until_box("half a thought").await;
    wire.cut();
    a.until_link("closed").await;
    a.say(" of mine").await;
    a.until_box("").await;
    a.until_reads(&format!("{} .text", row(3)), "half a thought of mine").await;
    a.until_reads(&format!("{} .fate", row(3)), "Will send when you are back online").await;
    a.reload().await;
    a.until_reads("li.message[data-state=pending] .text", "half a thought of mine").await;
    wire.mend();
    for tab in [&a, &b] {
        tab.until_reads(&format!("{} .text", row(3)), "half a thought of mine").await;
        tab.until_reads(&format!("{} .edited", row(3)), "edited").await;
    }
    a.until("nothing waits", "document.querySelector('.fate, li.message[data-id]') === null").await;
    assert_eq!(a.texts().await, ["helo", "theirs", "half a thought of mine"]);
}

#[tokio::test]
async fn a_refused_edit_keeps_its_text() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    a.say("short").await;
    a.until_said("short").await;
    a.type_text(&key(Key::Up)).await;
    a.until_box("short").await;
    a.eval("(document.querySelector('#box').value = 'x'.repeat(20000), document.querySelector('#composer').requestSubmit(), true)")
        .await;
    a.until_reads(&format!("{} .failed span", row(1)), "Not sent (It is too long. Send it in parts.)").await;
    a.click(&format!("{} .failed button:nth-of-type(2)", row(1))).await;
    a.until("it is in the box", "document.querySelector('#box').value.length === 20000").await;
    a.until_reads(&format!("{} .text", row(1)), "short").await;
    a.fill("#box", "longer").await;
    a.type_text(&key(Key::Enter)).await;
    a.until_reads(&format!("{} .text", row(1)), "longer").await;
    a.until_reads(&format!("{} .edited", row(1)), "edited").await;
}

#[tokio::test]
async fn who_takes_a_message_back_is_asked_once() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    a.say("secret").await;
    b.until_said("secret").await;
    a.act(1, "delete").await;
    a.until_reads("dialog p", "Delete this message for everybody?").await;
    a.press(&key(Key::Escape)).await;
    a.until("the question is gone", "document.querySelector('dialog[open]') === null").await;
    assert_eq!(a.texts().await, ["secret"]);
    a.act(1, "delete").await;
    a.until_focused("dialog button[value=yes]").await;
    a.press(&key(Key::Enter)).await;
    for tab in [&a, &b] {
        tab.until_reads(&format!("{} .text", row(1)), "This message was deleted").await;
    }
    // Nothing can be done with it any more, and the focus is where it was.
    a.until("the toolbar is gone", "document.querySelector('.actions') === null").await;
    a.until_focused(&row(1)).await;
}

#[tokio::test]
async fn a_link_leads_to_its_message_however_far_it_is() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
    let mut b = yard.client("dev").await;
    for n in 1..=220 {
        b.say(&n.to_string()).await;
    }
    b.change(30, None).await;
    let a = yard.browser.tab().await;
    a.goto(&yard.page("/r/dev?lang=en#m40")).await;
    a.until_led_to(40).await;
    // What lies between is a hole, and nothing is said twice or out of order.
    let order = "[...document.querySelectorAll('li.message')].map((row) => Number(row.dataset.seq)).every((seq, at, all) => !at || seq > all[at - 1])";
    a.until("there is a hole", "document.querySelector('li.gap') !== null").await;
    assert_eq!(a.eval(order).await, true);
    a.eval("void (location.hash = '#m30')").await;
    a.until_led_to(30).await;
    a.until_reads(&format!("{} .text", row(30)), "This message was deleted").await;
    a.eval("void (location.hash = '#m120')").await;
    a.until_led_to(120).await;
    assert_eq!(a.eval(order).await, true);
    // The event of a deletion is no row: it leads to what it changed.
    a.eval("void (location.hash = '#m221')").await;
    a.until_led_to(30).await;
    a.eval("void (location.hash = '#m9999')").await;
    a.until_reads("#alarm", "There is no such message in this room.").await;

    // All of it can be loaded, and fits together.
    while a.eval("document.querySelector('li.gap button') !== null").await == true {
        let holes = "document.querySelector('li.gap span').textContent";
        let before = a.eval(holes).await;
        a.eval("document.querySelector('li.gap button').click()").await;
        a.until("it became smaller", &format!("document.querySelector('li.gap') === null || {holes} !== {before}"))
            .await;
    }
    a.eval("document.querySelector('#older').click()").await;
    a.until("the first one is there", "document.querySelector('li.message[data-seq=\"1\"]') !== null").await;
    let expected: Vec<u64> = (1..=220).collect();
    let numbers = "[...document.querySelectorAll('li.message')].map((row) => Number(row.dataset.seq))";
    assert_eq!(a.eval(numbers).await, json!(expected));
    // A link can be taken along.
    a.devtools(
        "Browser.grantPermissions",
        &json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] }),
    )
    .await;
    a.act(220, "link").await;
    a.until_reads("#hint", "Link copied").await;
    assert_eq!(a.promise("navigator.clipboard.readText()").await, json!(yard.page("/r/dev#m220")));
    // Another language is the same place.
    a.eval("document.querySelector('a[hreflang=ko]').click()").await;
    a.until("the same place in Korean", "document.documentElement.lang === 'ko' && location.hash === '#m9999'").await;
}

#[tokio::test]
async fn what_was_said_is_found_and_led_to() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
    let mut b = yard.client("dev").await;
    b.say("주간회의록을 올렸어요").await;
    for n in 2..=100 {
        b.say(&format!("note {n}")).await;
    }
    let a = yard.join("Ada", "dev").await;
    a.until_said("note 100").await;
    a.type_text("/search 회의").await;
    a.type_text(&key(Key::Enter)).await;
    a.until_reads("#search [role=status]", "1 message").await;
    a.until_reads("#search mark", "회의").await;
    assert_eq!(a.eval("document.querySelector('#search .text').textContent").await, "주간회의록을 올렸어요");
    a.until_box("").await;
    a.click(".found-list a").await;
    a.until_led_to(1).await;

    a.press("\u{e009}\u{e008}F").await;
    a.until_focused("#search-field").await;
    a.fill("#search-field", "NOTE").await;
    a.press(&key(Key::Enter)).await;
    a.until_reads("#search [role=status]", "The newest 30 messages").await;
    assert_eq!(a.eval("document.querySelector('#search .text').textContent").await, "note 100");
    a.click("#search > button").await;
    a.until_reads("#search [role=status]", "The newest 60 messages").await;
    assert_eq!(
        a.eval("document.querySelectorAll('#search li')[59].querySelector('.text').textContent").await,
        "note 41"
    );
    for (query, said) in
        [("nothing such", "No message has “nothing such” in it."), ("?!", "Write at least one letter or digit.")]
    {
        a.fill("#search-field", query).await;
        a.press(&key(Key::Enter)).await;
        a.until_reads("#search [role=status]", said).await;
        assert_eq!(a.eval("document.querySelectorAll('#search li').length").await, 0);
    }
    a.press(&key(Key::Escape)).await;
    a.until("it is closed", "document.querySelector('dialog[open]') === null").await;
}

#[tokio::test]
async fn commands_do_what_they_say_and_others_go_to_nobody() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    a.say("/password hunter2").await;
    a.until_box("/password hunter2").await;
    a.until("it says so", "document.querySelector('#note p')?.textContent.startsWith('There is no command /password')")
        .await;
    a.say("").await;
    a.fill("#box", "/shrug it is").await;
    a.type_text(&key(Key::Enter)).await;
    a.click("#note .note-text button").await;
    b.until_said("/shrug it is").await;
    a.until_box("").await;
    a.say("//help is a command").await;
    b.until_said("/help is a command").await;
    a.say("/ㅡㄷ waves").await;
    b.until_said("Ada waves").await;
    b.until("it is an action", "document.querySelector('li.message.does .author')?.textContent === 'Ada'").await;
    // Nothing else was said.
    assert_eq!(b.texts().await, ["/shrug it is", "/help is a command", "Ada waves"]);

    a.say("/ㅗ디ㅔ").await;
    a.until("there is help", "document.querySelector('dialog[open]')?.textContent.includes('/topic')").await;
    a.press(&key(Key::Escape)).await;
    a.say("/who").await;
    a.until("both are named", "document.querySelector('#note').innerText.includes('Ada · Bo')").await;
    a.say("/topic").await;
    a.until("there is none", "document.querySelector('#note').innerText.includes('This room has no topic.')").await;
    a.say("/name 에이다").await;
    a.until_reads("#hint", "You are 에이다 now").await;
    b.until(
        "the new name is seen",
        "[...document.querySelectorAll('#people .author')].some((name) => name.textContent === '에이다')",
    )
    .await;
    a.say("/clear").await;
    a.until("the view is empty", "document.querySelector('li.message') === null").await;
    assert_eq!(a.eval("document.querySelector('#empty').hidden").await, true);
    a.say("after").await;
    a.until_said("after").await;
    assert_eq!(a.texts().await, ["after"]);
    a.click("#older").await;
    a.until_said("/shrug it is").await;
    assert_eq!(a.texts().await.len(), 4);

    a.say("/join #마당").await;
    a.until("it is the other room", "location.pathname === '/r/%EB%A7%88%EB%8B%B9'").await;
    a.until_link("open").await;
    a.say("/leave").await;
    a.until("it is the start", "location.pathname === '/'").await;
}

#[tokio::test]
async fn tab_puts_in_names_rooms_and_commands_or_leads_on() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let _b = yard.join("김민수", "dev").await;
    let _c = yard.join("김민지", "dev").await;
    a.until("all are here", "document.querySelectorAll('#people li').length === 3").await;
    let tab = key(Key::Tab);
    a.type_text("hi @기").await;
    a.press(&tab).await;
    a.until_box("hi @김민수 ").await;
    a.until_reads("#hint", "@김민수 · 1 of 2: @김민수 @김민지").await;
    a.press(&tab).await;
    a.until_box("hi @김민지 ").await;
    a.press(&format!("\u{e008}{tab}")).await;
    a.until_box("hi @김민수 ").await;
    // Whoever has what they wanted goes on: to the button, as everywhere.
    a.press(&key(Key::Escape)).await;
    a.press(&tab).await;
    a.until_focused("#send").await;
    assert_eq!(a.eval("document.querySelector('#box').value").await, "hi @김민수 ");
    for (typed, completed) in [("/se", "/search "), ("/ㄴㄷ", "/search "), ("#de", "#dev "), ("@rlaalsw", "@김민지 ")]
    {
        a.fill("#box", typed).await;
        a.press(&tab).await;
        a.until_box(completed).await;
        // There is no other one.
        a.press(&tab).await;
        a.until_focused("#send").await;
    }
    a.fill("#box", "@nobody").await;
    a.press(&tab).await;
    a.until_focused("#send").await;
    assert_eq!(a.eval("document.querySelector('#box').value").await, "@nobody");
}

#[tokio::test]
async fn a_conversation_needs_no_mouse() {
    let yard = Yard::open().await;
    let b = yard.join("Bo", "dev").await;
    let a = yard.join("Ada", "dev").await;
    let [tab, enter, up, down, left, right, escape] =
        [Key::Tab, Key::Enter, Key::Up, Key::Down, Key::Left, Key::Right, Key::Escape].map(key);
    for text in ["one", "two", "three"] {
        b.say(text).await;
    }
    a.until_said("three").await;
    a.until_focused("#box").await;
    a.press(&format!("hello{enter}")).await;
    a.until_said("hello").await;

    // From the box back to the messages.
    a.press(&format!("\u{e008}{tab}")).await;
    a.until_focused("#scroller").await;
    a.press(&up).await;
    a.until_focused(&row(4)).await;
    a.press(&up).await;
    a.press(&up).await;
    a.press(&down).await;
    a.until_focused(&row(3)).await;
    a.press(&enter).await;
    a.until_focused(&format!("{} [data-key=reply]", row(3))).await;
    a.press(&left).await;
    a.until_focused(&format!("{} [data-key=link]", row(3))).await;
    a.press(&right).await;
    a.press(&enter).await;
    a.until_focused("#box").await;
    a.press(&format!("yes{enter}")).await;
    b.until_reads(&format!("{} .quote", row(5)), "Bo three").await;
    b.until_said("yes").await;
    a.until_said("yes").await;

    a.press(&up).await;
    a.until_box("yes").await;
    a.press(&format!(", please{enter}")).await;
    b.until_reads(&format!("{} .text", row(5)), "yes, please").await;
    a.until_reads(&format!("{} .edited", row(5)), "edited").await;

    // The quote in the last message comes first on the way back. Tab leads to the toolbar as well.
    a.press(&format!("\u{e008}{tab}")).await;
    a.until_focused(&format!("{} .quote", row(5))).await;
    a.press(&up).await;
    a.until_focused(&row(4)).await;
    for action in ["reply", "edit", "delete"] {
        a.press(&tab).await;
        a.until_focused(&format!("{} [data-key={action}]", row(4))).await;
    }
    a.press(&enter).await;
    a.until_focused("dialog button[value=yes]").await;
    a.press(&enter).await;
    b.until_reads(&format!("{} .text", row(4)), "This message was deleted").await;
    a.until_focused(&row(4)).await;
    a.press(&escape).await;
    a.until_focused("#box").await;

    a.press(&format!("/search two{enter}")).await;
    a.until_reads("#search mark", "two").await;
    a.press(&tab).await;
    a.press(&tab).await;
    a.until_focused(".found-list a").await;
    a.press(&enter).await;
    a.until_led_to(2).await;
    a.press(&escape).await;
    a.until_focused("#box").await;
}

#[tokio::test]
async fn what_came_before_its_answer_is_shown_once() {
    let (yard, wire) = Yard::open_over_a_wire(&[]).await;
    let a = yard.join("Ada", "dev").await;
    let watch = "(window.most = 0, new MutationObserver(() => { most = Math.max(most,
        [...document.querySelectorAll('li.message .text')].filter((text) => text.textContent === 'once').length) })
        .observe(document.querySelector('#messages'), { subtree: true, childList: true }), true)";
    a.eval(watch).await;
    let mut b = yard.client("dev").await;
    wire.deafen();
    a.say("once").await;
    assert_eq!(b.until("message").await["text"], "once");
    wire.cut();
    a.until_link("closed").await;
    wire.mend();
    a.until_said("once").await;
    a.until(
        "nothing waits",
        "document.querySelector('li.message[data-id]') === null && !sessionStorage.getItem('madang.outbox.dev')",
    )
    .await;
    assert_eq!(a.eval("most").await, 1);
    // A second one of the same words is another one.
    a.say("once").await;
    a.until("there are two", "document.querySelectorAll('li.message[data-seq]').length === 2").await;
}

/// The pure modules. Each expression is a promise of `true`.
#[tokio::test]
async fn the_rules_of_writing_hold() {
    let yard = Yard::open().await;
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/")).await;
    for rule in RULES {
        assert_eq!(tab.promise(rule).await, json!(true), "{rule}");
    }
}

const RULES: &[&str] = &[
    // Keys of a two-set keyboard, of letters alone, of syllables, of syllables in parts.
    r"import('/static/app/keys.js').then(({ keysOf }) => ['ㅗ디ㅔ', 'ㅗ디ㅔ'.normalize('NFD'), '좨', 'ㅜ믇', 'ㄴㄷㅁㄱ초', '값', '쎘', 'Help']
        .map(keysOf).join() === 'help,help,who,name,search,rkqt,tpt,help')",
    // What a slash means.
    r"import('/static/app/commands.js').then(({ read }) => JSON.stringify(['hi', '//x', ' /moderator S', '/', '/ a', '/ME waves\nhi', '/ㅗ디ㅔ', '/usr/bin', 'a /help']
        .map(read)) === JSON.stringify([{ text: 'hi' }, { text: '/x' }, { command: 'moderator', rest: 'S' }, { text: '/' }, { text: '/ a' }, { command: 'me', rest: 'waves\nhi' },
        { command: 'help', rest: '' }, { unknown: '/usr/bin' }, { text: 'a /help' }]))",
    r"import('/static/app/commands.js').then(({ lineOf, read }) => ['hi', '/shrug', '//x', '/', '/help'].every((text) => read(lineOf(text)).text === text)
        && lineOf('/me waves') === '/me waves')",
    // What Tab finds: syllables in the making, letters alone, keys; each once, the literal ones first.
    r"import('/static/app/completion.js').then(({ complete }) => {
        const known = { names: ['기민', '김민수', 'Ada', 'Ada'], rooms: ['dev'], commands: ['help'] };
        const found = (text) => complete(text, known).words.join();
        return found('hi @김') === '@김민수,@기민' && found('@ㄱ') === '@기민,@김민수' && found('@rla') === '@기민,@김민수' && found('@a') === '@Ada'
            && found('/h') === '/help' && found('a /h') === '' && found('#') === '#dev' && found('Ada') === '' && found('') === ''
            && complete('hi @a', known).start === 3;
    })",
    // Where the words of a search are, as the server finds them.
    r"import('/static/app/marks.js').then(({ piecesOf, isQuery }) => {
        const marked = (text, query) => piecesOf(text, query).map(({ text, found }) => (found ? `[${text}]` : text)).join('');
        return marked('주간회의록, 회의', '회의') === '주간[회의]록, [회의]' && marked('회 의', '회의') === '회 의'
            && marked('Hello shell', 'HEL') === '[Hel]lo shell' && marked('v2.1 회의', 'v2회의') === '[v2].1 [회의]'
            && marked('😀 Straße', 'str') === '😀 [Str]aße' && marked('aaa', 'a') === '[a]aa' && marked('', 'a') === ''
            && marked('회의', '\u1112\u116c\u110b\u1174') === '[회의]' && !isQuery(' ?!😀') && isQuery('가');
    })",
    // What somebody does, and a text in one line.
    r"import('/static/app/text.js').then(({ actionOf, excerptOf }) => actionOf('/me waves\nx') === 'waves\nx' && actionOf('/me ') === ''
        && actionOf('/meow x') === '' && excerptOf('a\n\n b ') === 'a b' && excerptOf('😀'.repeat(200)) === `${'😀'.repeat(120)}…`)",
    // A page from far above is a piece of its own; one in a hole splits it; the pieces grow together.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq) => ({ room: 'r', seq, user: 'u', name: 'n', text: String(seq), at: seq });
        const page = (...seqs) => ({ epoch: 'a', first: 1, messages: seqs.map(m) });
        const t = new Timeline();
        const look = () => t.items.map((item) => (item.kind === 'gap' ? `${item.seq}-${item.to}` : item.seq)).join();
        t.joined({ epoch: 'a', first: 1, top: 50, resume: 'fresh' });
        for (const seq of [49, 50]) t.message(m(seq));
        const looks = [];
        // What is newer than what was delivered will be delivered.
        for (const next of [page(10, 11), page(20, 21), page(9, 10, 11, 12), page(50, 51)]) { t.page(next); looks.push(look()); }
        const hole = t.items.find((item) => item.kind === 'gap');
        t.page(page(14, 15), hole); looks.push(look());
        t.page(page(16, 17, 18, 19)); looks.push(look());
        return t.find(15).text === '15' && t.find(13) === undefined && t.before === 9 && JSON.stringify(looks) === JSON.stringify([
            '10,11,12-48,49,50', '10,11,12-19,20,21,22-48,49,50', '9,10,11,12,13-19,20,21,22-48,49,50', '9,10,11,12,13-19,20,21,22-48,49,50',
            '9,10,11,12,13-13,14,15,16-19,20,21,22-48,49,50', '9,10,11,12,13-13,14,15,16,17,18,19,20,21,22-48,49,50']);
    })",
    // An emptied view can be filled again, from its end.
    r"import('/static/app/timeline.js').then(({ Timeline }) => {
        const m = (seq) => ({ room: 'r', seq, user: 'u', name: 'n', text: String(seq), at: seq });
        const t = new Timeline();
        const empty = t.hasOlder;
        t.joined({ epoch: 'a', first: 1, top: 2, resume: 'fresh' });
        t.message(m(1)); t.message(m(2)); t.clear();
        const older = t.hasOlder && t.before === 3 && t.position(50).seq === 2;
        t.message(m(3));
        const rest = t.before;
        t.page({ epoch: 'a', first: 1, messages: [m(1), m(2)] });
        return !empty && older && rest === 3 && t.items.map(({ seq }) => seq).join() === '1,2,3' && !t.hasOlder;
    })",
    // A change is shown where it happens, a quote with what it says now; without its target each says so.
    r"import('/static/app/rows.js').then(({ makeRows }) => {
        const m = (seq, more) => ({ kind: 'message', epoch: 'a', version: 0, seq, user: 'u', name: 'n', text: `t${seq}`, at: 1, ...more });
        const own = [{ id: 'x', text: 'new', at: 1, state: 'pending', within: 'a', edits: 1 }, { id: 'y', text: 'far', at: 1, state: 'failed', within: 'a', edits: 9 },
            { id: 'z', text: 'old', at: 1, state: 'pending', within: 'b', edits: 1 }];
        const rows = makeRows([m(1), m(2, { reply_to: 1 }), m(3, { reply_to: 7 })], own, { user: 'u', name: 'n' }, '').filter(({ kind }) => kind !== 'day');
        return rows.map(({ key }) => key).join() === 'a:1,a:2,a:3,y,z' && rows[0].change.id === 'x' && !rows[1].change
            && rows[1].quote.name === 'n' && rows[1].quote.text === 't1' && rows[2].quote.seq === 7 && rows[2].quote.name === undefined;
    })",
    // A copy that comes before its answer hides what was sent, once; one that an answer told of hides nothing.
    r"import('/static/app/outbox.js').then(({ Outbox }) => {
        const box = new Outbox(sessionStorage, 'came');
        const [a, b] = ['x', 'x'].map((text) => box.add(text));
        box.came({ seq: 1, text: 'x' }, 'e');
        const unsent = !box.entries.some(({ here }) => here);
        box.tried(a.id);
        box.came({ seq: 2, text: 'y' }, 'e');
        box.store(b.id, { epoch: 'e', seq: 3, at: 1 });
        box.came({ seq: 3, text: 'x' }, 'e');
        const told = !box.entries.some(({ here }) => here);
        box.came({ seq: 4, text: 'x' }, 'e');
        const hidden = box.entries.filter(({ here }) => here).map(({ id }) => id).join() === a.id;
        const again = new Outbox(sessionStorage, 'came');
        box.clear();
        return unsent && told && hidden && !again.entries[0].here;
    })",
    // A number means nothing in another history: a change is refused, an answer is only a message.
    r"Promise.all([import('/static/app/sender.js'), import('/static/app/outbox.js')]).then(async ([{ createSender }, { Outbox }]) => {
        const outbox = new Outbox(sessionStorage, 'within');
        const asked = [];
        await new Promise((done) => {
            const request = async (message) => (asked.push(message), { epoch: 'new', seq: asked.length, at: 1 });
            const onSettled = () => outbox.next() || done();
            const sender = createSender({ outbox, room: 'r', request, onSettled, onWait: () => {} });
            for (const within of ['old', 'new']) {
                outbox.add('e', { within, edits: 1 }); outbox.add('', { within, deletes: 2 }); outbox.add('a', { within, reply_to: 3 });
            }
            sender.setReady('new');
        });
        const states = outbox.entries.map(({ state }) => state).join();
        outbox.clear();
        return states === 'failed,failed,stored,stored,stored,stored' && JSON.stringify(asked) === JSON.stringify([
            { type: 'send', room: 'r', text: 'a' }, { type: 'edit', room: 'r', seq: 1, text: 'e' }, { type: 'delete', room: 'r', seq: 2 },
            { type: 'send', room: 'r', text: 'a', reply_to: 3 }]);
    })",
    // What an entry is about stays with it.
    r"import('/static/app/outbox.js').then(({ Outbox }) => {
        const box = new Outbox(sessionStorage, 'about');
        box.add('a', { within: 'e', reply_to: 3 });
        const again = new Outbox(sessionStorage, 'about');
        box.clear();
        return again.next().reply_to === 3 && again.next().within === 'e';
    })",
];
