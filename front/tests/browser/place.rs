//! Who reads above the end stays where they are, and pages come and go around them.

use serde_json::json;

use crate::yard::Yard;

/// Looks in each frame how far the first row in sight has moved: when everything else that belongs to the frame is done, in
/// the manner that such things are done.
pub(crate) const WATCH: &str = "((scroller) => {
        const { top } = scroller.getBoundingClientRect();
        const rows = [...document.querySelectorAll('li.message')];
        window.first = rows.find((row) => row.getBoundingClientRect().bottom > top).dataset.seq;
        const place = () => document.querySelector(`[data-seq=\"${first}\"]`)?.getBoundingClientRect().top ?? NaN;
        const before = place();
        window.moved = 0;
        window.frames = 0;
        const probe = document.createElement('div');
        probe.style.position = 'fixed';
        document.body.append(probe);
        new ResizeObserver(() => {
            const off = Math.abs(place() - before);
            if (!(off <= moved)) moved = off;
            frames += 1;
        }).observe(probe);
        (function look() {
            probe.style.width = probe.style.width === '1px' ? '2px' : '1px';
            requestAnimationFrame(look);
        })();
        return true;
    })(document.querySelector('#scroller'))";

/// Where a message is on the screen, in pixels.
fn place(seq: u64) -> String {
    format!("document.querySelector('li.message[data-seq=\"{seq}\"]').getBoundingClientRect().top")
}

#[tokio::test]
async fn two_pages_up_two_hundred_messages_move_nothing_and_are_counted() {
    let yard = Yard::open_with_back(&["--sends-per-second", "0"]).await;
    let a = yard.join("Ada", "dev").await;
    let mut b = yard.client("dev").await;
    // Rows of different heights, from two people, so that nothing can be right by chance.
    let text = |n: usize| format!("{n}{}", "\nanother line".repeat(n % 4));
    let mut c = yard.client("dev").await;
    for n in (0..120).step_by(6) {
        b.say_all((n..n + 3).map(text)).await;
        c.say_all((n + 3..n + 6).map(text)).await;
    }
    a.until_said(&text(119)).await;
    a.until("two pages are above", "document.querySelector('#scroller').scrollTop > 2 * innerHeight").await;
    a.eval("document.querySelector('#scroller').scrollTop -= 2 * document.querySelector('#scroller').clientHeight")
        .await;
    a.until("it knows", "document.querySelector('#below').hidden === false").await;

    a.eval(WATCH).await;
    b.say_all((120..220).map(text)).await;
    c.say_all((220..320).map(text)).await;
    a.until_said(&text(319)).await;
    a.until("all are counted", "document.querySelector('#below').textContent === '↓ 200 new messages'").await;
    a.until("it was looked at", "frames > 10").await;
    assert_eq!(a.eval("moved").await, json!(0));

    a.click("#below").await;
    a.until("it is at the bottom", "document.querySelector('#below').hidden").await;
    let end = "document.querySelector('#messages').lastElementChild.getBoundingClientRect().bottom <= document.querySelector('#composer').getBoundingClientRect().top";
    assert_eq!(a.eval(end).await, json!(true));
}

#[tokio::test]
async fn who_reads_above_is_not_moved() {
    let yard = Yard::open().await;
    let a = yard.join("Ada", "dev").await;
    let b = yard.join("Bo", "dev").await;
    // Lines of one message are enough to fill the screen, and no limit of messages is met.
    let tall = "document.querySelector('#box').value = Array(60).fill('line').join('\\n'), document.querySelector('#composer').requestSubmit()";
    a.eval(tall).await;
    b.until("it is long", "document.querySelector('#scroller').scrollHeight > 1500").await;
    let place = "document.querySelector('#scroller').scrollTop";
    b.until("it is at the bottom", &format!("{place} > 500")).await;
    b.eval(&format!("{place} = 100")).await;
    b.until("the way down is offered", "document.querySelector('#below').hidden === false").await;
    a.say("below").await;
    b.until("it is counted", "document.querySelector('#below').textContent === '↓ 1 new message'").await;
    assert_eq!(b.eval(place).await, json!(100));
    b.click("#below").await;
    b.until("it is at the bottom", "document.querySelector('#below').hidden === true").await;
}

#[tokio::test]
async fn older_messages_come_by_a_button_and_move_nothing() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
    let mut b = yard.client("dev").await;
    for n in 1..=120 {
        b.say(&n.to_string()).await;
    }
    let a = yard.join("Ada", "dev").await;
    a.until_said("120").await;
    assert_eq!(a.texts().await.first().map(String::as_str), Some("71"));
    a.eval("document.querySelector('#scroller').scrollTop = 0").await;
    a.until("it knows", "document.querySelector('#below').hidden === false").await;
    let place = "Math.round(document.querySelector('li.message[data-seq=\"73\"]').getBoundingClientRect().top)";
    let before = a.eval(place).await;
    // By script: a driver would scroll to the button first.
    a.eval("document.querySelector('#older').click()").await;
    a.until("the first one is there", "document.querySelector('li.message[data-seq=\"1\"]') !== null").await;
    assert_eq!(a.eval(place).await, before);
    assert_eq!(a.eval("document.querySelector('#older').hidden").await, json!(true));
    assert_eq!(a.texts().await.len(), 120);
}

#[tokio::test]
async fn five_thousand_messages_are_paged_through_with_few_rows_and_no_movement() {
    // The other one only speaks before and after, and paging takes its time.
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0", "--dead-after", "600"]).await;
    let mut other = yard.client("dev").await;
    let text = |n: u64| if n.is_multiple_of(7) { format!("{n} {}", "wide ".repeat(80)) } else { n.to_string() };
    other.say_all((1..=5_000).map(text)).await;
    let tab = yard.join("Ada", "dev").await;
    tab.until_said("4999").await;

    // Up, as fast as pages come: the row that is looked at stays where it is, however many come and go around it.
    let page = "const first = () => Number(document.querySelector('li.message').dataset.seq);
        const last = () => Number([...document.querySelectorAll('li.message')].at(-1).dataset.seq);
        const scroller = document.querySelector('#scroller');
        const until = async (done) => {
            const end = performance.now() + 20000;
            while (!done()) {
                if (performance.now() > end) throw `never: ${first()} to ${last()}, ${document.querySelector('.gap')?.textContent}`;
                await new Promise((go) => setTimeout(go, 1));
            }
        };
        let moved = 0, most = 0;
        const step = async (go, done) => {
            const middle = innerHeight / 2;
            const rows = [...document.querySelectorAll('li.message')];
            const row = rows.find((row) => row.getBoundingClientRect().top > middle - 100);
            const was = row.getBoundingClientRect().top;
            go();
            await until(done);
            moved = Math.max(moved, Math.abs(row.getBoundingClientRect().top - was));
            most = Math.max(most, document.querySelectorAll('#messages > li').length);
        };";
    let up = format!(
        "(async () => {{ {page}
        for (let n = 0; n < 5 && first() > 1; n += 1) {{
            scroller.scrollTop = 0;
            const was = first();
            await step(() => document.querySelector('#older').click(), () => first() < was);
        }}
        return [moved, most <= 1500, first()] }})()"
    );
    // In pieces: a driver waits for no script longer than half a minute.
    loop {
        let told = tab.promise(&up).await;
        assert_eq!([&told[0], &told[1]], [&json!(0), &json!(true)], "{told}");
        if told[2] == 1 {
            break;
        }
    }
    let last = "Number([...document.querySelectorAll('li.message')].at(-1).dataset.seq)";
    assert_eq!(tab.eval(&format!("{last} < 1600")).await, json!(true));

    // What is said now is below a hole, and counted.
    other.say("live").await;
    tab.until("it is counted", "document.querySelector('#below').textContent === '↓ 1 new message'").await;
    let down = format!(
        "(async () => {{ {page}
        for (let n = 0; n < 5; n += 1) {{
            scroller.scrollTop = scroller.scrollHeight;
            const was = last();
            await step(() => document.querySelector('.gap.cut button').click(), () => last() > was);
        }}
        return [moved, most <= 1500, first() > 400, last()] }})()"
    );
    let down = tab.promise(&down).await;
    assert_eq!(down.as_array().map(|told| &told[..3]), Some(&[json!(0), json!(true), json!(true)][..]), "{down}");

    // The button leads to the live end, whatever lies between.
    tab.click("#below").await;
    tab.until_said("live").await;
    tab.until("it is at the end", "document.querySelector('#below').hidden").await;
    other.say("after").await;
    tab.until_said("after").await;
    tab.until("it is in sight", &format!("{} < innerHeight", place(5_002))).await;
    let rows = "document.querySelectorAll('#messages > li').length <= 1500";
    assert_eq!(tab.eval(rows).await, json!(true));
}

#[tokio::test]
async fn scrolling_alone_loads_what_is_near() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0"]).await;
    let mut other = yard.client("dev").await;
    other.say_all((1..=400).map(|n| n.to_string())).await;
    let tab = yard.join("Ada", "dev").await;
    tab.until_said("400").await;
    tab.until(
        "the first one is there",
        "(document.querySelector('#scroller').scrollTop = 0, document.querySelector('li.message[data-seq=\"1\"]') !== null)",
    )
    .await;
    let all: Vec<String> = (1..=400).map(|n| n.to_string()).collect();
    assert_eq!(tab.texts().await, all);
}
