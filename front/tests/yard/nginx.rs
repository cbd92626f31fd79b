//! Debian's nginx with the very file that docs/operations.md recommends.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{net::TcpStream, time::sleep};

use super::Process;

const RECIPE: &str = include_str!("../../../docs/recipes/nginx.conf");
/// Many times what it takes to start.
const START: Duration = Duration::from_secs(20);

/// How the recipe says that this program is to be started: its flags, for a site without a certificate.
#[allow(dead_code, reason = "not every test starts the programs by the recipe's word")]
pub(crate) fn flags_of(program: &str) -> Vec<String> {
    let line = RECIPE.lines().find_map(|line| line.strip_prefix("#   ")?.strip_prefix(program));
    line.expect("a command").replace("https://", "http://").split_whitespace().map(str::to_owned).collect()
}

/// nginx in a directory of its own, without any privilege and as one process: a worker would outlive its master, which is
/// killed when this is dropped.
pub(crate) struct Nginx {
    /// Where it listens.
    pub(crate) address: String,
    _process: Process,
    _scratch: TempDir,
}

/// An address where nothing listens. Somebody else may get the port before nginx does; then it does not start, and the test
/// fails loudly.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

impl Nginx {
    /// Listens at `address` and passes on to the page server at `front`.
    pub(crate) async fn start(address: String, front: &str) -> Self {
        let recipe = RECIPE.replace("127.0.0.1:8080", front);
        let scratch = tempfile::tempdir().expect("a directory");
        let dir = scratch.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {dir}/{name};"))
            .concat();
        let id = Command::new("id").arg("-u").output().expect("id runs");
        let user = if id.stdout == b"0\n" { "user root;" } else { "" };
        let config = format!(
            "{user} daemon off; master_process off; pid {dir}/pid; error_log stderr notice;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; {temporary} server {{ listen {address};\n{recipe}\n}} }}\n"
        );
        let file = scratch.path().join("nginx.conf");
        fs::write(&file, config).expect("it is written");
        let program = program();
        let arguments = ["-p", &dir.to_string(), "-e", "stderr", "-c", &file.display().to_string()];
        let process = Process::start(&program, &arguments, "event method");
        let deadline = Instant::now() + START;
        while TcpStream::connect(&address).await.is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            sleep(Duration::from_millis(10)).await;
        }
        Self { address, _process: process, _scratch: scratch }
    }
}

/// From its variable, else where Debian installs it, else where scripts/test unpacks it.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("NGINX") {
        return path.into();
    }
    let test = std::env::current_exe().expect("the path of this test");
    let unpacked = test.ancestors().nth(3).expect("target/<profile>/deps/<test>").join("nginx/usr/sbin/nginx");
    [PathBuf::from("/usr/sbin/nginx"), unpacked]
        .into_iter()
        .find(|path| path.is_file())
        .expect("nginx is missing: scripts/test unpacks Debian's, or name its path in NGINX")
}
