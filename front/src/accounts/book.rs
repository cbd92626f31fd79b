//! What is known of the people who may come in: who they are, by which sign-ins they are here, and which rooms they see. It
//! knows no passwords, only what is kept of them. Pure.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use shared::{Name, RoomName, Sight};

use super::rooms::{self, Rooms};

/// Accounts in a file at most.
const ACCOUNTS: usize = 10_000;

/// Sign-ins of an account at most: the oldest ends when there is another.
const SIGN_INS: usize = 20;

/// Everything that the file says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Book {
    /// In the order in which they were added.
    pub(crate) accounts: Vec<Account>,
    /// Which rooms are open, and the links to others.
    #[serde(default)]
    pub(crate) rooms: Rooms,
}

/// Somebody.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Who it is to the chat server. Whoever is added again under the same name is somebody else.
    pub(crate) id: String,
    /// What they are called.
    pub(crate) name: Name,
    /// What is kept of the password, as a PHC string.
    pub(crate) password: String,
    /// By which they are here, oldest first.
    #[serde(default)]
    pub(crate) sign_ins: Vec<SignIn>,
    /// The rooms that they are a member of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rooms: Vec<RoomName>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({})", self.name)
    }
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Followed {
    /// Into this room.
    To(RoomName),
    /// Nowhere: it does not hold, or not any more.
    Over,
    /// Nowhere: they are a member of as many rooms as they can be.
    Full,
}

/// One sign-in of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignIn {
    /// Which.
    pub(crate) sid: String,
    /// When it ends by itself, in Unix milliseconds.
    pub(crate) until: u64,
}

impl Book {
    /// The account of this name; capital letters make no other one. All are looked at, also behind the one that is found:
    /// with thousands, the time would tell a name that is there from one that is not.
    pub(crate) fn named(&self, name: &Name) -> Option<&Account> {
        let wanted = name.as_str().to_lowercase();
        let is_it = |account: &&Account| account.name.as_str().to_lowercase() == wanted;
        self.accounts.iter().filter(is_it).fold(None, |_, found| Some(found))
    }

    /// The account of this sign-in, where it is not over.
    pub(crate) fn signed_in(&self, id: &str, sid: &str, now: u64) -> Option<&Account> {
        let account = self.accounts.iter().find(|account| account.id == id)?;
        account.sign_ins.iter().any(|one| one.sid == sid && one.until > now).then_some(account)
    }

    /// Adds somebody.
    ///
    /// # Errors
    /// When the name is taken, or there are too many.
    pub(crate) fn add(&mut self, account: Account) -> anyhow::Result<()> {
        anyhow::ensure!(self.named(&account.name).is_none(), "there is an account of that name already");
        anyhow::ensure!(self.accounts.len() < ACCOUNTS, "there are {ACCOUNTS} accounts; more do not fit");
        self.accounts.push(account);
        Ok(())
    }

    /// The account of this name, to change it.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn change(&mut self, name: &Name) -> anyhow::Result<&mut Account> {
        let id = self.named(name).map(|account| account.id.clone());
        let found = id.and_then(|id| self.accounts.iter_mut().find(|account| account.id == id));
        found.ok_or_else(|| anyhow::anyhow!("there is no account of that name"))
    }

    /// Notes a sign-in of this account, if the password is still the one that was shown.
    pub(crate) fn sign_in(&mut self, id: &str, password: &str, one: SignIn, now: u64) -> bool {
        let Some(account) = self.accounts.iter_mut().find(|account| account.id == id && account.password == password)
        else {
            return false;
        };
        account.sign_ins.retain(|one| one.until > now);
        while account.sign_ins.len() >= SIGN_INS {
            account.sign_ins.remove(0);
        }
        account.sign_ins.push(one);
        true
    }

    /// The rooms that somebody sees.
    pub(crate) fn sight_of(&self, account: &Account) -> Sight {
        // It was looked at when the file was read.
        self.rooms.sight(&account.rooms).unwrap_or_else(|_| Sight::nothing())
    }

    /// The accounts that saw a room here and do not see it there. Who was not here has seen nothing.
    pub(crate) fn who_sees_less<'a>(&self, after: &'a Self) -> impl Iterator<Item = String> + use<'a> {
        let here = self.accounts.iter().filter(|one| !one.sign_ins.is_empty());
        let saw: HashMap<String, Sight> = here.map(|one| (one.id.clone(), self.sight_of(one))).collect();
        let less = move |one: &&Account| saw.get(&one.id).is_some_and(|saw| !after.sight_of(one).includes(saw));
        after.accounts.iter().filter(less).map(|one| one.id.clone())
    }

    /// Where a link leads this account.
    pub(crate) fn leads(&self, id: &str, word: &str, now: u64) -> Followed {
        let account = self.accounts.iter().find(|account| account.id == id);
        let (Some(account), Some(link)) = (account, self.rooms.link(word)) else { return Followed::Over };
        if self.sight_of(account).covers(&link.room) {
            Followed::To(link.room.clone())
        } else if !link.holds(now) {
            Followed::Over
        } else if rooms::join(&mut account.rooms.clone(), &link.room).is_err() {
            Followed::Full
        } else {
            Followed::To(link.room.clone())
        }
    }

    /// Has this account follow a link: they become a member where it leads, once.
    pub(crate) fn follow(&mut self, id: &str, word: &str, now: u64) -> Followed {
        let leads = self.leads(id, word, now);
        let Followed::To(room) = &leads else { return leads };
        let account = self.accounts.iter().find(|account| account.id == id);
        if account.is_some_and(|account| !self.sight_of(account).covers(room)) {
            self.rooms.use_up(word);
            let account = self.accounts.iter_mut().filter(|account| account.id == id);
            account.for_each(|account| account.rooms.push(room.clone()));
        }
        leads
    }

    /// Whether what it says makes sense.
    ///
    /// # Errors
    /// What does not.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.accounts.iter().try_for_each(|account| self.rooms.sight(&account.rooms).map(drop))
    }

    /// Ends a sign-in.
    pub(crate) fn sign_out(&mut self, id: &str, sid: &str) {
        for account in self.accounts.iter_mut().filter(|account| account.id == id) {
            account.sign_ins.retain(|one| one.sid != sid);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn account(name: &str) -> Account {
        let (id, password) = (format!("id of {name}"), "$".to_owned());
        Account { id, name: Name::parse(name).unwrap(), password, sign_ins: Vec::new(), rooms: Vec::new() }
    }

    pub(crate) fn one(sid: usize, until: u64) -> SignIn {
        SignIn { sid: sid.to_string(), until }
    }

    #[test]
    fn sign_ins_end_by_themselves_by_word_and_when_there_are_many() {
        let mut book = Book { accounts: vec![account("kim")], ..Book::default() };
        let id = "id of kim";
        for sid in 0..SIGN_INS + 1 {
            assert!(book.sign_in(id, "$", one(sid, 100), 0));
        }
        assert!(book.signed_in(id, "0", 50).is_none() && book.signed_in(id, "1", 50).is_some());
        assert!(book.signed_in(id, "1", 100).is_none() && book.signed_in("other", "1", 50).is_none());
        book.sign_out(id, "1");
        assert!(book.signed_in(id, "1", 50).is_none() && book.signed_in(id, "2", 50).is_some());
        assert!(!book.sign_in(id, "another", one(99, 100), 0), "the password was changed meanwhile");
    }

    /// kim and lee, and a link to a room that nobody sees yet, for so many.
    fn invited(left: u32) -> (Book, RoomName) {
        let mut book = Book { accounts: vec![account("kim"), account("lee")], ..Book::default() };
        let staff = RoomName::parse("staff").unwrap();
        book.rooms.open.clear();
        let link = rooms::Invitation { room: staff.clone(), hash: rooms::hash("word"), until: 100, left };
        book.rooms.invite(link, 0).unwrap();
        (book, staff)
    }

    #[test]
    fn a_link_makes_a_member_of_as_many_as_it_is_for() {
        let (mut book, staff) = invited(1);
        assert_eq!(book.follow("id of kim", "another", 0), Followed::Over);
        assert_eq!(book.follow("id of kim", "word", 100), Followed::Over, "its time is over");
        assert_eq!(book.follow("nobody", "word", 0), Followed::Over);
        assert_eq!(book.follow("id of kim", "word", 0), Followed::To(staff.clone()));
        assert!(book.sight_of(&book.accounts[0]).covers(&staff) && !book.sight_of(&book.accounts[1]).covers(&staff));
        assert_eq!(book.follow("id of lee", "word", 0), Followed::Over, "it was for one");
        assert_eq!(book.follow("id of kim", "word", 200), Followed::To(staff), "who is in finds the way again");
    }

    #[test]
    fn who_is_a_member_already_uses_nothing_up() {
        let (mut book, staff) = invited(2);
        for _ in 0..5 {
            assert_eq!(book.follow("id of kim", "word", 0), Followed::To(staff.clone()));
        }
        assert_eq!((book.rooms.invitations[0].left, book.accounts[0].rooms.len()), (1, 1));
        let mut full = Vec::new();
        let mut names = (0..).map(|n: u32| RoomName::parse(&n.to_string()).unwrap());
        while rooms::join(&mut full, &names.next().unwrap()).is_ok() {}
        book.accounts[1].rooms = full.clone();
        assert_eq!(book.follow("id of lee", "word", 0), Followed::Full);
        assert_eq!((book.rooms.invitations[0].left, &book.accounts[1].rooms), (1, &full));
    }
}
