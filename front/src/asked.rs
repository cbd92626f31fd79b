//! A request for a page: who asks and in which language, colours and rooms, and how it is answered. It knows no address.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, Resource, guard,
    http::{StatusCode, header},
    web,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use shared::{Name, NameError, RoomName, Sight, UserId};

use crate::{
    accounts::{Person, file::Accounts},
    assets::{Assets, Folder},
    host::BackUrl,
    pages::{Pages, Reader},
    theme::{self, Theme},
    visitor::Visitor,
    words::{self, Lang},
};

/// What stays readable in the address of a room: the unreserved characters of RFC 3986, 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How long the choice of a switch holds: a year, in seconds.
const CHOICE_SECONDS: u32 = 365 * 24 * 60 * 60;

/// What a request says about itself.
pub(crate) struct Asked<'a> {
    request: &'a HttpRequest,
    pub(crate) pages: &'a Pages,
    back: BackUrl,
    /// From where it came.
    pub(crate) address: IpAddr,
    /// Whether the browser asked over TLS.
    pub(crate) secure: bool,
    expected: bool,
    lang: Lang,
    theme: Theme,
    /// What a switch chose by this request: the cookies' names and values.
    chosen: Vec<(&'static str, &'static str)>,
    assets: Arc<Folder>,
    /// Who signed in, as the chat server calls them.
    account: Option<UserId>,
    person: Option<Name>,
    /// The rooms that they see.
    sight: Sight,
}

impl<'a> Asked<'a> {
    /// Nothing only when the request came past the guard of the headers.
    pub(crate) fn of(request: &'a HttpRequest) -> Option<Self> {
        let pages = request.app_data::<web::Data<Pages>>()?;
        let assets = request.app_data::<web::Data<Assets>>()?.current();
        let back = request.extensions().get::<BackUrl>()?.clone();
        let &Visitor { address, secure, expected, .. } = request.extensions().get()?;
        let field = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let switch = query(request, "lang").as_deref().and_then(Lang::of_tag);
        let lang = switch
            .or_else(|| Lang::of_cookie(field(header::COOKIE)))
            .or_else(|| Lang::of_accept(field(header::ACCEPT_LANGUAGE)))
            .unwrap_or(Lang::En);
        let theme_switch = query(request, "theme").as_deref().and_then(Theme::of_tag);
        let theme = theme_switch.or_else(|| Theme::of_cookie(field(header::COOKIE))).unwrap_or_default();
        let chosen =
            [switch.map(|lang| (words::COOKIE, lang.tag())), theme_switch.map(|theme| (theme::COOKIE, theme.tag()))];
        let chosen = chosen.into_iter().flatten().collect();
        let person = request.extensions().get::<Person>().cloned();
        let account = person.as_ref().and_then(|person| shared::ticket::user_of_account(&person.account));
        let (person, sight) = (person.map(|one| one.name), sight_of(request));
        Some(Self {
            request,
            pages,
            back,
            address,
            secure,
            expected,
            lang,
            theme,
            chosen,
            assets,
            account,
            person,
            sight,
        })
    }

    pub(crate) fn reader(&self) -> Reader<'_> {
        let scripted = self.names_its_destination() || self.field(&header::USER_AGENT).starts_with("Mozilla/");
        Reader {
            lang: self.lang,
            theme: self.theme,
            back: &self.back,
            assets: &self.assets,
            path: self.request.path(),
            scripted,
            account: self.account.as_ref(),
            person: self.person.as_ref().map(Name::as_str),
        }
    }

    /// Whether the browser says what a page is asked for: a window or a frame. Those that do know frames; they do it only
    /// where the connection is trusted.
    pub(crate) fn names_its_destination(&self) -> bool {
        self.request.headers().contains_key("sec-fetch-dest")
    }

    /// Whether this server was asked in a name that it goes by; in another, what a room says is shown to nobody.
    pub(crate) fn is_expected(&self) -> bool {
        self.expected
    }

    /// The attributes of a cookie that only the pages of rooms read, for as long as the browser is open.
    pub(crate) fn room_cookie(&self) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("; Path={}/r; HttpOnly; SameSite=Lax{secure}", self.pages.base())
    }

    /// The attributes of a cookie that all pages of this server read and no script.
    pub(crate) fn own_cookie(&self) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("; Path={}; HttpOnly; SameSite=Lax{secure}", self.pages.base().of_cookies())
    }

    fn field(&self, name: &header::HeaderName) -> &str {
        self.request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    pub(crate) fn say(&self, key: &str, values: &[(&str, &str)]) -> String {
        self.pages.words().say(self.lang, key, values)
    }

    /// The answer with this page in it.
    pub(crate) fn answer(&self, status: StatusCode, page: anyhow::Result<String>) -> HttpResponse {
        match page {
            Ok(page) => self
                .headers(HttpResponse::build(status))
                .insert_header((header::CONTENT_LANGUAGE, self.lang.tag()))
                .content_type("text/html; charset=utf-8")
                .body(page),
            Err(error) => {
                tracing::error!("a page cannot be made: {error:#}");
                HttpResponse::InternalServerError().finish()
            }
        }
    }

    pub(crate) fn go(&self, status: StatusCode, to: &RoomName) -> HttpResponse {
        self.headers(HttpResponse::build(status)).insert_header((header::LOCATION, self.address(to))).finish()
    }

    /// Whether whoever asks may see this room.
    pub(crate) fn sees(&self, room: &RoomName) -> bool {
        self.sight.covers(room)
    }

    /// The rooms that one may see, by name and with the path of each, where those are not all.
    pub(crate) fn rooms(&self) -> Option<Vec<(&str, String)>> {
        let named = || self.sight.names().iter().map(|room| (room.as_str(), self.address(room))).collect();
        (!self.sight.is_everything()).then(named)
    }

    /// The path of a room's page.
    fn address(&self, room: &RoomName) -> String {
        format!("{}/r/{}", self.pages.base(), utf8_percent_encode(room.as_str(), SEGMENT))
    }

    /// `no-store`, and the choice of language or colours where a switch made one.
    fn headers(&self, mut response: HttpResponseBuilder) -> HttpResponseBuilder {
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        for (name, value) in &self.chosen {
            let path = self.pages.base().of_cookies();
            let cookie = format!("{name}={value}; Path={path}; Max-Age={CHOICE_SECONDS}; SameSite=Lax");
            response.append_header((header::SET_COOKIE, cookie));
        }
        response
    }

    pub(crate) fn problem(&self, status: StatusCode, title: &str, sentence: &str) -> HttpResponse {
        self.answer(status, self.pages.problem(self.reader(), title, sentence))
    }

    /// The room of an address below which is nothing but `rest`. It has one address only, however its name was written.
    ///
    /// # Errors
    /// The answer where there is no such room, or its address is another.
    pub(crate) fn room(&self, rest: &str) -> Result<RoomName, Box<HttpResponse>> {
        // The router's own decoding keeps some escapes, so this reads the path as it came.
        let path = self.request.uri().path().strip_prefix(self.pages.base().as_str()).unwrap_or_default();
        let written = path.strip_prefix("/r/").and_then(|path| path.strip_suffix(rest)).unwrap_or_default();
        let title = || self.say("bad_room_title", &[]);
        let Ok(written) = percent_decode_str(written).decode_utf8() else {
            return Err(Box::new(self.problem(StatusCode::BAD_REQUEST, &title(), &self.say("bad_utf8", &[]))));
        };
        match RoomName::parse(&written) {
            Ok(room) if room.as_str() == written && self.sight.covers(&room) => Ok(room),
            // Whether it is there or not.
            Ok(room) if room.as_str() == written => {
                Err(Box::new(self.problem(StatusCode::NOT_FOUND, &title(), &self.say("no_room", &[]))))
            }
            Ok(room) => Err(Box::new(self.go(StatusCode::PERMANENT_REDIRECT, &room))),
            Err(error) => Err(Box::new(self.problem(StatusCode::BAD_REQUEST, &title(), &self.reason(&error)))),
        }
    }

    /// Why a name was refused, in the reader's words.
    pub(crate) fn reason(&self, error: &NameError) -> String {
        match error {
            // Of what people write, nothing is too short but nothing.
            NameError::Empty | NameError::TooShort { .. } => self.say("bad_empty", &[]),
            NameError::TooLong { limit, .. } => self.say("bad_too_long", &[("limit", &limit.to_string())]),
            NameError::BadCharacter(c) => {
                let number = format!("U+{:04X}", u32::from(*c));
                // What cannot be seen is only numbered.
                let character = if c.is_ascii_graphic() { format!("{c} ({number})") } else { number };
                self.say("bad_character", &[("character", &character)])
            }
            NameError::Reserved => self.say("bad_reserved", &[]),
        }
    }
}

/// An address that answers GET and HEAD, and 405 to everything else.
pub(crate) fn readable(path: &str) -> Readable {
    Readable(web::resource(path))
}

/// See [`readable`].
pub(crate) struct Readable(pub(crate) Resource);

impl Readable {
    pub(crate) fn route(self, route: actix_web::Route) -> Resource {
        self.0.route(route.guard(reading())).default_service(web::to(|request| wrong_method(request, "GET, HEAD")))
    }
}

pub(crate) fn reading() -> impl guard::Guard {
    guard::Any(guard::Get()).or(guard::Head())
}

/// Everything that is at no address.
pub(crate) async fn not_found(request: HttpRequest) -> HttpResponse {
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    let (title, sentence) = (asked.say("not_found_title", &[]), asked.say("not_found", &[]));
    asked.problem(StatusCode::NOT_FOUND, &title, &sentence)
}

/// An address that exists, asked in a way that it does not understand.
pub(crate) async fn wrong_method(request: HttpRequest, allowed: &'static str) -> HttpResponse {
    let Some(asked) = Asked::of(&request) else { return unguarded() };
    let (title, sentence) = (asked.say("wrong_method_title", &[]), asked.say("wrong_method", &[]));
    let mut response = asked.problem(StatusCode::METHOD_NOT_ALLOWED, &title, &sentence);
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}

/// Cannot happen while the guard wraps the whole application; a wrong order of wrapping would show here.
pub(crate) fn unguarded() -> HttpResponse {
    tracing::error!("a request came past the guard of the headers");
    HttpResponse::InternalServerError().finish()
}

/// The first value of a query's field, decoded as a form writes it.
pub(crate) fn query(request: &HttpRequest, field: &str) -> Option<String> {
    let value = request.query_string().split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == field).then_some(value)
    })?;
    let spaced: Cow<'_, str> = if value.contains('+') { value.replace('+', " ").into() } else { value.into() };
    Some(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

/// The rooms that whoever asks may see. Where one signs in, who came past the doors unseen sees none.
pub(crate) fn sight_of(request: &HttpRequest) -> Sight {
    match request.extensions().get::<Person>() {
        Some(person) => person.sight.clone(),
        None if request.app_data::<web::Data<Accounts>>().is_some() => Sight::nothing(),
        None => Sight::everything(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn whoever_comes_past_the_doors_unseen_sees_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = || web::Data::new(Accounts::open(folder.path().join("accounts.json")).unwrap());
        assert!(sight_of(&TestRequest::default().to_http_request()).is_everything());
        let closed = || TestRequest::default().app_data(accounts()).to_http_request();
        let room = RoomName::parse("staff").unwrap();
        assert!(!sight_of(&closed()).covers(&room) && !sight_of(&closed()).is_everything());
        let request = closed();
        let sight = Sight::of(vec![room.clone()], Vec::new()).unwrap();
        let (account, sid) = ("a".to_owned(), "s".to_owned());
        request.extensions_mut().insert(Person { account, name: Name::parse("kim").unwrap(), sid, sight });
        assert!(sight_of(&request).covers(&room) && !sight_of(&request).is_everything());
    }
}
