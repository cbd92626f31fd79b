//! Who is connected: every connection by its number, and every session by the person it belongs to.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use shared::{CloseCode, ErrorBody, Name, ServerMessage, UserId};

use super::outlet::{Farewell, Outlet};
use crate::{
    limits::{Sends, Visit},
    metrics::{Metrics, Protocol},
    moderation::Address,
};

/// A session without a connection is known for so long without asking history: its last name, and what it may send.
const SESSION_KEPT: Duration = Duration::from_secs(60 * 60);

/// Addresses that one ban shuts out at most.
const ADDRESSES: usize = 8;

/// The registry.
pub struct People {
    metrics: Arc<Metrics>,
    /// Sessions without a connection that are known at most.
    sessions_kept: usize,
    next: AtomicU64,
    connections: Mutex<HashMap<u64, Connected>>,
    sessions: Mutex<HashMap<UserId, Session>>,
    /// Which connection an account's session speaks by: an account has as many as it has tabs.
    tabs: Mutex<HashMap<UserId, Arc<Outlet>>>,
}

/// A connection, as far as moderators are concerned.
struct Connected {
    outlet: Arc<Outlet>,
    /// Where it comes from; nothing for this machine.
    address: Option<Address>,
    /// Whose it is, from hello on.
    user: Option<UserId>,
    /// By which sign-in.
    sign_in: Option<Box<str>>,
    moderates: bool,
}

struct Session {
    name: Name,
    /// Where it was last.
    address: Option<Address>,
    sends: Sends,
    /// The connection that the next one of the same session replaces.
    held: Option<Arc<Outlet>>,
    /// All that speak for it: those that are being replaced, several of an account, and those that are not present.
    connections: usize,
    /// When the last of them went.
    left: Instant,
}

/// How the server met somebody.
pub struct Arrival {
    /// What they are called.
    pub name: Name,
    /// Whether that is not what was known of them.
    pub is_new_name: bool,
    /// Whether the session was known.
    pub resumed: bool,
    /// What it may send.
    pub sends: Sends,
}

/// A connection in the registry; dropping it takes it out, however the connection ended.
pub struct Registration {
    people: Arc<People>,
    outlet: Arc<Outlet>,
    address: Option<Address>,
    visit: Option<Arc<Visit>>,
    /// Who speaks on it.
    user: Option<UserId>,
    /// By which session of an account.
    tab: Option<UserId>,
    protocol: Protocol,
}

impl People {
    /// Nobody yet. So many sessions are known without asking history once they have no connection.
    pub(super) fn new(metrics: Arc<Metrics>, sessions_kept: usize) -> Self {
        Self {
            metrics,
            sessions_kept,
            next: AtomicU64::new(0),
            connections: Mutex::default(),
            sessions: Mutex::default(),
            tabs: Mutex::default(),
        }
    }

    /// A number for a new connection; none is used twice while the process runs.
    pub fn next_connection(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Adds a connection that comes from here, is counted there if it is counted, and is spoken with like this.
    pub fn register(
        self: &Arc<Self>,
        outlet: &Arc<Outlet>,
        address: Option<Address>,
        visit: Option<Arc<Visit>>,
        protocol: Protocol,
    ) -> Registration {
        let connected = Connected { outlet: Arc::clone(outlet), address, user: None, sign_in: None, moderates: false };
        self.connections().insert(outlet.connection(), connected);
        self.metrics.connected(protocol, outlet.wire().is_tls());
        Registration {
            people: Arc::clone(self),
            outlet: Arc::clone(outlet),
            address,
            visit,
            user: None,
            tab: None,
            protocol,
        }
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Connected>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tabs(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, Arc<Outlet>>> {
        self.tabs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.connections().len()
    }

    /// All connections, for the sweeper and for the end.
    pub fn outlets(&self) -> Vec<Arc<Outlet>> {
        self.connections().values().map(|connected| Arc::clone(&connected.outlet)).collect()
    }

    /// The connections for which this is true. It looks at all of them: moderators act seldom.
    fn those(&self, wanted: impl Fn(&Connected) -> bool) -> Vec<Arc<Outlet>> {
        let connections = self.connections();
        connections.values().filter(|one| wanted(one)).map(|one| Arc::clone(&one.outlet)).collect()
    }

    /// Ends somebody's connections, and those from these addresses that are no moderator's; says how many there were.
    pub fn dismiss(&self, user: &UserId, addresses: &[Address], farewell: &Farewell) -> usize {
        let outlets = self.those(|one| {
            let from_there = one.address.is_some_and(|address| addresses.contains(&address));
            one.user.as_ref() == Some(user) || (from_there && !one.moderates)
        });
        outlets.iter().for_each(|outlet| outlet.dismiss(farewell));
        outlets.len()
    }

    /// Ends the connections of a sign-in, or all of an account's, with this code; says how many there were. Without a word
    /// to tell them they are expected back.
    pub fn sign_out(&self, user: &UserId, sign_in: Option<&str>, error: Option<&ErrorBody>, code: CloseCode) -> usize {
        let outlets = self.those(|one| {
            one.user.as_ref() == Some(user) && sign_in.is_none_or(|sign_in| one.sign_in.as_deref() == Some(sign_in))
        });
        let farewell = Farewell { code, retry_after_ms: None, text: None, by: None };
        for outlet in &outlets {
            match error {
                Some(error) => {
                    outlet.say(&ServerMessage::Error(Box::new(error.clone())));
                    outlet.dismiss(&farewell);
                }
                // They are back in a moment: nobody need see them leave.
                None => outlet.close(code, None),
            }
        }
        outlets.len()
    }

    /// Tells somebody on all their connections; says how many there were.
    pub fn tell(&self, user: &UserId, message: &ServerMessage) -> usize {
        let outlets = self.those(|one| one.user.as_ref() == Some(user));
        outlets.iter().for_each(|outlet| outlet.say(message));
        outlets.len()
    }

    /// From where somebody is connected, or was last.
    pub fn addresses_of(&self, user: &UserId) -> Vec<Address> {
        let mut addresses: Vec<Address> = {
            let connections = self.connections();
            connections.values().filter(|one| one.user.as_ref() == Some(user)).filter_map(|one| one.address).collect()
        };
        addresses.extend(self.sessions().get(user).and_then(|session| session.address));
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESSES);
        addresses
    }

    /// What somebody is called, where that is known without asking history.
    pub fn name_of(&self, user: &UserId) -> Option<Name> {
        self.sessions().get(user).map(|session| session.name.clone())
    }

    /// Whether this session is known without looking it up.
    pub fn knows(&self, user: &UserId) -> bool {
        self.sessions().contains_key(user)
    }

    /// Remembers what somebody is called now.
    pub fn rename(&self, user: &UserId, name: &Name) {
        if let Some(session) = self.sessions().get_mut(user) {
            session.name = name.clone();
        }
    }

    /// Forgets sessions that have been without a connection for long, or that are too many.
    pub fn forget_old_sessions(&self, now: Instant) {
        let mut sessions = self.sessions();
        let old = |session: &Session| (session.connections == 0).then(|| now.saturating_duration_since(session.left));
        sessions.retain(|_, session| old(session).is_none_or(|age| age < SESSION_KEPT));
        let mut ages: Vec<Duration> = sessions.values().filter_map(old).collect();
        if ages.len() > self.sessions_kept {
            ages.sort_unstable();
            let limit = ages[self.sessions_kept];
            sessions.retain(|_, session| old(session).is_none_or(|age| age < limit));
        }
    }
}

impl Registration {
    /// Says whose connection it is, and by which sign-in, so that what is imposed on them reaches it.
    pub fn belongs_to(&self, user: &UserId, sign_in: Option<Box<str>>) {
        if let Some(connected) = self.people.connections().get_mut(&self.outlet.connection()) {
            (connected.user, connected.sign_in) = (Some(user.clone()), sign_in);
        }
    }

    /// Says whether it is a moderator's.
    pub fn moderates(&self, moderates: bool) {
        if let Some(connected) = self.people.connections().get_mut(&self.outlet.connection()) {
            connected.moderates = moderates;
        }
    }

    /// What its person is called now, where another connection of theirs changed that: an account has one name in all its
    /// tabs.
    pub fn renamed_from(&self, name: &Name) -> Option<Name> {
        let user = self.user.as_ref().filter(|_| self.tab.is_some())?;
        let sessions = self.people.sessions();
        let now = &sessions.get(user)?.name;
        (now != name).then(|| now.clone())
    }

    /// Where it comes from.
    pub fn address(&self) -> Option<Address> {
        self.address
    }

    /// What it counts as at its address.
    pub fn visit(&self) -> Option<&Arc<Visit>> {
        self.visit.as_ref()
    }

    /// Says who speaks on this connection; `stored` is the name that history remembers, `fresh` what a session that is
    /// not known may send. An account has several sessions, and `tab` tells which. Another connection of the same session
    /// is closed: the newest wins. Who is not `present`
    /// speaks beside that connection, and leaves it and the name that is known of them alone.
    pub fn identify(
        &mut self,
        user: &UserId,
        tab: Option<UserId>,
        name: Option<Name>,
        stored: Option<Name>,
        fresh: Sends,
        present: bool,
    ) -> Arrival {
        let mut sessions = self.people.sessions();
        let before = sessions.remove(user);
        let (known, sends, held, others) = match before {
            Some(session) => (Some(session.name), session.sends, session.held, session.connections),
            None => (stored, fresh, None, 0),
        };
        let resumed = known.is_some();
        let is_new_name = present && name.is_some() && name != known;
        let name = name.or_else(|| known.clone()).unwrap_or_else(|| Name::guest(user));
        let kept = known.filter(|_| !present).unwrap_or_else(|| name.clone());
        let (held, mut replaced) = if present { (Some(Arc::clone(&self.outlet)), held) } else { (held, None) };
        let session = Session {
            name: kept,
            address: self.address,
            sends: sends.clone(),
            held,
            connections: others + 1,
            left: Instant::now(),
        };
        sessions.insert(user.clone(), session);
        drop(sessions);
        self.user = Some(user.clone());
        if let Some(tab) = tab.filter(|_| present) {
            self.outlet.is_one_of_several();
            replaced = self.people.tabs().insert(tab.clone(), Arc::clone(&self.outlet));
            self.tab = Some(tab);
        }
        if let Some(outlet) = replaced {
            outlet.close(CloseCode::Replaced, None);
        }
        Arrival { name, is_new_name, resumed, sends }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.people.connections().remove(&self.outlet.connection());
        self.people.metrics.disconnected(self.protocol, self.outlet.wire().is_tls());
        if let Some(user) = &self.user
            && let Some(session) = self.people.sessions().get_mut(user)
        {
            session.connections -= 1;
            session.left = Instant::now();
            session.held.take_if(|outlet| Arc::ptr_eq(outlet, &self.outlet));
        }
        if let Some(tab) = &self.tab {
            let mut tabs = self.people.tabs();
            if tabs.get(tab).is_some_and(|outlet| Arc::ptr_eq(outlet, &self.outlet)) {
                tabs.remove(tab);
            }
        }
    }
}
