//! A page of the weight that chat pages of this field have: about 300 KB of script, as for Markdown, formulas and code.
//! Written here, so no one's code: functions that look like what minifiers make, compress about as well, are all read by the
//! engine, and of which each file runs some. It speaks to the same chat server and shows the newest messages.

use std::{fmt::Write as _, fs, path::Path};

/// How large the scripts are, and in which order they are loaded.
const FILES: [(&str, usize); 4] =
    [("markdown.js", 60_000), ("formulas.js", 140_000), ("highlight.js", 70_000), ("client.js", 30_000)];

/// Writes the page and what it needs into a folder.
///
/// # Errors
/// When that cannot be written.
pub fn write(folder: &Path, back: &str) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut scripts = String::new();
    for (name, bytes) in FILES {
        let mut script = library(name, bytes);
        if name == "client.js" {
            script += &CLIENT.replace("BACK", back);
        }
        fs::write(folder.join(name), script)?;
        _ = writeln!(scripts, "<script src=\"{name}\"></script>");
    }
    fs::write(folder.join("style.css"), STYLE)?;
    fs::write(folder.join("index.html"), PAGE.replace("SCRIPTS", &scripts))?;
    Ok(())
}

/// So much script, the same every time.
fn library(name: &str, bytes: usize) -> String {
    const WORDS: [&str; 24] = [
        "token",
        "rule",
        "state",
        "render",
        "length",
        "match",
        "parse",
        "options",
        "style",
        "block",
        "inline",
        "escape",
        "index",
        "source",
        "begin",
        "end",
        "class",
        "symbol",
        "width",
        "height",
        "font",
        "delimiter",
        "group",
        "mode",
    ];
    let mut seed = name
        .bytes()
        .fold(0x9e37_79b9_7f4a_7c15_u64, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut pick = move |of: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap_or_default() % of
    };
    let mut script = String::from("(function(){\"use strict\";var r={};");
    let mut functions = 0;
    while script.len() < bytes {
        let (a, b, c) = (WORDS[pick(24)], WORDS[pick(24)], WORDS[pick(24)]);
        let (n, m, sign) = (pick(5_000), pick(100), ["<", ">", "===", "!==", "&", "|"][pick(6)]);
        _ = write!(
            script,
            "function f{functions}(e,t){{var n=e.{a}||{{}},i=t+{n};if(n.{b}{sign}i)return r.{c}{m}=[n,i,\"{a}-{b}\",{n}];\
             for(var o=0;o<{m};o++)i=(i^o*{n})>>>{};return{{{c}:i,{b}:\"{c}{n}\",{a}:function(e){{return e.{c}+{m}}}}}}}",
            pick(4),
        );
        functions += 1;
    }
    // A library sets itself up when it is loaded: tables, rules, expressions.
    _ = write!(script, "var t=[];for(var k=0;k<400;k++)t.push([");
    for function in (0..functions).step_by(8) {
        _ = write!(script, "f{function}({{}},k),");
    }
    script + "0].length);window.loaded=(window.loaded||0)+t.length})();\n"
}

const PAGE: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>stand-in</title>
<link rel=\"stylesheet\" href=\"style.css\">
</head><body><ol id=\"messages\"></ol>
<form><textarea id=\"box\"></textarea><button id=\"send\" disabled>Send</button></form>
SCRIPTS</body></html>
";

const STYLE: &str = "body{font:16px/1.5 monospace;margin:0}#messages{list-style:none;margin:0;padding:16px}
.message{display:grid;grid-template-columns:8rem 1fr;gap:16px}form{position:fixed;inset:auto 0 0 0;display:flex}
#box{flex:1}
";

/// What is sent on opening, and what comes, becomes rows.
const CLIENT: &str = "(function(){
  var list=document.getElementById('messages'),s=new WebSocket('BACK/rooms/dev');
  document.getElementById('send').disabled=false;
  s.onmessage=function(e){var m=JSON.parse(e.data);if(m.type!=='message')return;
    var row=document.createElement('li');row.className='message';
    [m.name,m.text].forEach(function(t){var cell=document.createElement('span');cell.textContent=t;row.append(cell)});
    list.append(row);scrollTo(0,document.body.scrollHeight)};
})();
";
