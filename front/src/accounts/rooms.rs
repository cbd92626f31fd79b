//! Which rooms are open to everybody who signed in, and the links by which somebody becomes a member of another. Pure: the
//! time is handed in. Rooms themselves are unknown here: a name is open, or it is not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::{RoomName, Sight};

/// Rooms that are open at most, and rooms that somebody is a member of: as many of both as a ticket may name.
const ROOMS: usize = shared::limits::SIGHT_ROOMS / 2;

/// Bytes that the names of either may have, so that both fit into a ticket.
const NAME_BYTES: usize = 2_400;

/// Links at most that hold.
const INVITATIONS: usize = 1_000;

/// What the file says about rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rooms {
    /// Names of rooms that everybody sees who signed in; a `*` at the end stands for whatever follows.
    #[serde(default = "all")]
    pub(crate) open: Vec<String>,
    /// Links that hold, or did when somebody looked last.
    #[serde(default)]
    pub(crate) invitations: Vec<Invitation>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { open: all(), invitations: Vec::new() }
    }
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

/// A link that makes whoever opens it a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invitation {
    /// Of this room.
    pub(crate) room: RoomName,
    /// The SHA-256 of its word, which nobody here knows.
    pub(crate) hash: String,
    /// Until when, in Unix milliseconds.
    pub(crate) until: u64,
    /// How many more it makes members.
    pub(crate) left: u32,
}

/// What is kept of a link's word. It has 128 random bits, so nobody finds it by trying.
pub(crate) fn hash(word: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(word.as_bytes()))
}

impl Rooms {
    /// What a member of these rooms sees.
    ///
    /// # Errors
    /// When what is open makes no sense.
    pub(crate) fn sight(&self, own: &[RoomName]) -> anyhow::Result<Sight> {
        let open = Sight::parse(self.open.iter().map(String::as_str))?;
        if open.is_everything() {
            return Ok(open);
        }
        Ok(Sight::of([open.names(), own].concat(), open.beginnings().to_vec())?)
    }

    /// Whether everybody who signed in sees every room.
    pub(crate) fn are_open(&self) -> bool {
        self.open.iter().any(|pattern| pattern == "*")
    }

    /// Opens rooms to everybody who signed in.
    ///
    /// # Errors
    /// When they are open, make no sense, or are too many.
    pub(crate) fn open(&mut self, patterns: &[String]) -> anyhow::Result<()> {
        let how = "close '*' first, and then open those that everybody may see";
        anyhow::ensure!(!self.are_open(), "every room is open, by '*': {how}");
        for pattern in patterns {
            let pattern = canonical(pattern)?;
            if pattern == "*" {
                self.open = all();
            } else if !self.open.contains(&pattern) {
                self.open.push(pattern);
            }
        }
        fits(&self.open, "as open")
    }

    /// Closes what was opened.
    ///
    /// # Errors
    /// When it was not opened in these words.
    pub(crate) fn close(&mut self, patterns: &[String]) -> anyhow::Result<()> {
        for pattern in patterns {
            let pattern = canonical(pattern)?;
            let at = self.open.iter().position(|open| *open == pattern);
            let Some(at) = at else {
                let list = if self.open.is_empty() { "nothing".to_owned() } else { self.open.join(" ") };
                anyhow::bail!("{pattern} was not opened by itself; what is open is: {list}");
            };
            self.open.remove(at);
        }
        Ok(())
    }

    /// Adds a link, and forgets those that do not hold any more.
    ///
    /// # Errors
    /// When everybody sees the room, or there are too many.
    pub(crate) fn invite(&mut self, invitation: Invitation, now: u64) -> anyhow::Result<()> {
        self.is_closed(&invitation.room)?;
        self.invitations.retain(|one| one.holds(now));
        anyhow::ensure!(self.invitations.len() < INVITATIONS, "there are {INVITATIONS} links; revoke some");
        self.invitations.push(invitation);
        Ok(())
    }

    /// The link with this word, whether it holds or not.
    pub(crate) fn link(&self, word: &str) -> Option<&Invitation> {
        let hash = hash(word);
        self.invitations.iter().find(|one| one.hash == hash)
    }

    /// Uses a link once.
    pub(crate) fn use_up(&mut self, word: &str) {
        let hash = hash(word);
        for one in self.invitations.iter_mut().filter(|one| one.hash == hash) {
            one.left = one.left.saturating_sub(1);
        }
    }

    /// Whether members alone see this room.
    ///
    /// # Errors
    /// When everybody does.
    pub(crate) fn is_closed(&self, room: &RoomName) -> anyhow::Result<()> {
        let hint = if self.are_open() { "close '*' first" } else { "close it first" };
        anyhow::ensure!(!self.sight(&[])?.covers(room), "everybody who signed in sees {room}: {hint}");
        Ok(())
    }
}

impl Invitation {
    /// Whether it still makes members.
    pub(crate) fn holds(&self, now: u64) -> bool {
        self.left > 0 && self.until > now
    }
}

/// Makes somebody with these rooms a member of another.
///
/// # Errors
/// When they are in too many.
pub(crate) fn join(own: &mut Vec<RoomName>, room: &RoomName) -> anyhow::Result<()> {
    if own.contains(room) {
        return Ok(());
    }
    own.push(room.clone());
    fits(own, "with one member").inspect_err(|_| drop(own.pop()))
}

/// A pattern in the one way to write it.
fn canonical(pattern: &str) -> anyhow::Result<String> {
    let sight = Sight::parse([pattern])?;
    Ok(match (sight.names(), sight.beginnings()) {
        ([name], _) => name.to_string(),
        (_, [beginning]) => format!("{beginning}*"),
        _ => "*".to_owned(),
    })
}

fn fits<T: Serialize>(names: &[T], what: &str) -> anyhow::Result<()> {
    let bytes = serde_json::to_string(names)?.len();
    anyhow::ensure!(
        names.len() <= ROOMS && bytes <= NAME_BYTES,
        "there are {ROOMS} rooms {what} at most, and {NAME_BYTES} bytes of their names; open several by one beginning"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    fn of(open: &[&str]) -> Rooms {
        Rooms { open: open.iter().map(|open| (*open).to_owned()).collect(), invitations: Vec::new() }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn link(room_name: &str, word: &str, until: u64, left: u32) -> Invitation {
        Invitation { room: room(room_name), hash: hash(word), until, left }
    }

    #[test]
    fn without_a_word_everything_is_open() {
        assert!(Rooms::default().sight(&[]).unwrap().is_everything());
        let read: Rooms = serde_json::from_str("{}").unwrap();
        assert_eq!(read, Rooms::default());
    }

    #[test]
    fn what_is_not_opened_is_for_members_alone() {
        let mut rooms = Rooms::default();
        assert!(rooms.open(&words(&["lobby"])).is_err(), "it would not close the others");
        rooms.close(&words(&["*"])).unwrap();
        assert!(!rooms.sight(&[]).unwrap().covers(&room("lobby")));
        rooms.open(&words(&[" lobby ", "class-*", "lobby"])).unwrap();
        assert_eq!(rooms.open, ["lobby", "class-*"]);
        let sight = rooms.sight(&[room("staff")]).unwrap();
        for (name, seen) in [("lobby", true), ("class-7", true), ("staff", true), ("staff-2", false), ("clas", false)] {
            assert_eq!(sight.covers(&room(name)), seen, "{name}");
        }
        assert!(rooms.close(&words(&["class-7"])).is_err(), "it is open by another word");
        rooms.close(&words(&["class-*"])).unwrap();
        rooms.open(&words(&["*"])).unwrap();
        assert!(rooms.are_open());
        assert!(of(&[]).open(&words(&["a/b"])).is_err() && of(&["a/b"]).sight(&[]).is_err());
    }

    #[test]
    fn both_kinds_of_rooms_fit_into_a_ticket() {
        let mut rooms = of(&[]);
        let long: String = "가".repeat(shared::limits::ROOM_CHARS - 2);
        let mut own = Vec::new();
        for n in 0..100 {
            _ = rooms.open(&words(&[&format!("{long}{n}")])).map_err(|_| rooms.open.truncate(rooms.open.len() - 1));
            _ = join(&mut own, &room(&format!("{n}{long}")));
        }
        assert!(rooms.open.len() > 10 && own.len() > 10 && rooms.sight(&own).is_ok());
        let said = serde_json::to_string(&(&rooms.open, &own)).unwrap();
        // With 600 bytes for the rest of it, in base64.
        assert!((said.len() + 600) * 4 / 3 < shared::ticket::TICKET_BYTES, "{}", said.len());
        let mut many = Vec::new();
        assert_eq!((0..100).filter(|n| join(&mut many, &room(&n.to_string())).is_ok()).count(), ROOMS);
    }

    #[test]
    fn a_link_holds_for_its_time_and_so_many_people() {
        let mut rooms = of(&["lobby"]);
        assert!(rooms.invite(link("lobby", "w", 100, 1), 0).is_err(), "everybody sees it");
        rooms.invite(link("staff", "w", 100, 2), 0).unwrap();
        assert_eq!(rooms.invitations[0].hash.len(), 43, "it is the hash that is kept");
        let holds = |rooms: &Rooms, word, now| rooms.link(word).is_some_and(|link| link.holds(now));
        assert_eq!(rooms.link("w").unwrap().room, room("staff"));
        assert!(holds(&rooms, "w", 99) && !holds(&rooms, "w", 100));
        assert!(rooms.link("v").is_none() && rooms.link("").is_none());
        rooms.use_up("w");
        assert!(holds(&rooms, "w", 0));
        rooms.use_up("w");
        assert!(!holds(&rooms, "w", 0));
        // What does not hold any more is forgotten.
        rooms.invite(link("staff", "x", 100, 1), 0).unwrap();
        assert_eq!(rooms.invitations.len(), 1);
        let full = (0..INVITATIONS).filter(|n| rooms.invite(link("staff", &n.to_string(), 9, 1), 0).is_ok());
        assert_eq!(full.count(), INVITATIONS - 1);
    }
}
