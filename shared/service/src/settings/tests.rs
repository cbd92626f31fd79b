use std::{fs, net::SocketAddr, time::Duration};

use clap::{CommandFactory, Subcommand, ValueEnum};

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Disk,
    /// Forgets
    Memory,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs_f64).map_err(|_| "give seconds".to_owned())
}

/// A program with everything that ours have.
#[derive(Debug, PartialEq, Parser)]
#[command(name = "yard")]
struct Yard {
    #[command(subcommand)]
    tool: Option<Tool>,
    /// Where
    #[arg(long, env = "YARD_LISTEN", default_value = "127.0.0.1:1")]
    listen: SocketAddr,
    /// How long
    #[arg(long, env = "YARD_PING_AFTER", default_value = "25", value_parser = seconds)]
    ping_after: Duration,
    /// How kept
    #[arg(long, env = "YARD_KIND", value_enum, default_value_t = Kind::Disk)]
    kind: Kind,
    /// Chain
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// One port
    #[arg(long, conflicts_with = "url")]
    same_port: bool,
    /// Another
    #[arg(long)]
    url: Option<String>,
    /// Who may
    #[arg(long, env = "YARD_ALLOW", value_delimiter = ',', value_name = "ORIGIN")]
    allow: Vec<String>,
    /// How many
    #[arg(long, default_value_t = 5)]
    rooms: usize,
    /// How fast
    #[arg(long, default_value_t = 5)]
    rate: u32,
    /// Folder
    #[arg(long, default_value = "./data", global = true)]
    data: PathBuf,
    /// Not for people
    #[arg(long, hide = true)]
    sabotage: Option<String>,
}

#[derive(Debug, PartialEq, Subcommand)]
enum Tool {
    /// Copies
    Backup,
}

/// What a file with this text, and these arguments, come to.
fn read(text: &str, args: &[&str]) -> Result<Asked<Yard>, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("yard.toml");
    fs::write(&file, text).unwrap();
    let file = file.to_string_lossy().into_owned();
    let all = ["yard", "--config", &file].into_iter().chain(args.iter().copied());
    from_args(all).map_err(|error| error.to_string().replace(&file, "FILE"))
}

fn run(text: &str, args: &[&str]) -> Yard {
    match read(text, args) {
        Ok(Asked::Run(settings)) => settings.value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    command::<Yard>().debug_assert();
}

#[test]
fn the_file_wins_over_defaults_and_flags_win_over_the_file() {
    let text = "listen = '127.0.0.1:2'\nping-after = 0.5\nkind = 'memory'\nsame-port = true\nallow = ['a', 'b']\n";
    let yard = run(text, &[]);
    assert_eq!(yard.listen, "127.0.0.1:2".parse().unwrap());
    assert_eq!((yard.ping_after, yard.kind, yard.same_port), (Duration::from_millis(500), Kind::Memory, true));
    assert_eq!(yard.allow, ["a", "b"]);
    let yard = run(text, &["--listen", "127.0.0.1:3", "--allow", "c", "--ping-after=7"]);
    assert_eq!(yard.listen, "127.0.0.1:3".parse().unwrap());
    assert_eq!(yard.allow, ["c"], "a list is taken whole");
    assert_eq!((yard.ping_after.as_secs(), yard.kind), (7, Kind::Memory));
    assert!(!run("same-port = false", &[]).same_port);
    assert_eq!(run("allow = 'a,b'", &[]).allow, ["a", "b"]);
}

#[test]
fn a_file_counts_for_commands_too_and_their_flags_win() {
    let yard = run("data = '/of/file'", &["backup"]);
    assert_eq!((yard.tool, yard.data), (Some(Tool::Backup), PathBuf::from("/of/file")));
    assert_eq!(run("data = '/of/file'", &["backup", "--data", "/mine"]).data, PathBuf::from("/mine"));
    assert_eq!(run("data = '/of/file'", &["--data", "/mine", "backup"]).data, PathBuf::from("/mine"));
}

#[test]
fn what_belongs_together_may_stand_in_both() {
    let yard = run("key = 'key.pem'", &["--cert", "cert.pem"]);
    assert_eq!((yard.cert, yard.key), (Some("cert.pem".into()), Some("key.pem".into())));
    let error = read("key = 'key.pem'", &[]).unwrap_err();
    assert!(error.contains("--cert <FILE>") && error.contains("What stands in FILE counts as flags"), "{error}");
    let error = read("same-port = true\nurl = 'x'", &[]).unwrap_err();
    assert!(error.contains("cannot be used with"), "{error}");
}

#[test]
fn what_makes_no_sense_is_named_with_its_place() {
    for (text, hints) in [
        ("ping_after = 5", ["there is no setting ping_after", "did you mean ping-after?"]),
        ("lisen = '127.0.0.1:2'", ["there is no setting lisen", "did you mean listen?"]),
        ("zzz = 1", ["there is no setting zzz", "`yard config --default` lists all"]),
        ("sabotage = 'x'", ["there is no setting sabotage", ""]),
        ("config = 'x'", ["there is no setting config", ""]),
        ("help = true", ["there is no setting help", ""]),
        ("ping-after = 'soon'", ["FILE: ping-after: ", "give seconds"]),
        ("ping-after = [5]", ["ping-after: give one value", ""]),
        ("ping-after = true", ["ping-after: give a text or a number", ""]),
        ("same-port = 'yes'", ["same-port: give true or false", ""]),
        ("allow = [true]", ["allow: give a list of texts", ""]),
        ("listen = 'localhost:1'", ["listen: invalid value 'localhost:1'", "an address in numbers and a port, as in"]),
        ("rooms = 'many'", ["rooms: invalid value 'many'", "give a whole number"]),
        ("kind = 'paper'", ["kind: invalid value 'paper'", ""]),
        ("[limits]\nping-after = 5", ["there is no setting limits", ""]),
        ("[data]\nx = 5", ["data: give a text or a number", ""]),
        ("listen = ", ["line 1", ""]),
    ] {
        let error = read(text, &[]).unwrap_err();
        assert!(error.contains("FILE") && hints.iter().all(|hint| error.contains(hint)), "{text}: {error}");
        // A flag does not make the file right.
        assert!(read(text, &["--ping-after", "5"]).is_err(), "{text}");
    }
    let error = from_args::<Yard>(["yard", "--config", "/nowhere/yard.toml"]).unwrap_err().to_string();
    assert!(error.contains("/nowhere/yard.toml: it cannot be read"), "{error}");
}

#[test]
fn a_mistake_is_told_with_what_to_do() {
    for (args, hint) in [
        (["--listen", "3000"], "'--listen <LISTEN>': give an address in numbers and a port, as in 127.0.0.1:3000\n"),
        (["--rooms", "16K"], "'--rooms <ROOMS>': give a whole number from 0 on, as in 100\n"),
        (["--rate", "1.5"], "'--rate <RATE>': give a whole number from 0 on, as in 100\n"),
        (["check-config", "--rooms=7"], "--rooms stands before the command: yard --rooms … COMMAND\n"),
        (["backup", "--listen"], "--listen stands before the command"),
        // What is known nowhere is still that.
        (["backup", "--lisen"], "unexpected argument '--lisen' found"),
    ] {
        let error = from_args::<Yard>(["yard"].into_iter().chain(args)).unwrap_err().to_string();
        assert!(error.contains(hint), "{args:?}: {error}");
    }
}

#[test]
fn the_printed_file_has_every_setting_and_changes_nothing() {
    let Ok(Asked::Print(text)) = from_args::<Yard>(["yard", "config", "--default"]) else { panic!() };
    for arg in Yard::command().get_arguments().filter(|arg| !arg.is_hide_set()) {
        let key = arg.get_long().unwrap();
        assert!(text.contains(&format!("\n#{key} = ")), "{key} is missing in\n{text}");
    }
    assert!(!text.contains("sabotage") && text.contains("# How long [YARD_PING_AFTER]\n#ping-after = 25\n"), "{text}");
    assert!(
        text.contains("memory (Forgets)")
            && text.contains("#same-port = false")
            && text.contains("#allow = [\"ORIGIN\"]")
    );
    assert_eq!(run(&text, &[]), run("", &[]), "as it is");
    // With the # taken away from everything that has a default.
    let said: String = text
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .filter(|line| !["FILE", "URL", "ORIGIN"].iter().any(|name| line.contains(name)))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(said.lines().count() >= 5, "{said}");
    assert_eq!(run(&said, &[]), run("", &[]));
    assert!(from_args::<Yard>(["yard", "config"]).is_err());
}

#[test]
fn a_check_says_where_settings_come_from() {
    let Ok(Asked::Check(settings)) = read("kind = 'memory'\nping-after = 3", &["--ping-after=4", "check-config"])
    else {
        panic!()
    };
    let said = settings.sources();
    assert!(said.contains("yard.toml: kind\n") && said.contains("from flags: ping-after\n"), "{said}");
    assert!(read("ping-after = 'x'", &["check-config"]).is_err());
}

#[test]
fn what_is_read_again_says_what_holds_and_what_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("yard.toml");
    let args = ["yard", "--config", &file.to_string_lossy()].map(str::to_owned);
    let set = |text: &str| fs::write(&file, text).unwrap();
    set("kind = 'memory'\nallow = ['a']");
    let Ok(Asked::Run(settings)) = from_args::<Yard>(&args) else { panic!() };
    let mut standing = Standing::new(settings.apart().1);
    let again = |standing: &mut Standing| {
        let (yard, Change { taken, left }) =
            standing.read::<Yard>(&args, &["allow"]).map_err(|error| error.to_string())?;
        Ok::<_, String>((yard.allow, taken.join(" "), left.join(" ")))
    };
    let same = || (vec!["a".to_owned()], String::new(), String::new());
    assert_eq!(again(&mut standing).unwrap(), same());
    set("kind = 'disk'\nallow = ['b']");
    for taken in ["allow", ""] {
        // What stayed as it was is said again, for as long as it is so.
        assert_eq!(again(&mut standing).unwrap(), (vec!["b".to_owned()], taken.to_owned(), "kind".to_owned()));
    }
    set("allow = [b]");
    assert!(again(&mut standing).unwrap_err().contains("yard.toml"));
    set("kind = 'memory'");
    assert_eq!(again(&mut standing).unwrap(), (Vec::new(), "allow".to_owned(), String::new()));
}
