//! No page complains: what the tests' browser hears in every page of every test, and that it would hear it.

use crate::yard::Yard;

#[tokio::test]
async fn a_page_that_breaks_the_policy_stumbles_or_misses_a_part_is_heard() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    tab.eval("document.body.append(Object.assign(document.createElement('style'), { textContent: 'b {}' }))").await;
    tab.eval("(() => { try { document.body.innerHTML = '<b>'; } catch { return 'refused'; } })()").await;
    tab.eval("void setTimeout(() => { throw new Error('never caught'); })").await;
    tab.eval("void Promise.reject(new Error('nor this'))").await;
    tab.eval("void console.error('by itself')").await;
    tab.promise("fetch('/static/app/nothing.js')").await;
    let heard = yard.browser.complaints().join("\n");
    for words in ["inline style", "TrustedHTML", "never caught", "nor this", "by itself", "404"] {
        assert!(heard.contains(words), "{words:?} was not heard in\n{heard}");
    }
    assert_eq!(yard.browser.complaints(), [""; 0]);
}
