//! The examples of docs/examples.md, each run as it stands there but for the ports.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::yard::{Tab, Yard};

const PAGE: &str = include_str!("../../../docs/examples.md");

/// The blocks of the page that are still to be run, from top to bottom.
struct Blocks {
    front: String,
    back: String,
    rest: std::vec::IntoIter<(String, String)>,
}

impl Blocks {
    fn of(yard: &Yard) -> Self {
        let fenced = PAGE.split("```").skip(1).step_by(2);
        let blocks = fenced.map(|block| block.split_once('\n').expect("a language and its code"));
        let blocks: Vec<_> = blocks.map(|(language, code)| (language.to_owned(), code.to_owned())).collect();
        let front = yard.page("").trim_start_matches("http://").to_owned();
        Self { front, back: yard.back_address().to_owned(), rest: blocks.into_iter() }
    }

    /// The next one, which is in this language and contains these words.
    fn next(&mut self, language: &str, words: &str) -> String {
        let (written, code) = self.rest.next().expect("another block");
        assert_eq!(written, language, "{code}");
        assert!(code.contains(words), "{words} is not in\n{code}");
        let here = code.replace("localhost:8080", &self.front).replace("localhost:3000", &self.back);
        assert_ne!(here, code, "an example names the usual port");
        here
    }
}

/// A program that is running, with all that it started.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Whatever it does, it ends within a minute.
    fn start(program: &str, flag: &str, code: &str) -> Self {
        let mut command = Command::new("timeout");
        let command = command.args(["60", program, flag, code]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.process_group(0).spawn().expect("timeout is here");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    /// The next line that is not empty.
    fn line(&mut self) -> String {
        let mut lines = self.lines.by_ref().map(|line| line.expect("text")).filter(|line| !line.is_empty());
        lines.next().expect("another line")
    }

    /// Everything else, when it has ended well.
    fn rest(mut self) -> Vec<String> {
        let lines = self.lines.by_ref().map(|line| line.expect("text")).filter(|line| !line.is_empty()).collect();
        assert!(self.child.wait().expect("it was started").success(), "{lines:?}");
        lines
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// Whether a program can be started at all. Where not, that is said past the test harness, which keeps to itself what passing
/// tests print.
fn is_here(program: &str) -> bool {
    let here = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !here {
        let _ = writeln!(std::io::stderr(), "examples: {program} is not here; its examples were skipped");
    }
    here
}

/// A shell that runs this; its curl shows no progress.
fn start_shell(code: &str) -> Running {
    Running::start("bash", "-ec", &format!("curl() {{ command curl -sS \"$@\"; }}\n{code}"))
}

/// What it prints to its end.
fn shell(code: &str) -> Vec<String> {
    start_shell(code).rest()
}

fn read(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|why| panic!("{why}: {json}"))
}

// Reading what a program prints blocks one thread, and the wire between needs another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_do_what_their_page_says() {
    let yard = Yard::open().await;
    let mut blocks = Blocks::of(&yard);
    let mut heard = yard.client("lobby").await;

    curl(&mut blocks);
    for text in ["Hello", "The build is green", "Deployed", "Here I am"] {
        assert_eq!(heard.until("message").await["text"], text);
    }

    let (plain, v1) = (blocks.next("sh", "rooms/lobby"), blocks.next("sh", "--protocol chat.v1"));
    if is_here("websocat") {
        // What is typed is said.
        let said = shell(&format!("(echo typed; sleep 1) | {plain}"));
        assert!(said.iter().any(|line| line.contains(r#""text":"typed""#)), "{said:?}");
        let said = shell(&v1);
        assert!(said.iter().any(|line| line.contains(r#""type":"ok","id":"greeting-1""#)), "{said:?}");
    }

    python(&mut blocks, &yard).await;
    javascript(&mut blocks, &yard).await;
    assert_eq!(blocks.rest.next(), None, "an example that no test runs");
}

fn curl(blocks: &mut Blocks) {
    let said = shell(&blocks.next("sh", "name=ci"));
    // Two answers without a line end between them.
    assert!(said.concat().contains(r#""seq":1,"#) && said.concat().contains(r#""seq":2,"#), "{said:?}");

    let said = shell(&blocks.next("sh", "Idempotency-Key"));
    let [first, second] = [&said[0], &said[1]].map(|line| read(line));
    assert_eq!((&first["seq"], &first["duplicate"]), (&json!(3), &Value::Null));
    assert_eq!((&second["seq"], &second["duplicate"]), (&json!(3), &json!(true)));

    shell(&blocks.next("sh", "Authorization: Bearer"));
    let bots = shell(&format!("curl -s http://{}/api/rooms/bots/messages", blocks.front));
    let bots = read(&bots.concat());
    assert_eq!(
        (&bots["messages"][0]["text"], &bots["messages"][1]["text"]),
        (&json!("I am one"), &json!("and the same"))
    );
    assert_eq!(
        (&bots["messages"][0]["name"], &bots["messages"][0]["user"]),
        (&json!("bot"), &bots["messages"][1]["user"])
    );

    // The answers of the POST and of the poll, in whichever order.
    let said = shell(&format!("{}wait", blocks.next("sh", "wait=25"))).concat();
    assert!(
        said.contains(r#""type":"ok""#) && said.contains(r#""text":"Here I am""#) && !said.contains("Deployed"),
        "{said}"
    );

    let mut stream = start_shell(&blocks.next("sh", "curl -N"));
    let lines: Vec<_> = (0..5).map(|_| read(&stream.line())).collect();
    assert_eq!((&lines[0]["text"], &lines[3]["text"]), (&json!("Hello"), &json!("Here I am")));
    assert_eq!(lines[4]["type"], "synced");

    assert_eq!(shell(&blocks.next("sh", "monitor")), ["ok"]);
    let alerts = shell(&format!("curl -s http://{}/api/rooms/alerts/messages", blocks.front)).concat();
    assert!(alerts.contains("Disk is almost full (https://example.org)"), "{alerts}");
}

async fn python(blocks: &mut Blocks, yard: &Yard) {
    let (post, follow) = (blocks.next("python", "py-1"), blocks.next("python", "Last-Event-ID"));
    if !is_here("python3") {
        return;
    }
    let said = Running::start("python3", "-c", &post).rest();
    assert!(said.len() == 1 && said[0].parse::<u64>().is_ok(), "{said:?}");

    let wire = yard.wire_to_front().await;
    let mut follow = Running::start("python3", "-c", &follow.replace(&blocks.front, &wire.address));
    while follow.line() != "py: Hello from Python" {}
    let mut b = yard.client("lobby").await;
    b.say("before").await;
    assert!(follow.line().ends_with(": before"));
    // The wire breaks in the middle of the stream, and something is said meanwhile.
    wire.cut();
    b.say("meanwhile").await;
    wire.mend();
    b.say("after").await;
    assert!(follow.line().ends_with(": meanwhile"));
    assert!(follow.line().ends_with(": after"));
}

async fn javascript(blocks: &mut Blocks, yard: &Yard) {
    let post = blocks.next("js", "Hello from JavaScript");
    if is_here("node") {
        let said = shell(&format!("node --input-type=module <<'END'\n{post}END\n"));
        assert!(said.len() == 1 && said[0].parse::<u64>().is_ok(), "{said:?}");
    }
    let page = yard.browser.tab().await;
    page.goto(&yard.page("/?lang=en")).await;
    console(&page, &post).await;
    logged(&page, "the number", r"/^\d+$/").await;

    let mut b = yard.client("lobby").await;
    let follow = yard.browser.tab().await;
    follow.goto(&yard.page("/?lang=en")).await;
    console(&follow, &blocks.next("js", "EventSource")).await;
    logged(&follow, "what was said before", "/^js: Hello from JavaScript$/").await;
    b.say("to EventSource").await;
    logged(&follow, "what is said", "/: to EventSource$/").await;

    console(&page, &blocks.next("js", "WebSocket")).await;
    logged(&page, "what it says itself", "/^bot: Hello over WebSocket$/").await;
    b.say("to WebSocket").await;
    logged(&page, "what others say", "/: to WebSocket$/").await;
}

/// Each block for a browser's console on the first page that people read, pasted whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_readme_says_to_a_console_runs_as_it_is_pasted() {
    for readme in [include_str!("../../../README.md"), include_str!("../../../docs/README.ko.md")] {
        let yard = Yard::open().await;
        let port = yard.back_address().rsplit(':').next().expect("a port").to_owned();
        let fenced = readme.split("```js\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
        let blocks: Vec<_> = fenced.map(|code| code.replace("}:3000`", &format!("}}:{port}`"))).collect();
        let [plain, v1] = &blocks[..] else { panic!("two blocks: {blocks:?}") };
        let mut heard = yard.client("lobby").await;
        let page = yard.browser.tab().await;
        page.goto(&yard.page("/?lang=en")).await;
        console(&page, plain).await;
        assert_eq!(heard.until("message").await["text"], "Hello");
        logged(&page, "who is here", r#"/"type":"ok","id":"1"/"#).await;
        console(&page, v1).await;
        logged(&page, "that it is stored", r#"/"type":"ok","id":"a1","room":"dev"/"#).await;
        // What operations.md has a moderator say there. The secret is none, which is told in one way or another.
        let operations = include_str!("../../../docs/operations.md");
        let moderator = operations.split("```js\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
        console(&page, &moderator.replace(":3000/", &format!(":{port}/"))).await;
        logged(&page, "an answer", r#"/"type":"error"/"#).await;
    }
}

/// Runs code as a console does.
async fn console(tab: &Tab, code: &str) {
    let code = format!(
        "(window.logged = [], console.log = (what) => logged.push(String(what)), (async () => {{ {code} }})(), true)"
    );
    tab.eval(&code).await;
}

/// Waits until it has printed such a line.
async fn logged(tab: &Tab, what: &str, pattern: &str) {
    tab.until(what, &format!("logged.some((line) => {pattern}.test(line))")).await;
}
