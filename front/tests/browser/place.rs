//! Who reads above the end stays where they are.

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
