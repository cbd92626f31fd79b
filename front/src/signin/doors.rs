//! The doors of a house that is closed to strangers: who signed in may come in, until that is over. They ask the chat server
//! for nothing but to end what is over.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::{HttpMessage, HttpRequest, http::header, web};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    attempts::Attempts,
    cookie::{self, Claim},
};
use crate::{
    accounts::{self, Person, book::Book, file::Accounts, office::Office, password::Looker},
    base::BasePath,
    bridge::Bridge,
    visitor::Visitor,
};

/// How soon is noticed what the tools changed in the file.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long it is tried to end what is over, where the chat server is away. Then it has no connection that could end.
const END_WITHIN: u32 = 150;

/// Orders that the chat server is given at once: what closes a room to everybody needs one for each who is signed in.
const ORDERS: usize = 32;

/// Who signed in, and how one does.
pub(crate) struct Doors {
    pub(super) office: Arc<Office>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) looker: Looker,
    pub(super) attempts: Mutex<Attempts>,
    pub(super) base: BasePath,
    seen: Mutex<Seen>,
    orders: Arc<Semaphore>,
}

/// The sign-ins that are good, as they were seen last.
struct Seen {
    book: Arc<Book>,
    /// Cancelled when it is over: what streams to them ends then.
    live: HashMap<(String, String), CancellationToken>,
}

impl Doors {
    /// # Errors
    /// When the system gives no random bytes.
    pub(crate) fn open(office: Arc<Office>, accounts: Arc<Accounts>, base: BasePath) -> anyhow::Result<Self> {
        let book = accounts.now();
        let live = signed_in(&book).map(|key| (key, CancellationToken::new())).collect();
        let (looker, attempts) = (Looker::new()?, Mutex::new(Attempts::new()));
        let (seen, orders) = (Mutex::new(Seen { book, live }), Arc::new(Semaphore::new(ORDERS)));
        Ok(Self { office, accounts, looker, attempts, base, seen, orders })
    }

    /// Puts them where requests are answered, and who there is beside them: by the one the guard shuts, and by the other
    /// [`crate::asked::sight_of`] shows nothing to whoever comes past it.
    pub(crate) fn hang(doors: web::Data<Self>, app: &mut web::ServiceConfig) {
        app.app_data(web::Data::from(Arc::clone(&doors.accounts))).app_data(doors);
    }

    /// Who asks, if they signed in, and what is cancelled when that is over.
    pub(super) fn person(&self, request: &HttpRequest) -> Option<(Person, CancellationToken)> {
        let fields = request.headers().get_all(header::COOKIE).map(|value| value.as_bytes());
        let now = accounts::now();
        let secure = request.extensions().get::<Visitor>()?.secure;
        let claim = Claim::among(cookie::name(secure, &self.base), fields, &self.office.keys(), now)?;
        // Locked first: who is let in by what the accounts said before is found by whoever sees that they say less.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let book = self.accounts.now();
        let account = book.signed_in(&claim.account, &claim.sid, now)?;
        let (name, sight) = (account.name.clone(), book.sight_of(account));
        let key = (claim.account.clone(), claim.sid.clone());
        let over = seen.live.entry(key).or_default().clone();
        Some((Person { account: claim.account, name, sid: claim.sid, sight }, over))
    }

    /// Whether somebody's sign-in is still good.
    pub(super) fn still(&self, person: &Person) -> bool {
        self.accounts.now().signed_in(&person.account, &person.sid, accounts::now()).is_some()
    }

    /// What is over since this was called last.
    fn over(&self) -> Vec<Over> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let book = self.accounts.now();
        if !Arc::ptr_eq(&book, &seen.book) {
            for key in signed_in(&book) {
                seen.live.entry(key).or_default();
            }
        }
        let good: HashSet<_> = signed_in(&book).collect();
        seen.book = book;
        let over: Vec<_> = seen.live.keys().filter(|key| !good.contains(key)).cloned().collect();
        over.iter().filter_map(|key| seen.live.remove(key)).for_each(|live| live.cancel());
        let mut less = self.accounts.who_sees_less();
        less.retain(|account| seen.live.keys().any(|(one, _)| one == account));
        // Those go on, and what they have open does not: they ask again.
        for (_, live) in seen.live.iter_mut().filter(|((account, _), _)| less.contains(account)) {
            std::mem::take(live).cancel();
        }
        let over = over.into_iter().map(|(account, sid)| Over::SignIn { account, sid });
        over.chain(less.into_iter().map(|account| Over::Sight { account })).collect()
    }

    /// Ends what is over: streams here, and connections to the chat server.
    pub(crate) fn sweep(&self, bridge: &Arc<Bridge>) {
        for over in self.over() {
            let (office, back, orders) = (Arc::clone(&self.office), Arc::clone(bridge), Arc::clone(&self.orders));
            bridge.spawn(async move {
                let _order = orders.acquire().await;
                for _ in 0..END_WITHIN {
                    // A ticket is for one try.
                    if let Some(order) = over.order(&office)
                        && back.end(order).await
                    {
                        return;
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                tracing::error!("a sign-in is over, or sees less, and the chat server could not be told");
            });
        }
    }

    /// Sweeps until the server stops.
    pub(crate) fn watch(doors: web::Data<Self>, bridge: &Arc<Bridge>) {
        let watching = Arc::clone(bridge);
        bridge.spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                doors.sweep(&watching);
            }
        });
    }
}

/// What is over.
enum Over {
    /// A sign-in.
    SignIn { account: String, sid: String },
    /// That somebody sees a room.
    Sight { account: String },
}

impl Over {
    /// What the chat server is told.
    fn order(&self, office: &Office) -> Option<String> {
        match self {
            Self::SignIn { account, sid } => office.end(account, sid),
            Self::Sight { account } => office.renew(account),
        }
    }
}

/// The sign-ins that are good.
fn signed_in(book: &Book) -> impl Iterator<Item = (String, String)> {
    let now = accounts::now();
    book.accounts.iter().flat_map(move |account| {
        let good = account.sign_ins.iter().filter(move |one| one.until > now);
        good.map(|one| (account.id.clone(), one.sid.clone()))
    })
}
