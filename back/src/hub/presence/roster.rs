//! Who is in a room as lists: a page for whoever comes or asks, everybody for whoever may have missed news.

use std::sync::Arc;

use serde_json::value::RawValue;
use shared::{Name, Person, RoomName, ServerMessage, UserId, limits};

use super::Presence;

/// The first page as it is told.
pub(super) struct FirstPage {
    json: Arc<RawValue>,
    /// The last one on it; `None` while there is room for more.
    last: Option<UserId>,
}

impl Presence {
    /// Everybody as news: what somebody is told who may have missed some. Whoever has somebody else on the list sees by
    /// `count` that it is wrong.
    pub fn roster(&self, room: &RoomName) -> ServerMessage {
        let named = self.people.len() <= limits::NAMED_PRESENCE_MEMBERS;
        let people = self.people.iter().filter(|_| named).map(|(user, seat)| person(user, &seat.name));
        ServerMessage::Presence {
            room: room.clone(),
            count: self.people.len(),
            joined: people.collect(),
            left: Vec::new(),
            renamed: Vec::new(),
        }
    }

    /// The first people by user id as JSON: what everybody is told who comes.
    pub fn first_page(&mut self) -> Arc<RawValue> {
        if let Some(page) = &self.first_page {
            return Arc::clone(&page.json);
        }
        let (people, _) = self.page(None);
        let json: Arc<RawValue> = Person::page(&people).into();
        let last = people.get(limits::PEOPLE_NAMED - 1).map(|person| person.user.clone());
        self.first_page = Some(FirstPage { json: Arc::clone(&json), last });
        json
    }

    /// Something about this person changes.
    pub(super) fn forget_page_of(&mut self, user: &UserId) {
        self.first_page.take_if(|page| page.last.as_ref().is_none_or(|last| user <= last));
    }

    /// The next people by user id, and whether there are more.
    pub fn page(&self, after: Option<&UserId>) -> (Vec<Person>, bool) {
        use std::ops::Bound::{Excluded, Unbounded};
        let mut rest = self.people.range((after.map_or(Unbounded, |user| Excluded(user.clone())), Unbounded));
        let page = rest.by_ref().take(limits::PEOPLE_NAMED).map(|(user, seat)| person(user, &seat.name)).collect();
        (page, rest.next().is_some())
    }
}

pub(super) fn person(user: &UserId, name: &Name) -> Person {
    Person { user: user.clone(), name: name.clone() }
}
