//! A page of the weight that chat pages of this field have: about 300 KB of script, as for Markdown, formulas and code.
//! Written here, so no one's code: functions that look like what minifiers make, compress about as well, are all read by the
//! engine, and of which each file runs some. It speaks to the same chat server and shows the newest messages.

use std::{fmt::Write as _, fs, path::Path};

/// How large the scripts are, and in which order they are loaded.
const FILES: [(&str, usize); 4] =
    [("markdown.js", 60_000), ("formulas.js", 140_000), ("highlight.js", 70_000), ("client.js", 30_000)];

/// Words that names are made of.
const WORDS: &str = "token rule state render length match parse options style block inline escape index source begin end \
                     class symbol width height font delimiter group mode";

/// Writes the page and what it needs into a folder.
///
/// # Errors
/// When that cannot be written.
pub fn write(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut scripts = String::new();
    for (name, bytes) in FILES {
        let own = if name == "client.js" { CLIENT } else { "" };
        fs::write(folder.join(name), library(name, bytes)? + own)?;
        writeln!(scripts, "<script src=\"{name}\"></script>")?;
    }
    fs::write(folder.join("style.css"), STYLE)?;
    fs::write(folder.join("index.html"), PAGE.replace("SCRIPTS", &scripts))?;
    Ok(())
}

/// So much script, the same every time.
fn library(name: &str, bytes: usize) -> anyhow::Result<String> {
    let words: Vec<_> = WORDS.split(' ').collect();
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
        let [a, b, c] = [(); 3].map(|()| words[pick(words.len())]);
        let (n, m, sign) = (pick(5_000), pick(100), ["<", ">", "===", "!==", "&", "|"][pick(6)]);
        write!(
            script,
            "function f{functions}(e,t){{var n=e.{a}||{{}},i=t+{n};if(n.{b}{sign}i)return r.{c}{m}=[n,i,\"{a}-{b}\",{n}];\
             for(var o=0;o<{m};o++)i=(i^o*{n})>>>{};return{{{c}:i,{b}:\"{c}{n}\",{a}:function(e){{return e.{c}+{m}}}}}}}",
            pick(4),
        )?;
        functions += 1;
    }
    // A library sets itself up when it is loaded; one function of eight runs, once.
    for function in (0..functions).step_by(8) {
        write!(script, "f{function}({{}},{function});")?;
    }
    Ok(script + "})();\n")
}

/// Its icon is none, so that no browser asks for one.
const PAGE: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>stand-in</title>
<link rel=\"icon\" href=\"data:,\">
<link rel=\"stylesheet\" href=\"style.css\">
</head><body><ol id=\"messages\"></ol>
<form><textarea></textarea><button>Send</button></form>
SCRIPTS</body></html>
";

const STYLE: &str = "body{font:16px/1.5 monospace;margin:0}#messages{list-style:none;margin:0;padding:16px}
.message{display:grid;grid-template-columns:8rem 1fr;gap:16px}form{position:fixed;inset:auto 0 0 0;display:flex}
textarea{flex:1}
";

/// What comes over the very way that the page came by becomes rows.
const CLIENT: &str = "(function(){
  var list=document.getElementById('messages');
  new WebSocket(location.origin.replace('http','ws')+'/ws/rooms/dev').onmessage=function(e){
    var m=JSON.parse(e.data);if(m.type!=='message')return;
    var row=document.createElement('li');row.className='message';
    [m.name,m.text].forEach(function(t){var cell=document.createElement('span');cell.textContent=t;row.append(cell)});
    list.append(row);requestAnimationFrame(function(){scrollTo(0,document.body.scrollHeight)})};
})();
";
