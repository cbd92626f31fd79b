//! What an operator does with rooms, beside the server that runs: what is open, who is a member, and links.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use shared::{Name, RoomName};

use super::{
    book::Book,
    file::Accounts,
    now,
    rooms::{self, Invitation},
    word,
};

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Opens rooms to everybody who signed in.
///
/// # Errors
/// When they are open already, are too many, or the file cannot be written.
pub(crate) fn open(file: &Path, patterns: &[String]) -> anyhow::Result<()> {
    Accounts::open(file.to_owned())?.change(|book| book.rooms.open(patterns))
}

/// Closes what was opened.
///
/// # Errors
/// When it was not, or the file cannot be written.
pub(crate) fn close(file: &Path, patterns: &[String]) -> anyhow::Result<()> {
    Accounts::open(file.to_owned())?.change(|book| book.rooms.close(patterns))
}

/// Makes somebody a member.
///
/// # Errors
/// When everybody sees the room, there is nobody of that name, they are in too many, or the file cannot be written.
pub(crate) fn add(file: &Path, room: &RoomName, name: &Name) -> anyhow::Result<()> {
    Accounts::open(file.to_owned())?.change(|book| {
        book.rooms.is_closed(room)?;
        rooms::join(&mut book.change(name)?.rooms, room)
    })
}

/// Makes somebody a member no more.
///
/// # Errors
/// When they are none, or the file cannot be written.
pub(crate) fn remove(file: &Path, room: &RoomName, name: &Name) -> anyhow::Result<()> {
    Accounts::open(file.to_owned())?.change(|book| {
        let account = book.change(name)?;
        let at = account.rooms.iter().position(|one| one == room);
        account.rooms.remove(at.ok_or_else(|| anyhow::anyhow!("{name} is no member of {room}"))?);
        Ok(())
    })
}

/// Makes a link to a room, for so many people and days: its word.
///
/// # Errors
/// When everybody sees the room, there are too many links, or the file cannot be written.
pub(crate) fn invite(file: &Path, room: &RoomName, uses: u32, days: u32) -> anyhow::Result<String> {
    let (word, now) = (word()?, now());
    let hash = rooms::hash(&word);
    let invitation = Invitation { room: room.clone(), hash, until: now + u64::from(days) * DAY_MS, left: uses };
    Accounts::open(file.to_owned())?.change(|book| book.rooms.invite(invitation, now))?;
    Ok(word)
}

/// Makes all links to a room worthless; says how many there were.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn revoke(file: &Path, room: &RoomName) -> anyhow::Result<usize> {
    let now = now();
    Accounts::open(file.to_owned())?.change(|book| {
        let held = book.rooms.invitations.iter().filter(|one| one.room == *room && one.holds(now)).count();
        book.rooms.invitations.retain(|one| one.room != *room);
        Ok(held)
    })
}

/// What is open, and who is in the other rooms or may come by a link, a line each.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn list(file: &Path) -> anyhow::Result<String> {
    Ok(listed(&Accounts::open(file.to_owned())?.now(), now()))
}

fn listed(book: &Book, now: u64) -> String {
    let mut closed: BTreeMap<&RoomName, (Vec<&str>, Vec<String>)> = BTreeMap::new();
    for account in &book.accounts {
        for room in &account.rooms {
            closed.entry(room).or_default().0.push(account.name.as_str());
        }
    }
    for link in book.rooms.invitations.iter().filter(|link| link.holds(now)) {
        let hours = (link.until - now).div_ceil(DAY_MS / 24);
        closed.entry(&link.room).or_default().1.push(format!("a link for {} more, {hours} h", link.left));
    }
    let mut text: String = book.rooms.open.iter().map(|open| format!("{open}\topen\n")).collect();
    for (room, (members, links)) in closed {
        let members = if members.is_empty() { "nobody".to_owned() } else { members.join(", ") };
        // Writing to a text cannot fail.
        _ = writeln!(text, "{room}\tmembers: {}", [vec![members], links].concat().join("; "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_what_is_open_and_who_is_where() {
        let text = r#"{"accounts": [
            {"id": "1", "name": "kim", "password": "$", "rooms": ["staff", "회의"]},
            {"id": "2", "name": "lee", "password": "$", "rooms": ["staff"]}
        ], "rooms": {"open": ["lobby", "class-*"], "invitations": [
            {"room": "new", "hash": "x", "until": 7200000, "left": 3},
            {"room": "staff", "hash": "y", "until": 7200000, "left": 0}
        ]}}"#;
        let book: Book = serde_json::from_str(text).unwrap();
        let wanted = "lobby\topen\nclass-*\topen\nnew\tmembers: nobody; a link for 3 more, 2 h\nstaff\tmembers: kim, lee\n\
                      회의\tmembers: kim\n";
        assert_eq!(listed(&book, 0), wanted);
    }
}
