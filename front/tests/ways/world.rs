//! Both programs on free ports, plain or with a certificate, behind links that can be cut; and what all talkers share.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use service::tls::Trust;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
    time::timeout,
};

use crate::process::Process;

/// Longer than anything takes on a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// Longest wait for a single step, before it counts as a link that broke.
pub(crate) const STEP: Duration = Duration::from_secs(10);

/// The room that everybody is in.
pub(crate) const ROOM: &str = "마당";

/// Its name in an address.
pub(crate) const ROOM_PATH: &str = "%EB%A7%88%EB%8B%B9";

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Where the programs are for those who talk.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) back: String,
    pub(crate) front: String,
    trust: Option<Trust>,
}

impl Place {
    /// A connection, under TLS where that is spoken; nothing when there is none to be had.
    pub(crate) async fn dial(&self, address: &str) -> Option<Box<dyn Duplex>> {
        timeout(STEP, async {
            let stream = TcpStream::connect(address).await.ok()?;
            Some(match &self.trust {
                Some(trust) => Box::new(trust.connect("127.0.0.1", stream).await.ok()?) as Box<dyn Duplex>,
                None => Box::new(stream),
            })
        })
        .await
        .ok()?
    }
}

/// What all talkers share.
pub(crate) struct Talk {
    pub(crate) place: Place,
    begun: watch::Sender<usize>,
    said: watch::Sender<usize>,
}

impl Talk {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, begun: watch::Sender::new(0), said: watch::Sender::new(0) }
    }

    /// A reader knows where it begins.
    pub(crate) fn begins(&self) {
        self.begun.send_modify(|begun| *begun += 1);
    }

    /// Waits until so many readers have a position.
    pub(crate) async fn all_listen(&self, count: usize) {
        let mut begun = self.begun.subscribe();
        timeout(DEADLINE, begun.wait_for(|begun| *begun == count)).await.expect("all listen").unwrap();
    }

    /// A message was answered with `ok`.
    pub(crate) fn is_said(&self) {
        self.said.send_modify(|said| *said += 1);
    }

    pub(crate) async fn said_at_least(&self, count: usize) {
        let mut said = self.said.subscribe();
        timeout(DEADLINE, said.wait_for(|said| *said >= count)).await.expect("the talk goes on").unwrap();
    }
}

/// A link of TCP that can be cut.
struct Link {
    address: String,
    live: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Link {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let live: Arc<Mutex<Vec<AbortHandle>>> = Arc::default();
        let connections = Arc::clone(&live);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let server = server.clone();
                let carrying = tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(server).await {
                        _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
                connections.lock().unwrap().push(carrying.abort_handle());
            }
        });
        Self { address, live }
    }

    /// Ends every connection that there is now.
    fn cut(&self) {
        self.live.lock().unwrap().drain(..).for_each(|connection| connection.abort());
    }
}

pub(crate) struct World {
    back: Option<Process>,
    front: Option<Process>,
    back_flags: Vec<String>,
    front_flags: Vec<String>,
    /// From talkers to back, from talkers to front, from front to back.
    links: [Link; 3],
    place: Place,
    _data: TempDir,
}

impl World {
    pub(crate) async fn open(tls: bool) -> Self {
        let data = tempfile::tempdir().unwrap();
        let path = |name: &str| data.path().join(name).to_str().unwrap().to_owned();
        let mut papers: Vec<String> = Vec::new();
        if tls {
            let made = generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
            let CertifiedKey { cert, signing_key } = made;
            std::fs::write(path("cert.pem"), cert.pem()).unwrap();
            std::fs::write(path("key.pem"), signing_key.serialize_pem()).unwrap();
            papers = ["--tls-cert", &path("cert.pem"), "--tls-key", &path("key.pem")].map(str::to_owned).to_vec();
        }
        let scheme = if tls { "wss" } else { "ws" };
        let flag = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>();

        let mut back_flags = [flag(&["--data", &path("data"), "--sends-per-second", "0"]), papers.clone()].concat();
        let back = start("back", "127.0.0.1:0", &back_flags);
        let back_address = address_of(&back);
        back_flags.splice(..0, flag(&["--listen", &back_address]));
        let between = Link::to(back_address.clone()).await;

        let to_back = format!("{scheme}://{}", between.address);
        let mut front_flags = [flag(&["--same-port", "--back", &to_back]), papers].concat();
        if tls {
            front_flags.extend(flag(&["--back-ca", &path("cert.pem")]));
        }
        let front = start("front", "127.0.0.1:0", &front_flags);
        let front_address = address_of(&front);
        front_flags.splice(..0, flag(&["--listen", &front_address]));

        let links = [Link::to(back_address).await, Link::to(front_address).await, between];
        let trust = tls.then(|| Trust::in_file(&data.path().join("cert.pem")).unwrap());
        let place = Place { back: links[0].address.clone(), front: links[1].address.clone(), trust };
        Self { back: Some(back), front: Some(front), back_flags, front_flags, links, place, _data: data }
    }

    pub(crate) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Kills it the hardest way (SIGKILL) and starts it where it was.
    pub(crate) fn kill_back(&mut self) {
        self.back = None;
        self.back = Some(start("back", "", &self.back_flags));
    }

    /// The same with front.
    pub(crate) fn kill_front(&mut self) {
        self.front = None;
        self.front = Some(start("front", "", &self.front_flags));
    }

    /// Cuts every connection between everybody.
    pub(crate) fn cut(&self) {
        self.links.iter().for_each(Link::cut);
    }
}

fn address_of(process: &Process) -> String {
    process.said.split_once("://").expect("an address").1.to_owned()
}

/// Starts a program; `listen` is empty where the flags say it.
fn start(name: &str, listen: &str, flags: &[String]) -> Process {
    let test = std::env::current_exe().expect("the path of this test");
    let program: PathBuf = test.ancestors().nth(2).expect("target/<profile>/deps/<test>").join(name);
    assert!(program.is_file(), "{} is missing: run `cargo build --workspace` first", program.display());
    let mut arguments: Vec<&str> = if listen.is_empty() { Vec::new() } else { vec!["--listen", listen] };
    arguments.extend(flags.iter().map(String::as_str));
    Process::start(&program, &arguments, "listening on ")
}
