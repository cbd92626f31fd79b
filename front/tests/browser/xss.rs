//! Nothing that somebody writes becomes anything else than text: hundreds of attempts, by every way to the page.

use serde_json::json;

use crate::yard::{Tab, Yard};

/// What browsers have been tricked with.
const ATTEMPTS: &str = r##"[
    '<script>pwned()</script>', '<script src=//a.b/x></script>', '<ScRiPt>pwned()</sCrIpT>', '</script><script>pwned()</script>',
    '<!--<script>', '--><script>pwned()</script>', ']]><script>pwned()</script>', '<img src=x onerror=pwned()>', '<img/src=x/onerror=pwned()>',
    '<img src="x`onerror=pwned()`">', '<svg onload=pwned()>', '<svg/onload=pwned()//', '<svg><script>pwned()</script></svg>', '<svg><a xlink:href="javascript:pwned()"><text>x</text></a></svg>',
    '<svg><animate onbegin=pwned() attributeName=x dur=1s>', '<math href="javascript:pwned()">x</math>', '<iframe src="javascript:pwned()">', '<iframe srcdoc="<script>pwned()</script>">',
    '<body onload=pwned()>', '<input autofocus onfocus=pwned()>', '<details open ontoggle=pwned()>', '<video><source onerror=pwned()>', '<audio src=x onerror=pwned()>',
    '<object data="javascript:pwned()">', '<embed src="javascript:pwned()">', '<form action="javascript:pwned()"><button>x</button></form>', '<button formaction=javascript:pwned()>x',
    '<base href="//a.b/">', '<meta http-equiv=refresh content="0;url=javascript:pwned()">', '<link rel=stylesheet href=//a.b>', '<style>*{background:url(//a.b)}</style>',
    '<a href="javascript:pwned()">x</a>', '<a href=" javascript:pwned()">x</a>', '<a href="java\tscript:pwned()">x</a>', '<a href="data:text/html,<script>pwned()</script>">x</a>',
    '<template><script>pwned()</script></template>', '<noscript><p title="</noscript><img src=x onerror=pwned()>">', '<textarea><script>pwned()</script>', '</textarea><script>pwned()</script>',
    '</title><script>pwned()</script>', '</noscript><script>pwned()</script>', '</style><script>pwned()</script>', '<xmp><script>pwned()</script>', '<plaintext>',
    '" onmouseover="pwned()', "' onmouseover='pwned()", '"><img src=x onerror=pwned()>', "'><img src=x onerror=pwned()>", '`><img src=x onerror=pwned()>',
    '&lt;script&gt;pwned()&lt;/script&gt;', '&#60;script&#62;pwned()', '&#x3c;script>', '\\u003cscript\\u003epwned()', '%3Cscript%3Epwned()%3C/script%3E', '\u2028pwned()\u2029', '\ufeff<script>pwned()</script>',
    '{{7*7}}', '{% raw %}', '{{ data | safe }}', '${pwned()}', '#{pwned()}', '<%= pwned() %>', '__proto__', 'constructor', '{"__proto__":{"pwned":1}}',
    '[x](javascript:pwned())', '[x](JaVaScRiPt:pwned())', '[x](java\nscript:pwned())', '[x]( javascript:pwned())', '[x](data:text/html;base64,PHNjcmlwdD4=)', '[x](vbscript:x)', '[x](https://a.b"onmouseover="pwned())',
    '[x](https://a.b/ "t" onclick=pwned())', '![x](https://a.b/x.png)', '[<img src=x onerror=pwned()>](https://a.b)', '[x]: javascript:pwned()', '<javascript:pwned()>', '<https://a.b/"onclick=pwned()>',
    'javascript:pwned()', 'javascript://a.b/%0apwned()', 'https://a.b/"onmouseover="pwned()', "https://a.b/'onmouseover='pwned()", 'https://a.b/<script>pwned()</script>', 'https://javascript:pwned()@a.b', 'http://javascript:pwned()',
    'mailto:a@b.c?body=<script>', 'mailto:"<script>pwned()</script>"@a.b', 'data:text/html,<script>pwned()</script>', 'blob:https://a.b/x', 'file:///etc/passwd', 'filesystem:https://a.b/x', 'view-source:https://a.b',
    '@<script>pwned()</script>', '#<script>pwned()</script>', '#javascript:pwned()', '#../../x', '```"><img src=x onerror=pwned()>\nx\n```', '```html\n<script>pwned()</script>\n```', '```__proto__\nx\n```', '```../../app/main\nx\n```', '```constructor\nx\n```',
    '> <script>pwned()</script>', '- <img src=x onerror=pwned()>', '**<script>pwned()</script>**', '`<script>pwned()</script>`', '~~<svg onload=pwned()>~~', '\\<script>pwned()</script>',
]"##;

const SECRET: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// `printf %s AAAAAAAAAAAAAAAAAAAAAA | sha256sum`
const MODERATOR: &str = "mo=8a5bdb4cc15164126c6ef2668de9dd240d299ce6397a42c95a9411b93d080ed8";

/// Runs before anything else in every page: what must not happen is noted.
const WATCH: &str = "window.happened = [];
    window.pwned = () => happened.push('a script ran');
    for (const name of ['alert', 'confirm', 'prompt', 'open', 'print']) window[name] = () => happened.push(name);
    addEventListener('securitypolicyviolation', ({ violatedDirective, sample }) => happened.push(`${violatedDirective} ${sample}`));";

/// Everything in the list that is not allowed there.
const AUDIT: &str = r"(() => {
    const elements = new Set('ol li span div p time a code pre b mark strong em del blockquote ul button'.split(' '));
    const attributes = new Set('class title dir datetime href target rel tabindex data-seq data-user data-state data-id style type id'.split(' '));
    const bad = [...(window.happened ?? [])];
    if (Object.prototype.pwned) bad.push('a prototype');
    for (const node of document.querySelectorAll('#messages *, .said *, .found-list *, #topic *')) {
        if (!elements.has(node.localName)) bad.push(`<${node.localName}>`);
        for (const { name, value } of node.attributes) {
            if (!attributes.has(name) && !name.startsWith('aria-')) bad.push(`${node.localName} ${name}`);
            if (name === 'style' && !/^--hue: \d+;$/.test(value)) bad.push(`style ${value}`);
        }
    }
    for (const link of document.querySelectorAll('a, area, form, iframe, img, link')) {
        const to = link.href || link.action || link.src || '';
        if (to && !/^(https?|mailto):/.test(to) && !(link.localName === 'img' && to.startsWith('data:'))) bad.push(to);
    }
    const scripts = [...document.scripts].filter(({ src, type }) => type !== 'application/json' && !src.startsWith(location.origin + '/static/'));
    if (scripts.length) bad.push(`${scripts.length} scripts`);
    return bad.join(' · ');
})()";

async fn clean(tab: &Tab, where_: &str) {
    assert_eq!(tab.eval(AUDIT).await, "", "{where_}");
}

#[tokio::test]
async fn nothing_that_is_written_becomes_more_than_text() {
    let (yard, _wire) = Yard::open_over_a_wire(&["--sends-per-second", "0", "--moderator", MODERATOR]).await;
    let live = yard.browser.tab().await;
    live.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": WATCH })).await;
    live.goto(&yard.page("/r/dev?lang=en")).await;
    live.until_link("open").await;

    // Each attempt as a name and as a text, bare and inside of others; said from a page of this server.
    let sender = yard.browser.tab().await;
    sender.goto(&yard.page("/?lang=en")).await;
    let prepare = format!(
        "(window.texts = {ATTEMPTS}.flatMap((text) => [text, `[${{text}}](https://a.b/${{text}}) \"'>${{text}}`]), texts.push('the last one'), texts.length)"
    );
    let count = sender.eval(&prepare).await.as_u64().expect("a number");
    assert!(count > 200, "{count}");
    let scriptless = yard.browser.tab().await;
    scriptless.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": WATCH })).await;
    for from in (0..count).step_by(40) {
        let say = format!(
            "(async () => {{
                for (const text of texts.slice({from}, {from} + 40)) {{
                    const say = (name) => fetch('/api/rooms/dev/messages', {{ method: 'POST', headers: {{ 'Content-Type': 'application/json' }}, body: JSON.stringify({{ text, name }}) }});
                    // Some are no names: they are said by a guest.
                    const named = [...text.replace(/[\\p{{C}}\\u2028\\u2029]/gu, '')].slice(0, 32).join('');
                    if (!(await say(named)).ok && !(await say()).ok) return text;
                }}
                return 'said';
            }})()"
        );
        assert_eq!(sender.promise(&say).await, "said");
        // Without a script: the frame's page, and the page for browsers that know no frames.
        for page in ["/r/dev/live?lang=en", "/r/dev?lang=en"] {
            scriptless.goto(&yard.page(page)).await;
            clean(&scriptless, page).await;
        }
    }
    live.until_said("the last one").await;
    clean(&live, "live").await;
    assert_eq!(live.eval("document.querySelectorAll('#messages .message').length").await, json!(count));

    // As the room's topic.
    let mut moderator = yard.client("dev").await;
    moderator.ask(json!({ "type": "moderator", "secret": SECRET }), "ok").await;
    let lines = "texts.filter((text, n) => n % 2 === 0 && text.length < 200 && !/[\\p{C}\\u2028\\u2029]/u.test(text))";
    for line in sender.eval(lines).await.as_array().expect("a list") {
        moderator.ask(json!({ "type": "topic", "text": line }), "ok").await;
        live.until(
            "it is the topic",
            &format!("document.querySelector('#topic').textContent === ({line}).normalize('NFC')"),
        )
        .await;
        clean(&live, &format!("topic {line}")).await;
    }

    // Again, as history.
    let later = yard.browser.tab().await;
    later.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": WATCH })).await;
    later.goto(&yard.page("/r/dev?lang=ko")).await;
    later.until_link("open").await;
    while later.eval("document.querySelector('#older').hidden").await == json!(false) {
        let before = later.eval("document.querySelectorAll('#messages .message').length").await;
        later.eval("document.querySelector('#older').click()").await;
        later.until("more", &format!("document.querySelectorAll('#messages .message').length > {before} || document.querySelector('#older').hidden")).await;
    }
    clean(&later, "history").await;
    assert_eq!(later.eval("document.querySelectorAll('#messages .message').length").await, json!(count));
    assert_eq!(later.eval("document.querySelectorAll('img').length").await, json!(1), "the page's own");

    // As what was found, with every place marked that was looked for.
    for text in ["script", "pwned", "a.b"] {
        later
            .eval("(document.querySelector('dialog[open]')?.close(), document.querySelector('#open-search').click())")
            .await;
        later.until("the search is open", "document.querySelector('#search')?.open").await;
        later.fill("#search-field", text).await;
        later.eval("document.querySelector('#search form').requestSubmit()").await;
        later.until("it is found", "document.querySelectorAll('.found-list mark').length > 5").await;
        clean(&later, &format!("what was found of {text}")).await;
        later.eval("[...document.querySelectorAll('.found-list')].forEach((list) => list.replaceChildren())").await;
    }
    later.eval("document.querySelector('#search').close()").await;

    // As what is typed into an address: rooms, and the fields of the form.
    let addresses = "(() => texts.filter((_, n) => n % 12 === 0).flatMap((text) => {
        const room = encodeURIComponent([...text.replace(/[\\p{C}\\u2028\\u2029]/gu, '')].slice(0, 64).join('')).replace(/'/g, '%27');
        return [`/r/${room}`, `/?room=${room}&name=${room}`, `/join?room=%00${room}&name=${room}`];
    }))()";
    let addresses = sender.eval(addresses).await;
    for address in addresses.as_array().expect("a list") {
        let address = address.as_str().expect("a text");
        later.goto(&yard.page(address)).await;
        later.until("it is whole", "document.readyState === 'complete'").await;
        clean(&later, address).await;
    }
    // Some of these are no names of rooms, and their pages say so.
    for complaint in yard.browser.complaints() {
        assert!(complaint.contains("responded with a status of 400"), "{complaint}");
    }
}
