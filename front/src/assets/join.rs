//! Several modules as one: each becomes a function that gives what it exports, in the order in which they need each other.
//! It knows the one way in which modules are written here, and gives up on any other, so that it never guesses. Pure.

use std::collections::BTreeMap;

use super::slim::slim;

/// A module and all that it imports, as one.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// The script. It exports each part under its [`Part::name`].
    pub(super) text: String,
    /// What is in it, by path.
    pub(super) parts: BTreeMap<String, Part>,
}

/// A module inside of another.
#[derive(Debug)]
pub(super) struct Part {
    name: String,
    exports: Vec<String>,
}

/// Why modules are not joined, as a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Apart(pub(super) String);

/// Joins `entry` and what it imports. `source` is the text of a module by its path.
///
/// # Errors
/// When one is missing, they need each other in a circle, or one is written in a way that is not known here.
pub(super) fn join<'a>(entry: &str, source: &impl Fn(&str) -> Option<&'a str>) -> Result<Joined, Apart> {
    let mut joined = Joined::default();
    let mut under_way = vec![entry.to_owned()];
    let main = add(entry, entry, source, &mut joined, &mut under_way)?;
    joined.text.push_str(&main);
    let names: Vec<_> = joined.parts.values().map(|part| part.name.as_str()).collect();
    joined.text.push_str(&format!("export {{ {} }};\n", names.join(", ")));
    Ok(joined)
}

/// What a module that is a part looks like to one that is loaded later: the same values, under its own address.
pub(super) fn stub(entry: &str, path: &str, part: &Part) -> String {
    let (name, exports) = (&part.name, part.exports.join(", "));
    format!("import {{ {name} }} from '{}';\nexport const {{ {exports} }} = {name};\n", relative(path, entry))
}

/// The code of one module, after those that it imports have been added.
fn add<'a>(
    path: &str,
    entry: &str,
    source: &impl Fn(&str) -> Option<&'a str>,
    joined: &mut Joined,
    under_way: &mut Vec<String>,
) -> Result<String, Apart> {
    let text = source(path).ok_or_else(|| Apart(format!("{path} is not there")))?;
    let strange = |line: &str| Apart(format!("{path} has a line that cannot be joined: {line}"));
    let (mut head, mut body, mut exports) = (String::new(), String::new(), Vec::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let code = line.trim_start();
        if line.starts_with("import ") {
            let mut statement = line.to_owned();
            while !statement.ends_with("';") {
                statement.push_str(lines.next().ok_or_else(|| strange(line))?.trim());
            }
            let (names, from) = import(&statement).ok_or_else(|| strange(&statement))?;
            let needed = resolve(path, from).ok_or_else(|| strange(&statement))?;
            if under_way.contains(&needed) {
                return Err(Apart(format!("{path} and {needed} need each other")));
            }
            if !joined.parts.contains_key(&needed) {
                under_way.push(needed.clone());
                let part = add(&needed, entry, source, joined, under_way)?;
                under_way.pop();
                joined.text.push_str(&part);
            }
            if let (Some(names), Some(part)) = (names, joined.parts.get(&needed)) {
                head.push_str(&format!("const {{ {} }} = {};\n", names.replace(" as ", ": "), part.name));
            }
        } else if let Some(rest) = line.strip_prefix("export ") {
            exports.push(declared(rest).ok_or_else(|| strange(line))?.to_owned());
            body.push_str(&moved(rest, path, entry).ok_or_else(|| strange(line))?);
            body.push('\n');
        } else {
            let comment = code.starts_with("//") || code.starts_with('*') || code.starts_with("/*");
            let waits = path != entry && line == code && line.contains("await ") && !line.contains("async");
            if !comment && (waits || line.contains("import.meta")) {
                return Err(strange(line));
            }
            let line = if comment { Some(line.to_owned()) } else { moved(line, path, entry) };
            body.push_str(&line.ok_or_else(|| strange(code))?);
            body.push('\n');
        }
    }
    let body = slim(&body);
    if path == entry {
        return Ok(format!("{head}{body}"));
    }
    let name = format!("${}", joined.parts.len());
    let given = exports.join(", ");
    joined.parts.insert(path.to_owned(), Part { name: name.clone(), exports });
    Ok(format!("const {name} = (() => {{\n{head}{body}return {{ {given} }};\n}})();\n"))
}

/// The names in the braces, if there are some, and the address.
fn import(statement: &str) -> Option<(Option<&str>, &str)> {
    let rest = statement.strip_prefix("import ")?.strip_suffix("';")?;
    if let Some(from) = rest.strip_prefix('\'') {
        return Some((None, from));
    }
    let (names, from) = rest.strip_prefix('{')?.split_once("} from '")?;
    Some((Some(names.trim().trim_end_matches(',')), from))
}

/// The name that a declaration declares; nothing for what may change after it was given away, and for what has none.
fn declared(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let kinds = ["function ", "class ", "const "];
    let name = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
    (end > 0).then(|| &name[..end])
}

/// A line whose `import('…')` leads to the same place from where the joined module is.
fn moved(line: &str, path: &str, entry: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("import(") {
        let (before, after) = rest.split_at(at + "import(".len());
        out.push_str(before);
        let quote = after.chars().next().filter(|c| "'`".contains(*c))?;
        let address = &after[1..];
        // Up to where it is computed, the address is fixed.
        let end = address.find("${").or_else(|| address.find(quote))?;
        let (folder, file) = address[..end].rsplit_once('/')?;
        let there = resolve(path, &format!("{folder}/"))?;
        out.push(quote);
        out.push_str(&relative(entry, &format!("{there}{file}")));
        rest = &address[end..];
    }
    out.push_str(rest);
    Some(out)
}

/// The path that a relative address means in a module; nothing where it leads out of the folder.
pub(super) fn resolve(module: &str, address: &str) -> Option<String> {
    if !address.starts_with('.') {
        return None;
    }
    let mut path: Vec<&str> = module.split('/').collect();
    path.pop();
    for part in address.split('/') {
        match part {
            "." => {}
            ".." => _ = path.pop()?,
            part => path.push(part),
        }
    }
    Some(path.join("/"))
}

/// The address of `to` in a module at `from`.
fn relative(from: &str, to: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let (from, to): (Vec<_>, Vec<_>) = (folder.split('/').collect(), to.split('/').collect());
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = if same == from.len() { "./".to_owned() } else { "../".repeat(from.len() - same) };
    format!("{up}{}", to[same..].join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(files: &[(&str, &str)]) -> Result<Joined, Apart> {
        join("app/main.js", &|path| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text))
    }

    #[test]
    fn each_module_comes_once_before_those_that_need_it() {
        let files = [
            (
                "app/main.js",
                "// Main.\nimport {\n  a,\n  b as c,\n} from './x/a.js';\nimport { d } from './d.js';\nawait go();\n",
            ),
            (
                "app/x/a.js",
                "import { d } from '../d.js';\nexport function a() {\n  return d;\n}\nexport const b = () => import('../later.js');\n",
            ),
            ("app/d.js", "/** D. */\nexport const d = 1;\nconst own = import(`../vendor/${d}.js`);\n"),
        ];
        let joined = joined(&files).unwrap();
        assert_eq!(
            joined.text,
            "const $0 = (() => {\nconst d = 1;\nconst own = import(`../vendor/${d}.js`);\nreturn { d };\n})();\n\
             const $1 = (() => {\nconst { d } = $0;\nfunction a() {\nreturn d;\n}\nconst b = () => import('./later.js');\n\
             return { a, b };\n})();\n\
             const { a,b: c } = $1;\nconst { d } = $0;\nawait go();\nexport { $0, $1 };\n"
        );
        assert_eq!(
            stub("app/main.js", "app/x/a.js", &joined.parts["app/x/a.js"]),
            "import { $1 } from '../main.js';\nexport const { a, b } = $1;\n"
        );
    }

    #[test]
    fn what_is_written_otherwise_is_left_apart() {
        for part in [
            "export let a = 1;",
            "export default 1;",
            "export { a };",
            "export const { a } = b;",
            "import a from './main.js';",
            "import * as a from './d.js';",
            "import { a } from 'bare';",
            "import { a } from './main.js';",
            "import { a } from './missing.js';",
            "const a = await b();",
            "const a = import.meta.url;",
            "const a = import(b);",
        ] {
            let files = [("app/main.js", "import { a } from './p.js';"), ("app/p.js", part), ("app/d.js", "")];
            assert!(joined(&files).is_err(), "{part}");
        }
    }

    #[test]
    fn an_address_is_written_from_where_it_is_used() {
        for (from, to, address) in [
            ("app/main.js", "app/x.js", "./x.js"),
            ("app/main.js", "vendor/h/x.js", "../vendor/h/x.js"),
            ("app/x/y.js", "app/main.js", "../main.js"),
        ] {
            assert_eq!(relative(from, to), address);
            assert_eq!(resolve(from, address).as_deref(), Some(to));
        }
        assert_eq!(resolve("main.js", "../x.js"), None);
    }
}
