//! How texts are read and shown: a table of marks, texts made to take long, and what stands on the page.

use serde_json::{Value, json};

use crate::yard::{Tab, Yard};

/// Says something as a guest, over the API.
async fn post(tab: &Tab, text: &str) {
    let post = format!(
        "fetch('/api/rooms/dev/messages', {{ method: 'POST', headers: {{ 'Content-Type': 'text/plain' }}, body: {} }}).then(({{ ok }}) => ok)",
        json!(text)
    );
    assert_eq!(tab.promise(&post).await, true, "{text}");
}

/// Writes what was read: `strong(…)`, `link(address|text)`; blocks between bars.
const WRITER: &str = r"
    const line = (pieces) => pieces.map((piece) => {
        if (typeof piece === 'string') return piece;
        if (piece.kind === 'link') return `link(${piece.href}|${piece.text}${piece.host ? `|${piece.host}` : ''})`;
        if (piece.kind === 'room') return `room(${piece.room})`;
        return `${piece.kind}(${piece.inside ? line(piece.inside) : piece.name ?? piece.text})`;
    }).join('');
    const write = (blocks) => blocks.map((block) => {
        if (block.kind === 'text') return line(block.inline);
        if (block.kind === 'code') return `code:${block.lang}{${block.text}}`;
        if (block.kind === 'quote') return `quote{${write(block.blocks)}}`;
        return `list{${block.items.map(({ marker, blocks }) => `${marker} ${write(blocks)}`).join(';')}}`;
    }).join('|');
    const known = { people: new Set(['민수', 'Ann', 'Annabel', '김 철수']), rooms: new Set(['마당', 'dev']) };
";

/// What is typed, and what is read.
const TABLE: &[(&str, &str)] = &[
    ("hello", "hello"),
    ("two\nlines\n\nand a gap", "two\nlines\n\nand a gap"),
    // Emphasis.
    ("**강조**는 *a* _b_ __c__ ~~d~~", "strong(강조)는 em(a) em(b) strong(c) del(d)"),
    ("**\"인용\"**은 _강조_는", "strong(\"인용\")은 em(강조)는"),
    ("***f*** ___x___", "strong(em(f)) strong(em(x))"),
    ("**a *b* c** *a **b** c*", "strong(a em(b) c) em(a strong(b) c)"),
    ("**a *b** c*", "strong(a *b) c*"),
    ("*a *b*", "*a em(b)"),
    ("*a\nb*", "*a\nb*"),
    ("snake_case_name 2*3*4 2**3 >_< ^_^ ** * ****", "snake_case_name 2*3*4 2**3 >_< ^_^ ** * ****"),
    ("_a_ (_b_) -_-; o_O T_T ㅠ_ㅠ _ㅇ_", "em(a) (em(b)) -_-; o_O T_T ㅠ_ㅠ em(ㅇ)"),
    ("a~~b~~c ~d~ ~~~e~~~", "adel(b)c ~d~ ~~~e~~~"),
    (r"\*a\* \\ \a \`b\` `\*`", r"*a* \ \a `b` code(\*)"),
    // Code in a line.
    ("`a` `` b`c `` ` ` ```x```", "code(a) code(b`c) code( ) code(x)"),
    ("`a **b** c` `open **d**", "code(a **b** c) `open strong(d)"),
    // Blocks.
    ("```js\nlet a = 1;\n```\nafter", "code:js{let a = 1;}|after"),
    ("before\n\n```\n**x**\n\n y\n```\n\nafter", "before|code:{**x**\n\n y}|after"),
    ("```\nopen\n> q", "code:{open\n> q}"),
    ("```const a\nconst b```", "code:{const a\nconst b}"),
    ("```", "```"),
    ("> a\n> > b\nc", "quote{a|quote{b}}|c"),
    (">>> a\n>\n> b", "quote{quote{quote{a}}|b}"),
    ("> > > > > > a", "quote{quote{quote{quote{> > a}}}}"),
    ("- a\n- b\n  - c\n    d\n1. x\n2) y", "list{• a;• b|list{• c\nd};1. x;2) y}"),
    ("-a\n2026. 11. 21. 회의\n11. 21. 회의\n1.5배", "-a\n2026. 11. 21. 회의\n11. 21. 회의\n1.5배"),
    ("> - a\n>   ```\n>   x\n>   ```", "quote{list{• a|code:{x}}}"),
    // Addresses.
    (
        "see https://a.b/c_(d)에서 and (https://a.b/c).",
        "see link(https://a.b/c_(d)|https://a.b/c_(d))에서 and (link(https://a.b/c|https://a.b/c)).",
    ),
    (
        "https://a.com에서는 https://a.com/x를, https://a.com/를",
        "link(https://a.com/|https://a.com)에서는 link(https://a.com/x|https://a.com/x)를, link(https://a.com/|https://a.com/)를",
    ),
    ("http://localhost:8080/r/a로", "link(http://localhost:8080/r/a|http://localhost:8080/r/a)로"),
    ("https://a.b/문서", "link(https://a.b/%EB%AC%B8%EC%84%9C|https://a.b/문서)"),
    (
        "**https://a.b/c**! “https://a.b”…",
        "strong(link(https://a.b/c|https://a.b/c))! “link(https://a.b/|https://a.b)”…",
    ),
    ("https://예시.한국/x", "link(https://xn--vv4b11d.xn--3e0b707e/x|https://예시.한국/x)"),
    // The first letter is Cyrillic.
    ("https://аpple.com/x", "link(https://xn--pple-43d.com/x|https://xn--pple-43d.com/x)"),
    ("http://0x7f.1/ http://ａ.com", "link(http://127.0.0.1/|http://127.0.0.1/) link(http://a.com/|http://a.com)"),
    (
        "https://good.com@evil.com/ https://good.com:x@evil.com/",
        "https://good.com@evil.com/ https://good.com:x@evil.com/",
    ),
    (r"https://good.com\@evil.com", "link(https://good.com/|https://good.com)@evil.com"),
    ("https://good.com\u{202e}moc.live", "link(https://good.com/|https://good.com)\u{202e}moc.live"),
    (
        "javascript:alert(1) data:text/html,x vbscript:x file:///etc //a.b ftp://a.b",
        "javascript:alert(1) data:text/html,x vbscript:x file:///etc //a.b ftp://a.b",
    ),
    (
        "mailto:a@b.kr mailto:x xhttp://a.b http:// https://",
        "link(mailto:a@b.kr|mailto:a@b.kr) mailto:x xhttp://a.b http:// https://",
    ),
    (
        "[문서](https://a.b/c_(d)) [x](javascript:alert(1)) [ ](https://a.b/)",
        "link(https://a.b/c_(d)|문서|a.b) [x](javascript:alert(1)) [ ](link(https://a.b/|https://a.b/))",
    ),
    ("[https://good.com](https://evil.com/x)", "link(https://evil.com/x|https://good.com|evil.com)"),
    // People and rooms.
    (
        "@민수님 @민수는 @민수정 @Annab @Annabel이 @김 철수가 a@Ann @@Ann",
        "mention(민수)님 mention(민수)는 @민수정 @Annab mention(Annabel)이 mention(김 철수)가 a@Ann @@Ann",
    ),
    ("`@민수` \\@민수", "code(@민수) @민수"),
    (
        "#마당에서 #dev #123 #잡담방에서 #가을 a#b ##c /#d",
        "room(마당)에서 room(dev) #123 room(잡담방)에서 room(가을) a#b ##c /#d",
    ),
    ("# title", "# title"),
];

#[tokio::test]
async fn marks_are_read_as_the_table_says() {
    let yard = Yard::open().await;
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/?lang=en")).await;
    let texts: Vec<&str> = TABLE.iter().map(|(text, _)| *text).collect();
    let read = format!(
        "import('/static/app/markup.js').then(({{ parse }}) => {{ {WRITER} return {}.map((text) => write(parse(text, known))); }})",
        json!(texts)
    );
    let Value::Array(read) = tab.promise(&read).await else { panic!("no list") };
    for ((text, expected), read) in TABLE.iter().zip(read) {
        assert_eq!(read, *expected, "{text}");
    }
    let rules = r"import('/static/app/markup.js').then(({ plain, calls, endsInCode }) => [
        plain('**a** `b` [c](https://d.e)\n> f\n```\ng\n```\n1. h') === 'a b c\nf\ng\n1. h',
        calls('hi @민수님', '민수') && calls('> @Ann', 'Ann') && !calls('`@민수`', '민수') && !calls('@', ''),
        endsInCode('```js') && endsInCode('a\n```\nb') && !endsInCode('```\nb\n```') && !endsInCode('```x```') && !endsInCode('x'),
    ].join())";
    assert_eq!(tab.promise(rules).await, "true,true,true");
}

/// A quarter of a mebibyte each. What takes the square of that would take minutes.
const ATTACKS: &str = r"[
    '*', ' *a', 'a* ', '*a **b _c __d ~~e ', '*가', '_a', '_가 ', '~~a ', '***a', '[', '[a](', '[a](http://x', '[a](http://x(',
    '`', '` `` ', '>', '> ', '>\n', '> > > > > >\n', '- ', '- a\n', '- a\n  - b\n    - c\n', '1. ', '```\n', '```a\nb\n', '```x y\n',
    'http://', 'http://a.b ', 'http://a.b/를)', 'http://a.b/(', '를)', 'mailto:a@', '@', ' @Annab', ' @민수정', '#', ' #x', '#가나에서 ',
    '\\', '\n', ' ', '  a\n', '\r', 'x '].map((piece) => piece.repeat(Math.ceil(size / piece.length))).concat(
    'http://a' + ')'.repeat(size), 'http://a.b/' + '를)'.repeat(size / 2), 'http://' + 'a.'.repeat(size / 2), '#' + '가'.repeat(size),
    'http://' + '가-'.repeat(size / 2) + '!', '[' + 'a'.repeat(size) + ']', ('[' + 'a'.repeat(299)).repeat(size / 300),
    '` ' + ' '.repeat(size) + '`', Array.from({ length: 720 }, (_, n) => '`'.repeat(n + 1)).join(' '), 'x' + ' '.repeat(size) + '```')";

#[tokio::test]
async fn no_text_takes_longer_than_its_length() {
    let yard = Yard::open().await;
    let tab = yard.browser.tab().await;
    tab.goto(&yard.page("/?lang=en")).await;
    let deepest = format!(
        "import('/static/app/markup.js').then(({{ parse }}) => {{
            const size = 262144;
            const depth = (tree) => typeof tree === 'string' ? 0 : Array.isArray(tree) ? tree.reduce((most, piece) => Math.max(most, depth(piece)), 0)
                : 1 + depth(tree.inline ?? tree.inside ?? tree.blocks ?? tree.items ?? '');
            {WRITER}
            let slow = '', deep = 0;
            for (const text of {ATTACKS}) {{
                const begun = performance.now();
                deep = Math.max(deep, depth(parse(text, known)));
                if (performance.now() - begun > 5000) slow += text.slice(0, 20) + ' ';
            }}
            return `${{slow}}${{deep <= 14 ? 'bounded' : deep}}`;
        }})"
    );
    assert_eq!(tab.promise(&deepest).await, "bounded");
}

#[tokio::test]
async fn a_message_is_drawn_as_it_is_marked_and_copied_as_it_reads() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    let text = "**bold** https://example.com/a, #마당에서\n- one\n- two\n```\nlet x = 1;\nx\n```\n@ada @Bo <b>not</b>";
    post(&tab, text).await;
    tab.until("it is shown", "document.querySelector('.text pre') !== null").await;
    let all = "[...document.querySelectorAll('.text *')].map((node) => node.localName).join(' ')";
    assert_eq!(tab.eval(all).await, "div strong a a ul li span li span pre code div mark", "no other elements");
    let link = "(({ href, target, rel }) => [href, target, rel].join(' | '))(document.querySelector('.text a'))";
    assert_eq!(tab.eval(link).await, "https://example.com/a | _blank | noopener noreferrer nofollow");
    assert_eq!(tab.eval("document.querySelectorAll('.text a')[1].getAttribute('href')").await, "/r/%EB%A7%88%EB%8B%B9");
    let copied = "(getSelection().selectAllChildren(document.querySelector('.text')), getSelection().toString())";
    assert_eq!(
        tab.eval(copied).await,
        "bold https://example.com/a, #마당에서\n• one\n• two\nlet x = 1;\nx\n@ada @Bo <b>not</b>"
    );
    // Whoever comes can be called from now on, and what called them before is shown so.
    let _bo = yard.join("Bo", "dev").await;
    tab.until("Bo is called too", "document.querySelectorAll('.text .mention').length === 2").await;
    assert_eq!(tab.eval("document.querySelector('.text b').textContent").await, "@Bo");
}

#[tokio::test]
async fn enter_in_open_code_is_a_new_line() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    for line in ["```js", "if (a)", "  b();"] {
        tab.say(line).await;
    }
    assert_eq!(tab.eval("document.querySelector('#box').value").await, "```js\nif (a)\n  b();\n");
    tab.say("```").await;
    tab.until("it is sent", "document.querySelector('[data-seq] .text pre')?.textContent === 'if (a)\\n  b();'").await;
    assert_eq!(tab.eval("document.querySelector('#box').value").await, "");
}

#[tokio::test]
async fn code_gets_its_colours_when_its_language_is_named_and_stays_the_same_text() {
    let yard = Yard::open().await;
    let tab = yard.join("Ada", "dev").await;
    let watch = "(window.violations = [], addEventListener('securitypolicyviolation', ({ violatedDirective }) => violations.push(violatedDirective)), true)";
    tab.eval(watch).await;
    let scripts = "performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => /highlight/.test(name)).length";
    post(&tab, "```\nplain\n```").await;
    tab.until("it is shown", "document.querySelector('.text pre') !== null").await;
    assert_eq!(tab.eval(scripts).await, 0, "nothing is loaded before it is needed");
    post(&tab, "```html\n<style>p { color: red }</style>\n<b onclick=\"x\">&amp;</b>\n```").await;
    post(&tab, "```rs\nfn main() {}\n```").await;
    post(&tab, "```nosuch\n<b>\n```").await;
    tab.until("Rust has colours", "document.querySelector('li[data-seq=\"3\"] .hl-keyword')?.textContent === 'fn'")
        .await;
    tab.until("HTML has colours", "document.querySelector('li[data-seq=\"2\"] .hl-tag') !== null").await;
    tab.until("the last is shown", "document.querySelector('li[data-seq=\"4\"] pre') !== null").await;
    assert_eq!(
        tab.eval("document.querySelector('li[data-seq=\"2\"] pre').textContent").await,
        "<style>p { color: red }</style>\n<b onclick=\"x\">&amp;</b>"
    );
    assert_eq!(
        tab.eval("[...new Set([...document.querySelectorAll('pre *')].map((node) => node.localName))].sort().join()")
            .await,
        "code,span"
    );
    assert_eq!(tab.eval("violations.join()").await, "");
    // As long as may be, and one longer.
    let long = r"Promise.all([20000, 20001].map(async (size) => {
        const { highlight } = await import('/static/app/highlight.js');
        const code = document.createElement('code');
        code.textContent = '1 '.repeat(size / 2).padEnd(size, '1');
        await highlight(code, 'js');
        return code.childElementCount > 0;
    })).then((coloured) => coloured.join())";
    assert_eq!(tab.promise(long).await, "true,false");
}
