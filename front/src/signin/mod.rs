//! The doors of a house that is closed to strangers: who signed in may come in, everybody else is sent to the desk. It knows
//! requests, accounts and tickets, and asks the chat server for nothing but to end what is over.

pub(crate) mod accounts;
mod attempts;
pub(crate) mod beside;
mod book;
mod cookie;
pub(crate) mod desk;
pub(crate) mod invited;
pub(crate) mod office;
mod password;
pub(crate) mod room_tool;
mod rooms;
pub(crate) mod tool;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse, ResponseError,
    body::{BodySize, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web,
};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use shared::{ErrorBody, ErrorCode, Sight};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    api::Problem,
    asked::{Asked, unguarded},
    base::BasePath,
    bridge::Bridge,
    headers::Framing,
    scriptless::is_from_here,
    visitor::Visitor,
};
use accounts::Accounts;
use attempts::Attempts;
use book::Book;
use cookie::Claim;
use office::{Office, Person};
use password::Looker;

/// How soon is noticed what the tools changed in the file.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long it is tried to end what is over, where the chat server is away. Then it has no connection that could end.
const END_WITHIN: u32 = 150;

/// Orders that the chat server is given at once: what closes a room to everybody needs one for each who is signed in.
const ORDERS: usize = 32;

/// Opens what these files hold, where people sign in.
///
/// # Errors
/// When one is missing, or makes no sense.
pub(crate) fn open(
    key: Option<&Path>,
    accounts: Option<&Path>,
) -> anyhow::Result<Option<(Arc<Office>, Arc<Accounts>)>> {
    match (key, accounts) {
        (Some(key), Some(accounts)) => {
            let accounts = Arc::new(Accounts::open(accounts.to_owned()).context("--accounts")?);
            let office = Office::open(key, Arc::clone(&accounts)).context("--ticket-key")?;
            Ok(Some((Arc::new(office), accounts)))
        }
        (None, Some(_)) => bail!("--accounts asks for --ticket-key: the chat server knows people by tickets"),
        (Some(_), None) => bail!(
            "--ticket-key asks for --accounts: with the key this server reads every room, and would show them to \
             whoever comes"
        ),
        (None, None) => Ok(None),
    }
}

/// Who signed in, and how one does.
pub(crate) struct Doors {
    office: Arc<Office>,
    accounts: Arc<Accounts>,
    looker: Looker,
    attempts: Mutex<Attempts>,
    base: BasePath,
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

    /// Who asks, if they signed in, and what is cancelled when that is over.
    fn person(&self, request: &HttpRequest) -> Option<(Person, CancellationToken)> {
        let fields = request.headers().get_all(header::COOKIE).map(|value| value.as_bytes());
        let now = office::now();
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
    fn still(&self, person: &Person) -> bool {
        self.accounts.now().signed_in(&person.account, &person.sid, office::now()).is_some()
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
    let now = office::now();
    book.accounts.iter().flat_map(move |account| {
        let good = account.sign_ins.iter().filter(move |one| one.until > now);
        good.map(|one| (account.id.clone(), one.sid.clone()))
    })
}

/// What is behind an address, as far as the doors are concerned.
#[derive(Debug, PartialEq, Eq)]
enum Behind {
    /// Nothing that is anybody's: the desk itself, files, what this server is. Under /ws the chat server asks.
    Nothing,
    /// A page.
    Page,
    /// The frame of a page.
    Frame,
    /// The API.
    Api,
}

impl Behind {
    /// Of a path as the router reads it.
    fn of(path: &str) -> Self {
        match path {
            "" | "/" | "/join" => Self::Page,
            _ if path.starts_with("/invited/") => Self::Page,
            "/api/openapi.json" => Self::Nothing,
            _ if path.starts_with("/api/") || path == "/api" => Self::Api,
            _ if path.starts_with("/r/") && path.ends_with("/live") => Self::Frame,
            _ if path.starts_with("/r/") => Self::Page,
            _ => Self::Nothing,
        }
    }
}

/// Lets those in who signed in, and tells the others where they can.
pub(crate) async fn guard<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(doors) = request.app_data::<web::Data<Doors>>().cloned() else {
        return Ok(next.call(request).await?.map_body(|_, body| Until::never(body)).map_into_left_body());
    };
    // As the router reads it: written with escapes, an address leads to the same place.
    let path = request.match_info().as_str().strip_prefix(doors.base.as_str()).unwrap_or_default();
    let behind = Behind::of(path);
    // A cookie also comes with what another page of this machine asks for, as from another port: that reads nothing.
    if behind == Behind::Api && !is_from_here(request.request()) {
        return Ok(request.into_response(elsewhere()).map_into_right_body());
    }
    let (who, over) = match doors.person(request.request()) {
        Some((person, over)) => {
            request.extensions_mut().insert(person.clone());
            (Some(person), over)
        }
        None if behind == Behind::Nothing => (None, CancellationToken::new()),
        None => {
            let refusal = refuse(request.request(), &behind, &doors.base);
            return Ok(request.into_response(refusal).map_into_right_body());
        }
    };
    let is_somebodys = who.is_some();
    let over = (behind == Behind::Api).then_some(over);
    // Who waits for a message waits no longer. What is being said is answered: nobody knows yet whether it is stored.
    let waits = over.clone().filter(|_| request.method() == Method::GET);
    let answered = next.call(request);
    let mut answer = match waits {
        Some(waits) => tokio::select! {
            answer = answered => answer?,
            () = waits.cancelled() => {
                let still = who.is_some_and(|person| doors.still(&person));
                let refusal = if still { changed() } else { unauthorized() };
                return Err(InternalError::from_response("what was open is over", refusal).into());
            }
        },
        None => answered.await?,
    };
    if is_somebodys {
        keep_private(answer.headers_mut());
    }
    Ok(answer.map_body(|_, body| Until::new(body, over)).map_into_left_body())
}

/// The rooms that whoever asks may see. Where one signs in, who came past the doors unseen sees none.
pub(crate) fn sight_of(request: &HttpRequest) -> Sight {
    match request.extensions().get::<Person>() {
        Some(person) => person.sight.clone(),
        None if request.app_data::<web::Data<Doors>>().is_some() => Sight::nothing(),
        None => Sight::everything(),
    }
}

/// What somebody may see is for no cache that others share, not even to ask whether it is still so.
fn keep_private(headers: &mut HeaderMap) {
    if headers.get(header::CACHE_CONTROL).is_some_and(|said| said == "no-cache") {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
}

/// What a stranger is told by the API.
fn unauthorized() -> HttpResponse {
    let error = ErrorBody::new(ErrorCode::Unauthorized, "nobody comes in here without having signed in");
    Problem::from(error.hint("sign in at /sign-in, and send the cookie that you get there")).error_response()
}

/// What a page of another origin is told, whoever opened it.
fn elsewhere() -> HttpResponse {
    let error = ErrorBody::new(ErrorCode::Forbidden, "pages from elsewhere cannot use what somebody signed in for");
    Problem::from(error.hint("open this server's own page, or ask as a program, without Origin")).error_response()
}

/// What somebody is told who waited, and may see less than before.
fn changed() -> HttpResponse {
    let error = ErrorBody::new(ErrorCode::Unavailable, "what this account may see has changed").retry_after_ms(1_000);
    Problem::from(error.hint("ask again")).error_response()
}

/// What a stranger is told: of rooms nothing, whatever they asked for.
fn refuse(request: &HttpRequest, behind: &Behind, base: &BasePath) -> HttpResponse {
    if *behind == Behind::Api {
        return unauthorized();
    }
    if *behind == Behind::Page && matches!(*request.method(), Method::GET | Method::HEAD) {
        return desk::send_there(base, request.uri().path_and_query().map_or("", |to| to.as_str()));
    }
    let Some(asked) = Asked::of(request) else { return unguarded() };
    let is_frame = *behind == Behind::Frame;
    let title = asked.say("sign_in_first_title", &[]);
    let sentence = if is_frame { asked.say("sign_in_to_read", &[]) } else { asked.say("sign_in_first", &[]) };
    // From a frame back to the page around it.
    let path = request.uri().path();
    let desk = desk::at(base, path.strip_suffix("/live").filter(|_| is_frame).unwrap_or(path));
    let page = asked.pages.sign_in_first(asked.reader(), &title, &sentence, &desk);
    let mut answer = asked.answer(StatusCode::UNAUTHORIZED, page);
    if is_frame {
        answer.extensions_mut().insert(Framing::Framed);
    }
    answer
}

pin_project_lite::pin_project! {
    /// A body that ends when a sign-in does.
    pub(crate) struct Until<B> {
        #[pin]
        body: B,
        #[pin]
        over: Option<WaitForCancellationFutureOwned>,
        ended: bool,
    }
}

impl<B> Until<B> {
    fn new(body: B, over: Option<CancellationToken>) -> Self {
        Self { body, over: over.map(CancellationToken::cancelled_owned), ended: false }
    }

    fn never(body: B) -> Self {
        Self::new(body, None)
    }
}

impl<B: MessageBody> MessageBody for Until<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        // What has a length has it to the end.
        if matches!(this.body.as_ref().get_ref().size(), BodySize::Stream)
            && !*this.ended
            && let Some(over) = this.over.as_pin_mut()
        {
            *this.ended = over.poll(cx).is_ready();
        }
        if *this.ended { Poll::Ready(None) } else { this.body.poll_next(cx) }
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, over, ended } = self;
        body.try_into_bytes().map_err(|body| Self { body, over, ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_rooms_is_before_the_doors() {
        for path in ["/", "", "/join", "/r/dev", "/r/dev/"] {
            assert_eq!(Behind::of(path), Behind::Page, "{path}");
        }
        assert_eq!(Behind::of("/r/dev/live"), Behind::Frame);
        for path in ["/api", "/api/", "/api/rooms", "/api/rooms/openapi.json", "/api/rooms/x/events", "/api/sessions"] {
            assert_eq!(Behind::of(path), Behind::Api, "{path}");
        }
        for path in ["/sign-in", "/static/x/app/main.js", "/about", "/api/openapi.json", "/ws/rooms/dev", "/nowhere"] {
            assert_eq!(Behind::of(path), Behind::Nothing, "{path}");
        }
    }
}
