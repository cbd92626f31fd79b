//! What holds of the settings of both programs.

use std::{fs, process::Command};

/// Runs a program to its end: how that was, and everything that it said.
pub(crate) fn output(command: &mut Command) -> (Option<i32>, String) {
    let done = command.output().unwrap();
    (done.status.code(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
}

/// The file that a program prints names all of its flags, `flags` of them at least, and is taken for one of its own;
/// nearly a setting is none.
pub(crate) fn the_printed_file_is_whole(program: &str, flags: usize) {
    let run = |args: &[&str]| output(Command::new(program).args(args));
    let (code, text) = run(&["config", "--default"]);
    assert_eq!(code, Some(0));
    let (_, help) = run(&["--help"]);
    let names: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--"))
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap())
        .filter(|flag| *flag != "config")
        .collect();
    assert!(names.len() >= flags, "{help}");
    for name in names {
        assert!(text.contains(&format!("\n#{name} = ")), "--{name} is missing in\n{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.toml");
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        run(&["check-config", "--config", &file.to_string_lossy()])
    };
    assert_eq!(check(&text), (Some(0), "The settings make sense.\n".to_owned()));
    let (code, said) = check("liste = '127.0.0.1:0'");
    assert!(code == Some(2) && said.contains("did you mean listen?"), "{said}");
}
