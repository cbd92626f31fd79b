//! What fuzzing has found worth keeping, and what lies near it: `back/fuzz` says what must hold of it.

#![expect(clippy::expect_used, clippy::panic, reason = "a panic in a test is its report")]

use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestRunner};

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

/// How many inputs are tried near those that are kept.
const NEAR: u32 = 4_000;

/// A change to some bytes.
#[derive(Debug, Clone)]
enum Edit {
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Cut(Index),
    Repeat(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let byte = || prop_oneof![any::<u8>(), proptest::sample::select(b"\r\n :;,/\\\"{}[]0\x00\x7f\x80\xff".to_vec())];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        any::<Index>().prop_map(Edit::Remove),
        any::<Index>().prop_map(Edit::Cut),
        any::<Index>().prop_map(Edit::Repeat),
    ]
}

fn change(bytes: &mut Vec<u8>, edit: &Edit) {
    let len = bytes.len();
    match edit {
        Edit::Insert(at, byte) => bytes.insert(at.index(len + 1), *byte),
        Edit::Set(at, byte) if len > 0 => bytes[at.index(len)] = *byte,
        Edit::Remove(at) if len > 0 => _ = bytes.remove(at.index(len)),
        Edit::Cut(at) => bytes.truncate(at.index(len + 1)),
        Edit::Repeat(at) => bytes.extend_from_within(at.index(len + 1)..),
        Edit::Set(..) | Edit::Remove(_) => {}
    }
}

/// Tries everything that is kept for a target, and what lies near it.
fn go_over(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= 5, "there is little in {}", folder.display());
    let kept: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).expect("a file")).collect();
    for bytes in &kept {
        property(bytes);
    }
    let near = (any::<Index>(), vec(edit(), 1..6));
    let config = ProptestConfig { cases: NEAR, failure_persistence: None, ..ProptestConfig::default() };
    let tried = TestRunner::new(config).run(&near, |(which, edits)| {
        let mut bytes = kept[which.index(kept.len())].clone();
        edits.iter().for_each(|edit| change(&mut bytes, edit));
        property(&bytes);
        Ok(())
    });
    tried.unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn heads() {
    go_over("head", fuzz::head);
}

#[test]
fn frames() {
    go_over("frames", fuzz::frames);
}

#[test]
fn typed_lines() {
    go_over("line", fuzz::line);
}

#[test]
fn clients_messages() {
    go_over("message", fuzz::message);
}

#[test]
fn positions() {
    go_over("position", fuzz::position);
}

#[test]
fn names() {
    go_over("names", fuzz::names);
}
