//! Everybody who is refused, by every way that this server offers: in the same bytes whether a room is there or not, headers
//! and all, and told what to do.

mod requests;
mod sockets;

use std::time::Duration;

use shared::TicketKey;
use tokio::{io::AsyncReadExt, time::timeout};

use crate::{
    http,
    signin::{Closed, KEY, PASSWORD, front},
};

/// A room in which something was said, and one that is not there. Their names are of one length, as lengths are compared.
const ROOMS: [&str; 2] = ["staff", "ghost"];

/// Who is refused is refused at once: one who may have waited for a message was let in.
const AT_ONCE: Duration = Duration::from_secs(15);

/// Headers of somebody.
type Shown = Vec<(&'static str, String)>;

/// Everybody's house: kim is one of the staff, who have said something; lee is not, and noah is not any more.
struct Yard {
    closed: Closed,
    kim: String,
    lee: String,
    noah: String,
    epoch: String,
    /// kim's session over HTTP: its secret, and whose it is.
    secret: String,
    user: String,
}

impl Yard {
    async fn open() -> Self {
        let closed = Closed::open();
        let operate = |args: &[&str]| {
            let done = front(closed.folder.path(), args, &format!("{PASSWORD}\n"));
            assert!(done.status.success(), "{args:?}: {done:?}");
        };
        ["lee", "mina", "noah"].iter().for_each(|name| operate(&["user", "add", name]));
        operate(&["room", "close", "*"]);
        operate(&["room", "open", "lobby"]);
        ["kim", "noah"].iter().for_each(|name| operate(&["room", "add", "staff", name]));
        let (kim, lee, noah) = (closed.sign_in("kim").await, closed.sign_in("lee").await, closed.sign_in("noah").await);
        let said = closed.ask("POST", "/api/rooms/staff/messages", &kim, r#"{"text":"the secret"}"#).await;
        assert_eq!(said.status, 201, "{said:?}");
        let epoch = said.json()["epoch"].as_str().unwrap().to_owned();
        let begun = closed.ask("POST", "/api/sessions", &kim, r#"{"rooms":{"staff":{}}}"#).await.json();
        let word = |field: &str| begun[field].as_str().unwrap().to_owned();
        let (secret, user) = (word("session"), word("user"));
        Self { closed, kim, lee, noah, epoch, secret, user }
    }

    fn operate(&self, args: &[&str]) {
        let done = front(self.closed.folder.path(), args, &format!("{PASSWORD}\n"));
        assert!(done.status.success(), "{args:?}: {done:?}");
    }

    fn filled(&self, text: &str, room: &str) -> String {
        text.replace("ROOM", room).replace("EPOCH", &self.epoch).replace("USER", &self.user)
    }

    /// kim's cookie with one of its four parts changed, and the mark of this key on it where there is one.
    fn cookie(&self, at: usize, part: &str, key: Option<&TicketKey>) -> String {
        let mut parts: Vec<&str> = self.kim.strip_prefix("sign-in=").unwrap().split('.').collect();
        parts[at] = part;
        let text = parts[..3].join(".");
        let mark = key.map_or_else(|| parts[3].to_owned(), |key| key.mark("cookie", &text));
        format!("sign-in={text}.{mark}")
    }

    /// Everybody who did not sign in, whatever they show.
    async fn strangers(&self) -> Vec<(&'static str, Shown)> {
        let (own, foreign) = (TicketKey::new(KEY.as_bytes()).unwrap(), TicketKey::new(&[b'x'; 40]).unwrap());
        let part =
            |cookie: &str, at: usize| cookie.strip_prefix("sign-in=").unwrap().split('.').nth(at).unwrap().to_owned();
        let (until, mark) = (part(&self.kim, 2), part(&self.kim, 3));
        let out = self.closed.sign_in("kim").await;
        assert_eq!(self.closed.ask("POST", "/sign-out", &out, "").await.status, 303);
        let removed = self.closed.sign_in("mina").await;
        self.operate(&["user", "remove", "mina"]);
        let cookies = [
            ("no cookie", String::new()),
            ("an empty one", "sign-in=".to_owned()),
            ("another's account", self.cookie(0, &part(&self.lee, 0), None)),
            ("a longer time", self.cookie(2, &format!("{until}0"), None)),
            ("half a mark", self.cookie(3, &mark[..mark.len() / 2], None)),
            ("no mark", self.cookie(3, "", None)),
            ("the mark of another key", self.cookie(2, &until, Some(&foreign))),
            ("a time that is over", self.cookie(2, "1", Some(&own))),
            ("a sign-in that never was", self.cookie(1, "AAAAAAAAAAAAAAAAAAAAAA", Some(&own))),
            ("another's sign-in", self.cookie(1, &part(&self.lee, 1), Some(&own))),
            ("signed out", out),
            ("an account that is gone", removed),
        ];
        let bearer = format!("Bearer {}", self.secret);
        let mut all: Vec<(&str, Shown)> = Vec::new();
        for (who, cookie) in cookies {
            all.push((who, vec![("Cookie", cookie)]));
        }
        // A session's secret is no sign-in.
        all.push(("somebody's session", vec![("Authorization", bearer)]));
        all
    }
}

/// An answer as it came: its lines sorted, as their order says nothing, without the time.
async fn whole(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    let asking = async {
        let mut bytes = Vec::new();
        http::send(address, method, path, headers, body).await.read_to_end(&mut bytes).await.unwrap();
        bytes
    };
    let bytes = timeout(AT_ONCE, asking).await.unwrap_or_else(|_| panic!("{method} {path} was let in, or waits"));
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines: Vec<&str> = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:")).collect();
    lines[1..].sort_unstable();
    format!("{}\n\n{body}", lines.join("\n"))
}
