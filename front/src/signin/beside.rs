//! The door beside these: whoever finds the chat server's port without a ticket may see there what is kept here for those
//! who signed in. Nothing here can close it, so the operator is told for as long as it is open.

use std::{sync::Arc, time::Duration};

use actix_web::web;
use shared::RoomName;

use super::Doors;
use crate::{
    accounts::{self, book::Book},
    bridge::Bridge,
};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(5 * 60);

/// How soon again, where it could not be told.
const SOON: Duration = Duration::from_secs(5);

/// Rooms of members that are tried at most.
const ROOMS: usize = 7;

/// Looks until the server stops.
pub(crate) fn watch(doors: web::Data<Doors>, bridge: &Arc<Bridge>) {
    let asking = Arc::clone(bridge);
    bridge.spawn(async move {
        let mut before = None;
        loop {
            let sees = asking.stranger_sees(&kept(&doors.accounts.now())).await;
            match sees {
                Some(true) => tracing::warn!(
                    "people sign in here, and the chat server shows rooms to whoever comes without: start back with \
                     --guests no, or name with --guest-rooms only what is open here"
                ),
                Some(false) if before != sees => {
                    tracing::info!("the chat server shows nothing to strangers that is kept for those who signed in");
                }
                _ => {}
            }
            before = sees.or(before);
            tokio::time::sleep(if sees.is_some() { EVERY } else { SOON }).await;
        }
    });
}

/// Rooms that a stranger should not see: one that nobody has thought of, and some of members.
fn kept(book: &Book) -> Vec<RoomName> {
    let mut rooms: Vec<RoomName> =
        accounts::word().ok().and_then(|word| RoomName::parse(&word).ok()).into_iter().collect();
    for room in book.accounts.iter().flat_map(|account| &account.rooms) {
        let is_open = book.rooms.sight(&[]).is_ok_and(|open| open.covers(room));
        if rooms.len() <= ROOMS && !is_open && !rooms.contains(room) {
            rooms.push(room.clone());
        }
    }
    rooms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::book::tests::account;

    #[test]
    fn what_is_open_to_all_who_signed_in_may_be_open_to_strangers_too() {
        let room = |name: &str| RoomName::parse(name).unwrap();
        let mut book = Book { accounts: vec![account("kim"), account("lee")], ..Book::default() };
        book.rooms.open = vec!["lobby".to_owned(), "class-*".to_owned()];
        book.accounts[0].rooms = vec![room("staff"), room("class-1"), room("lobby")];
        book.accounts[1].rooms = (0..50).map(|n| room(&format!("team-{n}"))).chain([room("staff")]).collect();
        let kept = kept(&book);
        assert_eq!(kept.len(), ROOMS + 1);
        assert!(kept.contains(&room("staff")) && !kept.contains(&room("lobby")) && !kept.contains(&room("class-1")));
        assert!(kept[0].as_str().len() > 20, "{}: a room that nobody has", kept[0]);
    }
}
