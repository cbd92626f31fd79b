//! Both languages say the same, and all that is used.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use front::words::Words;
use serde_json::Value;

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn both_languages_say_everything_that_is_used() {
    let words = Words::load().unwrap();
    let table = |lang| words.table(lang).keys().cloned().collect::<BTreeSet<_>>();
    let (ko, en) = (table(front::words::Lang::Ko), table(front::words::Lang::En));
    assert_eq!(ko, en);

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut used = BTreeSet::new();
    for (folder, before, after) in [("static/app", "t('", "'"), ("templates", "words.", " "), ("src", "say(\"", "\"")] {
        for file in files(&root.join(folder)) {
            // What speaks with programs says nothing to people.
            if ["src/api", "src/bridge"].iter().any(|other| file.starts_with(root.join(other))) {
                continue;
            }
            let text = std::fs::read_to_string(file).unwrap();
            for (at, _) in text.match_indices(before) {
                // `t('` also ends other names: `set('`.
                let whole = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/'));
                let rest = &text[at + before.len()..];
                if whole || folder == "src" {
                    used.extend(rest.split_once(after).map(|(key, _)| key.to_owned()));
                }
            }
        }
    }
    assert!(used.len() > 50, "the search for keys finds too little: {used:?}");
    assert_eq!(used.difference(&ko).collect::<Vec<_>>(), Vec::<&String>::new(), "used, but in no table");
    assert_eq!(ko.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "in the tables, but never used");
}

#[test]
fn both_languages_leave_the_same_holes() {
    let words = Words::load().unwrap();
    let holes = |value: &Value| -> BTreeSet<String> {
        let sentence = value.as_str().or_else(|| value["other"].as_str()).expect("a sentence, or one for `other`");
        sentence.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.to_owned()).collect()
    };
    for (key, ko) in words.table(front::words::Lang::Ko) {
        assert_eq!(holes(ko), holes(&words.table(front::words::Lang::En)[key]), "{key}");
    }
}
